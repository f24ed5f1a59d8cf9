"""`python -m student rewrite`: sentences in, rewrites out."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from student.errors import StudentError

AT_ONCE = 2048
"""Sentences read and written at a time: enough to sort by length, few enough to see the first ones soon."""


def rewrite(
    sentence: Annotated[
        str, typer.Argument(help="One sentence; else --file, else one a line from standard input.")
    ] = "",
    model: Annotated[
        Path, typer.Option(help="The folder of a trained student: data/runs/RUN/round-1/student/model.")
    ] = (Path("data/runs/news/round-1/student/model")),
    task: Annotated[str, typer.Option(help="One of the tasks that the student learned.")] = "summary",
    file: Annotated[
        Path | None, typer.Option(help="Text, one sentence a line, or .jsonl with the key `source`.")
    ] = None,
    length: Annotated[str, typer.Option(help="shortest, short, medium, long or full; default: not asked.")] = "",
    novelty: Annotated[str, typer.Option(help="copied, mixed or rewritten; default: not asked.")] = "",
    samples: Annotated[int, typer.Option(min=1, max=256, help="Rewrites of each sentence.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, max=5, help="0: the likeliest, by beam search.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Draws the samples.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads to compute with.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    form: Annotated[Literal["text", "jsonl"], typer.Option("--format", help="text: rewrites alone.")] = "text",
) -> None:
    """Rewrite sentences with a trained student."""
    from student.controls import LENGTHS, NOVELTIES, Controls
    from student.generate import Rewriter
    from student.settings import Decoding

    for name, value, known in (("--length", length, LENGTHS), ("--novelty", novelty, NOVELTIES)):
        if value and value not in known:
            raise StudentError(f"{name} {value!r}: wanted one of {', '.join(known)}")
    decoding = replace(Decoding(), samples=samples, temperature=temperature)
    student = Rewriter(model, threads=threads, device=device, decoding=decoding)
    student.instruction(task)
    lines = _sentences([sentence], "sentence") if sentence else _lines(file)
    while batch := list(islice(lines, AT_ONCE)):
        for source, found in zip(batch, student.rewrite(task, batch, Controls(length, novelty), seed), strict=True):
            _print(source, [each.text for each in found], task, form)


def _lines(file: Path | None) -> Iterator[str]:
    """Sentences of a file or of standard input."""
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


def _print(source: str, texts: Sequence[str], task: str, form: str) -> None:
    if form == "text":
        print("\n".join(texts), flush=True)
        return
    print(json.dumps({"task": task, "source": source, "rewrites": list(texts)}, ensure_ascii=False), flush=True)
