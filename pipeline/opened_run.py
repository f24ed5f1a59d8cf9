"""A run in a notebook: `from pipeline import open_run`, then its funnel, contexts, pairs, scores and corpus.

run = open_run("news")
run.corpus(task="summary").pandas()
run.pairs().arrow()                   # with all scores, and what dropped each
run.corpus(split="train").dataset()   # of `datasets`
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.funnel import levels
from pipeline.run_tables import (
    aside_rows,
    corpus_rows,
    judged_rows,
    left_out_rows,
    of_round,
    rounds,
    splits,
    stage_rows,
)
from pipeline.status import run_status
from pipeline.store import Run

if TYPE_CHECKING:
    import datasets

FUNNEL = pa.schema(
    [
        ("round", pa.int32()),
        ("stage", pa.string()),
        ("task", pa.string()),  # "" where a stage does not count tasks apart
        ("in", pa.int64()),
        ("out", pa.int64()),
        ("dropped", pa.list_(pa.struct([("reason", pa.string()), ("rows", pa.int64())]))),  # most first
    ]
)


@dataclass(frozen=True)
class Rows:
    """Some rows of a run, as Arrow, pandas or `datasets`."""

    table: pa.Table

    def __len__(self) -> int:
        rows: int = self.table.num_rows
        return rows

    def __repr__(self) -> str:
        return f"Rows({len(self):,} rows: {', '.join(self.table.column_names)})"

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Other libraries (polars, DuckDB, pandas) take the rows as they are."""
        return self.table.__arrow_c_stream__(requested_schema)

    def arrow(self) -> pa.Table:
        return self.table

    def pandas(self) -> Any:
        """A pandas.DataFrame."""
        return self.table.to_pandas()

    def dataset(self) -> "datasets.Dataset":
        from datasets import Dataset

        return Dataset(self.table)


@dataclass(frozen=True)
class OpenedRun:
    """A run to look at. Holds no file open and no lock; every call reads what is finished by then."""

    run: Run

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def rounds(self) -> list[int]:
        """0 is the teacher's, r is what student r wrote."""
        return rounds(self.run)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The resolved recipe as plain data."""
        try:
            return tomllib.loads(self.run.recipe_file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"run {self.name!r}: its recipe cannot be read: {error.strerror}") from None

    def funnel(self) -> Rows:
        """How many came in, how many went out and what dropped the rest, for every round, stage and task."""
        stages = run_status(self.run)
        rows = [
            {"round": number, **level.data(), "dropped": _listed(level.dropped)}
            for number in self.rounds
            for level in levels(of_round(stages, number))
        ]
        return Rows(pa.Table.from_pylist(rows, schema=FUNNEL))

    def contexts(self, round_number: int = 0) -> Rows:
        return Rows(stage_rows(self.run, self._known(round_number), "contexts"))

    def candidates(self, round_number: int = 0) -> Rows:
        return Rows(stage_rows(self.run, self._known(round_number), "candidates"))

    def pairs(self, round_number: int = 0) -> Rows:
        """All judged pairs with their scores; `dropped_by` is null for those that passed every filter."""
        return Rows(judged_rows(self.run, self._known(round_number)))

    def scores(self, round_number: int = 0) -> Rows:
        """The scores alone, by pair_id."""
        return Rows(stage_rows(self.run, self._known(round_number), "scores"))

    def corpus(self, split: str = "", task: str = "", round_number: int = 0) -> Rows:
        """The kept pairs; of one split or task where it is given."""
        found = self.splits(round_number)
        if split and split not in found:
            raise UserError(f"run {self.name!r}: no split {split!r}, wanted one of {', '.join(found) or 'none yet'}")
        return Rows(corpus_rows(self.run, round_number, split, task))

    def splits(self, round_number: int = 0) -> list[str]:
        return splits(self.run, self._known(round_number))

    def left_out(self, round_number: int = 0) -> Rows:
        """Pairs that passed all filters and that a selector left out."""
        return Rows(left_out_rows(self.run, self._known(round_number)))

    def examples_dropped_early(self, round_number: int = 0) -> Rows:
        """A few of the pairs that the cheap filters dropped; the rest is only counted."""
        return Rows(aside_rows(self.run, self._known(round_number)))

    def _known(self, round_number: int) -> int:
        there = self.rounds
        if round_number not in there:
            said = ", ".join(map(str, there)) or "none yet"
            raise UserError(f"run {self.name!r}: no round {round_number}, wanted one of {said}")
        return round_number


def open_run(name: str | Path) -> OpenedRun:
    """A run by its name, or by its folder where that lies elsewhere."""
    path = Path(name)
    if isinstance(name, Path) or len(path.parts) > 1:
        if not path.is_dir():
            raise UserError(f"run {str(path)!r}: no such folder: give the name of a run or its folder")
        return OpenedRun(Run(path.resolve()))
    return OpenedRun(Run.existing(name))


def _listed(dropped: Mapping[str, int]) -> list[dict[str, object]]:
    ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return [{"reason": reason, "rows": number} for reason, number in ordered]
