"""The user's own text, row by row: .txt, .jsonl, .parquet, `datasets`, local or at any fsspec URL.

Rows come one at a time, so that a file larger than memory can be read. A row that holds no text is not an
error: it comes with the reason why, and reading goes on. What is wrong with the whole source is a SourceError.
"""

import gzip
import json
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal, NamedTuple

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError

Format = Literal["auto", "txt", "jsonl", "parquet"]

DATASETS = "datasets:"
MAX_ROW_BYTES = 16 * 2**20
"""A longer line is set aside: no text of one row is that long, and a file without line ends must not fill memory."""
PARAGRAPH_BYTES = 2**16
"""A .txt paragraph is cut at the line that makes it this long: a file of one sentence a line has no blank lines."""

_SUFFIXES: dict[str, Format] = {
    ".txt": "txt",
    ".text": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    ImportError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    pa.ArrowException,
)


class SourceError(UserError, ValueError):
    """The user's text cannot be read as a whole: no such file, no such column, not the format it is said to be."""


class Row(NamedTuple):
    """One input row: its text, or the reason why it has none that can be used."""

    number: int  # from 1: the line of a .txt or .jsonl (first of a paragraph), the row of anything else
    text: str | None
    reason: str | None = None  # "not_utf8", "not_json", "not_text", "too_long"; None = good


def read(source: str, column: str = "text", file_format: Format = "auto") -> Iterator[Row]:
    """The rows of a file, an fsspec URL or "datasets:ID[:CONFIG[:SPLIT]]", in their order."""
    if source.startswith(DATASETS):
        return _of_datasets(source, column)
    kind = _format(source) if file_format == "auto" else file_format
    return {"txt": _of_txt, "jsonl": _of_jsonl, "parquet": _of_parquet}[kind](source, column)


def _format(source: str) -> Format:
    name = source.lower()
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    found = next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)
    if found is None:
        raise SourceError(
            f"{source}: no format is known by this name; wanted {', '.join(_SUFFIXES)} (or packed, .gz), "
            f"datasets:ID, or contexts.text.format"
        )
    return found


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    """The file, unpacked. Whatever cannot be read becomes one line, also in the middle of the file."""
    packed = None if source.lower().endswith((".parquet", ".pq")) else "infer"
    try:
        with fsspec.open(source, "rb", compression=packed) as file:
            yield file
    except SourceError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{source}: no such file; check the path") from None
    except IsADirectoryError:
        raise SourceError(f"{source}: is a folder; name one file, or datasets:{source} for all of it") from None
    except _UNREADABLE as error:
        raise SourceError(f"{source}: cannot be read ({_first_line(error)}); check that the file is whole") from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines without their end; None for one over MAX_ROW_BYTES, which is skipped without being held."""
    number = 0
    while line := file.readline(MAX_ROW_BYTES):
        number += 1
        is_whole = line.endswith(b"\n") or len(line) < MAX_ROW_BYTES
        while not line.endswith(b"\n") and (more := file.readline(MAX_ROW_BYTES)):
            line, is_whole = more, False
        yield number, line.rstrip(b"\r\n") if is_whole else None


def _decoded(number: int, raw: bytes) -> Row:
    try:
        return Row(number, raw.decode("utf-8"))
    except UnicodeDecodeError:
        return Row(number, raw.decode("utf-8", "backslashreplace"), "not_utf8")


def _of_txt(source: str, column: str) -> Iterator[Row]:
    """Paragraphs: lines up to a blank line, put together with a space."""
    with _opened(source) as file:
        paragraph: list[bytes] = []
        first, size = 1, 0
        for number, line in _lines(file):
            if line is None:
                yield Row(number, None, "too_long")
                continue
            line = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            first = first if paragraph else number
            if line:
                paragraph.append(line)
                size += len(line)
            if paragraph and (not line or size >= PARAGRAPH_BYTES):
                yield _decoded(first, b" ".join(paragraph))
                paragraph, size = [], 0
        if paragraph:
            yield _decoded(first, b" ".join(paragraph))


def _of_jsonl(source: str, column: str) -> Iterator[Row]:
    """One JSON object a line. The first good one must have the column; blank lines are no rows."""
    with _opened(source) as file:
        has_column = False
        for number, line in _lines(file):
            if line is not None and not line.removeprefix(b"\xef\xbb\xbf").strip():
                continue
            row, record = _json_line(number, line)
            if record is not None:
                has_column = has_column or _has(source, column, list(record))
                row = _value(number, record.get(column))
            yield row


def _json_line(number: int, line: bytes | None) -> tuple[Row, dict[str, Any] | None]:
    """The object on a line; or none, and the row that says why."""
    if line is None:
        return Row(number, None, "too_long"), None
    row = _decoded(number, line)
    if row.reason or row.text is None:
        return row, None
    try:
        record = json.loads(row.text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return row._replace(reason="not_json"), None
    return (row, record) if isinstance(record, dict) else (row._replace(reason="not_json"), None)


def _value(number: int, value: object) -> Row:
    """A row from a value that may be no text, or text that UTF-8 cannot hold (half a surrogate pair)."""
    if not isinstance(value, str):
        return Row(number, None if value is None else repr(value), "not_text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return Row(number, value.encode("utf-8", "backslashreplace").decode("utf-8"), "not_utf8")
    return Row(number, value)


def _has(source: str, column: str, columns: list[str]) -> bool:
    if column not in columns:
        there = ", ".join(map(repr, columns)) or "none"
        raise SourceError(f"{source}: no column {column!r}; there are {there}: set contexts.text.column")
    return True


def _of_parquet(source: str, column: str) -> Iterator[Row]:
    """The column is read as bytes: a parquet file may say text and hold bytes that are none."""
    with _opened(source) as file:
        parquet = pq.ParquetFile(file)
        _has(source, column, parquet.schema_arrow.names)
        kind = parquet.schema_arrow.field(column).type
        if not _is_text(kind.value_type if pa.types.is_dictionary(kind) else kind):
            raise SourceError(f"{source}: column {column!r} holds {kind}; wanted text: set contexts.text.column")
        number = 0
        for batch in parquet.iter_batches(batch_size=1024, columns=[column]):
            for raw in batch.column(0).cast(pa.large_string(), safe=False).cast(pa.large_binary()).to_pylist():
                number += 1
                yield Row(number, None, "not_text") if raw is None else _decoded(number, raw)


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _of_datasets(source: str, column: str) -> Iterator[Row]:
    """A data set of the hub or a local one, streamed."""
    name, config, split, *rest = [*source.removeprefix(DATASETS).split(":"), "", ""]
    if not name or any(rest):
        raise SourceError(f"{source}: wanted datasets:ID, datasets:ID:CONFIG or datasets:ID:CONFIG:SPLIT")
    has_column = False
    for number, record in enumerate(_records(source, name, config, split), 1):
        has_column = has_column or _has(source, column, list(record))
        yield _value(number, record.get(column))


def _records(source: str, name: str, config: str, split: str) -> Iterator[dict[str, Any]]:
    """`datasets` raises errors of every family, its own, the hub's and the network's: all of them are the source's."""
    from datasets import load_dataset

    try:
        found = load_dataset(name, config or None, streaming=True)
        yield from found[_split(source, split, list(found))]
    except SourceError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise SourceError(f"{source}: datasets cannot load it ({kind}: {_first_line(error)}); check the id") from None


def _split(source: str, wanted: str, there: list[str]) -> str:
    split = wanted or ("train" if "train" in there else there[0])
    if split not in there:
        raise SourceError(f"{source}: no split {split!r}; there are {', '.join(there)}")
    return split
