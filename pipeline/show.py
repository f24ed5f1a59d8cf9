"""Random kept and rejected pairs of a run, with scores and reasons."""

import random
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.shard import read_rows
from pipeline.store import Run

Row = dict[str, object]
Shown = tuple[str, Row]
"""A verdict ("kept", "dropped by numbers", ...) and the pair's row."""


def sample(run: Run, number: int, seed: int, round_number: int = 0) -> list[Shown]:
    """`number` kept pairs and as many rejected ones, drawn by `seed`; rejected ones from every stage that rejects."""
    draw = random.Random(seed)
    kept = [("kept", row) for row in _rows(run, round_number, "corpus", skip=("left_out",))]
    rejected = list(_rejected(run, round_number))
    return _draw(draw, kept, number) + _draw(draw, rejected, number)


def _draw(draw: random.Random, shown: Sequence[Shown], number: int) -> list[Shown]:
    return draw.sample(list(shown), min(number, len(shown)))


def _rows(run: Run, round_number: int, stage: str, skip: Sequence[str] = ()) -> Iterator[Row]:
    for path in run.stage(round_number, stage).tables():
        if path.stem not in skip:
            yield from read_rows(path).to_pylist()


def _rejected(run: Run, round_number: int) -> Iterator[Shown]:
    """Examples that the cheap panel dropped, all that a model dropped, all that a selector left out."""
    for path in sorted((run.stage(round_number, "pairs").folder / "aside").glob("shard-*.parquet")):
        for row in read_rows(path).to_pylist():
            yield f"dropped by {row['reason']}", row
    for pairs, scores in zip(
        run.stage(round_number, "pairs").tables(), run.stage(round_number, "scores").tables(), strict=False
    ):
        yield from _judged(read_rows(pairs), read_rows(scores))
    left_out = run.stage(round_number, "corpus").folder / "left_out.parquet"
    if left_out.exists():
        for row in read_rows(left_out).to_pylist():
            yield f"left out by {row['left_out_by']}", row


def _judged(pairs: pa.Table, scores: pa.Table) -> Iterator[Shown]:
    rejected = pc.is_valid(scores["dropped_by"])
    for pair, score in zip(pairs.filter(rejected).to_pylist(), scores.filter(rejected).to_pylist(), strict=True):
        yield f"dropped by {score.pop('dropped_by')}", pair | score
