"""A run while it goes on: how far each stage is, how fast, and the newest pairs. Reads files, takes no lock."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.funnel import Level, levels
from pipeline.round_queries import Row, ask, round_files, rows_at, scan
from pipeline.run_tables import of_round, rounds
from pipeline.serve.pairs import with_fates
from pipeline.status import StageStatus, run_status
from pipeline.store import Run

NEWEST = 4
RECENT = 12
"""Shards that the present rate is taken from."""


@dataclass(frozen=True)
class Progress:
    """A stage with its pace: rows a second over its last shards, seconds that the rest would take at that pace."""

    status: StageStatus
    rate: float | None
    left: float | None
    idle: float  # seconds since its newest file

    @property
    def share(self) -> float:
        if self.status.state == "done":
            return 1.0
        return self.status.shards / self.status.planned if self.status.planned else 0.0


@dataclass(frozen=True)
class Newest:
    """The last pairs of the last shard, and which stage and round they are of."""

    what: str
    kept: tuple[Row, ...] = ()
    rejected: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Live:
    worker: str  # "" where no process says that it works on the run
    stages: tuple[Progress, ...]
    funnel: tuple[Level, ...]
    newest: Newest


def live(run: Run) -> Live:
    stages = statuses(run)
    ordered = [status for number in rounds(run) for status in of_round(stages, number)]
    return Live(_worker(run), tuple(_progress(run, status) for status in ordered), tuple(levels(ordered)), _newest(run))


_LAST: dict[Path, tuple[object, list[StageStatus]]] = {}


def statuses(run: Run) -> list[StageStatus]:
    """`run_status`, which opens every shard, only where a file changed since the last time."""
    mark = _mark(run)
    known = _LAST.get(run.folder)
    if known is None or known[0] != mark:
        known = _LAST[run.folder] = (mark, run_status(run))
    return known[1]


def _mark(run: Run) -> object:
    """Names, times and sizes of all files of all stages."""
    found = []
    for number, name in run.stages():
        with contextlib.suppress(OSError), os.scandir(run.stage(number, name).folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    about = entry.stat()
                    found.append((entry.path, about.st_mtime_ns, about.st_size))
    return sorted(found)


def _progress(run: Run, status: StageStatus) -> Progress:
    times = _times(run.stage(status.round, status.stage).tables())
    idle = max(0.0, time.time() - times[-1]) if times else 0.0
    if status.state == "done" or len(times) < 2 or not status.shards:
        rate = status.rows / status.seconds if status.seconds and status.rows else None
        return Progress(status, rate, None, idle)
    recent = times[-RECENT:]
    pace = (recent[-1] - recent[0]) / (len(recent) - 1)
    wanted = (status.planned or status.shards) - status.shards
    rate = status.rows / status.shards / pace if pace > 0 else None
    return Progress(status, rate, max(0.0, wanted * pace), idle)


def _times(paths: Sequence[Path]) -> list[float]:
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            found.append(path.stat().st_mtime)
    return sorted(found)


def _worker(run: Run) -> str:
    """The process that says it works on the run, if it still lives; on another machine it is taken at its word."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((run.folder / ".lock.json").read_bytes())
        if said["host"] == socket.gethostname():
            os.kill(int(said["pid"]), 0)
        return f"process {said['pid']} on {said['host']} since {said['since']}"
    return ""


def _newest(run: Run) -> Newest:
    """Judged pairs where there are some, else candidates."""
    for number in reversed(rounds(run)):
        files = round_files(run, number)
        if files.pairs:
            last = max(range(len(files.scores)), key=lambda i: (_time(files.scores[i]), i))
            places = [[(last, row) for row in _last_rows(files.scores[last], verdict)] for verdict in ("", "NOT ")]
            kept, rejected = (tuple(with_fates(files, rows_at(files, rows))) for rows in places)
            return Newest(f"round {number}, shard {last}", kept, rejected)
        written = run.stage(number, "candidates").tables()
        if written:
            path = max(written, key=lambda path: (_time(str(path)), path))
            order = "ORDER BY file_row_number DESC"
            rows = ask(f"SELECT text AS target, context AS source FROM {scan([str(path)])} {order} LIMIT {NEWEST}")
            return Newest(f"candidates of round {number}: context and sentence", kept=tuple(rows))
    return Newest("")


def _last_rows(scores: str, verdict: str) -> list[int]:
    where = f"WHERE dropped_by IS {verdict}NULL ORDER BY file_row_number DESC"
    found = ask(f"SELECT file_row_number AS r FROM {scan([scores])} {where} LIMIT {NEWEST}")
    return [int(str(row["r"])) for row in found]


def _time(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return 0.0
