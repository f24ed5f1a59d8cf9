"""`python -m student pretrain`: the embedded T5 anew, from plain text."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def pretrain(
    text: Annotated[list[str], typer.Option(help="A file and its column: wiki.jsonl.gz:source; may be repeated.")],
    out: Annotated[Path, typer.Option(help="Folder of checkpoint and model.")] = Path("data/cache/pretrain"),
    steps: Annotated[int, typer.Option(min=0, help="Optimiser steps; 0: 20,000.")] = 0,
    start: Annotated[str, typer.Option(help="A T5 to go on from; nothing: from random weights.")] = "",
    threads: Annotated[int, typer.Option(min=1, help="Threads to compute with.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is random.")] = 1,
) -> None:
    """Pretrain the embedded T5; started again with the same words it goes on where it was."""
    import torch

    from student.pretrain import PretrainSpec, line, pretrain

    torch.set_num_threads(threads)
    spec = PretrainSpec(tuple(text), seed=seed, start=start)
    began = time.monotonic()
    place = pretrain(
        replace(spec, steps=steps or spec.steps),
        out,
        lambda point: print(line(point), flush=True) if point.step % 25 == 0 else None,
    )
    print(f"{place} after {time.monotonic() - began:.0f} s")


def check_copying(
    model: Annotated[str, typer.Option(help="A pretrained T5: embedded:t5, a folder, or a hub id.")] = "embedded:t5",
) -> None:
    """Whether a pretrained T5 copies names and rare words."""
    from student.copying import measure

    found = measure(model)
    print(f"sentences of rare words copied whole {found.whole:.3f}, their rare words {found.rare:.3f}")
    print(f"plain sentences copied whole {found.plain:.3f}")
