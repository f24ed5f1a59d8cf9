"""Answers outlive their rows: what a model said about a pair is kept when a tighter threshold lets its row or score go.

    <stage>/answers/shard-00000.<facts>.parquet     pair_id, and one column a filter; one file for each judge

The shards themselves stay what the recipe says, byte for byte. This file lies beside them, holds what an earlier
version of the shard knew and a later one has no place for, and only grows. So no model is asked twice for an answer it
gave, however thresholds move, nor when a judge is exchanged and comes back; where it could not say (null), it is asked
again. A run whose thresholds never moved has no such file.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.plan import ShardTask
from pipeline.shard import Header, read_header, read_rows, write_shard
from pipeline.stage import AnswerKeeper, MapStage

KEY = "pair_id"


def answers_file(shard: Path, facts: str) -> Path:
    """Where the answers that `shard` no longer holds are kept, given by the models that `facts` names."""
    return shard.parent / "answers" / f"{shard.stem}.{facts[:16]}.parquet"


def kept_answers(shard: Path, facts: str) -> pa.Table | None:
    """The answers beside a shard; None where there are none that can be read."""
    path = answers_file(shard, facts)
    header = read_header(path)
    return read_rows(path) if header is not None and header.facts == facts else None


def recall(stage: MapStage, task: ShardTask) -> pa.Table | None:
    """All that is known for a shard: the rows of its stale version, and the answers beside it."""
    parts = [read_rows(task.known)] if task.known and task.known.exists() else []
    if isinstance(stage, AnswerKeeper):
        beside = kept_answers(task.path, task.header.facts)
        parts += [beside] if beside is not None else []
    return pa.concat_tables(parts, promote_options="default") if parts else None


def keep_answers(stage: MapStage, task: ShardTask, table: pa.Table) -> None:
    """Before `table` takes the place of the shard on disk: put by what that shard knows and `table` does not."""
    former = read_header(task.path)
    if not isinstance(stage, AnswerKeeper) or former is None or former.stage != stage.name:
        return
    rows = stage.answers(read_rows(task.path))
    if former.facts == task.header.facts:
        rows = rows.filter(pa.array(_lost(rows, table)))
    if rows.num_rows:
        beside = kept_answers(task.path, former.facts)
        header = Header(stage.name, former.facts, {}, former.facts)
        write_shard(answers_file(task.path, former.facts), _union([rows] if beside is None else [beside, rows]), header)


def _lost(rows: pa.Table, table: pa.Table) -> np.ndarray:
    """Which rows hold an answer that `table` does not."""
    lost = np.zeros(rows.num_rows, dtype=bool)
    for name in rows.column_names[1:]:
        there = table[KEY].filter(pc.is_valid(table[name])) if name in table.column_names else table[KEY].slice(0, 0)
        still = pc.is_in(rows[KEY], value_set=there.combine_chunks())
        lost |= pc.and_not(pc.is_valid(rows[name]), still).to_numpy()
    return lost


def _union(parts: Sequence[pa.Table]) -> pa.Table:
    """One row a pair. A pair's answers are the same wherever they stand, so the largest is each."""
    rows = pa.concat_tables(parts, promote_options="default")
    names = rows.column_names[1:]
    grouped = rows.group_by(KEY).aggregate([(name, "max") for name in names])
    columns = {KEY: grouped[KEY]} | {name: grouped[f"{name}_max"] for name in names}
    return pa.table(columns).sort_by(KEY)
