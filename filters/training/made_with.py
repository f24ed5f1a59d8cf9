"""What a folder was made with, written into it: with other rows, settings or models it is refused, not used again."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from filters.base import FilterError

MARK = "made-with.json"
ASIDE = ".aside"
"""How the name of a file ends that is not written to its end; none is ever read."""


def claim(folder: Path, settings: Mapping[str, object], files: Mapping[str, Iterable[Path]]) -> None:
    """Mark a folder as made with this; refuse one in which anything was made with something else, or nobody knows what.

    `settings`: by name, plain data that decides what is made; `files` count by their content and order, not by their
    names.
    """
    contents = {name: [_content(file) for file in found] for name, found in files.items()}
    now = json.loads(json.dumps({**settings, **contents}))
    if not _is_begun(folder):
        _write(folder, now)
    elif (before := _read(folder)) is None:
        raise FilterError(f"{folder}: made with settings that it does not tell; remove it or give another --work")
    elif differing := [name for name in sorted(before | now) if before.get(name, ...) != now.get(name, ...)]:
        told = ", ".join(differing)
        raise FilterError(f"{folder}: made with other settings ({told}); remove it or give another --work")


def _is_begun(folder: Path) -> bool:
    """Whether there is anything beside the mark of a call that ended before it made anything."""
    return folder.is_dir() and any(path.name != MARK and path.suffix != ASIDE for path in folder.iterdir())


def _read(folder: Path) -> dict[str, object] | None:
    try:
        found = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(folder: Path, marks: Mapping[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{MARK}{ASIDE}"
    aside.write_text(json.dumps(marks, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    aside.replace(folder / MARK)


def _content(file: Path) -> str:
    """blake2b-128 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
