"""A T5 so small that it learns in seconds, and a training of it that can be killed: `python toy_student.py ...`."""

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from student.dataset import Pair
from student.learning import Point
from student.pretrain import Shape, fresh_model
from student.settings import Training
from student.train import Trained, TrainSpec, train
from student.vocabulary import train_vocabulary

WHO = ("The city council", "The new mayor", "A local court", "The car maker", "The health ministry")
DID = ("approved", "rejected", "announced", "delayed", "reviewed")
WHAT = ("the new budget", "a plan for the old bridge", "the sale of the port", "a law on clean water")
WHEN = ("", " on Monday", " on Friday", " after a long debate", " for the second time this year")
INSTRUCTIONS = {"summary": "summarize: ", "paraphrase": "paraphrase: "}
SHAPE = Shape(vocabulary=640, d_model=32, d_ff=64, heads=2, encoder_layers=1, decoder_layers=1)
"""The smallest vocabulary has bytes, letters and sentinels: some 620 entries."""
QUICK = Training(epochs=3, batch_tokens=512, learning_rate=1e-2, precision="fp32")


def sentences(number: int = 200, seed: int = 0) -> list[str]:
    """Different ones, as many of 500 as asked for."""
    every = [f"{who} {did} {what}{when}." for who in WHO for did in DID for what in WHAT for when in WHEN]
    return random.Random(seed).sample(every, number)


def shorter(sentence: str) -> str:
    """The sentence without its time."""
    return next((sentence.removesuffix(f"{when}.") + "." for when in WHEN if when and when in sentence), sentence)


def toy_pairs(number: int = 40, seed: int = 0, tasks: tuple[str, ...] = ("summary", "paraphrase")) -> list[Pair]:
    """The summary leaves the time out, the paraphrase is a copy."""
    make: dict[str, Callable[[str], str]] = {"summary": shorter, "paraphrase": str}
    return [Pair(task, text, make[task](text)) for text in sentences(number, seed) for task in tasks]


def make_t5(folder: Path, shape: Shape = SHAPE, seed: int = 0) -> Path:
    """A fresh T5 with a vocabulary of its own."""
    train_vocabulary([*sentences(), *INSTRUCTIONS.values()], shape.vocabulary, folder)
    fresh_model(shape, seed).save_pretrained(folder)
    return folder


def toy_training(
    base: Path, out: Path, training: Training = QUICK, seed: int = 0, tell: Callable[[Point], None] = lambda point: None
) -> Trained:
    """Train `out/model` on forty sentences, its checkpoints in `out/work`."""
    spec = TrainSpec(str(base), INSTRUCTIONS, training=training, seed=seed)
    return train(spec, toy_pairs(), toy_pairs(6, 1), out / "model", out / "work", tell)


def main(base: str, out: str, device_tokens: str = "") -> None:
    """A step is told by a line on stdout. With `device_tokens`: without dropout, in so small parts."""
    training = replace(QUICK, dropout=0.0, device_tokens=int(device_tokens)) if device_tokens else QUICK
    toy_training(Path(base), Path(out), training, tell=lambda point: print(point.step, point.loss, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
