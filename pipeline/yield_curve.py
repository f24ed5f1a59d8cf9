"""The yield against each threshold, as CSV: one threshold moves alone, all others stay as the recipe has them.

    task, filter, threshold    which one moves; a filter without a threshold has one row, with no value, and so has one
                               whose scores hang on it (the judge's in int8), with its own value
    value                      quantiles of the stored scores, and the recipe's own value
    kept                       pairs that then pass all filters for sure, before selectors
    kept_share                 of the task's stored pairs
    kept_at_most               with the pairs that a model would first be asked about
    current                    1: the recipe's own value

Values beyond what the cheap filters once let through tell nothing: such pairs have no stored score.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from filters.base import Filter
from pipeline.errors import UserError
from pipeline.shard import write_atomically
from pipeline.stored_scores import BoolArray
from pipeline.thresholds import fixed, moved, thresholds
from pipeline.what_if_filters import Verdicts

COLUMNS = ("task", "filter", "threshold", "value", "kept", "kept_share", "kept_at_most", "current")
STEPS = 20
"""Values of the grid are quantiles of the stored scores, so many and one, and the recipe's own."""

Row = tuple[object, ...]


def curve(verdicts: Mapping[str, Verdicts]) -> list[Row]:
    """The rows, task by task, filter by filter, with rising values."""
    return [row for task, seen in sorted(verdicts.items()) for spec in seen.panel for row in _filter(task, spec, seen)]


def write_curve(path: Path, rows: list[Row]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    try:
        write_atomically(path, text.getvalue().encode())
    except OSError as error:
        raise UserError(f"--curve {path}: cannot be written: {error.strerror}: give another file") from None


def _filter(task: str, spec: Filter, seen: Verdicts) -> Iterator[Row]:
    scores = seen.rows.scores(spec.name)
    found = thresholds(spec, scores)
    sure, possible = seen.certain(but=spec.name), seen.possible(but=spec.name)
    open_ = int((possible & seen.unasked.get(spec.name, np.zeros(len(seen.rows), bool))).sum())
    inside = scores.filter(pa.array(possible & ~_null(scores)))
    sure = sure[possible & ~_null(scores)]
    for name, own in fixed(spec).items():
        yield _row(task, spec, inside, sure, open_, len(seen.rows), name, own, 1)
    if not found and not fixed(spec):
        yield _row(task, spec, inside, sure, open_, len(seen.rows), "", "", 1)
    for name, own in found.items():
        for value in _grid(scores, own):
            other = moved(spec, name, value)
            if other is not None:
                yield _row(task, other, inside, sure, open_, len(seen.rows), name, value, int(value == own))


def _row(
    task: str,
    spec: Filter,
    scores: pa.Array,
    sure: BoolArray,
    open_: int,
    stored: int,
    name: str,
    value: float | str,
    current: int,
) -> Row:
    """`scores` are those of the rows that all other filters may keep, `sure` which of them they keep for sure."""
    passed = spec.keep(scores).to_numpy(zero_copy_only=False)
    kept, most = int((passed & sure).sum()), int(passed.sum()) + open_
    return (task, spec.name, name, value, kept, round(kept / stored, 6) if stored else 0.0, most, current)


def _grid(scores: pa.Array, own: float) -> list[float]:
    """Quantiles of the stored scores to six places, and the threshold that the recipe has."""
    seen = scores.drop_null().to_numpy()
    points = np.quantile(seen, np.linspace(0, 1, STEPS + 1)).tolist() if len(seen) else []
    return sorted({*(round(point, 6) for point in points), own})


def _null(scores: pa.Array) -> BoolArray:
    missing: BoolArray = scores.is_null().to_numpy(zero_copy_only=False)
    return missing
