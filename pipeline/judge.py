"""Pairs to scores, through the filters that need a model. What a model said is kept, for rejected pairs too.

A threshold that tightens costs no model call: a stale shard's answers come back as `Batch.known`. One that loosens asks
only about the pairs that had never been asked about: answers that a tighter threshold has no place for are kept beside
the shard (pipeline/answers.py).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.base import Filter, Panel, Scorer, judge
from pipeline.pair import MACHINE, cheap_scores, judge_spec, panels_spec, tally
from pipeline.records import PAIR, score_schema
from pipeline.stage import Batch, Output, Resources, StageFunction
from pipeline.thresholds import thresholds

NO_SCORES = pa.array([], pa.float32())


@dataclass(frozen=True)
class JudgePairs:
    """Pairs in; as many score rows out, in the same order: the cheap scores, the models' scores, the verdict."""

    name: ClassVar[str] = "scores"
    tasks: Mapping[str, Panel]
    device: str = "cpu"
    resources: Resources = field(default_factory=Resources)

    @property
    def writes(self) -> pa.Schema:
        cheap = cheap_scores(self.tasks).names[len(PAIR) :]
        dear = dict.fromkeys(name for panel in self.tasks.values() for name in panel.of_cost("model").names)
        return score_schema([*cheap, *dear])

    def spec(self) -> Mapping[str, object]:
        return panels_spec(self.tasks, "model")

    def facts(self) -> Mapping[str, object]:
        """The models, without thresholds: under them an old answer is still an answer."""
        return {
            f"{task}.{spec.name}": judge_spec(spec, (*MACHINE, *thresholds(spec, NO_SCORES)))
            for task, spec in self._models()
        }

    def thresholds(self) -> frozenset[str]:
        """`task.filter.field` of all that moves the models' verdicts and no score."""
        return frozenset(
            f"{task}.{spec.name}.{field}" for task, spec in self._models() for field in thresholds(spec, NO_SCORES)
        )

    def _models(self) -> Iterator[tuple[str, Filter]]:
        return ((task, spec) for task, panel in self.tasks.items() for spec in panel.of_cost("model"))

    def answers(self, rows: pa.Table) -> pa.Table:
        """The models' scores among stored rows, those of filters that the recipe no longer has among them."""
        others = {"dropped_by", *cheap_scores(self.tasks).names}
        names = [name for name in rows.column_names if name not in others]
        held = [pc.is_valid(rows[name]) for name in names]
        some = reduce(pc.or_, held, pa.chunked_array([pa.repeat(False, rows.num_rows)]))
        return rows.select(["pair_id", *names]).filter(some)

    def open(self) -> StageFunction:
        tasks = {
            name: [(spec, spec.open(self.device)) for spec in panel.of_cost("model")]
            for name, panel in self.tasks.items()
        }
        return lambda batch: self._write(batch, tasks)

    def _write(self, batch: Batch, tasks: Mapping[str, Sequence[tuple[Filter, Scorer]]]) -> Output:
        counts: Counter[str] = Counter()
        parts, places = [self.writes.empty_table()], []
        for task, panel in tasks.items():
            where = np.flatnonzero(pc.equal(batch.table["task"], task).to_numpy(zero_copy_only=False))
            rows = batch.table.take(pa.array(where))
            scores, reasons = judge(rows, [(spec, _recalling(spec.name, ask, batch.known)) for spec, ask in panel])
            tally(counts, task, reasons)
            parts.append(self._rows(rows, scores, reasons))
            places.append(where)
        order = pa.array(np.argsort(np.concatenate(places), kind="stable"))
        return Output(pa.concat_tables(parts).take(order), dict(sorted(counts.items())))

    def _rows(self, rows: pa.Table, scores: pa.Table, reasons: pa.Array) -> pa.Table:
        found = {name: scores[name] for name in scores.column_names} | {"dropped_by": reasons}
        columns = []
        for column in self.writes:
            source = found.get(column.name, rows[column.name] if column.name in rows.column_names else None)
            columns.append(source if source is not None else pa.nulls(rows.num_rows, column.type))
        return pa.table(dict(zip(self.writes.names, columns, strict=True)), schema=self.writes)


def _recalling(name: str, ask: Scorer, known: pa.Table | None) -> Scorer:
    """A scorer that answers from `known` (score rows by pair_id) and asks the model only about the rest."""
    if known is None or name not in known.column_names:
        return ask
    settled = pc.is_valid(known[name])
    if "dropped_by" in known.column_names:  # null and dropped for it: it was asked, and could not say
        settled = pc.or_(settled, pc.fill_null(pc.equal(known["dropped_by"], name), False))
    answered = known.filter(settled)
    ids, values = answered["pair_id"].combine_chunks(), answered[name].combine_chunks()

    def score(rows: pa.Table) -> pa.Array:
        places = pc.index_in(rows["pair_id"].combine_chunks(), value_set=ids)
        found = values.take(places)
        unasked = np.flatnonzero(places.is_null().to_numpy(zero_copy_only=False))
        if not len(unasked):
            return found
        fresh = ask(rows.take(pa.array(unasked))).cast(pa.float32())
        return pc.replace_with_mask(found, places.is_null(), fresh)

    return score
