"""One way from candidates to accepted pairs, with everything that the published procedure and ours do differently.

Written apart from the pipeline's stages, so that the ladder's last rung checks them: its filters and selectors are the
pipeline's, the walk over them is not. Every filter answers each pair once for all procedures.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench import published
from bench.published import Ask, Pair
from filters.base import Cost, Filter, Panel, Role, Scorer, Selector, judge
from filters.entailment import Entailment
from filters.wellformed import Wellformed
from pipeline.records import pair_id

Key = tuple[str, str, str, str]
"""An accepted pair: context_id, task, source, target."""
Rows = Sequence[Mapping[str, Any]]
"""The candidates of one context, in the order sampled."""
Sentences = Callable[[Rows], list[str]]
"""The sentences of a context that pairs are formed of."""
Filters = Mapping[str, Filter]
"""A panel by name; cheap filters run before those with a model."""


@dataclass(frozen=True)
class Procedure:
    """`last`: filters that come after the selectors. `once`: a pair that several contexts have counts once."""

    sentences: Sentences
    panels: Mapping[str, Filters]
    last: Mapping[str, Filters]
    selectors: Mapping[str, tuple[Selector, ...]]
    both_orders: bool = False
    once: bool = False

    def with_filters(self, name: str, specs: Mapping[str, Filter | None]) -> "Procedure":
        """Those tasks' filters of that name replaced, added, or (None) left out; the filter keeps its place."""
        place = "last" if any(name in self.last[task] for task in specs) else "panels"
        tasks: Mapping[str, Filters] = getattr(self, place)
        changed = {task: _changed(tasks[task], name, spec) for task, spec in specs.items()}
        return replace(self, **{place: {**tasks, **changed}})  # type: ignore[arg-type]

    def selectors_last(self) -> "Procedure":
        panels = {task: {**panel, **self.last[task]} for task, panel in self.panels.items()}
        return replace(self, panels=panels, last={task: {} for task in panels})


def _changed(filters: Filters, name: str, spec: Filter | None) -> Filters:
    left = {key: found for key, found in filters.items() if key != name}
    return left if spec is None else {**left, name: spec}


@dataclass(frozen=True)
class PublishedNumbers:
    """The published number check as a filter: 1 where every figure of the target is in the source."""

    name: ClassVar[str] = "numbers"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    def open(self, device: str) -> Scorer:
        return lambda rows: pa.array([float(published.numbers_agree(*pair)) for pair in texts(rows)], pa.float32())

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return pc.equal(scores, 1.0)


