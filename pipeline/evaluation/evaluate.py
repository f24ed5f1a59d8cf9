"""Every student of a run against the teacher and the simple baselines, on a benchmark.

<run>/evaluation/<data>-<task>/results.json results.md outputs.jsonl
<run>/evaluation/teacher.parquet            the teacher's answers, kept by what it was asked
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from filters.entailment import Entailment, ReverseEntailment
from filters.models import locate
from pipeline.errors import UserError
from pipeline.evaluation.second_opinion import outside_judge
from pipeline.evaluation.zero_shot import NAME as TEACHER
from pipeline.evaluation.zero_shot import tokenizer_of, zero_shot
from pipeline.rating import panel_rating
from pipeline.recipe import Recipe
from pipeline.shard import write_atomically
from pipeline.store import Run, code_version
from pipeline.teacher.choose import decoder
from student.baselines import baselines
from student.benchmark import Benchmark, read_benchmark
from student.bertscore import Encoder
from student.bootstrap import RESAMPLES
from student.choice import Rate
from student.controls import Controls
from student.convention import detect, readable
from student.evaluate import Evaluation, Options, evaluate, results
from student.evaluation_page import page
from student.metrics import Faithfulness

LOG = logging.getLogger(__name__)
TASKS = ("summary", "paraphrase")
Rewrite = Callable[[Path, str, Sequence[str], Controls, Rate | None], list[str]]
"""Folder of a student, task, sources, what is asked for and who rates in; its best rewrite of each source out."""
RERANKED = "reranked"
"""What a student is called whose rewrites the run's panel has chosen among."""


@dataclass(frozen=True)
class Asked:
    """What is evaluated, and how."""

    data: Path
    task: str
    rounds: tuple[int, ...] = ()  # empty: every student there is
    limit: int | None = None
    teacher: bool = True
    sources: Literal["readable", "raw"] = "readable"  # what models read of tokenised, lower-case text
    judge: str = ""  # an NLI model that was not in the loop; "" for the embedded one that was not
    faithfulness: bool = True
    controls: tuple[Controls, ...] = ()  # beside asking for nothing
    rerank: bool = True  # also: of each student's beams the one that the run's panel likes best
    seed: int = 0
    resamples: int = RESAMPLES


def best_rewrites(
    folder: Path, task: str, sources: Sequence[str], wanted: Controls, rate: Rate | None = None
) -> list[str]:
    """A student's best rewrite (student/choice.py)."""
    from student.generate import Rewriter

    return [found[0].text if found else "" for found in Rewriter(folder).rewrite(task, sources, wanted, rate=rate)]


def evaluate_run(run: Run, recipe: Recipe, asked: Asked, rewrite: Rewrite = best_rewrites) -> tuple[Evaluation, Path]:
    """Score all systems and write the three files; returns what was found and the folder."""
    _check(recipe, asked)
    students = student_models(run, asked.rounds)
    _check_controls(students, asked)
    outsider = outside_judge(recipe, asked.task, asked.judge) if asked.faithfulness else ""
    benchmark = read_benchmark(asked.data, asked.limit)
    folder = _folder(run, asked, benchmark)
    if not students:
        LOG.warning("run %r: no student yet, so none is in the table: make distill RUN=%s ROUND=1", run.name, run.name)
    judge = faithfulness(outsider, asked.task) if outsider else None
    systems = _systems(run, recipe, asked, benchmark, students, rewrite)
    options = Options(_encoder(recipe), judge, outsider, asked.resamples, asked.seed)
    found = evaluate(benchmark, asked.task, systems, options, _made(run, recipe, asked))
    _write(folder, found, systems)
    return found, folder


def _check(recipe: Recipe, asked: Asked) -> None:
    if asked.task not in TASKS:
        raise UserError(f"TASK={asked.task}: wanted {' or '.join(TASKS)}")
    if asked.task not in recipe.tasks:
        raise UserError(f"TASK={asked.task}: recipe {recipe.name} has no such task: it has {', '.join(recipe.tasks)}")


def _check_controls(students: dict[int, Path], asked: Asked) -> None:
    """Before anyone writes anything."""
    from student.train import about

    for number, folder in students.items() if asked.controls else ():
        if not about(folder).get("controls"):
            raise UserError(
                f"CONTROLS: student {number} learned no control words (student.controls_share): leave it out"
            )


