"""Pretrains the embedded student: a small T5 v1.1 (2002.05202: gated GELU) with its own vocabulary, from plain text.

`make pretrain-student TEXT='a.jsonl.gz:column b.parquet:text'` makes it anew: vocabulary, weights, card. Resumable.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from student.batches import plan
from student.errors import StudentError
from student.learning import CHECKPOINT, Batch, Learner, Point, Rate, Settings, collate
from student.model import load
from student.noise import DENOISE, Noise, break_sentence, make_strange, take_spans
from student.text import chunks, held_out
from student.vocabulary import END, PAD, SENTINELS, UNKNOWN, train_vocabulary

MOST_PIECES = (12, 32)
"""Longest row of random pieces, in the first half of the copying steps and after."""


@dataclass(frozen=True)
class Shape:
    """The size of the model: 7.1 million weights as it stands."""

    vocabulary: int = 8192
    d_model: int = 256
    d_ff: int = 640
    heads: int = 4
    encoder_layers: int = 4
    decoder_layers: int = 2


@dataclass(frozen=True)
class PretrainSpec:
    """All that decides the weights. `most` caps the chunks of one source, 0 is all."""

    text: tuple[str, ...]
    shape: Shape = field(default_factory=Shape)
    noise: Noise = field(default_factory=Noise)
    steps: int = 20_000
    token_budget: int = 2560
    """Source and target tokens of a step, padding included."""
    most_tokens: int = 112
    copy_steps: int = 3_000
    """First steps: random pieces in, the same out. Nothing but copying helps there, so copying is learned first."""
    copy_share: float = 0.05
    """Share of the later steps that are such."""
    rising_steps: int = 2_000
    """Steps after these in which text is broken more and more; before, it is hardly broken, so that copying stays."""
    peak_rate: float = 1e-3
    warmup: int = 300
    floor: float = 0.02
    held_out: float = 0.01
    most: int = 0
    seed: int = 1
    start: str = ""
    """A pretrained T5 to go on from, its vocabulary with it (`embedded:t5`, a folder, a hub id); nothing: from random
    weights. Copying is known then: there are no first steps of copying alone."""


def pretrain(spec: PretrainSpec, folder: Path, tell: Any = lambda point: None, save_every: int = 250) -> Path:
    """Vocabulary, weights and checkpoint in `folder`; returns the folder of the finished model.

    StudentError where the folder holds a checkpoint of another spec; other `steps` are fine.
    """
    _claim(spec, folder)
    learn, kept_out = held_out(chunks(spec.text, spec.seed, spec.most), spec.held_out, spec.seed)
    started = load(spec.start) if spec.start else None
    tokenizer = started.tokenizer if started else _vocabulary(spec, learn, folder)
    model = started.model if started else fresh_model(spec.shape, spec.seed)
    rate = Rate(spec.peak_rate, spec.warmup, spec.steps, floor=spec.floor)
    settings = Settings(rate, spec.seed, validate_every=save_every, save_every=save_every)
    learner = Learner(model, settings, folder)
    examples = Examples(learn, tokenizer, spec)
    learner.run(examples.training_step, _once(kept_out, tokenizer, spec), tell)
    learner.model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


def _claim(spec: PretrainSpec, folder: Path) -> None:
    """Write down whose folder it is."""
    file, own = folder / "spec.json", json.loads(json.dumps(asdict(spec) | {"steps": 0}))
    stored = json.loads(file.read_text()) if file.exists() and (folder / CHECKPOINT).exists() else own
    if stored != own:
        other = ", ".join(sorted(key for key in own if own[key] != stored.get(key)))
        raise StudentError(f"{folder}: a pretraining with another {other} was begun there; give another --out (OUT=)")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(own, indent=1) + "\n")


def _vocabulary(spec: PretrainSpec, texts: Iterable[str], folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not (folder / "vocabulary" / "tokenizer.json").exists():
        train_vocabulary(texts, spec.shape.vocabulary, folder / "vocabulary")
    return AutoTokenizer.from_pretrained(folder / "vocabulary")


def fresh_model(shape: Shape, seed: int) -> Any:
    """A T5 v1.1 of that shape with random weights; embeddings shared by encoder, decoder and output."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=shape.vocabulary,
        d_model=shape.d_model,
        d_kv=shape.d_model // shape.heads,
        d_ff=shape.d_ff,
        num_heads=shape.heads,
        num_layers=shape.encoder_layers,
        num_decoder_layers=shape.decoder_layers,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=True,
        dropout_rate=0.0,
        pad_token_id=PAD,
        eos_token_id=END,
        decoder_start_token_id=PAD,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=64,
    )
    return T5ForConditionalGeneration(config)


