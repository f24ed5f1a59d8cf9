"""The command `rewrite`: a run's student writes, and the run's panel chooses among its beams."""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError
from pipeline.recipe import Recipe, load
from pipeline.store import Run
from student.choice import Rewrite
from student.rewrite_command import (
    Device,
    Form,
    Length,
    Lines,
    Novelty,
    Respell,
    Samples,
    Seed,
    Sentence,
    Task,
    Temperature,
    Threads,
    check_device,
    controls,
    write_all,
)

AT_ONCE = 128
"""Sentences at a time: sixteen beams of each are judged before the first is printed."""


OnlyPassed = Annotated[
    bool, typer.Option("--only-passed", help="Leave out what the panel would drop; as text a blank line for each.")
]


def rewrite(
    run: Annotated[str, typer.Option(help="Name of the run, a folder of data/runs.")],
    sentence: Sentence = None,
    round_number: Annotated[int, typer.Option("--round", min=0, help="Which student; 0: the last.")] = 0,
    task: Task = "summary",
    file: Lines = None,
    length: Length = "",
    novelty: Novelty = "",
    samples: Samples = 1,
    temperature: Temperature = 0.0,
    seed: Seed = 0,
    threads: Threads = 2,
    device: Device = "cpu",
    respell: Respell = True,
    form: Form = "text",
    only_passed: OnlyPassed = False,
) -> None:
    """Rewrite sentences with a run's student; of its beams the one that the run's panel likes best.

    How many of the sentences have a rewrite that the panel would keep is said at the end, on standard error; JSONL has
    the number of `faults` of each.
    """
    from filters.batches import fixed_threads
    from pipeline.rating import panel_rating
    from student.generate import Rewriter
    from student.settings import Decoding
    from student.sources import sources

    lines, wanted = sources(sentence, file), controls(length, novelty)
    check_device(device)
    model, recipe = _student_and_recipe(run, round_number, task)
    decoding = replace(Decoding(), samples=samples, temperature=temperature, respell=respell)
    student = Rewriter(model, threads=threads, device=device, decoding=decoding)
    student.instruction(task)  # a task it did not learn is refused before anything is loaded
    rate, passing = panel_rating(recipe, device), Passing(only_passed, form == "text")
    write = partial(student.rewrite, task, controls=wanted, seed=seed, rate=rate)
    with fixed_threads(threads):
        write_all(lambda batch: passing.of(write(batch)), lines, task, form, AT_ONCE)
    if passing.sentences:
        print(passing.said(), file=sys.stderr)


@dataclass
class Passing:
    """Counts the sentences with a rewrite that has no fault; leaves out those that have where `only` is asked for.

    `blanks`: a blank one stands in the place of each that is left out, so that as many lines are written as ever.
    """

    only: bool
    blanks: bool
    sentences: int = 0
    passed: int = 0

    def of(self, found: list[list[Rewrite]]) -> list[list[Rewrite]]:
        clean = [[row for row in rows if row.faults == 0] for rows in found]
        self.sentences += len(found)
        self.passed += sum(map(bool, clean))
        if not self.only:
            return found
        return [self._filled(rows, len(all_of_them)) for rows, all_of_them in zip(clean, found, strict=True)]

    def _filled(self, rows: list[Rewrite], lines: int) -> list[Rewrite]:
        return rows + [Rewrite("", 0.0, 0, True)] * (lines - len(rows)) if self.blanks else rows

    def said(self) -> str:
        rest = self.sentences - self.passed
        said = f"{self.passed:,} of {self.sentences:,} sentences have a rewrite that the panel would keep"
        hint = "; --only-passed leaves the others' out" if rest and not self.only else ""
        return said + hint


def _student_and_recipe(name: str, round_number: int, task: str) -> tuple[Path, Recipe]:
    """The student's folder, and the recipe whose panel chooses."""
    from pipeline.evaluation.evaluate import student_models

    run = Run.existing(name)
    students = student_models(run, (round_number,) if round_number else ())
    if not students:
        raise UserError(f"run {name!r}: no student yet: run `make distill RUN={name} ROUND=1` first")
    if not run.recipe_file.exists():
        raise UserError(f"{run.recipe_file}: not there, so no panel: `python -m student rewrite` needs none")
    recipe = load(run.recipe_file)
    if task not in recipe.tasks:
        raise UserError(f"--task {task}: recipe {recipe.name} has no task {task}: it has {', '.join(recipe.tasks)}")
    return students[max(students)], recipe
