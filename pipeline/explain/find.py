"""A pair by its id, or by the beginning of it, wherever it lies in a run."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.errors import UserError
from pipeline.round_queries import RoundFiles, Row, ask, round_files, rows_at, scan
from pipeline.run_tables import rounds
from pipeline.serve.pairs import with_fates
from pipeline.store import Run

MOST_SHOWN = 3
_ID = re.compile(r"[0-9a-f]{1,32}")


class UnknownPairError(UserError):
    """No pair has this id, or several begin so."""


@dataclass(frozen=True)
class Found:
    """A pair's row with its scores and what became of it. `early`: dropped by a cheap filter, kept as an example.

    `elsewhere` are (round, context_id, verdict) of the same pair in other contexts or rounds.
    """

    row: Row
    round: int
    files: RoundFiles
    shard: int = -1
    early: bool = False
    elsewhere: tuple[tuple[int, str, str], ...] = ()


def find_pair(run: Run, given: str) -> Found:
    """UnknownPairError where none begins so, or several do."""
    wanted = given.strip().lower()
    files = {number: round_files(run, number) for number in rounds(run)}
    if not _ID.fullmatch(wanted):
        raise UnknownPairError(f"pair {given!r}: wanted an id, 32 digits 0-9 and a-f, or how it begins: see make show")
    ids = sorted({key for each in files.values() for key in _ids(each, wanted)})
    if not ids:
        raise UnknownPairError(f"pair {given!r}: {_nearest(run, files.values(), wanted)}")
    if len(ids) > 1:
        more = ", ..." if len(ids) > MOST_SHOWN else ""
        raise UnknownPairError(
            f"pair {given!r}: {len(ids)} pairs begin so: {', '.join(ids[:MOST_SHOWN])}{more}: give more of the id"
        )
    return _best([found for number, each in files.items() for found in _places(each, number, ids[0])])


def _best(found: Sequence[Found]) -> Found:
    """The kept one, else the one of the smallest round and context, as the corpus chooses."""
    ordered = sorted(found, key=lambda f: (f.row["verdict"] != "kept", f.early, f.round, str(f.row["context_id"])))
    first, rest = ordered[0], ordered[1:]
    others = tuple((each.round, str(each.row["context_id"]), str(each.row["verdict"])) for each in rest)
    return Found(first.row, first.round, first.files, first.shard, first.early, others)


def _ids(files: RoundFiles, wanted: str) -> list[str]:
    found = []
    for paths in (files.pairs, files.aside):
        if paths:
            question = f"SELECT DISTINCT pair_id FROM {scan(paths)} WHERE starts_with(pair_id, ?)"
            found += [str(row["pair_id"]) for row in ask(question, [wanted])]
    return found


def _places(files: RoundFiles, number: int, key: str) -> list[Found]:
    """Every judged row of the pair, then the examples of it."""
    found = []
    if files.pairs:
        question = f"SELECT file_index AS f, file_row_number AS r FROM {scan(files.pairs)} WHERE pair_id = ?"
        places = [(int(str(row["f"])), int(str(row["r"]))) for row in ask(question, [key])]
        for place in places:
            found += [Found(row, number, files, place[0]) for row in with_fates(files, rows_at(files, [place]))]
    if files.aside:
        for row in ask(f"SELECT * FROM {scan(files.aside)} WHERE pair_id = ?", [key]):
            early = (
                {"context_id": None}
                | row
                | {"verdict": f"dropped by {row['reason']}", "dropped_by": row["reason"], "scores": {}}
            )
            found.append(Found(early, number, files, early=True))
    return found


def _nearest(run: Run, files: Iterable[RoundFiles], wanted: str) -> str:
    """What to say of an id that no pair has."""
    every = [path for each in files for path in (*each.pairs, *each.aside)]
    if not every:
        return f"run {run.name!r} has no judged pairs yet: run make filter RUN={run.name} first"
    near = ask(
        f"SELECT pair_id FROM {scan(every)} GROUP BY pair_id "
        f"ORDER BY jaro_winkler_similarity(pair_id, ?) DESC, pair_id LIMIT {MOST_SHOWN}",
        [wanted],
    )
    said = ", ".join(str(row["pair_id"]) for row in near)
    return f"none begins so; nearest are {said}. Of what cheap filters drop only examples are kept, the rest is counted"
