"""A list of words that no published text may hold: one word or phrase a line, found whole and in any case."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.errors import UserError, one_line
from pipeline.manifest import sha256


@dataclass(frozen=True)
class Blocklist:
    """The entries, folded; the file's digest stands in the card, its words do not."""

    entries: tuple[str, ...]
    digest: str

    def clean(self, rows: pa.Table, columns: Sequence[str]) -> pa.BooleanArray:
        """Which rows hold no entry in any of the columns. A null holds none."""
        pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, self.entries)) + r")(?!\w)")
        texts = zip(*(rows[name].to_pylist() for name in columns), strict=True)
        return pa.array([not any(pattern.search(_folded(t)) for t in row if t) for row in texts], pa.bool_())


def read_blocklist(file: Path) -> Blocklist:
    """UserError where the file is missing, no text or without an entry. Lines that begin with # are comments."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"blocklist {file}: cannot be read ({one_line(error)}): give a UTF-8 text file") from error
    entries = {_folded(line.strip()) for line in lines if line.strip() and not line.startswith("#")}
    if not entries:
        raise UserError(f"blocklist {file}: it has no entry: wanted one word or phrase a line")
    return Blocklist(tuple(sorted(entries)), sha256(file))


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).casefold())
