"""What a folder was made with, written into it: with other rows, settings or models it is refused, not used again."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from filters.base import FilterError

MARK = "made-with.txt"


def claim(folder: Path, decisive: object, files: Iterable[Path] = ()) -> None:
    """Mark an empty folder as made with this; refuse one that was begun with anything else, or with nobody knows what.

    `decisive`: plain data that decides what is made; `files` count by their content and order, not by their names.
    """
    now = json.dumps([decisive, [_content(file) for file in files]], sort_keys=True)
    mark, digest = folder / MARK, hashlib.blake2b(now.encode(), digest_size=16).hexdigest()
    if folder.is_dir() and any(folder.iterdir()):
        if not mark.is_file() or mark.read_text(encoding="utf-8").strip() != digest:
            raise FilterError(
                f"{folder}: begun with other rows, settings or models; remove the folder, or give another --work"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(digest + "\n", encoding="utf-8")


def _content(file: Path) -> str:
    """blake2b-128 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
