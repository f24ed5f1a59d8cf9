"""Pairs that the user brings, from a file: the same panel judges them, no teacher needed."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from filters.base import Panel, judge
from filters.wellformed import Wellformed
from pipeline.errors import UserError
from pipeline.pair import OpenTasks, cheap_scores, panel_spec, tally
from pipeline.records import PAIR, content_id, pair_id
from pipeline.stage import Batch, Output, Resources, StageFunction

Row = dict[str, object]
BROUGHT = pa.schema([("row", pa.int64()), ("task", pa.string()), ("source", pa.string()), ("target", pa.string())])
ROWS_PER_SHARD = 20_000


def brought(file: Path, tasks: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of a .jsonl or .parquet file with `source`, `target` and perhaps `task`, in shards.

    A row without a task is asked of every task. Rows that are not text stay null and are dropped with a reason.
    """
    if not file.is_file():
        raise UserError(f"PAIRS={file}: no such file: give a .jsonl or .parquet file with columns source and target")
    rows = _numbered(_parquet(file) if file.suffix == ".parquet" else _jsonl(file), tasks)
    waiting: list[Row] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == ROWS_PER_SHARD:
            yield pa.Table.from_pylist(waiting, schema=BROUGHT)
            waiting = []
    if waiting:
        yield pa.Table.from_pylist(waiting, schema=BROUGHT)


def _numbered(rows: Iterable[Row], tasks: Sequence[str]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        task = row.get("task")
        if task is not None and task not in tasks:
            raise UserError(f"PAIRS, row {number}: task {task!r} is not in the recipe: it has {', '.join(tasks)}")
        texts: Row = {n: value if isinstance(value := row.get(n), str) else None for n in ("source", "target")}
        for name in [str(task)] if task else tasks:
            yield texts | {"row": number, "task": name}


def _jsonl(file: Path) -> Iterator[Row]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except (UnicodeDecodeError, json.JSONDecodeError):
                row = {}
            if number == 1 and not {"source", "target"} <= row.keys():
                _refuse(file, list(row))
            yield row if isinstance(row, dict) else {}


def _parquet(file: Path) -> Iterator[Row]:
    try:
        parquet = pq.ParquetFile(file)
    except pa.ArrowInvalid:
        raise UserError(f"PAIRS={file}: not a parquet file: give one with columns source and target") from None
    names = parquet.schema_arrow.names
    if not {"source", "target"} <= set(names):
        _refuse(file, names)
    for batch in parquet.iter_batches(columns=[name for name in ("source", "target", "task") if name in names]):
        yield from batch.to_pylist()


def _refuse(file: Path, there: Sequence[str]) -> None:
    raise UserError(f"PAIRS={file}: columns source and target are wanted; there are {', '.join(there) or 'none'}")


@dataclass(frozen=True)
class BroughtPairs:
    """The user's rows in; pairs that are well formed and passed the cheap panel out, the rest aside with a reason."""

    name: ClassVar[str] = "pairs"
    tasks: Mapping[str, Panel]
    wellformed: Wellformed
    device: str = "cpu"
    resources: Resources = field(default_factory=Resources)

    @property
    def writes(self) -> pa.Schema:
        return cheap_scores(self.tasks)

    def spec(self) -> Mapping[str, object]:
        tasks = {name: panel_spec(panel.of_cost("cheap")) for name, panel in self.tasks.items()}
        return {"brought": True, "tasks": tasks, "wellformed": asdict(self.wellformed)}

    def facts(self) -> Mapping[str, object]:
        return self.spec()

    def open(self) -> StageFunction:
        tasks = {
            name: [(spec, spec.open(self.device)) for spec in (self.wellformed, *panel.of_cost("cheap"))]
            for name, panel in self.tasks.items()
        }
        return lambda batch: self._write(batch, tasks)

    def _write(self, batch: Batch, tasks: OpenTasks) -> Output:
        counts: Counter[str] = Counter()
        kept: list[Row] = []
        aside: list[Row] = []
        for task, panel in tasks.items():
            rows = [row for row in batch.table.to_pylist() if row["task"] == task]
            scores, reasons = judge(pa.Table.from_pylist(rows, schema=BROUGHT), panel)
            tally(counts, task, reasons)
            for row, score, reason in zip(rows, scores.to_pylist(), reasons.to_pylist(), strict=True):
                if reason is None:
                    kept.append(_pair(row) | {name: score.get(name) for name in self.writes.names[len(PAIR) :]})
                else:
                    aside.append(row | {"reason": reason})
        table = pa.Table.from_pylist(kept, schema=self.writes)
        return Output(table, dict(sorted(counts.items())), pa.Table.from_pylist(aside) if aside else None)


def _pair(row: Row) -> Row:
    """A PAIR row. Pairs with one source share a context of their own, so that they share a split."""
    task, source, target = str(row["task"]), str(row["source"]), str(row["target"])
    known = {"context_id": content_id("source", source), "round": 0, "writer": "brought"}
    return {"pair_id": pair_id(task, source, target), "task": task, "source": source, "target": target, **known}
