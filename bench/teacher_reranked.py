"""`python -m bench.teacher_reranked RUN EVALUATION`: the teacher's answers chosen by the panel too.

A sceptic's baseline: a student whose beams the panel chooses among had help that the teacher asked outright had not.
Here the teacher draws as many answers (temperature 0.7, nucleus 0.9) and the same panel chooses; ROUGE beside the
outputs of an evaluation that is there (a folder of RUN/evaluation), paired intervals with each of its systems. The
answers are kept beside them.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.machine import table
from pipeline.__main__ import told
from pipeline.errors import UserError
from pipeline.evaluation.evaluate import read_by_models
from pipeline.evaluation.zero_shot import GREEDY, prompts, tidy, tokenizer_of
from pipeline.rating import panel_rating
from pipeline.recipe import Recipe, load
from pipeline.records import content_id
from pipeline.shard import write_atomically
from pipeline.store import Run
from pipeline.teacher.choose import decoder
from pipeline.teacher.decoder import Request
from student.benchmark import Benchmark
from student.choice import FIRST, Rating, Sought
from student.evaluate import Difference, Evaluation, Options, evaluate
from student.generate import CHOICES

NAME = "teacher, reranked"
SHOWN = ("rouge1", "rouge2", "rougeL", "compression")


def main(
    run: Annotated[str, typer.Argument(help="A run.")],
    evaluation: Annotated[str, typer.Argument(help="A folder of its evaluation, such as duc2003-summary.")],
) -> None:
    """Print the table and the differences."""
    found = Run.existing(run)
    folder = found.folder / "evaluation" / evaluation
    if not (folder / "outputs.jsonl").is_file():
        raise UserError(f"{folder}: no outputs.jsonl: run `make evaluate` first")
    rows = [json.loads(line) for line in (folder / "outputs.jsonl").read_text(encoding="utf-8").splitlines()]
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    texts, references = ([row[side] for row in rows] for side in ("source", "references"))
    benchmark = Benchmark(results["data"], tuple(texts), tuple(map(tuple, references)))
    systems = {name: [row["outputs"][name] for row in rows] for name in rows[0]["outputs"]}
    sources = read_by_models(benchmark, results["made"]["sources"])
    chosen = _chosen(load(found.recipe_file), results["task"], sources, folder / "teacher-reranked.json")
    compared = evaluate(benchmark, results["task"], {NAME: chosen, **systems}, Options())
    print(_table(compared), end="\n\n")
    print(_differences(compared.paired))


def _chosen(recipe: Recipe, task: str, sources: Sequence[str], kept: Path) -> list[str]:
    """The answers that the panel likes best; of equals the one drawn first."""
    answers = _answers(recipe, task, sources, kept)
    sought = Sought(1, [[FIRST] * len(texts) for texts in answers])
    ratings = panel_rating(recipe)(task, sources, answers, sought)
    return [_best(texts, rated) for texts, rated in zip(answers, ratings, strict=True)]


def _answers(recipe: Recipe, task: str, sources: Sequence[str], kept: Path) -> list[list[str]]:
    """Those that are kept, if they are this teacher's to these prompts; else drawn, and kept."""
    model, revision = recipe.models.teacher, recipe.models.teacher_revision or ""
    asked, teacher = prompts(task, sources, tokenizer_of(model, revision)), decoder(model, revision, recipe.engine)
    key = content_id(teacher.fingerprint(), *asked)
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if known.get("key") != key:
        sampling = replace(GREEDY, n=CHOICES, temperature=0.7, top_p=0.9)
        written = teacher.open()([Request(prompt, seed=place) for place, prompt in enumerate(asked)], sampling)
        known = {"key": key, "answers": [[tidy(task, each.text) for each in row] for row in written]}
        write_atomically(kept, json.dumps(known, ensure_ascii=False).encode())
    answers: list[list[str]] = known["answers"]
    return answers


def _best(texts: Sequence[str], rated: Sequence[Rating]) -> str:
    order = sorted(range(len(texts)), key=lambda place: (rated[place].faults, -rated[place].strength))
    return texts[order[0]] if order else ""


def _table(found: Evaluation) -> str:
    rows = [(name, *(f"{scores[metric].value:.2f}" for metric in SHOWN)) for name, scores in found.systems.items()]
    return table(("system", *SHOWN), rows)


def _differences(paired: Sequence[Difference]) -> str:
    """Every system against the teacher's chosen answers."""
    rows: list[tuple[Any, ...]] = []
    for each in paired:
        if NAME in (each.a, each.b) and each.metric in SHOWN:
            found = each.estimate
            values = (f"{value:.2f}" for value in (found.value, found.low, found.high))
            rows.append((f"{each.a} - {each.b}", each.metric, *values))
    return table(("difference", "metric", "value", "low", "high"), rows)


if __name__ == "__main__":
    told(lambda: typer.run(main))
