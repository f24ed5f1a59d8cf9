"""Which pairs a person is asked about: as many accepted as rejected ones, mixed, drawn by seed from all shards.

The order comes from a hash of seed and pair_id, so that a seed always gives the same pairs, and one that a running
stage adds takes its place among them without moving the others. Rejected pairs are drawn evenly from all filters.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from pipeline.round_queries import RoundFiles, Row, ask, rows_at, scan

MOST = 500
"""Pairs drawn of each task and verdict."""
MIXED = 10
"""So many are mixed up, so that their place does not give the verdict away."""


@dataclass(frozen=True)
class Drawn:
    """A pair to ask about. `dropped_by` "" for an accepted one. Pairs dropped early lie in no shard (`shard` -1)."""

    pair_id: str
    task: str
    dropped_by: str
    shard: int
    row: int


@lru_cache(maxsize=8)
def draw(files: RoundFiles, seed: int) -> tuple[Drawn, ...]:
    """All drawn pairs in the order in which they are asked about."""
    groups: dict[tuple[str, str], list[tuple[str, Drawn]]] = {}
    for key, drawn in (*_judged(files, seed), *_early(files, seed)):
        groups.setdefault((drawn.dropped_by, drawn.task), []).append((key, drawn))
    ordered = {name: [drawn for _, drawn in sorted(rows, key=lambda r: r[0])] for name, rows in groups.items()}
    accepted = _by_turns([ordered[name] for name in sorted(ordered) if not name[0]])
    rejected = _by_turns([ordered[name] for name in sorted(ordered) if name[0]])
    both = (each for pair in zip_longest(accepted, rejected) for each in pair if each)
    once = {drawn.pair_id: drawn for drawn in both}.values()
    mixed = sorted(enumerate(once), key=lambda item: (item[0] // MIXED, _key(item[1].pair_id, seed)))
    return tuple(drawn for _, drawn in mixed)


def whole(files: RoundFiles, drawn: Drawn) -> Row | None:
    """The pair's row; None where it went away."""
    if drawn.shard >= 0:
        found = rows_at(files, [(drawn.shard, drawn.row)])
    else:
        found = ask(f"SELECT * FROM {scan(files.aside)} WHERE pair_id = ? LIMIT 1", [drawn.pair_id])
    return found[0] if found and found[0]["pair_id"] == drawn.pair_id else None


def _judged(files: RoundFiles, seed: int) -> Iterator[tuple[str, Drawn]]:
    """Accepted are the pairs of the corpus; before there is one, those that passed all filters."""
    if not files.pairs:
        return
    where = "true"
    if files.kept:
        where = f"(s.dropped_by IS NOT NULL OR (p.pair_id, p.context_id) IN {_ids(files.kept)})"
    found = ask(
        "SELECT p.task, coalesce(s.dropped_by, '') AS dropped_by, "
        f"{_smallest('p.pair_id', 'p.file_index', 'p.file_row_number')} FROM {files.judged} WHERE {where} GROUP BY ALL",
        [_salt(seed)],
    )
    yield from _drawn(found, seed)


def _early(files: RoundFiles, seed: int) -> Iterator[tuple[str, Drawn]]:
    """Of the examples kept of what the cheap filters dropped."""
    if not files.aside:
        return
    smallest = _smallest("pair_id", "-1", "-1")
    question = f"SELECT task, reason AS dropped_by, {smallest} FROM {scan(files.aside)} GROUP BY ALL"
    yield from _drawn(ask(question, [_salt(seed)]), seed)


def _smallest(key: str, shard: str, row: str) -> str:
    return f"arg_min({{'id': {key}, 'shard': {shard}, 'row': {row}}}, md5({key} || ?), {MOST}) AS drawn"


def _drawn(rows: Iterable[Row], seed: int) -> Iterator[tuple[str, Drawn]]:
    for row in rows:
        drawn = row["drawn"]
        for each in drawn if isinstance(drawn, list) else ():
            drawn_row = Drawn(each["id"], str(row["task"]), str(row["dropped_by"]), each["shard"], each["row"])
            yield _key(each["id"], seed), drawn_row


def _key(pair_id: str, seed: int) -> str:
    """As DuckDB computes it."""
    return hashlib.md5((pair_id + _salt(seed)).encode(), usedforsecurity=False).hexdigest()


def _salt(seed: int) -> str:
    return f" audit {seed}"


def _ids(paths: Sequence[str]) -> str:
    return f"(SELECT (pair_id, context_id) FROM {scan(paths)})"


def _by_turns(groups: Sequence[Sequence[Drawn]]) -> Iterator[Drawn]:
    for each in zip_longest(*groups):
        yield from (drawn for drawn in each if drawn)
