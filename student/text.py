"""Plain text to learn language from: sentences out of files, in chunks of one to three.

A source is a file and, after a colon, the column that holds its text: `wiki.jsonl.gz:source`. A column may hold one
text or a list of sentences. Parquet files and folders of them are read too, so a run's candidates are a source as well.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from student.errors import StudentError

COLUMNS = ("text", "sentence", "source", "line")
MOST_SENTENCES = 3
_UNWANTED = re.compile(r"https?:|www\.|<unk>|[\[\]{}|\\^~`<>]|[*_=#]{2,}|^\s*[=>*#-]")
_SPACED = re.compile(r"\s+([.,;:!?%)\]’]|'s\b|n't\b|'re\b|'ve\b|'ll\b)")


def documents(source: str) -> Iterator[list[str]]:
    """The documents of a source, each as its sentences, as they stand in the file."""
    path, _, column = source.partition(":")
    rows = _parquet(Path(path)) if _is_parquet(Path(path)) else _jsonl(Path(path))
    for row in rows:
        value = row.get(column) if column else next((row[name] for name in COLUMNS if row.get(name)), None)
        if value is None:
            raise StudentError(f"{path}: a row has no {column or ' or '.join(COLUMNS)}; name its column: {path}:COLUMN")
        yield [str(each) for each in value] if isinstance(value, list) else _sentences(str(value))


def _is_parquet(path: Path) -> bool:
    return path.is_dir() or path.suffix == ".parquet"


def _parquet(path: Path) -> Iterator[dict[str, object]]:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise StudentError(f"{path}: no parquet file in it; wanted text to learn from")
    for file in files:
        yield from pq.ParquetFile(file).read().to_pylist()


def _jsonl(path: Path) -> Iterator[dict[str, object]]:
    if not path.is_file():
        raise StudentError(f"{path}: no such file; wanted text to learn from")
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError:
                raise StudentError(f"{path}, line {number}: not JSON; wanted one object a line") from None
            yield row if isinstance(row, dict) else {"text": str(row)}


def _sentences(text: str) -> list[str]:
    from nupunkt import sent_tokenize

    return [piece for line in text.splitlines() if line.strip() for piece in sent_tokenize(line)]


def clean(sentence: str) -> str | None:
    """The sentence as running text, None for what is not one: links, markup, too short, too long, no end."""
    text = _SPACED.sub(r"\1", " ".join(sentence.replace("``", '"').replace("''", '"').split()))
    words = text.split()
    if not 4 <= len(words) <= 60 or len(text) > 400 or _UNWANTED.search(text) or text[-1] not in ".!?\"'":
        return None
    letters = sum(letter.isalpha() for letter in text)
    return text if letters >= 0.6 * len(text) and text.count('"') % 2 == 0 else None


def chunks(sources: Sequence[str], seed: int, most: int = 0) -> list[str]:
    """One to three neighbouring sentences each, no chunk twice, in an order that follows from content alone.

    `most`: no more than so many from one source, drawn by content; 0 is all.
    """
    found: dict[str, None] = {}
    for source in sources:
        here = dict.fromkeys(chunk for document in documents(source) for chunk in _cut(document, seed))
        ordered = sorted(here, key=lambda chunk: _draw(chunk, seed))
        found.update(dict.fromkeys(ordered[: most or None]))
    if not found:
        raise StudentError(f"{', '.join(sources)}: not one usable sentence; wanted running text in sentences")
    return sorted(found, key=lambda chunk: _draw(chunk, seed))


def _cut(document: Sequence[str], seed: int) -> Iterator[str]:
    """Runs of usable neighbours, cut where a draw by content says so. Half of the chunks are single sentences."""
    pending: list[str] = []
    for sentence in document:
        usable = clean(sentence)
        if usable is not None:
            pending.append(usable)
        wanted = (1, 1, 2, MOST_SENTENCES)[_draw(pending[0], seed) % 4] if pending else 0
        if pending and (usable is None or len(pending) >= wanted):
            yield " ".join(pending)
            pending = []
    if pending:
        yield " ".join(pending)


def _draw(text: str, seed: int) -> int:
    """A number that follows from the text and the seed."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{text}".encode(), digest_size=6).digest(), "little")


def held_out(chunks: Sequence[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """(to learn from, held out): a chunk's place follows from its text."""
    drawn = np.array([_draw(chunk, seed + 1) % 10_000 for chunk in chunks]) < share * 10_000
    return [c for c, out in zip(chunks, drawn, strict=True) if not out], [
        c for c, out in zip(chunks, drawn, strict=True) if out
    ]
