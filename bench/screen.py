"""`python -m bench.screen RUN`: a judge alone and behind a screen, on pairs drawn from all that have the length.

Both sides judge the same ordered pairs of a run's candidates, in turns, each time with models that have not seen them;
models are loaded before. No other filter stands before either, so this is what a screen is worth where nothing else
spares the judge.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from bench.machine import machine, table
from filters.base import Filter, Panel, judge
from filters.batches import fixed_threads
from filters.length import Length
from filters.nli_judge import open_judge
from filters.screen import Screen
from pipeline.__main__ import told
from pipeline.errors import UserError
from pipeline.gate import BoolArray, first_candidates
from pipeline.pair import FormPairs
from pipeline.recipe import Recipe, load
from pipeline.stage import Batch
from pipeline.store import Run

HEADS = ("turn", "judge alone, pairs/s", "behind the screen, pairs/s", "times", "asked of the judge")
WARM = pa.table({"source": ["The city council approved a new budget."], "target": ["A new budget was approved."]})


@dataclass(frozen=True)
class Turn:
    """Pairs a second, which pairs were accepted, and of how many the judge was asked."""

    speed: float
    accepted: BoolArray
    asked: int


def timed(pairs: pa.Table, filters: Sequence[Filter]) -> Turn:
    """One side's turn, its models opened anew."""
    open_judge.cache_clear()
    opened = [(spec, spec.open("cpu")) for spec in filters]
    for _, scorer in opened:
        scorer(WARM)
    started = time.perf_counter()
    scores, reasons = judge(pairs, opened)
    seconds = time.perf_counter() - started
    first = next(spec.name for spec in filters if spec.role == "judge")
    asked = len(pairs) - scores[first].null_count
    return Turn(len(pairs) / seconds, reasons.is_null().to_numpy(zero_copy_only=False), asked)


def drawn_pairs(recipe: Recipe, run: Run, task: str, contexts: int, number: int) -> pa.Table:
    """Ordered pairs of the task's length, none judged by any other filter."""
    length = [spec for spec in recipe.panel(task) if isinstance(spec, Length)]
    form = FormPairs({task: Panel(tuple(length))}, recipe.candidate_filter(), examples=0).open()
    formed = form(Batch(0, first_candidates(run, contexts))).table
    chosen = np.random.default_rng(0).permutation(formed.num_rows)[:number]
    return formed.take(pa.array(np.sort(chosen)))


def main(
    run: Annotated[str, typer.Argument(help="A run with candidates.")],
    task: Annotated[str, typer.Argument()] = "paraphrase",
    threshold: Annotated[float, typer.Option(min=0, max=1, help="The screen's.")] = 0.03,
    pairs: Annotated[int, typer.Option(min=10)] = 3000,
    contexts: Annotated[int, typer.Option(min=1)] = 100,
    turns: Annotated[int, typer.Option(min=1)] = 3,
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Print the turns, and as JSON the median of their ratios, pairs a second, and the accepted pairs that stay."""
    found = Run.existing(run)
    recipe = load(found.recipe_file)
    judges = [spec for spec in recipe.panel(task) if spec.role == "judge"]
    if not judges:
        raise UserError(f"recipe {recipe.name}: task {task} asks no judge; wanted one with `entailment` in its panel")
    screen = Screen(min_probability=threshold, both_ways=len(judges) > 1)
    rows = drawn_pairs(recipe, found, task, contexts, pairs)
    with fixed_threads(threads):
        both = [(timed(rows, judges), timed(rows, [screen, *judges])) for _ in range(turns)]
    lines = [
        (n + 1, f"{a.speed:.0f}", f"{b.speed:.0f}", f"{b.speed / a.speed:.2f}", f"{b.asked / len(rows):.1%}")
        for n, (a, b) in enumerate(both)
    ]
    alone, behind = both[0]
    said = {
        "times": round(median(b.speed / a.speed for a, b in both), 2),
        "pairs_per_second": round(median(b.speed for _, b in both)),
        "accepted": int(alone.accepted.sum()),
        "of_these_behind_the_screen": int((alone.accepted & behind.accepted).sum()),
        "pairs": len(rows),
    }
    print(machine(), table(HEADS, lines), json.dumps(said), sep="\n\n")


if __name__ == "__main__":
    told(lambda: typer.run(main))
