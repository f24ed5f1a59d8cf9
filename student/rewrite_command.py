"""`python -m student rewrite`: sentences in, rewrites out."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from student.choice import Rewrite
from student.controls import LENGTHS, NOVELTIES, Controls
from student.errors import StudentError
from student.sources import sources

AT_ONCE = 2048
"""Sentences read and written at a time: enough to sort by length, few enough to see the first ones soon."""
RewriteAll = Callable[[Sequence[str]], list[list[Rewrite]]]
"""Sources in, the rewrites of each out."""

Sentence = Annotated[str | None, typer.Argument(help="One sentence; else --file, else one a line from standard input.")]
Task = Annotated[str, typer.Option(help="One of the tasks that the student learned.")]
Lines = Annotated[Path | None, typer.Option(help="Text, one sentence a line, or .jsonl with the key `source`.")]
Length = Annotated[str, typer.Option(help="shortest, short, medium, long or full; default: not asked.")]
Novelty = Annotated[str, typer.Option(help="copied, mixed or rewritten; default: not asked.")]
Samples = Annotated[int, typer.Option(min=1, max=256, help="Rewrites of each sentence.")]
Temperature = Annotated[float, typer.Option(min=0, max=5, help="0: by beam search.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws the samples.")]
Threads = Annotated[int, typer.Option(min=1, max=256, help="Threads to compute with.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")]
Respell = Annotated[bool, typer.Option(help="Spell a word that nobody knows as the source's that it nearly is.")]
Form = Annotated[Literal["text", "jsonl"], typer.Option("--format", help="text: rewrites alone.")]


def rewrite(
    sentence: Sentence = None,
    model: Annotated[
        Path, typer.Option(help="The folder of a trained student: data/runs/RUN/round-1/student/model.")
    ] = (Path("data/runs/news/round-1/student/model")),
    task: Task = "summary",
    file: Lines = None,
    length: Length = "",
    novelty: Novelty = "",
    samples: Samples = 1,
    temperature: Temperature = 0.0,
    seed: Seed = 0,
    threads: Threads = 2,
    device: Device = "cpu",
    respell: Respell = True,
    form: Form = "text",
) -> None:
    """Rewrite sentences with a trained student."""
    from student.generate import Rewriter
    from student.settings import Decoding

    lines, wanted = sources(sentence, file), controls(length, novelty)
    check_device(device)
    decoding = replace(Decoding(), samples=samples, temperature=temperature, respell=respell)
    student = Rewriter(model, threads=threads, device=device, decoding=decoding)
    student.instruction(task)
    write_all(lambda batch: student.rewrite(task, batch, wanted, seed), lines, task, form)


def controls(length: str, novelty: str) -> Controls:
    """What is asked for, if it is known."""
    for name, value, known in (("--length", length, LENGTHS), ("--novelty", novelty, NOVELTIES)):
        if value and value not in known:
            raise StudentError(f"{name} {value!r}: wanted one of {', '.join(known)}")
    return Controls(length, novelty)


def check_device(device: str) -> None:
    """A device that is not there is told before a model is loaded."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise StudentError(f"--device {device!r}: wanted cpu, cuda or cuda:N")
    if device == "cpu":
        return
    import torch

    there = torch.cuda.device_count()
    if int(device.partition(":")[2] or 0) >= there:
        seen = f"torch {torch.__version__} sees {there} GPUs here"
        raise StudentError(f"--device {device}: {seen}; leave --device out, or set up with DEVICE=cuda")


def write_all(rewrite_all: RewriteAll, lines: Iterator[str], task: str, form: str, at_once: int = AT_ONCE) -> None:
    """Print the rewrites of every line, as soon as those that are read at a time are written."""
    while batch := list(islice(lines, at_once)):
        for source, found in zip(batch, rewrite_all(batch), strict=True):
            _print(source, found, task, form)


def _print(source: str, found: Sequence[Rewrite], task: str, form: str) -> None:
    texts = [each.text for each in found]
    if form == "text":
        print("\n".join(texts), flush=True)
        return
    judged = {"faults": [each.faults for each in found]} if all(each.faults is not None for each in found) else {}
    print(json.dumps({"task": task, "source": source, "rewrites": texts, **judged}, ensure_ascii=False), flush=True)
