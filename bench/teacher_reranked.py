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
from pipeline.errors import UserError
from pipeline.evaluation.zero_shot import GREEDY, prompts, tidy, tokenizer_of
from pipeline.rating import panel_rating
from pipeline.recipe import Recipe, load
from pipeline.shard import write_atomically
from pipeline.store import Run
from pipeline.teacher.choose import decoder
from pipeline.teacher.decoder import Request
from student.benchmark import Benchmark
from student.choice import Rating
from student.convention import detect, readable
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
    sources, references = ([row[side] for row in rows] for side in ("source", "references"))
    benchmark = Benchmark(results["data"], tuple(sources), tuple(map(tuple, references)))
    systems = {name: [row["outputs"][name] for row in rows] for name in rows[0]["outputs"]}
    chosen = _chosen(load(found.recipe_file), results["task"], benchmark, folder / "teacher-reranked.json")
    compared = evaluate(benchmark, results["task"], {NAME: chosen, **systems}, Options())
    print(_table(compared), end="\n\n")
    print(_differences(compared.paired))


def _chosen(recipe: Recipe, task: str, benchmark: Benchmark, kept: Path) -> list[str]:
    """The answers that the panel likes best; of equals the one drawn first."""
    convention = detect(benchmark.sources, [text for wanted in benchmark.references for text in wanted])
    sources = [readable(source, convention) for source in benchmark.sources]
    answers = json.loads(kept.read_text()) if kept.is_file() else _answers(recipe, task, sources)
    write_atomically(kept, json.dumps(answers, ensure_ascii=False).encode())
    ratings = panel_rating(recipe)(task, sources, answers)
    return [_best(texts, rated) for texts, rated in zip(answers, ratings, strict=True)]


def _answers(recipe: Recipe, task: str, sources: Sequence[str]) -> list[list[str]]:
    model, revision = recipe.models.teacher, recipe.models.teacher_revision or ""
    asked = prompts(task, sources, tokenizer_of(model, revision))
    sampling = replace(GREEDY, n=CHOICES, temperature=0.7, top_p=0.9)
    decode = decoder(model, revision, recipe.engine).open()
    written = decode([Request(prompt, seed=place) for place, prompt in enumerate(asked)], sampling)
    return [[tidy(task, each.text) for each in row] for row in written]


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
    typer.run(main)
