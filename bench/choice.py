"""`python -m bench.choice RUN FILE TASK`: the panel's choice among a student's beams, asked about all and about few.

Both sides write and rate the beams of the same sentences, in turns, each with models of its own: what one was told the
other does not know. What they choose must be the same; what differs is what the panel's models are asked
(pipeline/rating.py). Processor seconds of one thread, models loaded before.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from bench.machine import machine, table
from filters.batches import fixed_threads
from filters.nli_judge import open_judge
from filters.similarity import open_encoder
from pipeline.__main__ import told
from pipeline.errors import UserError
from pipeline.evaluation.evaluate import read_by_models, student_models
from pipeline.rating import panel_rating
from pipeline.recipe import Recipe, load
from pipeline.store import Run
from student.benchmark import read_benchmark
from student.choice import Rate, Rating, Sought
from student.controls import Controls, read_controls
from student.generate import Rewriter

HEADS = ("turn", "asked about all, s", "about few, s", "times")
WARM = ("The council of the city approved a new budget for its schools on Monday, the mayor said.",)


@dataclass(frozen=True)
class Work:
    """What both sides do."""

    student: Rewriter
    recipe: Recipe
    task: str
    sources: Sequence[str]
    wanted: Controls

    def timed(self, every: bool) -> tuple[float, list[str]]:
        """Seconds, and what was chosen; `every`: asked about every rewrite."""
        open_judge.cache_clear()
        open_encoder.cache_clear()
        rate = panel_rating(self.recipe)
        rate = _whole(rate) if every else rate
        self.student.rewrite(self.task, WARM, self.wanted, rate=rate)
        started = time.process_time()
        found = self.student.rewrite(self.task, self.sources, self.wanted, rate=rate)
        return time.process_time() - started, [row[0].text for row in found]


def _whole(rate: Rate) -> Rate:
    """As many are sought as there are, so that all are asked about."""

    def whole(
        task: str, sources: Sequence[str], rewrites: Sequence[Sequence[str]], sought: Sought
    ) -> list[list[Rating]]:
        return rate(task, sources, rewrites, replace(sought, count=max(map(len, rewrites))))

    return whole


def main(
    run: Annotated[str, typer.Argument(help="A run with a student.")],
    data: Annotated[Path, typer.Argument(help="Rows of source and references.")],
    task: Annotated[str, typer.Argument()] = "summary",
    rows: Annotated[int, typer.Option(min=1)] = 100,
    controls: Annotated[str, typer.Option(help="What is asked for, such as rewritten.")] = "",
    turns: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Print the turns, and the median of their ratios as JSON."""
    found = Run.existing(run)
    students = student_models(found)
    if not students:
        raise UserError(f"run {run!r}: no student yet: run `make distill RUN={run} ROUND=1` first")
    student = Rewriter(students[max(students)], threads=1)
    sources = read_by_models(read_benchmark(data, rows), "readable")
    work = Work(student, load(found.recipe_file), task, sources, read_controls(controls) if controls else Controls())
    with fixed_threads(1):
        pairs = [(work.timed(every=True), work.timed(every=False)) for _ in range(turns)]
    if any(every[1] != few[1] for every, few in pairs):
        sys.exit("the two sides chose differently: pipeline/rating.py is wrong")
    ratios = [every[0] / few[0] for every, few in pairs]
    lines = [(n + 1, f"{a[0]:.1f}", f"{b[0]:.1f}", f"{a[0] / b[0]:.2f}") for n, (a, b) in enumerate(pairs)]
    print(
        machine(),
        table(HEADS, lines),
        json.dumps({"times": round(median(ratios), 2), "rows": len(sources)}),
        sep="\n\n",
    )


if __name__ == "__main__":
    told(lambda: typer.run(main))
