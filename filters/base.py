"""What a filter, a selector and a panel are.

A filter judges a pair on its own; a selector judges a pair among others. Both are frozen specs that
`open()` into a function on the worker, so that a spec can be hashed, pickled and read from a recipe.
Scores are facts and are stored; a verdict is derived from a score and a threshold, without a model.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

IntArray = npt.NDArray[np.int64]

Scorer = Callable[[pa.Table], pa.Array]
"""Rows in (columns `source`, `target`, ...), as many float32 scores out; null = cannot be scored, never passes."""

Cost = Literal["cheap", "model"]
"""cheap: may run on every ordered pair of a context, in memory. model: runs on the survivors only."""

Role = Literal["judge", "screen", "encoder", "fluency", "parser"]
"""Which model of the recipe a filter is given; a screen has always a model of its own."""
HAS_A_SAY: tuple[Role, ...] = ("judge", "screen")
"""Whose model decides what two sentences mean: it is named on cards, and no judge from outside."""


class FilterError(ValueError):
    """A filter was given something that it cannot judge (no such model, no entailment label, ...)."""


class Filter(Protocol):
    """A judge of one pair on its own. Implementations are frozen pydantic dataclasses.

    One whose scores hang on a threshold of its own has a property `scored_by` besides, a tuple of such fields' names:
    moving one asks the model anew.
    """

    name: ClassVar[str]
    cost: ClassVar[Cost]
    role: ClassVar[Role | None]

    def open(self, device: str) -> Scorer:
        """Load whatever is heavy, once a worker, and return the scoring function."""

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        """As many verdicts as scores, no nulls in it; pure and instant."""


class Selector(Protocol):
    """A judge of a pair among others: within one context, or over the whole corpus.

    One that reads files of the user's has a method `check` besides, without arguments or result, that raises
    FilterError where they cannot be read; it is called before any model is loaded.
    """

    name: ClassVar[str]
    within: ClassVar[Literal["context_id"] | None]

    def select(self, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        """As many verdicts as pairs. `scores` is row-aligned with `pairs`, one column a filter."""


def verdicts(passed: pa.Array) -> pa.BooleanArray:
    """Nulls never pass: a comparison's nulls become False."""
    return pc.fill_null(passed, False)


@dataclass(frozen=True)
class Panel:
    """An ordered list of filters. A row is asked of a filter only while every earlier filter kept it."""

    filters: tuple[Filter, ...]

    def __iter__(self) -> Iterator[Filter]:
        return iter(self.filters)

    def of_cost(self, cost: Cost) -> "Panel":
        return Panel(tuple(f for f in self.filters if f.cost == cost))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.filters)


OpenPanel = Iterable[tuple[Filter, Scorer]]


def judge(rows: pa.Table, panel: OpenPanel) -> tuple[pa.Table, pa.Array]:
    """Score `rows` filter by filter, asking each only about the rows still standing.

    Returns the score table (one float32 column a filter; null = not asked) and, for each row, the name of
    the filter that dropped it (null = kept by all).
    """
    standing = np.arange(rows.num_rows)
    columns: dict[str, pa.Array] = {}
    reasons = np.full(rows.num_rows, None, dtype=object)
    for spec, scorer in panel:
        scores = scorer(rows.take(pa.array(standing))).cast(pa.float32())
        kept = spec.keep(scores).to_numpy(zero_copy_only=False)
        columns[spec.name] = _scatter(scores, standing, rows.num_rows)
        reasons[standing[~kept]] = spec.name
        standing = standing[kept]
    return pa.table(columns), pa.array(reasons, pa.string())


def _scatter(scores: pa.Array, positions: IntArray, length: int) -> pa.Array:
    """A float32 array of `length` nulls with `scores` at `positions`."""
    values = np.zeros(length, dtype=np.float32)
    missing = np.ones(length, dtype=bool)
    values[positions] = pc.fill_null(scores, 0.0).to_numpy(zero_copy_only=False)
    missing[positions] = scores.is_null().to_numpy(zero_copy_only=False)
    return pa.array(values, pa.float32(), mask=missing)
