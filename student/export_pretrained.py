"""A pretrained T5 as it is committed: half precision, tokenizer, and a card that says what it is and is not."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from student.copying import Copying, measure
from student.model import load, locate, revision_of
from student.pretrain import PretrainSpec

STAGES = "pretraining.json"
"""All that decided the weights, one pretraining after another."""

CARD = """---
language: en
license: {licence}
library_name: transformers
tags: [t5, pretraining]
---

# The embedded T5

A T5 v1.1 of {millions:.1f} million weights ({shape}) with its own SentencePiece vocabulary, pretrained from random
weights on plain text by `make pretrain-student`. It is what students start from in the recipes that need no network.
It has seen no summary, no paraphrase and no answer of a larger model.

**What it is not.** It knows little of the world and answers nothing. As it stands it repairs broken sentences; it
is of use after training on a corpus.

## How it was made

{before}{steps:,} steps, {tokens:,} target tokens, {threads}; seed {seed}. {begin}, {denoise:.0%} sentence
denoising and {spans:.0%} span corruption (student/noise.py), words made strange in {strange:.0%} of the former. Loss
on held-out text at the end: {loss:.3f} nats a token. Peak rate {rate}, AdamW, {budget:,} tokens a step.

## Text

{text}

## Measured

| what | share |
|---|---:|
| sentences of invented names and rare words copied whole (`denoise: ` before them, beam 4) | {whole:.3f} |
| their rare words copied | {rare:.3f} |
| eight plain sentences copied whole | {plain:.3f} |

`python -m student check-copying --model data/models/t5` prints these again.
"""


BEGIN = (
    "The first {copy_steps:,} steps copy random pieces, so that copying is learned before language; then",
    "From the first step on",
)


def export(work: Path, place: Path, spec: PretrainSpec, notes: Mapping[str, str], threads: str) -> Path:
    """Write `place` anew from a finished pretraining in `work`.

    `notes`: `licence`; `text`, what was read; `before`, how the T5 was made that this one goes on from.
    """
    import torch

    loaded, earlier = load(str(work / "model")), stages(spec.start)
    started = revision_of(spec.start) if spec.start else ""  # of files that this may be about to replace
    shutil.rmtree(place, ignore_errors=True)
    loaded.model.to(torch.float16).save_pretrained(place)
    loaded.tokenizer.save_pretrained(place)
    progress = torch.load(work / "checkpoint.pt", weights_only=True, map_location="cpu")["progress"]
    said = asdict(spec) | ({"start": f"{spec.start}, {started}"} if spec.start else {})
    (place / STAGES).write_text(json.dumps([*earlier, said], indent=1) + "\n")
    facts = {"curve": progress["curve"], "weights": sum(w.numel() for w in loaded.model.parameters())}
    (place / "README.md").write_text(card(spec, facts, notes, measure(str(place)), threads))
    return place


def stages(start: str) -> list[dict[str, Any]]:
    """The pretrainings that a T5 of ours went through; none for one of others."""
    folder = locate(start).folder if start else None
    stored = json.loads((folder / STAGES).read_text()) if folder and (folder / STAGES).exists() else []
    return stored if isinstance(stored, list) else [stored]


def card(spec: PretrainSpec, facts: Mapping[str, Any], notes: Mapping[str, str], copied: Copying, threads: str) -> str:
    """The card's text."""
    curve: Sequence[Mapping[str, Any]] = facts["curve"]
    measured = [point["validation_loss"] for point in curve if point["validation_loss"] is not None]
    shape = spec.shape
    return CARD.format(
        licence=notes["licence"],
        millions=facts["weights"] / 1e6,
        shape=f"{shape.encoder_layers} + {shape.decoder_layers} layers of width {shape.d_model}, "
        f"{shape.vocabulary:,} pieces",
        steps=len(curve),
        tokens=sum(point["tokens"] for point in curve),
        threads=threads,
        seed=spec.seed,
        before=notes.get("before", ""),
        begin=BEGIN[bool(spec.start)].format(copy_steps=spec.copy_steps),
        strange=spec.noise.strange_share,
        denoise=spec.noise.denoise_share,
        spans=1 - spec.noise.denoise_share,
        loss=measured[-1],
        rate=spec.peak_rate,
        budget=spec.token_budget,
        text=notes["text"],
        whole=copied.whole,
        rare=copied.rare,
        plain=copied.plain,
    )