def student_models(run: Run, rounds: Sequence[int] = ()) -> dict[int, Path]:
    """The folder of every finished student by its round; a round that is asked for must be there."""
    found = {
        number: run.stage(number, "student").folder / "model" for number, stage in run.stages() if stage == "student"
    }
    there = {number: folder for number, folder in found.items() if number >= 1 and (folder / "config.json").is_file()}
    for number in rounds:
        if number not in there:
            has = ", ".join(map(str, there)) or "none"
            raise UserError(
                f"run {run.name!r}: no student of round {number}: there is {has}: "
                f"run `make distill RUN={run.name} ROUND={number}` first"
            )
    return {number: there[number] for number in rounds or sorted(there)}


def _systems(
    run: Run, recipe: Recipe, asked: Asked, benchmark: Benchmark, students: dict[int, Path], rewrite: Rewrite
) -> dict[str, list[str]]:
    """The outputs of every system, baselines first. Baselines cut the source as it is in the file."""
    found = baselines(benchmark.sources)
    read = read_by_models(benchmark, asked.sources)
    if asked.teacher:
        model, revision = recipe.models.teacher, recipe.models.teacher_revision or ""
        kept = run.folder / "evaluation" / "teacher.parquet"
        teacher = decoder(model, revision, recipe.engine)
        found[TEACHER] = zero_shot(asked.task, read, teacher, tokenizer_of(model, revision), kept)
    rate = panel_rating(recipe) if asked.rerank else None
    for number, folder in students.items():
        for wanted in (Controls(), *asked.controls):
            name = ", ".join(("student " + str(number), *wanted.words.split()))
            found[name] = rewrite(folder, asked.task, read, wanted, None)
            if rate:
                found[f"{name}, {RERANKED}"] = rewrite(folder, asked.task, read, wanted, rate)
    return found


def read_by_models(benchmark: Benchmark, form: str) -> list[str]:
    """The sources as teacher and students read them, all the same."""
    convention = detect(benchmark.sources, [text for wanted in benchmark.references for text in wanted])
    return [readable(source, convention) if form == "readable" else source for source in benchmark.sources]


def faithfulness(judge: str, task: str) -> Faithfulness:
    """An NLI model as a judge of faithfulness: source to output; for paraphrases the weaker of both directions."""
    ways = (Entailment,) if task == "summary" else (Entailment, ReverseEntailment)
    scorers = [way(model=judge).open("cpu") for way in ways]

    def ask(sources: Sequence[str], outputs: Sequence[str]) -> list[float | None]:
        rows = pa.table({"source": pa.array(sources, pa.string()), "target": pa.array(outputs, pa.string())})
        answers = zip(*(scorer(rows).to_pylist() for scorer in scorers), strict=True)
        return [None if None in both else min(both) for both in answers]

    return ask


def _encoder(recipe: Recipe) -> Encoder:
    place = locate(recipe.models.encoder, recipe.models.encoder_revision or "")
    return Encoder(f"{recipe.models.encoder}, last layer", place.name, place.revision)


def _made(run: Run, recipe: Recipe, asked: Asked) -> dict[str, object]:
    return {
        "run": run.name,
        "recipe": recipe.fingerprint(),
        "teacher": recipe.models.teacher if asked.teacher else None,
        "sources": asked.sources,
        "code": code_version(),
    }


def _folder(run: Run, asked: Asked, benchmark: Benchmark) -> Path:
    """A part of a benchmark has a folder of its own: it never takes the place of the whole. So have the rows of another
    file of the same name, by their digest. It is made now, for a place that cannot be written is told before the work.
    """
    part = f"-first-{asked.limit}" if asked.limit is not None else ""
    folder = run.folder / "evaluation" / f"{benchmark.name}-{asked.task}{part}"
    if _digest(folder) not in ("", benchmark.digest()):
        folder = folder.with_name(f"{folder.name}-{benchmark.digest()[:8]}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: it cannot be made: {error.strerror}: move what is in its way") from None
    return folder


def _digest(folder: Path) -> str:
    """Of the rows whose results stand in a folder; "" where none do."""
    try:
        return str(json.loads((folder / "results.json").read_text(encoding="utf-8"))["made"]["data_digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _write(folder: Path, found: Evaluation, systems: dict[str, list[str]]) -> None:
    """The numbers last: where results.json is there, the rest is too."""
    benchmark = found.benchmark
    rows = [
        {"source": source, "references": list(wanted), "outputs": {name: texts[i] for name, texts in systems.items()}}
        for i, (source, wanted) in enumerate(zip(benchmark.sources, benchmark.references, strict=True))
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    numbers = json.dumps(results(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    for name, text in (("outputs.jsonl", lines), ("results.md", page(found)), ("results.json", numbers)):
        write_atomically(folder / name, text.encode())