def _once(texts: Sequence[str], tokenizer: Any, spec: PretrainSpec) -> list[Batch]:
    """One pass over the texts; none of none."""
    examples = Examples(texts, tokenizer, spec) if texts else None
    return [batch for n in range(examples.steps) for batch in examples.step(n)] if examples else []


class Examples:
    """Broken text by the number of the step: what a step holds follows from the spec and its number alone."""

    def __init__(self, texts: Sequence[str], tokenizer: Any, spec: PretrainSpec) -> None:
        self.texts, self.tokenizer, self.spec = texts, tokenizer, spec
        self.sizes = [min(len(ids), spec.most_tokens) for ids in tokenizer(list(texts), verbose=False).input_ids]
        self.sentinels = tokenizer.convert_tokens_to_ids([f"<extra_id_{n}>" for n in range(SENTINELS)])
        self.epoch = -1
        self._plan(0)

    @property
    def steps(self) -> int:
        """Steps of one pass over all texts."""
        return len(self.batches)

    def training_step(self, number: int) -> list[Batch]:
        """The one batch of a step: random pieces to be copied, or broken text."""
        rng = np.random.default_rng([self.spec.seed, 11, number])
        copying = 0 if self.spec.start else self.spec.copy_steps
        if number < copying or rng.random() < self.spec.copy_share:
            return [self._pieces(rng, MOST_PIECES[2 * number >= copying])]
        return self.step(number, 1.0 if self.spec.start else (number - copying) / max(1, self.spec.rising_steps))

    def _pieces(self, rng: np.random.Generator, most: int) -> Batch:
        """Rows of one length, of any pieces but those that have a meaning of their own."""
        length = int(rng.integers(3, most + 1))
        first, last = UNKNOWN + 1, min(self.sentinels)
        drawn = rng.integers(first, last, (max(1, self.spec.token_budget // (4 * length)), length))
        rows = [[*row, END] for row in drawn.tolist()]
        return collate(rows, rows, PAD)

    def step(self, number: int, level: float = 1.0) -> list[Batch]:
        """A batch of broken text; `level` 0: sentences hardly broken, 1: as the spec has it."""
        epoch, place = divmod(number, self.first_steps)
        self._plan(epoch)
        rng = np.random.default_rng([self.spec.seed, 7, number])
        noise = self.spec.noise.at(level)
        pairs = [self._example(self.texts[index], noise, rng) for index in self.batches[place]]
        return [collate([source for source, _ in pairs], [target for _, target in pairs], PAD)]

    def _plan(self, epoch: int) -> None:
        """Every pass has as many steps as the first: what is over is left out."""
        if epoch == self.epoch:
            return
        costs = [2 * size for size in self.sizes]
        self.batches = plan(costs, self.spec.token_budget, [self.spec.seed, epoch])
        if epoch == 0 and self.epoch < 0:
            self.first_steps = len(self.batches)
        self.epoch = epoch
        while len(self.batches) < self.first_steps:  # a pass may come out a batch short
            self.batches.append(self.batches[0])

    def _example(self, text: str, noise: Noise, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        most = self.spec.most_tokens
        text = text.lower() if rng.random() < noise.lowercase_share else text
        if rng.random() < noise.denoise_share:
            other = self.texts[int(rng.integers(len(self.texts)))]
            text = make_strange(text, other, noise, rng)
            source, target = self.tokenizer([DENOISE + break_sentence(text, other, noise, rng), text]).input_ids
            return _cut(source, most + most // 2), _cut(target, most)
        ids = self.tokenizer(text).input_ids[:-1][: most - 1]
        source, target = take_spans(ids, self.sentinels, noise, rng)
        return [*source, END], [*target, END]


def _cut(ids: list[int], most: int) -> list[int]:
    return ids if len(ids) <= most else [*ids[: most - 1], END]


def line(point: Point) -> str:
    """One step as a line of a log."""
    measured = "" if point.validation_loss is None else f"  held out {point.validation_loss:.3f}"
    return f"step {point.step}  loss {point.loss:.3f}  rate {point.learning_rate:.2e}  {point.seconds:.2f} s{measured}"
