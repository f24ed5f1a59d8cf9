"""What a judge's probabilities are worth on pairs that were read: reliability, temperature, thresholds for a precision.

The readings are a stratified sample, so every row counts by its weight. A threshold is chosen on one half of the
contexts and measured on the other.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from filters.base import FilterError
from filters.batches import FloatArray
from filters.nli_judge import Ask
from filters.training.evaluate import Measured, auc, measured, precision_at, recall_at
from filters.training.rows import lines_of

WANTED = "JSON with task, source, target, context_id, weight, forward, reverse, broken (data/readings/README.md)"
TASKS = ("summary", "paraphrase")
TEMPERATURES = np.geomspace(0.25, 4, 81)
_TINY = 1e-6


@dataclass(frozen=True)
class Readings:
    """Read pairs and a judge's answers, all of one length. `first_half` tells the contexts that a threshold may see."""

    task: tuple[str, ...]
    forward: FloatArray  # P(source entails target)
    reverse: FloatArray
    forward_label: FloatArray  # 1 where a reader agreed
    reverse_label: FloatArray
    right: FloatArray  # 1 where the pair is right for its task
    weight: FloatArray
    first_half: FloatArray

    def score(self) -> FloatArray:
        """What the task's panel asks for: one direction for a summary, the lesser of both for a paraphrase."""
        one_way = np.array([task == "summary" for task in self.task])
        return np.where(one_way, self.forward, np.minimum(self.forward, self.reverse)).astype(np.float32)

    def where(self, chosen: FloatArray) -> "Readings":
        keep = np.asarray(chosen, bool)
        columns = (getattr(self, name)[keep] for name in list(self.__dataclass_fields__)[1:])
        return Readings(tuple(t for t, k in zip(self.task, keep, strict=True) if k), *columns)

    def of_task(self, task: str) -> "Readings":
        return self.where(np.array([name == task for name in self.task]))


Reading = Mapping[str, Any]


def read(path: Path) -> list[Reading]:
    """The readings of a file; a line that is none is an error that names it."""
    rows = [_reading(line, where) for where, line in lines_of(path)]
    if not rows:
        raise FilterError(f"{path}: no reading in it; wanted one a line: {WANTED}; give another file")
    return rows


def answered(rows: Sequence[Reading], ask: Ask) -> Readings:
    """The readings with the answers of a judge."""
    there = ask([(row["source"], row["target"]) for row in rows])
    back = ask([(row["target"], row["source"]) for row in rows])
    return Readings(
        tuple(row["task"] for row in rows),
        there,
        back,
        *(np.array(column, np.float32) for column in zip(*map(_labels, rows), strict=True)),
    )


def _reading(line: str, where: str) -> Reading:
    try:
        row = json.loads(line)
        wrong = [name for name, fits in _FITTING.items() if not fits(row[name])]
    except (ValueError, KeyError, TypeError) as error:
        raise FilterError(f"{where}: not a reading ({error}); wanted {WANTED}; mend or remove the line") from error
    if wrong:
        told = f"{wrong[0]} is {row[wrong[0]]!r}"
        raise FilterError(f"{where}: not a reading ({told}); wanted {WANTED}; mend or remove the line")
    return dict(row)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_yes_or_no(value: object) -> bool:
    return isinstance(value, bool)


def _is_weight(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value > 0


_FITTING = {
    "task": TASKS.__contains__,
    **dict.fromkeys(("source", "target", "context_id"), _is_text),
    "weight": _is_weight,
    **dict.fromkeys(("forward", "reverse", "broken"), _is_yes_or_no),
}


def pooled(parts: Sequence[Readings]) -> Readings:
    """Several readings as one: a pair's weight is brought to a mean of 1 in its part and task, so that neither a run of
    more pairs nor one that was read in part counts for more than its rows."""
    scaled = [one.of_task(task) for one in parts for task in dict.fromkeys(one.task)]
    scaled = [replace(one, weight=one.weight / one.weight.mean()) for one in scaled]
    columns = [np.concatenate([getattr(one, field.name) for one in scaled]) for field in fields(Readings)[1:]]
    return Readings(tuple(task for one in scaled for task in one.task), *columns)


def _labels(row: Mapping[str, Any]) -> tuple[float, float, float, float, float]:
    right = row["forward"] and (row["reverse"] or row["task"] == "summary") and not row["broken"]
    half = hashlib.blake2b(row["context_id"].encode(), digest_size=8).digest()[0] % 2
    return float(row["forward"]), float(row["reverse"]), float(right), row["weight"], float(half)


def log_loss(probability: FloatArray, label: FloatArray, weight: FloatArray) -> float:
    """Weighted mean of -log of what was given to the reader's answer, in nats."""
    given = np.clip(np.where(label > 0, probability, 1 - probability), _TINY, 1)
    return float(-(weight * np.log(given)).sum() / weight.sum())


def at_temperature(probability: FloatArray, temperature: float) -> FloatArray:
    """The probability when the log-odds of entailment are divided by the temperature (Guo et al. 2017, 1706.04599)."""
    clipped = np.clip(probability.astype(np.float64), _TINY, 1 - _TINY)
    odds = (np.log(clipped) - np.log1p(-clipped)) / temperature
    share: FloatArray = (1 / (1 + np.exp(-odds))).astype(np.float32)
    return share


def best_temperature(readings: Readings) -> float:
    """The one with the least log loss over both directions."""
    asked = np.concatenate([readings.forward, readings.reverse])
    label = np.concatenate([readings.forward_label, readings.reverse_label])
    weight = np.concatenate([readings.weight, readings.weight])
    losses = [log_loss(at_temperature(asked, t), label, weight) for t in TEMPERATURES.tolist()]
    return float(TEMPERATURES[int(np.argmin(losses))])


def threshold_for(precision: float, readings: Readings) -> float | None:
    """The least score at and above which the share of right pairs is at least `precision`; None if there is none."""
    scores = readings.score()
    order = np.argsort(-scores, kind="stable")
    taken = np.cumsum(readings.weight[order])
    good = np.cumsum(readings.weight[order] * readings.right[order])
    falling = scores[order]
    last = np.append(falling[1:] < falling[:-1], True)  # of equal scores a threshold takes all or none
    reached = np.flatnonzero(last & (good / taken >= precision))
    return float(falling[reached[-1]]) if len(reached) else None


@dataclass(frozen=True)
class AtThreshold:
    threshold: float
    precision: Measured
    recall: Measured


def measured_at(threshold: float, readings: Readings) -> AtThreshold:
    """Precision and recall of `score >= threshold`, with intervals."""
    given = (readings.score(), readings.right, readings.weight)
    return AtThreshold(threshold, *(measured(f(threshold), *given) for f in (precision_at, recall_at)))  # type: ignore[arg-type]


def area(readings: Readings) -> Measured:
    """AUC of the task's score for being right."""
    return measured(auc, readings.score(), readings.right, readings.weight)  # type: ignore[arg-type]


def reliability(readings: Readings, edges: Sequence[float]) -> list[tuple[float, float, int]]:
    """(mean probability, share the reader agreed with, directions asked) between each two edges, by weight."""
    asked = np.concatenate([readings.forward, readings.reverse])
    label = np.concatenate([readings.forward_label, readings.reverse_label])
    weight = np.concatenate([readings.weight, readings.weight])
    found = []
    for low, high in pairwise(edges):
        inside = (asked >= low) & ((asked < high) | (high >= edges[-1]))
        if inside.any():
            share = weight[inside] / weight[inside].sum()
            found.append((float(share @ asked[inside]), float(share @ label[inside]), int(inside.sum())))
    return found
