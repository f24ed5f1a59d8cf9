"""What a panel with other thresholds would let through, from stored scores alone.

A pair is `certain` while every filter so far has a stored score and keeps it, and `possible` while no stored score
drops it. What lies between is what the models would have to be asked. Pairs that a cheap filter dropped have no stored
score: where that filter loosens, their number is all that is known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from filters.base import Filter, Panel
from pipeline.span import Span, SpanLevel
from pipeline.stored_scores import BoolArray, StoredScores
from pipeline.thresholds import former, loosened, tightened

Params = Mapping[str, Mapping[str, object]]
"""A panel as a finished shard names it: filter -> parameters."""


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of one task's panel on its stored rows, filter by filter; `unasked` has the models' filters."""

    rows: StoredScores
    panel: Panel
    passed: Mapping[str, BoolArray]
    unasked: Mapping[str, BoolArray]

    def certain(self, but: str = "") -> BoolArray:
        """Rows that every filter keeps for sure; `but`: leave that one out."""
        return self._all({name: passed for name, passed in self.passed.items() if name != but})

    def possible(self, but: str = "") -> BoolArray:
        """Rows that no filter drops for sure."""
        open_ = {name: passed | self.unasked[name] for name, passed in self.passed.items() if name in self.unasked}
        return self._all({name: rows for name, rows in {**self.passed, **open_}.items() if name != but})

    def _all(self, verdicts: Mapping[str, BoolArray]) -> BoolArray:
        standing = np.ones(len(self.rows), dtype=bool)
        for verdict in verdicts.values():
            standing &= verdict
        return standing


def verdicts(rows: StoredScores, panel: Panel) -> Verdicts:
    passed = {spec.name: spec.keep(rows.scores(spec.name)).to_numpy(zero_copy_only=False) for spec in panel}
    return Verdicts(rows, panel, passed, {name: rows.unasked(name) for name in panel.of_cost("model").names})


@dataclass(frozen=True)
class Unseen:
    """Pairs that cheap filters had dropped: how many each, and which of these filters let some of theirs pass now."""

    dropped: Mapping[str, int]
    loosened: frozenset[str]
    tightened: frozenset[str]

    @property
    def most(self) -> int:
        """At most so many come back."""
        return sum(self.dropped.get(name, 0) for name in self.loosened)


def unseen(panel: Panel, before: Params, dropped: Mapping[str, int]) -> Unseen:
    """Compare a task's cheap filters with those that its stored pairs passed. One that is gone lets all pass."""
    cheap = {spec.name: spec for spec in panel.of_cost("cheap")}
    old: dict[str, Filter] = {name: former(spec, before[name]) for name, spec in cheap.items()}
    looser = {name for name, spec in cheap.items() if loosened(old[name], spec)}
    tighter = {name for name, spec in cheap.items() if tightened(old[name], spec)}
    return Unseen(dropped, frozenset(looser | (before.keys() - cheap.keys())), frozenset(tighter))


def pairs_level(task: str, entered: int, seen: Verdicts, unseen: Unseen) -> SpanLevel:
    """The line of the cheap filters. A pair ends with the first filter that drops it, so one that tightens takes from
    those behind it, and one that loosens gives to them: how many only a new reading would tell."""
    standing, ends = np.ones(len(seen.rows), dtype=bool), {}
    before, freed, rest = False, 0, sum(unseen.dropped.values())
    for name in seen.panel.of_cost("cheap").names:
        own = unseen.dropped.get(name, 0)
        rest -= own
        now = int((standing & ~seen.passed[name]).sum())
        stay = 0 if name in unseen.loosened or before else own
        before = before or name in unseen.tightened
        most = own + freed + (rest if name in unseen.tightened else 0)
        ends[name] = Span(now + stay, now + most)
        freed += own if name in unseen.loosened else 0
        standing &= seen.passed[name]
    for name in unseen.dropped.keys() - ends.keys() - unseen.loosened:  # not in the panel: the form of brought pairs
        ends[name] = Span.exactly(unseen.dropped[name])
    left = int(standing.sum())
    return SpanLevel("pairs", task, Span.exactly(entered), Span(left, left + unseen.most), ends)


def scores_level(task: str, seen: Verdicts, new: int) -> tuple[SpanLevel, int]:
    """The line of the models' filters, and how many pairs they would be asked about. `new`: pairs never seen."""
    certain = _standing(seen, seen.panel.of_cost("cheap").names)
    possible, asked, ends = certain.copy(), new if seen.unasked else 0, {}
    entered = int(certain.sum())
    for name in seen.panel.of_cost("model").names:
        passed, unasked = seen.passed[name], seen.unasked[name]
        asked += int((certain & unasked).sum())
        dropped = int((certain & ~passed & ~unasked).sum())
        ends[name] = Span(dropped, int((possible & ~passed).sum()) + new)
        certain &= passed
        possible &= passed | unasked
    left = Span(int(certain.sum()), int(possible.sum()) + new)
    return SpanLevel("scores", task, Span(entered, entered + new), left, ends), asked


def _standing(seen: Verdicts, names: Iterable[str]) -> BoolArray:
    standing = np.ones(len(seen.rows), dtype=bool)
    for name in names:
        standing &= seen.passed[name]
    return standing
