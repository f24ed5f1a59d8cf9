"""Pairs that the user brings, from a file: the same panel judges them, no teacher needed."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from filters.base import Panel, judge
from filters.wellformed import Wellformed
from pipeline.errors import UserError
from pipeline.pair import SCORE, OpenTasks, cheap_scores, judge_spec, open_cheap, panels_spec, tally
from pipeline.records import PAIR, content_id, pair_id
from pipeline.stage import Batch, Output, Resources, StageFunction

Row = dict[str, object]
BROUGHT = pa.schema([("row", pa.int64()), ("task", pa.string()), ("source", pa.string()), ("target", pa.string())])
ASIDE = pa.schema([("pair_id", pa.string()), *BROUGHT, ("reason", pa.string()), SCORE])
COLUMNS = ("source", "target")
ROWS_PER_SHARD = 20_000


def brought(file: Path, tasks: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of a .jsonl or .parquet file with `source`, `target` and perhaps `task`, in shards.

    A row without a task is asked of every task. Rows that are not text stay null and are dropped with a reason.
    """
    if not file.is_file():
        raise UserError(f"PAIRS={file}: no such file: give a .jsonl or .parquet file with columns source and target")
    rows = _numbered(_parquet(file) if file.suffix == ".parquet" else _jsonl(file), tasks)
    shards = 0
    while waiting := list(islice(rows, ROWS_PER_SHARD)):
        shards += 1
        yield pa.Table.from_pylist(waiting, schema=BROUGHT)
    if not shards:
        raise UserError(f"PAIRS={file}: it is empty: give rows with source and target")


def _numbered(rows: Iterable[Row], tasks: Sequence[str]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        task = row.get("task")
        if task is not None and task not in tasks:
            raise UserError(f"PAIRS, row {number}: task {task!r} is not in the recipe: it has {', '.join(tasks)}")
        texts: Row = {name: _text(row.get(name)) for name in COLUMNS}
        for name in [str(task)] if task else tasks:
            yield texts | {"row": number, "task": name}


def _text(value: object) -> str | None:
    """Text that UTF-8 can hold; None for anything else."""
    try:
        text = value.decode() if isinstance(value, bytes) else value
        return text.encode().decode() if isinstance(text, str) else None
    except UnicodeError:
        return None


def _jsonl(file: Path) -> Iterator[Row]:
    """One object a line. The first good one must have the columns; a line that is none becomes a row of nulls."""
    good = 0
    with file.open("rb") as lines:
        for line in lines:
            row = _json_object(line)
            if row is not None and not good and not set(COLUMNS) <= row.keys():
                _refuse(file, list(row))
            good += row is not None
            if line.strip():
                yield row or {}
    if not good and file.stat().st_size:
        raise UserError(f"PAIRS={file}: no line of it is a JSON object in UTF-8: give a .jsonl or .parquet file")


def _json_object(line: bytes) -> Row | None:
    try:
        row = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _parquet(file: Path) -> Iterator[Row]:
    """Text is read as bytes: a parquet file may say text and hold bytes that are none."""
    try:
        with pq.ParquetFile(file) as parquet:
            schema = parquet.schema_arrow
            names = [name for name in (*COLUMNS, "task") if name in schema.names]
            kinds = [f"{name} ({schema.field(name).type})" for name in schema.names]
            if not set(COLUMNS) <= set(names) or not all(_is_text(schema.field(name).type) for name in names):
                _refuse(file, kinds)
            for batch in parquet.iter_batches(columns=names):
                table = pa.Table.from_batches([batch])
                raw = {name: table[name].cast(pa.large_string(), safe=False).cast(pa.large_binary()) for name in names}
                for row in pa.table(raw).to_pylist():
                    yield row | {"task": _text(row.get("task"))}
    except (pa.ArrowInvalid, OSError):
        raise UserError(f"PAIRS={file}: not a whole parquet file: give one with columns source and target") from None


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(is_kind(value) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _refuse(file: Path, there: Sequence[str]) -> None:
    raise UserError(
        f"PAIRS={file}: columns source and target are wanted, both text; there are {', '.join(there) or 'none'}"
    )


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
        return {"brought": True, **panels_spec(self.tasks, "cheap"), "wellformed": judge_spec(self.wellformed)}

    def facts(self) -> Mapping[str, object]:
        return self.spec()

    def open(self) -> StageFunction:
        tasks = open_cheap(self.tasks, self.device, self.wellformed)
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
                    aside.append(row | {"pair_id": _id(row), "reason": reason, "score": score.get(reason)})
        table = pa.Table.from_pylist(kept, schema=self.writes)
        rest = pa.Table.from_pylist(aside, schema=ASIDE) if aside else None
        return Output(table, dict(sorted(counts.items())), rest)


def _pair(row: Row) -> Row:
    """A PAIR row. Pairs with one source share a context of their own, so that they share a split."""
    task, source, target = str(row["task"]), str(row["source"]), str(row["target"])
    known = {"context_id": content_id("source", source), "round": 0, "writer": "brought"}
    return {"pair_id": _id(row), "task": task, "source": source, "target": target, **known}


def _id(row: Row) -> str:
    return pair_id(str(row["task"]), str(row["source"] or ""), str(row["target"] or ""))
