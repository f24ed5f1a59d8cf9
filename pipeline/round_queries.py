"""A round's judged pairs as DuckDB reads them: shard by shard from disk, a million of them without loading them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.run_tables import LEFT_OUT
from pipeline.shard import read_header
from pipeline.store import Run

if TYPE_CHECKING:
    import duckdb

Row = dict[str, object]
MEMORY = "1GB"
THREADS = 2
SETTINGS = {
    "threads": THREADS,
    "memory_limit": MEMORY,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""Little memory, nothing written to disk, nothing fetched."""


@dataclass(frozen=True)
class RoundFiles:
    """The finished files of a round at one moment; `pairs[i]` and `scores[i]` have the same rows in the same order."""

    pairs: tuple[str, ...]
    scores: tuple[str, ...]
    kept: tuple[str, ...]
    left_out: tuple[str, ...]
    aside: tuple[str, ...]
    names: tuple[str, ...]  # of the scores
    mark: int  # another one when any file is another

    @property
    def judged(self) -> str:
        """The rows of pairs (p) beside those of their scores (s), for a FROM."""
        at = "p.file_index = s.file_index AND p.file_row_number = s.file_row_number"
        return f"{scan(self.pairs)} p JOIN {scan(self.scores)} s ON {at}"


def round_files(run: Run, round_number: int) -> RoundFiles:
    """What is there now. Pairs count as judged where the scores were made from them."""
    both = list(_judged(run, round_number))
    corpus = run.stage(round_number, "corpus").tables()
    aside = sorted((run.stage(round_number, "pairs").folder / "aside").glob("shard-*.parquet"))
    files = [*(path for pair in both for path in pair), *corpus, *aside]
    return RoundFiles(
        tuple(str(pairs) for pairs, _ in both),
        tuple(str(scores) for _, scores in both),
        tuple(str(path) for path in corpus if path.stem != LEFT_OUT),
        tuple(str(path) for path in corpus if path.stem == LEFT_OUT),
        tuple(map(str, aside)),
        tuple(dict.fromkeys(name for _, scores in both for name in _score_names(*_stamp(scores)))),
        hash(tuple(_stamp(path) for path in files)),
    )


def scan(files: Sequence[str]) -> str:
    """The rows of some parquet files, for a FROM; columns go by name."""
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def ask(question: str, values: Sequence[object] = ()) -> list[Row]:
    """The answer's rows. `values` stand for the question marks; nothing that a user typed is ever part of the text."""
    import duckdb

    try:
        answer = _database().cursor().execute(question, list(values))
        names = [column[0] for column in answer.description or ()]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    except duckdb.IOException:
        raise UserError("a shard was replaced while it was read: look again") from None
    except duckdb.OutOfMemoryException:
        raise UserError(f"that takes more than {MEMORY} of memory: ask for fewer pairs, or an earlier page") from None


def rows_at(files: RoundFiles, places: Sequence[tuple[int, int]]) -> list[Row]:
    """Whole judged rows by (shard, row), in that order; those that were replaced in between are left out."""
    if not places:
        return []
    shards = sorted({shard for shard, _ in places})
    part = [tuple(group[shard] for shard in shards) for group in (files.pairs, files.scores)]
    at = "p.file_index = s.file_index AND p.file_row_number = s.file_row_number AND p.pair_id = s.pair_id"
    wanted = ", ".join(f"({shards.index(shard)}, {row})" for shard, row in places)
    found = ask(
        f"SELECT p.file_index AS shard_, p.file_row_number AS row_, p.* , "
        f"{''.join(f's.{quoted(name)} AS {quoted(SCORE + name)}, ' for name in files.names)} s.dropped_by "
        f"FROM {scan(part[0])} p JOIN {scan(part[1])} s ON {at} "
        f"WHERE (p.file_index, p.file_row_number) IN (VALUES {wanted})"
    )
    by_place = {(shards[int(str(row.pop("shard_")))], int(str(row.pop("row_")))): _tidy(row) for row in found}
    return [by_place[place] for place in places if place in by_place]


SCORE = "score:"


def _tidy(row: Row) -> Row:
    """The scores in a table of their own, the cheap ones once."""
    scores = {name.removeprefix(SCORE): value for name, value in row.items() if name.startswith(SCORE)}
    rest = {name: value for name, value in row.items() if not name.startswith(SCORE) and name not in scores}
    return rest | {"scores": scores}


def quoted(name: str) -> str:
    """A column's name, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def fates(files: RoundFiles, rows: Sequence[Mapping[str, object]]) -> dict[tuple[str, str], Row]:
    """What the corpus made of some pairs: by (pair_id, context_id), their split or what left them out."""
    ids = sorted({str(row["pair_id"]) for row in rows})
    found: dict[tuple[str, str], Row] = {}
    for paths, column in ((files.left_out, "left_out_by"), (files.kept, "split")):
        if paths and ids:
            marks = ", ".join("?" * len(ids))
            question = f"SELECT pair_id, context_id, {column} FROM {scan(paths)} WHERE pair_id IN ({marks})"
            for row in ask(question, ids):
                found[str(row["pair_id"]), str(row["context_id"])] = {column: row[column]}
    return found


def _judged(run: Run, round_number: int) -> list[tuple[Path, Path]]:
    scores = run.stage(round_number, "scores").shards()
    found = []
    for index, pairs in run.stage(round_number, "pairs").shards().items():
        made, judged = _made_of(*_stamp(pairs)), _made_of(*_stamp(scores[index])) if index in scores else None
        if made is not None and judged is not None and judged[1] == (made[0],):
            found.append((pairs, scores[index]))
    return found


Stamp = tuple[str, int, int]


def _stamp(path: Path) -> Stamp:
    """A file, and what changes when it does; a file that went away has no size."""
    try:
        about = path.stat()
    except OSError:
        return str(path), 0, -1
    return str(path), about.st_mtime_ns, about.st_size


@lru_cache(maxsize=1 << 16)
def _made_of(path: str, _mtime: int, _size: int) -> tuple[str, tuple[str, ...]] | None:
    """The digest of a shard's content, and of what it was made of."""
    header = read_header(Path(path))
    return (header.content, header.inputs) if header else None


@lru_cache(maxsize=1 << 16)
def _score_names(path: str, _mtime: int, _size: int) -> tuple[str, ...]:
    try:
        columns = pq.read_schema(path).names
    except OSError:
        return ()
    return tuple(name for name in columns if name not in ("pair_id", "dropped_by"))


@cache
def _database() -> "duckdb.DuckDBPyConnection":
    import duckdb

    return duckdb.connect(":memory:", config=SETTINGS)
