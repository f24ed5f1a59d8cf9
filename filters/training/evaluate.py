"""How good a judge is on labelled pairs: accuracy, AUC, precision and recall at a threshold, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from filters.batches import FloatArray
from filters.training.rows import Row

ENTAILMENT = 0


@dataclass(frozen=True)
class Measured:
    """`low` and `high` are the bootstrap 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


Statistic = Callable[[FloatArray, FloatArray, FloatArray], float]
"""(score, is positive, weight) -> a number."""


def precision_at(threshold: float) -> Statistic:
    """Share of those at or over the threshold that are positive; nan where there are none."""

    def statistic(scores: FloatArray, positive: FloatArray, weights: FloatArray) -> float:
        taken = weights * (scores >= threshold)
        return float((taken * positive).sum() / taken.sum()) if taken.sum() else float("nan")

    return statistic


def recall_at(threshold: float) -> Statistic:
    """Share of the positive that are at or over the threshold."""

    def statistic(scores: FloatArray, positive: FloatArray, weights: FloatArray) -> float:
        there = weights * positive
        return float((there * (scores >= threshold)).sum() / there.sum()) if there.sum() else float("nan")

    return statistic


def auc(scores: FloatArray, positive: FloatArray, weights: FloatArray) -> float:
    """Chance that a positive row scores above a negative one, ties half; by weight."""
    order = np.argsort(scores, kind="stable")
    value, taken = scores[order], weights[order]
    good, bad = taken * positive[order], taken * (1 - positive[order])
    if not good.sum() or not bad.sum():
        return float("nan")
    _, starts = np.unique(value, return_index=True)
    good_at, bad_at = np.add.reduceat(good, starts), np.add.reduceat(bad, starts)
    below = np.cumsum(bad_at) - bad_at
    return float((good_at * (below + bad_at / 2)).sum() / (good.sum() * bad.sum()))


def measured(
    statistic: Statistic,
    scores: Sequence[float],
    positive: Sequence[bool],
    weights: Sequence[float] | None = None,
    resamples: int = 1000,
) -> Measured:
    """The statistic with its interval over resampled rows (seeded)."""
    columns = (np.asarray(scores), np.asarray(positive, float), np.ones(len(scores)) if weights is None else weights)
    score, good, weight = (np.asarray(column, np.float64) for column in columns)
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(score), len(score)) for _ in range(resamples)]
    values = [statistic(score[draw], good[draw], weight[draw]) for draw in draws]  # type: ignore[arg-type]
    known = [value for value in values if not np.isnan(value)]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (np.nan, np.nan)
    return Measured(statistic(score, good, weight), float(low), float(high))  # type: ignore[arg-type]


def accuracy(probabilities: FloatArray, rows: Sequence[Row]) -> float:
    """Three-way accuracy; a merged row is right when entailment is not the likeliest."""
    said = probabilities.argmax(-1)
    wanted = np.array([row.target for row in rows]).argmax(-1)
    merged = np.array([row.merged for row in rows])
    return float(np.where(merged, said != ENTAILMENT, said == wanted).mean())
