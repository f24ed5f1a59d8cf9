"""Sentences to be rewritten: one, those of a file, or those of standard input."""

import io
import json
import lzma
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import fsspec
from fsspec.utils import infer_compression

from student.errors import StudentError

PACKED = (".gz", ".bz2", ".xz")
AS_JSON = (".jsonl", ".ndjson")
NO_LINES = (".json", ".csv", ".tsv", ".parquet", ".pq", ".arrow", ".xlsx", ".docx", ".pdf", ".zip", ".zst")
"""Endings of files whose lines are no sentences."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
"""Control characters that are no white space: a terminal would obey them."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Half a character: a byte that was no UTF-8, or an escape of JSON without its other half."""


def sources(sentence: str | None = None, file: Path | None = None) -> Iterator[str]:
    """One sentence, else those of a file, else those of standard input.

    A file is looked through before the first is given, so that what is wrong with its last line is said before a model
    is loaded; standard input is refused where it goes wrong.
    """
    if sentence is not None and file is not None:
        raise StudentError(f"a sentence and --file {file}: wanted one of the two; leave the other out")
    if sentence is not None:
        return iter(list(_sentences([sentence], "sentence")))
    if file is None:
        return _sentences(_standard_input(), "standard input")
    for _ in _of_file(file):
        pass
    return _of_file(file)


def _standard_input() -> Iterable[str]:
    if sys.stdin is None:
        raise StudentError("standard input: it is closed; wanted a sentence, --file, or one sentence a line")
    return _lines(sys.stdin.buffer)


def _of_file(file: Path) -> Iterator[str]:
    name = file.name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    if not file.is_file():
        raise StudentError(f"{file}: no such file; wanted one sentence a line, or .jsonl")
    if name.endswith(NO_LINES):
        raise StudentError(f"{file}: its lines are no sentences; wanted one sentence a line, or .jsonl with `source`")
    try:
        with fsspec.open(str(file.absolute()), "rb", compression=infer_compression(file.name.lower())) as packed:
            yield from _sentences(_lines(packed), str(file), name.endswith(AS_JSON))
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = " ".join(str(error).split())
        raise StudentError(f"{file}: it cannot be read ({reason}); wanted one sentence a line, or .jsonl") from None


def _lines(stream: IO[bytes]) -> io.TextIOWrapper:
    """Lines as text; a byte that is no UTF-8 becomes half a character, so that its line can be told."""
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")


def _sentences(lines: Iterable[str], where: str, as_json: bool = False) -> Iterator[str]:
    """Blank lines are refused, so that output matches input line by line."""
    for number, line in enumerate(lines, 1):
        if _SURROGATE.search(line):
            raise StudentError(f"{where}, line {number}: not UTF-8; save it as UTF-8")
        text = _source(line) if as_json else line
        if text is None:
            raise StudentError(f"{where}, line {number}: wanted a JSON object with text under the key `source`")
        if _SURROGATE.search(text):
            raise StudentError(
                f"{where}, line {number}: its text has half of a surrogate pair; wanted whole characters"
            )
        clean = " ".join(_CONTROL.sub("", text).split())
        if not clean:
            raise StudentError(f"{where}, line {number}: it is blank; wanted one sentence a line")
        yield clean


def _source(line: str) -> str | None:
    """The text under `source`, None where there is none."""
    try:
        text = json.loads(line)["source"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return text if isinstance(text, str) else None
