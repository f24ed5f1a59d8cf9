"""The scores of a run as columns: every pair that the cheap filters let through, with all that is known of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.answers import kept_answers
from pipeline.errors import UserError
from pipeline.shard import Header, read_header
from pipeline.store import Run

ROUND = 0
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class StoredScores:
    """One task's rows, in the order of the shards; `columns` are those of the scores, `context_id` beside them."""

    columns: pa.Table

    def __len__(self) -> int:
        rows: int = self.columns.num_rows
        return rows

    @property
    def pair_ids(self) -> pa.ChunkedArray:
        return self.columns["pair_id"]

    @cached_property
    def accepted(self) -> BoolArray:
        """Which rows passed all filters when they were judged."""
        kept: BoolArray = pc.is_null(self.columns["dropped_by"]).to_numpy()
        return kept

    def scores(self, name: str) -> pa.Array:
        """float32; null where the filter was not asked or could not say; all null where it has no column."""
        if name not in self.columns.column_names:
            return pa.nulls(len(self), pa.float32())
        return self.columns[name].combine_chunks()

    def unasked(self, name: str) -> BoolArray:
        """Which rows that filter's model was never asked about. A null that it was dropped for is an answer."""
        if name not in self.columns.column_names:
            return np.ones(len(self), dtype=bool)
        column, reasons = self.columns[name], self.columns["dropped_by"]
        asked = pc.fill_null(pc.equal(reasons, name), True)
        missing: BoolArray = pc.and_not(pc.is_null(column), asked).to_numpy()
        return missing


@dataclass(frozen=True)
class Stored:
    """What is on disk of the stages of pairs and scores: their headers, shard by shard, and the rows by task."""

    pairs: tuple[Header, ...]
    scores: tuple[Header, ...]
    rows: pa.Table

    def task(self, name: str) -> StoredScores:
        return StoredScores(self.rows.filter(pc.equal(self.rows["task"], name)))


def stored(run: Run) -> Stored:
    """Read a run whose pairs are all judged; UserError where they are not."""
    pairs, scores = (_shards(run, stage) for stage in ("pairs", "scores"))
    _check(run, pairs, scores)
    parts = [_rows(left, right, header) for (left, _), (right, header) in zip(pairs, scores, strict=True)]
    rows = pa.concat_tables(parts, promote_options="default").unify_dictionaries()
    return Stored(tuple(header for _, header in pairs), tuple(header for _, header in scores), rows)


def _shards(run: Run, stage: str) -> list[tuple[Path, Header]]:
    found = [(path, read_header(path)) for path in run.stage(ROUND, stage).tables()]
    return [(path, header) for path, header in found if header is not None]


def _check(run: Run, pairs: Sequence[tuple[Path, Header]], scores: Sequence[tuple[Path, Header]]) -> None:
    """Every shard was made from the one before it that is there now."""
    candidates = [header.content for _, header in _shards(run, "candidates")]
    if not scores:
        raise UserError(f"run {run.name!r}: no scores yet: run `make filter RUN={run.name}` first")
    read = [header.inputs for _, header in scores] == [(header.content,) for _, header in pairs]
    if not read or (candidates and [header.inputs for _, header in pairs] != [(c,) for c in candidates]):
        raise UserError(
            f"run {run.name!r}: its scores are not of the candidates that are there now: "
            f"run `make filter RUN={run.name}` to its end first"
        )


def _rows(pairs: Path, scores: Path, header: Header) -> pa.Table:
    """One shard's score rows with task and context. Both files are in the same order: their digests say so."""
    names = ["task", "context_id"]
    with pq.ParquetFile(pairs, read_dictionary=names) as file:
        beside = file.read(columns=names)
    with pq.ParquetFile(scores, read_dictionary=["dropped_by"]) as file:
        rows = file.read().replace_schema_metadata(None)
    for name, column in _with_answers(rows, kept_answers(scores, header.facts)):
        rows = rows.set_column(rows.column_names.index(name), name, column)
    return rows.append_column("task", beside["task"]).append_column("context_id", beside["context_id"])


def _with_answers(rows: pa.Table, answers: pa.Table | None) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """The columns that the answers kept beside the shard add to."""
    if answers is None:
        return
    places = pc.index_in(rows["pair_id"], value_set=answers["pair_id"].combine_chunks())
    for name in answers.column_names[1:]:
        if name in rows.column_names:
            yield name, pc.coalesce(rows[name], answers[name].combine_chunks().take(places.combine_chunks()))
