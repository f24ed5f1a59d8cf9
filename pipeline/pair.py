"""Candidates of one context to ordered pairs, through the cheap panel, in memory.

The n(n-1) ordered pairs are never written down: survivors are, with the number that each filter dropped and a small
seeded sample of the dropped. Both tasks draw on the same candidates, and both orders of every pair are tried.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.base import Cost, Filter, Panel, Scorer, Selector, judge
from filters.models import revision_of
from filters.nli_back_ends import resolve
from filters.wellformed import Wellformed
from pipeline.records import PAIR, pair_id
from pipeline.stage import Batch, Output, Resources, StageFunction

Row = dict[str, object]
OpenTasks = Mapping[str, Sequence[tuple[Filter, Scorer]]]

DROPPED = pa.schema([(name, pa.string()) for name in ("pair_id", "task", "source", "target", "context_id", "reason")])
"""What is kept of a dropped pair; `reason` is the filter's name."""
SCORE = pa.field("score", pa.float32())
"""What that filter gave the pair; null where it had nothing to say."""


def cheap_scores(tasks: Mapping[str, Panel]) -> pa.Schema:
    """PAIR rows with the cheap filters' scores behind them; a filter that a task does not use stays null."""
    names = dict.fromkeys(name for panel in tasks.values() for name in panel.of_cost("cheap").names)
    return pa.schema([*PAIR, *(pa.field(name, pa.float32()) for name in names)])


def panels_spec(tasks: Mapping[str, Panel], cost: Cost) -> dict[str, object]:
    """What decides the verdicts of each task's filters of that cost, and which of them a drop is counted for."""
    panels = {name: panel.of_cost(cost) for name, panel in tasks.items()}
    return {"tasks": {name: panel_spec(panel) for name, panel in panels.items()}, "order": order_of(panels)}


def order_of(tasks: Mapping[str, Iterable[Filter | Selector]]) -> dict[str, list[str]]:
    """The names of each task's filters or selectors as they come: a header sorts its keys, a list it leaves alone."""
    return {task: [spec.name for spec in specs] for task, specs in tasks.items()}


def open_cheap(tasks: Mapping[str, Panel], device: str, *first: Filter) -> OpenTasks:
    """Each task's cheap filters, opened, behind those that come `first`."""
    return {
        name: [(spec, spec.open(device)) for spec in (*first, *panel.of_cost("cheap"))] for name, panel in tasks.items()
    }


MACHINE = ("device", "threads")
"""Fields of filters that decide speed and no score."""


OFF = {"frame": "", "ends_in": ".?!"}
"""Values with which a filter does what it did before it had the field: a run of that time is not stale for it."""


def judge_spec(spec: Filter | Selector, leave_out: Sequence[str] = MACHINE) -> dict[str, object]:
    """What decides a filter's verdicts: its parameters, and of its model the very weights."""
    fields = asdict(spec)  # type: ignore[call-overload]
    found: dict[str, object] = {k: v for k, v in fields.items() if k not in leave_out and (k, v) not in OFF.items()}
    for model, revision in (("model", "revision"), ("encoder", "encoder_revision")):
        if model in found:
            found[revision] = revision_of(str(found[model]), str(found.get(revision) or ""))
    if "back_end" in found:  # what `auto` means here: its scores are not those of another back end, bit by bit
        found["back_end"] = resolve(str(found["back_end"]))
    return found


def panel_spec(panel: Panel) -> dict[str, object]:
    return {spec.name: judge_spec(spec) for spec in panel}


