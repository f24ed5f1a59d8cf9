"""`make bench-student`: a student's rewriting against transformers' `generate` as one would write it, same weights.

    python -m bench.student --model data/runs/news/round-1/student/model --text sentences.jsonl

The opponent takes the sentences as they come, 16 at a time, padded to the longest, in float32. Every arm takes turns
with it, and a ratio is the median of such turns; loading, converting and one call to warm up are in none. `same`: share
of the sentences for which an arm writes the very words of the opponent. The last line is JSON, of the arm that `auto`
means.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer

from bench.machine import machine, table
from pipeline.__main__ import told
from student import ctranslate2_engine
from student.dataset import prompt
from student.generate import Writer
from student.learning import collate
from student.model import load
from student.settings import Decoding
from student.text import chunks
from student.train import about

BATCH = 16
HEADS = ("arm", "sentences/s", "times", "min", "max", "same")
Texts = list[str]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass
class Arm:
    """One way to rewrite; its times, and those of the opponent's turn just before each."""

    write: Callable[[Sequence[str]], Texts]
    seconds: list[float] = field(default_factory=list)
    opponent: list[float] = field(default_factory=list)
    texts: Texts = field(default_factory=list)

    def ratios(self) -> list[float]:
        return [theirs / ours for ours, theirs in zip(self.seconds, self.opponent, strict=True)]


@app.command()
def main(
    model: Annotated[Path, typer.Option(help="Folder of a trained student.")],
    text: Annotated[str, typer.Option(help="Sentences to rewrite: a file and its column, FILE:COLUMN.")],
    count: Annotated[int, typer.Option(min=1)] = 512,
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    beams: Annotated[int, typer.Option(min=1)] = Decoding().beams,
) -> None:
    """Print the table and the JSON line."""
    torch.set_num_threads(threads)
    instruction = next(iter(about(model)["tasks"].values()))
    prompts = [prompt(instruction, sentence) for sentence in chunks([text], 1)[:count]]
    decoding = Decoding(beams=beams)
    opponent = generate(str(model), decoding)
    arms = {name: Arm(write) for name, write in _arms(str(model), decoding, threads)}
    for arm in arms.values():
        arm.write(prompts[:BATCH])
    theirs: list[float] = []
    plain = opponent(prompts[:BATCH])
    for _ in range(repeats):
        for arm in arms.values():
            seconds, plain = _timed(opponent, prompts)
            theirs.append(seconds)
            own, arm.texts = _timed(arm.write, prompts)
            arm.seconds.append(own)
            arm.opponent.append(seconds)
    print(machine(), _table(arms, median(theirs), plain), sep="\n\n", end="\n\n")
    chosen = arms[Writer(str(model)).chosen]
    speed = {"speedup_vs_generate": round(median(chosen.ratios()), 2)}
    print(json.dumps(speed | {"sentences_per_second": round(len(prompts) / median(chosen.seconds), 1)}))


def generate(model: str, decoding: Decoding) -> Callable[[Sequence[str]], Texts]:
    """transformers' `generate` in batches as they come."""
    loaded = load(model)
    loaded.model.eval()

    def write(prompts: Sequence[str]) -> Texts:
        out: Texts = []
        for start in range(0, len(prompts), BATCH):
            ids = loaded.tokenizer(list(prompts[start : start + BATCH])).input_ids
            batch = collate(ids, [[0]] * len(ids), loaded.tokenizer.pad_token_id)
            with torch.inference_mode():
                made = loaded.model.generate(
                    input_ids=batch.sources,
                    attention_mask=batch.mask,
                    num_beams=decoding.beams,
                    do_sample=False,
                    max_new_tokens=decoding.max_tokens,
                    no_repeat_ngram_size=decoding.no_repeat_ngram,
                )
            out += [text.strip() for text in loaded.tokenizer.batch_decode(made, skip_special_tokens=True)]
        return out

    return write


def _arms(model: str, decoding: Decoding, threads: int) -> list[tuple[str, Callable[[Sequence[str]], Texts]]]:
    """Our runner on both engines, and CTranslate2 in int8 beside it."""

    def best(write: Callable[..., list[list[object]]]) -> Callable[[Sequence[str]], Texts]:
        return lambda prompts: [str(found[0].text) for found in write(prompts, decoding, 0)]  # type: ignore[attr-defined]

    whole = [(name, Writer(model, "", name, threads).open()) for name in ("ctranslate2", "transformers")]
    small = ctranslate2_engine.opened(model, "", threads, "cpu", "int8").write
    return [(name, best(write)) for name, write in [*whole, ("ctranslate2 int8", small)]]


def _timed(write: Callable[[Sequence[str]], Texts], prompts: Sequence[str]) -> tuple[float, Texts]:
    began = time.perf_counter()
    texts = write(prompts)
    return time.perf_counter() - began, texts


def _table(arms: dict[str, Arm], theirs: float, plain: Texts) -> str:
    rows: list[Sequence[object]] = [("generate, as they come", len(plain) / theirs, 1.0, "", "", "")]
    for name, arm in arms.items():
        ratios = arm.ratios()
        same = sum(a == b for a, b in zip(arm.texts, plain, strict=True)) / len(plain)
        speed = len(plain) / median(arm.seconds)
        rows.append((name, speed, median(ratios), min(ratios), max(ratios), f"{same:.3f}"))
    return table(HEADS, rows)


if __name__ == "__main__":
    told(app)
