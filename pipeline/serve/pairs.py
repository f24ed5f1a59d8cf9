"""Pages of pairs to browse: filtered, searched and sorted in the shards, a screenful at a time."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.errors import UserError
from pipeline.round_queries import RoundFiles, Row, ask, fates, quoted, rows_at, scan

PAGE = 25
_ID = re.compile(r"[0-9a-f]{6,32}")
VERDICTS = ("kept", "left out", "passed", "dropped")
"""In the corpus; passed all filters, and a selector left it out; passed all filters; dropped by a filter."""


@dataclass(frozen=True)
class Asked:
    """What a person asks for. `by` names a filter that dropped, or a score to sort by stands in `sort`."""

    round: int = 0
    words: str = ""
    task: str = ""
    verdict: str = ""
    by: str = ""
    sort: str = ""
    up: bool = False
    least: float | None = None
    most: float | None = None
    page: int = 1


@dataclass(frozen=True)
class Page:
    """The pairs found, and which of them are shown."""

    rows: tuple[Row, ...]
    found: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, math.ceil(self.found / PAGE))


@dataclass(frozen=True)
class _Where:
    """Conditions of a search, the values for their question marks, and whether they look at scores."""

    conditions: tuple[str, ...] = ()
    values: tuple[object, ...] = ()
    scores: bool = False

    def also(self, condition: str, *values: object, scores: bool = False) -> "_Where":
        return _Where((*self.conditions, condition), (*self.values, *values), self.scores or scores)


def find(files: RoundFiles, asked: Asked) -> Page:
    """One page. A page behind the last is the last."""
    if not files.pairs:
        return Page((), 0, 1)
    page = _page(files, asked)
    last = page.pages
    return page if asked.page <= last else _page(files, replace(asked, page=last))


def _page(files: RoundFiles, asked: Asked) -> Page:
    where = _where(files, asked)
    key = _sort_key(files, asked)
    joined = where.scores or asked.sort in files.names
    table = files.judged if joined else f"{scan(files.pairs)} p"
    condition = " AND ".join(where.conditions) or "true"
    order = f"k {'ASC' if asked.up else 'DESC'} NULLS LAST, f, r"
    found = ask(
        f"WITH hits AS MATERIALIZED (SELECT p.file_index AS f, p.file_row_number AS r, {key} AS k FROM {table} "
        f"WHERE {condition}), shown AS (SELECT f, r, k FROM hits ORDER BY {order} LIMIT {PAGE} OFFSET ?) "
        f"SELECT n, f, r FROM (SELECT count(*) AS n FROM hits) LEFT JOIN shown ON true ORDER BY {order}",
        [*where.values, PAGE * (asked.page - 1)],
    )
    places = [(int(str(row["f"])), int(str(row["r"]))) for row in found if row["f"] is not None]
    return Page(tuple(with_fates(files, rows_at(files, places))), int(str(found[0]["n"])), asked.page)


def with_fates(files: RoundFiles, rows: Sequence[Row]) -> list[Row]:
    """Rows with what became of each in `verdict` ("kept", "dropped by numbers", ...), and the split of the kept."""
    passed = [row for row in rows if row["dropped_by"] is None]
    ends = fates(files, passed)
    return [row | _fate(row, ends.get((str(row["pair_id"]), str(row["context_id"])))) for row in rows]


def _fate(row: Row, end: Row | None) -> Row:
    if row["dropped_by"] is not None:
        return {"verdict": f"dropped by {row['dropped_by']}"}
    if end is None:
        return {"verdict": "passed all filters"}
    return end | {"verdict": "kept" if "split" in end else f"left out by {end['left_out_by']}"}


def _where(files: RoundFiles, asked: Asked) -> _Where:
    where = _Where()
    for word in asked.words.lower().split():
        where = _with_word(where, word)
    if asked.task:
        where = where.also("p.task = ?", asked.task)
    where = _with_verdict(where, files, asked)
    for bound, sign in ((asked.least, ">="), (asked.most, "<=")):
        if bound is not None and math.isfinite(bound) and asked.sort in files.names:
            where = where.also(f"s.{quoted(asked.sort)} {sign} ?", bound, scores=True)
    return where


def _with_word(where: _Where, word: str) -> _Where:
    """A word may stand in either sentence; what looks like the beginning of an id may be that."""
    text = "contains(lower(p.source), ?) OR contains(lower(p.target), ?)"
    if _ID.fullmatch(word):
        return where.also(f"({text} OR starts_with(p.pair_id, ?))", word, word, word)
    return where.also(f"({text})", word, word)


def _with_verdict(where: _Where, files: RoundFiles, asked: Asked) -> _Where:
    if asked.verdict == "dropped":
        where = where.also("s.dropped_by IS NOT NULL", scores=True)
        return where.also("s.dropped_by = ?", asked.by, scores=True) if asked.by else where
    if asked.verdict not in VERDICTS:
        return where
    where = where.also("s.dropped_by IS NULL", scores=True)
    if asked.verdict == "passed":
        return where
    paths = files.kept if asked.verdict == "kept" else files.left_out
    if not paths:
        return where.also("false")
    by, values = (" WHERE left_out_by = ?", [asked.by]) if asked.verdict == "left out" and asked.by else ("", [])
    return where.also(f"(p.pair_id, p.context_id) IN (SELECT (pair_id, context_id) FROM {scan(paths)}{by})", *values)


def _sort_key(files: RoundFiles, asked: Asked) -> str:
    if asked.sort in files.names:
        return f"s.{quoted(asked.sort)}"
    if asked.sort in ("", "logprob"):
        return "p.logprob" if asked.sort else "NULL"
    raise UserError(f"sort {asked.sort!r}: no such score, wanted one of {', '.join(files.names) or 'none yet'}")
