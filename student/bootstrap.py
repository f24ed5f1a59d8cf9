"""Intervals by the bootstrap, for any metric that is a function of sums over rows.

A metric keeps one line of numbers a row; its value is computed from the sums of these lines. A resample of the rows is
a vector of how often each was drawn, so all resamples of all systems are one matrix product, corpus BLEU among them.
The same draws serve every system: a difference between two is paired, and exactly 0 between equals.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
OfSums = Callable[[Array], Array]
"""Sums [..., numbers] in, values [...] out."""

LEVEL = 0.95
RESAMPLES = 2000
DRAWN_AT_ONCE = 250


@dataclass(frozen=True)
class Statistic:
    """A metric's numbers, [rows, k], and its value from their sums [..., k]."""

    rows: Array
    of_sums: OfSums

    def value(self) -> float:
        return float(self.of_sums(self.rows.sum(axis=0)))


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; without bounds where rows cannot be resampled, nan where nothing could be measured."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


def mean_of(values: Array) -> Statistic:
    """The mean over rows of values [rows]; rows that are nan have none and are left out."""
    known = ~np.isnan(values)
    return Statistic(np.stack([np.where(known, values, 0.0), known], axis=1), _quotient)


def quotient_of(pairs: Array) -> Statistic:
    """Sum over sum of pairs [rows, 2]."""
    return Statistic(pairs, _quotient)


def _quotient(sums: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def draws(rows: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each row is drawn, [some resamples, rows], until there are `resamples` in all."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, DRAWN_AT_ONCE):
        number = min(DRAWN_AT_ONCE, resamples - start)
        drawn = random.integers(0, rows, size=(number, rows))
        flat = (drawn + np.arange(number)[:, None] * rows).ravel()
        yield np.bincount(flat, minlength=number * rows).reshape(number, rows).astype(np.float64)


def resampled(statistics: list[Statistic], resamples: int, seed: int) -> list[Array]:
    """Every statistic's value in every resample, [resamples] each, from the same draws."""
    if not statistics:
        return []
    widths = np.cumsum([statistic.rows.shape[1] for statistic in statistics])[:-1]
    table = np.concatenate([statistic.rows for statistic in statistics], axis=1)
    sums = np.concatenate([weights @ table for weights in draws(len(table), resamples, seed)])
    parts = np.split(sums, widths, axis=1)
    return [statistic.of_sums(part) for statistic, part in zip(statistics, parts, strict=True)]


def interval(values: Array) -> tuple[float, float]:
    """The percentile interval of resampled values; nan where none is known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)
