"""The command `rewrite`: a run's student writes, and the run's panel chooses among its beams."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError
from pipeline.recipe import Recipe, load
from pipeline.store import Run
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
    controls,
    write_all,
)

AT_ONCE = 128
"""Sentences at a time: sixteen beams of each are judged before the first is printed."""


def rewrite(
    run: Annotated[str, typer.Option(help="Name of the run, a folder of data/runs.")],
    sentence: Sentence = "",
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
) -> None:
    """Rewrite sentences with a run's student; of its beams the one that the run's panel likes best."""
    from filters.batches import fixed_threads
    from pipeline.rating import panel_rating
    from student.generate import Rewriter
    from student.settings import Decoding
    from student.sources import sources

    model, recipe = _student_and_recipe(run, round_number, task)
    decoding = replace(Decoding(), samples=samples, temperature=temperature, respell=respell)
    wanted = controls(length, novelty)
    student = Rewriter(model, threads=threads, device=device, decoding=decoding)
    student.instruction(task)  # a task it did not learn is refused before anything is loaded
    rate, lines = panel_rating(recipe, device), sources(sentence, file)
    with fixed_threads(threads):
        write_all(lambda batch: student.rewrite(task, batch, wanted, seed, rate), lines, task, form, AT_ONCE)


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
