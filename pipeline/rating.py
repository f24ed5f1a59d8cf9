"""What a recipe's panel says of a student's rewrites, so that the best of several can be taken (student/choice.py).

As in n-best reranking, but the reranker is the panel that chose what the student learned from: how many of its filters
would drop the rewrite, and how strong it is: the surety of the judge (the weaker direction where both are asked) plus
the cosine of the encoder, for panels that have them. Filters for rewrites alone come last: they see what
every other filter keeps, and whatever they do not see has each of them as a fault.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.base import Filter, Panel, Scorer, judge
from pipeline.recipe import Recipe
from student.choice import Rate, Rating

AT_ONCE = 8192
"""Pairs rated at a time: a filter may hold all their tokens in memory."""
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Opened = Sequence[tuple[Filter, Scorer]]


def panel_rating(recipe: Recipe, device: str = "cpu") -> Rate:
    """Rates by the recipe's panels; a panel's models are loaded when its task is first asked about."""
    opened: dict[str, OpenedPanel] = {}

    def rate(task: str, sources: Sequence[str], rewrites: Sequence[Sequence[str]]) -> list[list[Rating]]:
        if task not in opened:
            opened[task] = OpenedPanel.of(recipe.panel(task), device, tuple(recipe.rewrites_alone(task)))
        pairs = [(source, text) for source, texts in zip(sources, rewrites, strict=True) for text in texts]
        different = list(dict.fromkeys(pairs))
        known: dict[tuple[str, str], Rating] = {}
        for start in range(0, len(different), AT_ONCE):
            part = different[start : start + AT_ONCE]
            known |= dict(zip(part, opened[task].rate(part), strict=True))
        return [[known[source, text] for text in texts] for source, texts in zip(sources, rewrites, strict=True)]

    return rate


@dataclass(frozen=True)
class OpenedPanel:
    """A panel whose models are loaded. Cheap filters see every pair; a model is asked while those before it kept; those
    `alone` for rewrites about pairs that nothing else would drop."""

    cheap: Opened
    models: Opened
    alone: Opened = ()

    @classmethod
    def of(cls, panel: Panel, device: str, alone: Sequence[Filter] = ()) -> "OpenedPanel":
        cheap, models = ([(spec, spec.open(device)) for spec in panel.of_cost(cost)] for cost in ("cheap", "model"))
        return cls(cheap, models, [(spec, spec.open(device)) for spec in alone])

    def rate(self, pairs: Sequence[tuple[str, str]]) -> list[Rating]:
        """As many ratings as (source, rewrite)."""
        columns = [pa.array([pair[side] for pair in pairs], pa.string()) for side in (0, 1)]
        rows = pa.table(dict(zip(("source", "target"), columns, strict=True)))
        faults, near = self._cheap(rows)
        more, sure = self._models(rows)
        faults = faults + more
        faults = faults + self._alone(rows, faults == 0)
        return [Rating(int(fault), float(x + y)) for fault, x, y in zip(faults, near, sure, strict=True)]

    def _cheap(self, rows: pa.Table) -> tuple[IntArray, FloatArray]:
        """How many would drop each row; its cosine."""
        faults, near = np.zeros(rows.num_rows, np.int64), np.zeros(rows.num_rows)
        for spec, scorer in self.cheap:
            scores = scorer(rows).cast(pa.float32())
            faults += ~spec.keep(scores).to_numpy(zero_copy_only=False)
            near += _values(scores) if spec.role == "encoder" else 0.0
        return faults, near

    def _models(self, rows: pa.Table) -> tuple[IntArray, FloatArray]:
        """How many would drop each row, or never saw it for one that did; the least probability that was given."""
        scores, reasons = judge(rows, self.models)
        faults = _not_passed(self.models, reasons)
        judged = [_values(scores[spec.name], np.inf) for spec, _ in self.models if spec.role == "judge"]
        least = np.minimum.reduce([*judged, np.full(rows.num_rows, np.inf)])
        return faults, np.where(np.isfinite(least), least, 0.0)

    def _alone(self, rows: pa.Table, standing: BoolArray) -> IntArray:
        """How many of those for rewrites alone would drop each row, or never saw it."""
        faults = np.full(rows.num_rows, len(self.alone), np.int64)
        if self.alone and standing.any():
            faults[standing] = _not_passed(self.alone, judge(rows.filter(pa.array(standing)), self.alone)[1])
        return faults


def _not_passed(filters: Opened, reasons: pa.Array) -> IntArray:
    """Of filters asked one after the other: how many there are from the one that dropped a row on."""
    names = [spec.name for spec, _ in filters]
    reached: dict[str | None, int] = {name: place for place, name in enumerate(names)} | {None: len(names)}
    return np.array([len(names) - reached[reason] for reason in reasons.to_pylist()], dtype=np.int64)


def _values(scores: pa.Array, missing: float = 0.0) -> FloatArray:
    return np.asarray(pc.fill_null(scores, missing).to_numpy(), dtype=np.float64)
