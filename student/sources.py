"""Sentences to be rewritten: one, those of a file, or those of standard input."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from student.errors import StudentError


def sources(sentence: str = "", file: Path | None = None) -> Iterator[str]:
    """One sentence, else those of a file, else those of standard input."""
    if sentence:
        yield from _sentences([sentence], "sentence")
        return
    if file is None:
        yield from _sentences(sys.stdin, "standard input")
        return
    if not file.is_file():
        raise StudentError(f"{file}: no such file; wanted one sentence a line, or .jsonl")
    with file.open(encoding="utf-8-sig") as lines:
        yield from _sentences(lines, str(file), file.suffix == ".jsonl")


def _sentences(lines: Iterable[str], where: str, as_json: bool = False) -> Iterator[str]:
    """Blank lines are refused, so that output matches input line by line."""
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            text = _source(line) if as_json else line
            if text is None:
                raise StudentError(f"{where}, line {number}: wanted a JSON object with text under the key `source`")
            if not text.strip():
                raise StudentError(f"{where}, line {number}: it is blank; wanted one sentence a line")
            yield " ".join(text.split())
    except UnicodeDecodeError:
        raise StudentError(f"{where}, after line {number}: not UTF-8; save it as UTF-8") from None


def _source(line: str) -> str | None:
    """The text under `source`, None where there is none."""
    try:
        text = json.loads(line)["source"]
    except (ValueError, KeyError, TypeError):
        return None
    return text if isinstance(text, str) else None
