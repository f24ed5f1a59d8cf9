"""What a larger judge says of pairs: the probabilities that a small one is trained towards (distillation).

Hinton et al. 2015 (arXiv 1503.02531). The pairs need no label: the teacher's own sentences do.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from filters.models import load_judge
from filters.training.batching import Coded, code, collate
from filters.training.rows import Row

TOKENS = 4096
"""Tokens in a batch."""


def probabilities(model: Path | str, rows: Sequence[Row], window: int = 112, threads: int = 2) -> torch.Tensor:
    """(rows, 3): a judge's probability of each label, in the order of its outputs, in bfloat16 arithmetic."""
    torch.set_num_threads(threads)
    judge = load_judge(str(model))
    coded = code(rows, judge.tokenizer, window)
    found = torch.zeros(len(rows), 3)
    for places in _by_length(coded):
        found[places] = _ask(judge.model, collate(coded, places, judge.tokenizer.pad_token_id or 0))  # type: ignore[arg-type]
    return found


def _by_length(coded: Coded) -> Iterator[list[int]]:
    order = sorted(range(len(coded.ids)), key=lambda place: -len(coded.ids[place]))
    while order:
        size = max(1, TOKENS // len(coded.ids[order[0]]))
        yield order[:size]
        order = order[size:]


def _ask(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        share: torch.Tensor = model(**inputs).logits.float().softmax(-1)
    return share


def write_soft_labels(folder: Path, rows: Sequence[Row], out: Path, part: int = 8192) -> None:
    """Append the answers to `out` part by part; a second call goes on after the rows that are there."""
    done = _whole_lines(out) if out.exists() else 0
    for start in range(done, len(rows), part):
        chunk = rows[start : start + part]
        lines = [_line(row, share) for row, share in zip(chunk, probabilities(folder, chunk).tolist(), strict=True)]
        with out.open("a", encoding="utf-8") as file:
            file.write("".join(lines))


def _whole_lines(path: Path) -> int:
    """How many lines were written to their end; what a kill left of the next one is cut off."""
    written = path.read_bytes()
    end = written.rfind(b"\n") + 1
    if end < len(written):
        with path.open("rb+") as file:
            file.truncate(end)
    return written.count(b"\n")


def _line(row: Row, share: list[float]) -> str:
    rounded = [round(value, 4) for value in share]
    given = {"premise": row.premise, "hypothesis": row.hypothesis, "probabilities": rounded, "origin": row.origin}
    return json.dumps(given, ensure_ascii=False) + "\n"
