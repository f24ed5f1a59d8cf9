"""A benchmark: sources, each with one or more references, from a .jsonl, .jsonl.gz or .parquet file.

Columns are taken by name, and only from the lists below: the first name of a list that the file has. A row that cannot
be used is refused with its number and a reason, and counted; it never becomes an empty source or reference.
"""

import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from student.errors import StudentError

LOG = logging.getLogger(__name__)

SOURCE_NAMES = ("source", "document", "article", "text", "input", "sentence", "sentence1", "question1", "original")
REFERENCE_NAMES = (
    *("references", "reference", "targets", "target", "summaries", "summary", "headline"),
    *("paraphrases", "paraphrase", "output", "sentence2", "question2"),
)
ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")

Row = dict[str, object]
Numbered = tuple[int, Row | None]
"""A line number and its row; None where the line holds none."""


@dataclass(frozen=True)
class Refused:
    """A row that was not used. `line` counts from 1: lines of a JSONL file, rows of a parquet file."""

    line: int
    reason: str


@dataclass(frozen=True)
class Benchmark:
    """Rows that can be scored. `references[i]` belong to `sources[i]`; there is at least one."""

    name: str
    sources: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    refused: tuple[Refused, ...] = ()
    columns: tuple[str, str] = ("source", "references")

    def __len__(self) -> int:
        return len(self.sources)

    def digest(self) -> str:
        """blake2b-128 of all texts, in order."""
        text = json.dumps([self.sources, self.references], ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def stem(path: Path) -> str:
    """The file's name without its endings: `quora_test` of quora_test.jsonl.gz."""
    ending = next((ending for ending in ENDINGS if path.name.endswith(ending)), path.suffix)
    return path.name.removesuffix(ending)


def read_benchmark(path: Path, limit: int | None = None) -> Benchmark:
    """The first `limit` usable rows of a file, all of them without a limit."""
    columns, rows = _open(path)
    sources: list[str] = []
    references: list[tuple[str, ...]] = []
    refused: list[Refused] = []
    for line, row in rows:
        if limit is not None and len(sources) >= limit:
            break
        try:
            source, wanted = _pair(row, *columns)
        except ValueError as error:
            refused.append(Refused(line, str(error)))
            continue
        sources.append(source)
        references.append(wanted)
    if not sources:
        why = (
            f"all {len(refused)} rows were refused, line {refused[0].line}: {refused[0].reason}" if refused else "empty"
        )
        raise StudentError(f"{path}: {why}: give rows with a source and references")
    return Benchmark(stem(path), tuple(sources), tuple(references), tuple(refused), columns)


def read_texts(path: Path, column: str = "") -> list[str]:
    """The texts of one column, lists flattened; default: the first source column there is. Rows without one are left
    out, and a warning says how many."""
    rows = [_texts(row, column) if row else [] for _, row in _rows(path)]
    texts = list(chain.from_iterable(rows))
    if not texts:
        raise StudentError(
            f"{path}: no text in column {column or 'of ' + ', '.join(SOURCE_NAMES)}: name one: FILE:column"
        )
    if without := rows.count([]):
        LOG.warning("%s: %d of %d rows have no text there and are left out", path, without, len(rows))
    return texts


def _texts(row: Row, column: str) -> list[str]:
    value = row.get(column or _first(SOURCE_NAMES, list(row)) or "")
    values = value if isinstance(value, list | tuple) else [value]
    return [text for text in map(_text, values) if text is not None]


def _pair(row: Row | None, source_column: str, reference_column: str) -> tuple[str, tuple[str, ...]]:
    """Source and references of a row; ValueError says why it has none."""
    if row is None:
        raise ValueError("is not a JSON object in UTF-8")
    source = _text(row.get(source_column))
    if source is None:
        raise ValueError(f"{source_column} is {_kind(row.get(source_column))}")
    given = row.get(reference_column)
    listed = given if isinstance(given, list | tuple) else [given]
    references = tuple(text for text in map(_text, listed) if text is not None)
    if not references:
        raise ValueError(f"{reference_column} is {_kind(given)}")
    return source, references


def _text(value: object) -> str | None:
    """Text with something in it that UTF-8 can hold, on one line; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeError:
        return None
    return " ".join(value.split()) or None


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "blank" if not value.strip() else "no valid text"
    if isinstance(value, list | tuple):
        return "a list without text"
    return "missing" if value is None else f"a {type(value).__name__}, wanted text"


def _open(path: Path) -> tuple[tuple[str, str], Iterator[Numbered]]:
    """The columns that the first good row names, and all rows."""
    rows = _rows(path)
    head: list[Numbered] = []
    for line, row in rows:
        head.append((line, row))
        if row is not None:
            return _columns(path, list(row)), chain(head, rows)
    if not head:
        raise StudentError(f"{path}: it is empty: give rows with a source and references")
    raise StudentError(f"{path}: no line is a JSON object in UTF-8: give a file of {', '.join(ENDINGS)}")


def _columns(path: Path, there: Sequence[str]) -> tuple[str, str]:
    source, reference = _first(SOURCE_NAMES, there), _first(REFERENCE_NAMES, there)
    if source is None or reference is None:
        lacking = "source" if source is None else "references"
        names = SOURCE_NAMES if source is None else REFERENCE_NAMES
        raise StudentError(
            f"{path}: no column for {lacking}: it has {', '.join(there) or 'none'}; wanted one of {', '.join(names)}: "
            "rename yours"
        )
    return source, reference


def _first(names: Sequence[str], there: Sequence[str]) -> str | None:
    return next((name for name in names if name in there), None)


def _rows(path: Path) -> Iterator[Numbered]:
    if not path.is_file():
        raise StudentError(f"{path}: no such file: give a file of {', '.join(ENDINGS)}")
    if not path.name.endswith(ENDINGS):
        raise StudentError(f"{path}: cannot tell what it holds: wanted a name ending in {', '.join(ENDINGS)}")
    return _parquet(path) if path.name.endswith(".parquet") else _jsonl(path)


def _jsonl(path: Path) -> Iterator[Numbered]:
    """Blank lines count as lines and are passed over."""
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _object(line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise StudentError(f"{path}: its compression is damaged ({error}): fetch the file again") from error


def _object(line: bytes) -> Row | None:
    try:
        row = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _parquet(path: Path) -> Iterator[Numbered]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowInvalid, OSError, UnicodeError) as error:
        raise StudentError(f"{path}: not a whole parquet file of text, after row {number}: write it again") from error