@dataclass(frozen=True)
class Components:
    """Algorithm 1: of every connected component of a context's pairs, the strongest.

    `mutual`: sentences are linked where both entail each other, not one the other. `forward_tasks`: their strength is
    the forward probability alone, and the smallest pair_id wins a tie; else it is the sum of both, and the first wins.
    """

    name: ClassVar[str] = "duplicates"
    within: ClassVar[Literal["context_id"] | None] = "context_id"

    ask: Ask
    min_probability: float = published.MIN_PROBABILITY
    mutual: bool = False
    forward_tasks: frozenset[str] | None = None

    def select(self, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        rows = pairs.to_pylist()
        contexts: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            contexts.setdefault(row["context_id"], []).append(place)
        kept = np.zeros(len(rows), dtype=bool)
        known = self._known(rows, contexts.values())
        for places in contexts.values():
            for component in _components(places, lambda i, j: self._linked(rows[i], rows[j], known)):
                kept[min(component, key=lambda place: self._rank(rows[place], known))] = True
        return pa.array(kept, pa.bool_())

    def _known(self, rows: Rows, contexts: Iterable[list[int]]) -> dict[Pair, float]:
        """All answers that may be needed, asked at once."""
        asked: dict[Pair, None] = dict.fromkeys(pair for row in rows for pair in _ways(row["source"], row["target"]))
        for places in contexts:
            for name in ("source", "target"):
                sentences = dict.fromkeys(rows[place][name] for place in places)
                asked.update(dict.fromkeys(way for pair in combinations(sentences, 2) for way in _ways(*pair)))
        return dict(zip(asked, self.ask(list(asked)), strict=True))

    def _linked(self, p: Mapping[str, str], q: Mapping[str, str], known: Mapping[Pair, float]) -> bool:
        wanted = all if self.mutual else any
        for name in ("source", "target"):
            a, b = p[name], q[name]
            if a == b or wanted(known[way] >= self.min_probability for way in _ways(a, b)):
                return True
        return False

    def _rank(self, row: Mapping[str, str], known: Mapping[Pair, float]) -> tuple[float, str]:
        there, back = (known[way] for way in _ways(row["source"], row["target"]))
        if self.forward_tasks is None:
            return -(there + back), ""
        return -(there if row["task"] in self.forward_tasks else there + back), row["pair_id"]


def _ways(a: str, b: str) -> tuple[Pair, Pair]:
    return (a, b), (b, a)


def _components(places: Sequence[int], linked: Callable[[int, int], bool]) -> Iterator[list[int]]:
    left = list(places)
    while left:
        component, edge = [], [left.pop(0)]
        while edge:
            component.append(edge.pop())
            near = {place for place in left if linked(component[-1], place)}
            left = [place for place in left if place not in near]
            edge += sorted(near)
        yield sorted(component)


@dataclass
class Remembered:
    """A scorer that is asked about each (source, target) once."""

    ask: Scorer
    answers: dict[Pair, float | None] = field(default_factory=dict)

    def __call__(self, rows: pa.Table) -> pa.Array:
        asked = texts(rows)
        new = [pair for pair in dict.fromkeys(asked) if pair not in self.answers]
        if new:
            self.answers.update(zip(new, self.ask(table_of(new)).to_pylist(), strict=True))
        return pa.array([self.answers[pair] for pair in asked], pa.float32())


@dataclass
class Walk:
    """Walks procedures over the same candidates, by context."""

    contexts: Mapping[str, Rows]
    opened: dict[str, Remembered] = field(default_factory=dict)

    def ask(self, spec: Entailment) -> Ask:
        """The judge as a function of (premise, hypothesis) pairs."""
        return lambda pairs: self._scorer(spec)(table_of(pairs)).to_pylist()

    def accepted(self, procedure: Procedure) -> tuple[frozenset[Key], int]:
        """The accepted pairs, and how many distinct questions the panels put to the judge."""
        questions: set[Pair] = set()
        found = frozenset(key for task in procedure.panels for key in self._of_task(procedure, task, questions))
        return found, len(questions)

    def _of_task(self, procedure: Procedure, task: str, questions: set[Pair]) -> Iterator[Key]:
        formed = [
            form_pairs(task, context, procedure.sentences(rows), procedure.both_orders)
            for context, rows in self.contexts.items()
        ]
        rows, scores = self._passed(pa.concat_tables(formed).combine_chunks(), procedure.panels[task], questions)
        if procedure.once:
            rows, scores = _kept(rows, scores, first_of_repeats(rows))
        for selector in procedure.selectors[task]:
            rows, scores = _kept(rows, scores, selector.select(rows, scores))
        rows, _ = self._passed(rows, procedure.last[task], questions)
        for row in rows.to_pylist():
            yield row["context_id"], task, row["source"], row["target"]

    def _passed(self, rows: pa.Table, filters: Filters, questions: set[Pair]) -> tuple[pa.Table, pa.Table]:
        panel = Panel(tuple(sorted(filters.values(), key=lambda spec: spec.cost != "cheap")))
        scores, reasons = judge(rows, [(spec, self._counting(spec, questions)) for spec in panel])
        return _kept(rows, scores, pc.is_null(reasons)) if scores.num_columns else (rows, scores)

    def _scorer(self, spec: Filter) -> Remembered:
        key = repr(spec)
        if key not in self.opened:
            self.opened[key] = Remembered(spec.open("cpu"))
        return self.opened[key]

    def _counting(self, spec: Filter, questions: set[Pair]) -> Scorer:
        """The remembering scorer; where it asks the judge, the question is noted."""
        scorer = self._scorer(spec)
        if not isinstance(spec, Entailment):
            return scorer

        def score(rows: pa.Table) -> pa.Array:
            questions.update(texts(rows, spec.premise, spec.hypothesis))
            return scorer(rows)

        return score


def usable(wellformed: Wellformed) -> Sentences:
    """The pipeline's choice of candidates: ended, well formed, no copy of the context, each once."""

    def sentences(rows: Rows) -> list[str]:
        fit = (
            row["text"]
            for row in rows
            if row["ended"] != "length" and wellformed.problem(row["text"], row["context"]) is None
        )
        return list(dict.fromkeys(fit))

    return sentences


def form_pairs(task: str, context: str, sentences: Sequence[str], both_orders: bool) -> pa.Table:
    """The pairs of a context in the order sampled; `both_orders`: each the other way round too."""
    wanted = ~np.eye(len(sentences), dtype=bool)
    first, second = np.nonzero(wanted if both_orders else np.triu(wanted))
    pairs = [(sentences[i], sentences[j]) for i, j in zip(first.tolist(), second.tolist(), strict=True)]
    columns = {"pair_id": [pair_id(task, *pair) for pair in pairs]}
    columns |= {name: [value] * len(pairs) for name, value in (("task", task), ("context_id", context))}
    formed = table_of(pairs)
    for name, values in columns.items():
        formed = formed.append_column(name, pa.array(values, pa.string()))
    return formed


def first_of_repeats(rows: pa.Table) -> pa.BooleanArray:
    """Of equal pairs that of the smallest context_id."""
    ids, contexts = rows["pair_id"].to_pylist(), rows["context_id"].to_pylist()
    first: dict[str, str] = {}
    for key, context in zip(ids, contexts, strict=True):
        first[key] = min(first.get(key, context), context)
    return pa.array([first[key] == context for key, context in zip(ids, contexts, strict=True)], pa.bool_())


def texts(rows: pa.Table, first: str = "source", second: str = "target") -> list[Pair]:
    return list(zip(rows[first].to_pylist(), rows[second].to_pylist(), strict=True))


def table_of(pairs: Sequence[Pair]) -> pa.Table:
    sources, targets = ([pair[i] for pair in pairs] for i in (0, 1))
    return pa.table({"source": pa.array(sources, pa.string()), "target": pa.array(targets, pa.string())})


def _kept(rows: pa.Table, scores: pa.Table, kept: pa.BooleanArray) -> tuple[pa.Table, pa.Table]:
    return rows.filter(kept).combine_chunks(), scores.filter(kept).combine_chunks()