@dataclass(frozen=True)
class FormPairs:
    """Candidates in, whole contexts a shard; pairs that passed the cheap panel out."""

    name: ClassVar[str] = "pairs"
    tasks: Mapping[str, Panel]
    wellformed: Wellformed
    device: str = "cpu"
    examples: int = 2  # dropped pairs kept for a look, for each context, task and filter
    resources: Resources = field(default_factory=Resources)

    @property
    def writes(self) -> pa.Schema:
        return cheap_scores(self.tasks)

    def spec(self) -> Mapping[str, object]:
        return {
            **panels_spec(self.tasks, "cheap"),
            "wellformed": judge_spec(self.wellformed),
            "examples": self.examples,
        }

    def facts(self) -> Mapping[str, object]:
        return self.spec()

    def open(self) -> StageFunction:
        tasks = open_cheap(self.tasks, self.device)
        return lambda batch: self._write(batch, tasks)

    def _write(self, batch: Batch, tasks: OpenTasks) -> Output:
        counts: Counter[str] = Counter()
        kept, dropped = [self.writes.empty_table()], [_aside([])]
        for candidates in _contexts(batch.table):
            usable = self._usable(candidates, counts)
            for task, panel in tasks.items():
                passed, examples = self._judge(usable, task, panel, counts)
                kept.append(passed)
                dropped.append(examples)
        aside = pa.concat_tables(dropped)
        return Output(pa.concat_tables(kept), dict(sorted(counts.items())), aside if aside.num_rows else None)

    def _usable(self, candidates: Sequence[Row], counts: Counter[str]) -> list[Row]:
        """The candidates that may stand in a pair; every other ends here, with its reason counted."""
        usable: dict[str, Row] = {}
        for row in candidates:
            reason = self._problem(row, usable)
            counts["candidates/in"] += 1
            counts[f"candidates/dropped/{reason}" if reason else "candidates/out"] += 1
            if not reason:
                usable[str(row["text"])] = row
        return list(usable.values())

    def _problem(self, row: Row, earlier: Mapping[str, Row]) -> str | None:
        if row["ended"] == "length":
            return "truncated"
        text = str(row["text"])
        return "duplicate" if text in earlier else self.wellformed.problem(text, str(row["context"]))

    def _judge(
        self, rows: Sequence[Row], task: str, panel: Sequence[tuple[Filter, Scorer]], counts: Counter[str]
    ) -> tuple[pa.Table, pa.Table]:
        """All ordered pairs of `rows` through one task's cheap panel: the survivors, and examples of the dropped."""
        first, second = np.nonzero(~np.eye(len(rows), dtype=bool))
        texts = pa.array([str(row["text"]) for row in rows], pa.string())
        pairs = pa.table({"source": texts.take(pa.array(first)), "target": texts.take(pa.array(second))})
        scores, reasons = judge(pairs, panel)
        tally(counts, task, reasons)
        kept = np.flatnonzero(reasons.is_null().to_numpy(zero_copy_only=False))
        survivors = [_pair(task, rows[i], rows[j]) for i, j in zip(first[kept], second[kept], strict=True)]
        table = pa.Table.from_pylist(survivors, schema=PAIR)
        for name in self.writes.names[len(PAIR) :]:
            column = scores[name].take(pa.array(kept)) if name in scores.column_names else None
            table = table.append_column(
                pa.field(name, pa.float32()), column if column is not None else _nulls(len(kept))
            )
        return table, self._examples(pairs, scores, reasons, task, rows)

    def _examples(
        self, pairs: pa.Table, scores: pa.Table, reasons: pa.Array, task: str, rows: Sequence[Row]
    ) -> pa.Table:
        """A few dropped pairs for each filter, drawn by the context's own id."""
        names = reasons.to_numpy(zero_copy_only=False)
        draw = np.random.default_rng(int(str(rows[0]["context_id"])[:12], 16) if rows else 0)
        chosen = []
        for name in sorted(reasons.drop_null().unique().to_pylist()):
            where = np.flatnonzero(names == name)
            chosen += [(int(i), name, scores[name][int(i)].as_py()) for i in draw.permutation(where)[: self.examples]]
        return _aside(
            [_dropped(pairs.slice(i, 1).to_pylist()[0], task, name, rows) | {"score": x} for i, name, x in chosen]
        )


def tally(counts: Counter[str], task: str, reasons: pa.Array) -> None:
    """Add one task's verdicts to the funnel. `reasons`: what dropped each row, null for the kept."""
    counts[f"{task}/in"] += len(reasons)
    counts[f"{task}/out"] += reasons.null_count
    for entry in pc.value_counts(reasons.drop_null()).to_pylist():
        counts[f"{task}/dropped/{entry['values']}"] += entry["counts"]


def _nulls(length: int) -> pa.Array:
    return pa.nulls(length, pa.float32())


def _contexts(table: pa.Table) -> Iterator[list[Row]]:
    """The candidates of one context after another; a context never straddles shards."""
    grouped: dict[object, list[Row]] = {}
    for row in table.to_pylist():
        grouped.setdefault(row["context_id"], []).append(row)
    yield from grouped.values()


def _pair(task: str, source: Row, target: Row) -> Row:
    x, y = str(source["text"]), str(target["text"])
    shared = {key: target[key] for key in ("context_id", "round", "writer", "seed", "logprob")}
    ids = {"source_id": source["candidate_id"], "target_id": target["candidate_id"]}
    return {"pair_id": pair_id(task, x, y), "task": task, "source": x, "target": y, **ids, **shared}


def _dropped(pair: Row, task: str, name: str, rows: Sequence[Row]) -> Row:
    key = pair_id(task, str(pair["source"]), str(pair["target"]))
    return {"pair_id": key, "task": task, **pair, "context_id": rows[0]["context_id"], "reason": name}


def _aside(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=pa.schema([*DROPPED, SCORE]))
