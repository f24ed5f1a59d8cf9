"""What a recipe's panel says of a student's rewrites, so that the best of several can be taken (student/choice.py).

As in n-best reranking, but the reranker is the panel that chose what the student learned from: how many of its filters
would drop the rewrite, and how strong it is: the surety of the judge (the weaker direction where both are asked) plus
the cosine of the encoder, for panels that have them. Filters for rewrites alone come last: they see what
every other filter keeps, and whatever they do not see has each of them as a fault.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.base import Filter, Panel, Scorer, judge
from pipeline.recipe import Recipe
from student.choice import Place, Rate, Rating, Sought

AT_ONCE = 8192
"""Pairs rated at a time: a filter may hold all their tokens in memory."""
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Opened = Sequence[tuple[Filter, Scorer]]
Pair = tuple[str, str]
"""Source and rewrite."""
Cheap = tuple[int, float]
"""How many of the cheap filters would drop a pair, and its cosine."""


def panel_rating(recipe: Recipe, device: str = "cpu") -> Rate:
    """Rates by the recipe's panels; a panel's models are loaded when its task is first asked about."""
    opened: dict[str, OpenedPanel] = {}

    def rate(
        task: str, sources: Sequence[str], rewrites: Sequence[Sequence[str]], sought: Sought
    ) -> list[list[Rating]]:
        if task not in opened:
            opened[task] = OpenedPanel.of(recipe.panel(task), device, tuple(recipe.rewrites_alone(task)))
        rows = [[(source, text) for text in texts] for source, texts in zip(sources, rewrites, strict=True)]
        return ratings(opened[task], rows, sought)

    return rate


def ratings(panel: "OpenedPanel", rows: Sequence[Sequence[Pair]], sought: Sought) -> list[list[Rating]]:
    """Every pair's rating; of those that cannot be among the sought a bound."""
    found = _Ratings(panel, list(dict.fromkeys(pair for row in rows for pair in row)))
    while undecided := found.undecided(rows, sought):
        found.ask(undecided)
    return [[found.known[pair] for pair in row] for row in rows]


class _Ratings:
    """What is known of pairs so far: their cheap filters' word, and that of the models where they were asked.

    Models are dear, and most rewrites cannot be the best: one that has three faults without them is behind one that has
    two with them. So they are asked about those that may be among the best by what is known, until no other may be.
    (Filters for rewrites alone could see the strongest first; they drop most of these, so it saves nothing.)
    """

    def __init__(self, panel: "OpenedPanel", pairs: Sequence[Pair]) -> None:
        self.panel = panel
        self.unasked: dict[Pair, Cheap] = {}
        for part in _parts(pairs):
            self.unasked |= dict(zip(part, panel.cheap(part), strict=True))
        self.known: dict[Pair, Rating] = {pair: panel.bound(cheap) for pair, cheap in self.unasked.items()}

    def undecided(self, rows: Sequence[Sequence[Pair]], sought: Sought) -> list[Pair]:
        """The pairs that the models must be asked about: of each row those that by their bounds are no worse than the
        last that is wanted."""
        found: dict[Pair, None] = {}
        for row, places in zip(rows, sought.places, strict=True):
            by_pair = {pair: self._with_faults(pair, place) for pair, place in zip(row, places, strict=True)}
            last = sorted(by_pair.values())[: sought.count][-1:]
            found.update(dict.fromkeys(pair for pair in by_pair if pair in self.unasked and [by_pair[pair]] <= last))
        return list(found)

    def _with_faults(self, pair: Pair, place: Place) -> Place:
        echo, far, slips = place
        return echo, far, slips + self.known[pair].faults

    def ask(self, pairs: Sequence[Pair]) -> None:
        for part in _parts(pairs):
            self.known |= zip(part, self.panel.asked(part, [self.unasked.pop(pair) for pair in part]), strict=True)


def _parts(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    return (pairs[start : start + AT_ONCE] for start in range(0, len(pairs), AT_ONCE))


@dataclass(frozen=True)
class OpenedPanel:
    """A panel whose models are loaded. Cheap filters see every pair; a model is asked while those before it kept; those
    `alone` for rewrites about pairs that nothing else would drop."""

    fast: Opened
    models: Opened
    alone: Opened = ()

    @classmethod
    def of(cls, panel: Panel, device: str, alone: Sequence[Filter] = ()) -> "OpenedPanel":
        cheap, models = ([(spec, spec.open(device)) for spec in panel.of_cost(cost)] for cost in ("cheap", "model"))
        return cls(cheap, models, [(spec, spec.open(device)) for spec in alone])

    def cheap(self, pairs: Sequence[Pair]) -> list[Cheap]:
        """How many of the cheap filters would drop each pair, and its cosine."""
        rows = _table(pairs)
        faults, near = np.zeros(rows.num_rows, np.int64), np.zeros(rows.num_rows)
        for spec, scorer in self.fast:
            scores = scorer(rows).cast(pa.float32())
            faults += ~spec.keep(scores).to_numpy(zero_copy_only=False)
            near += _values(scores) if spec.role == "encoder" else 0.0
        return list(zip(faults.tolist(), near.tolist(), strict=True))

    def bound(self, cheap: Cheap) -> Rating:
        """No more faults than it has, whatever the models say: with one, those for rewrites alone are all faults."""
        faults, near = cheap
        return Rating(faults + (len(self.alone) if faults else 0), near)

    def asked(self, pairs: Sequence[Pair], cheap: Sequence[Cheap]) -> list[Rating]:
        """The ratings, the models asked about every pair."""
        rows = _table(pairs)
        faults = np.array([faults for faults, _ in cheap], np.int64)
        more, sure = self._models(rows)
        faults = faults + more
        faults = faults + self._alone(rows, faults == 0)
        return [Rating(int(f), near + float(s)) for f, (_, near), s in zip(faults, cheap, sure, strict=True)]

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


def _table(pairs: Sequence[Pair]) -> pa.Table:
    columns = [pa.array([pair[side] for pair in pairs], pa.string()) for side in (0, 1)]
    return pa.table(dict(zip(("source", "target"), columns, strict=True)))


def _values(scores: pa.Array, missing: float = 0.0) -> FloatArray:
    return np.asarray(pc.fill_null(scores, missing).to_numpy(), dtype=np.float64)
