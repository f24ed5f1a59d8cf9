"""What people said of pairs: right or wrong, one line a mark in audit/marks.jsonl of the run.

A mark is appended as one write and synced, so that no kill loses an earlier one; a torn line is skipped. Of several
marks of a pair the last one counts; a mark without a word takes the earlier ones back.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Literal

from pipeline.errors import FULL, UserError
from pipeline.shard import canonical, disk_full, sync
from pipeline.store import Run

Said = Literal["right", "wrong", ""]
FILE = "audit/marks.jsonl"


@dataclass(frozen=True)
class Mark:
    """`verdict` is the pipeline's own at the time ("kept", "dropped by numbers"), for the record."""

    pair_id: str
    round: int
    task: str
    said: Said
    verdict: str
    seed: int  # that drew it
    at: str


def add_mark(run: Run, mark: Mark) -> None:
    """Append; safe beside other processes that do the same."""
    path = run.folder / FILE
    line = f"\n{canonical(asdict(mark))}".encode()  # before it, so that a torn line cannot swallow this one
    try:
        is_new = not path.exists()
        path.parent.mkdir(exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            _write(handle, line)
        finally:
            os.close(handle)
        if is_new:
            sync(path.parent)
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(path) from None
        raise UserError(f"{path}: the mark cannot be kept: {error.strerror}") from None


def _write(handle: int, line: bytes) -> None:
    """All of it or none: what a full disk cut off is taken back."""
    end = os.lseek(handle, 0, os.SEEK_END)
    try:
        while line:
            line = line[os.write(handle, line) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise


def marks(run: Run, round_number: int) -> dict[str, Mark]:
    """The last word on each pair of a round, by pair_id, in the order of the first."""
    found: dict[str, Mark] = {}
    for mark in history(run):
        if mark.round == round_number:
            found[mark.pair_id] = mark
    return {key: mark for key, mark in found.items() if mark.said}


def history(run: Run) -> Iterator[Mark]:
    """Every mark ever made, oldest first."""
    try:
        lines = (run.folder / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        with suppress(ValueError, TypeError):
            mark = Mark(**json.loads(line))
            if mark.said in ("right", "wrong", ""):
                yield mark
