"""Trains a judge: a pretrained encoder becomes a three-way NLI classifier.

One readable loop. float32 weights, bfloat16 arithmetic where the processor has it, word embeddings frozen (they are
not shipped with the judge), AdamW, linear warm-up and decay. What is trained on, in which order, follows from the
spec; a checkpoint is written aside and renamed, so a killed training goes on where it was and ends the same.
"""

import csv
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch.nn.functional import log_softmax

from filters.base import FilterError, IntArray
from filters.models import JUDGES, load_judge, locate, revision_of
from filters.mpnet_judge import KEPT
from filters.training.batching import Coded, code, collate, plan
from filters.training.made_with import claim
from filters.training.rows import BOTH_WAYS, HELD_OUT_IN, LABELS, Row, draw, is_held_out, read_rows

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TrainingSpec:
    """All that decides a judge's weights. `passes` is how often each origin is seen, `*` the others."""

    base: str
    rows: tuple[str, ...]
    passes: Mapping[str, float] = Field(default_factory=dict)
    token_budget: int = Field(default=1536, ge=16)
    window: int = Field(default=112, ge=16)
    peak_rate: float = Field(default=1e-4, gt=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    frozen: str = "word_embeddings"
    layers: tuple[int, ...] = ()  # of the base's, those that are kept, in order; all if none is named
    bfloat16: bool = True
    most_steps: int = Field(default=0, ge=0)  # 0: all that was drawn
    threads: int = Field(default=2, ge=1)
    seed: int = 0


def loss_of(logits: torch.Tensor, targets: torch.Tensor, merged: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of (rows, 3) logits; where `merged`, neutral and contradiction count as one class."""
    logs = log_softmax(logits.float(), -1)
    apart = -(targets * logs).sum(-1)
    together = -torch.logsumexp(logs[:, 1:], -1)
    return torch.where(merged, together, apart).mean()


def training_rows(spec: TrainingSpec) -> list[Row]:
    """What is trained on, in order; the held-out part of every set left out."""
    rows = [row for path in spec.rows for row in read_rows(Path(path)) if not is_held_out(row)]
    drawn = draw(rows, spec.passes, spec.seed)
    if not drawn:
        raise FilterError(
            f"{', '.join(spec.rows)}: no row to train on; wanted labelled pairs of an origin that `passes` draws; give "
            "other rows or mend the settings"
        )
    return drawn


def load_base(spec: TrainingSpec) -> tuple[Any, Any]:
    """The encoder with a classification head for LABELS, and its tokenizer; or a judge, to go on from. No dropout."""
    torch.manual_seed(spec.seed)
    model, tokenizer = _judge(spec.base) if spec.base in JUDGES else _encoder(locate(spec.base).name)
    if spec.layers:
        keep_layers(model, spec.layers)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for name, weight in model.named_parameters():
        weight.requires_grad_(not (spec.frozen and re.search(spec.frozen, name)))
    return model, tokenizer


def _judge(reference: str) -> tuple[Any, Any]:
    judge = load_judge(reference)
    return judge.model, judge.tokenizer


def _encoder(name: str) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    outputs = {"id2label": dict(enumerate(LABELS)), "label2id": {label: n for n, label in enumerate(LABELS)}}
    model = AutoModelForSequenceClassification.from_pretrained(name, dtype="float32", **outputs)
    return model, AutoTokenizer.from_pretrained(name)


def keep_layers(model: Any, layers: Sequence[int]) -> None:
    """Leave a classifier these of its encoder's layers. What is left has to be trained to be of use again."""
    encoder = model.base_model.encoder
    found = len(encoder.layer)
    if len(set(layers)) < len(layers) or not set(layers) <= set(range(found)):
        raise FilterError(
            f"training of a judge: `layers` is {list(layers)}; wanted different numbers from 0 to {found - 1}, those "
            "of its base; mend the settings"
        )
    encoder.layer = torch.nn.ModuleList([encoder.layer[number] for number in layers])
    model.config.num_hidden_layers = len(layers)
    had = getattr(model.config, KEPT, None) or range(found)
    setattr(model.config, KEPT, [had[number] for number in layers])


def train(spec: TrainingSpec, out: Path, save_every: int = 200) -> Path:
    """Train to the end, or go on where a killed training stopped. Returns the folder of the finished model.

    A folder that was begun with another spec, other rows or another base is refused.
    """
    claim(out, _settings_of(spec), {"rows": map(Path, spec.rows)})
    torch.set_num_threads(spec.threads)
    model, tokenizer = load_base(spec)
    coded = code(training_rows(spec), tokenizer, spec.window)
    batches = plan([len(ids) for ids in coded.ids], spec.token_budget, spec.seed)
    batches = batches[: spec.most_steps or None]
    run = _Run(spec, model, coded, tokenizer.pad_token_id or 0, len(batches), out)
    for step in run.resume(batches):
        if step % save_every == 0 or step == len(batches):
            run.save(step)
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    return out / "model"


def _settings_of(spec: TrainingSpec) -> dict[str, object]:
    """What beside the content of the rows decides the weights, by name; the base by its own."""
    settings = asdict(spec) | {"base": revision_of(spec.base), "HELD_OUT_IN": HELD_OUT_IN, "BOTH_WAYS": BOTH_WAYS}
    del settings["rows"]
    return settings


class _Run:
    """A training under way: the model, its optimiser, and how far it is."""

    def __init__(self, spec: TrainingSpec, model: Any, coded: Coded, pad_id: int, steps: int, out: Path) -> None:
        self.spec, self.model, self.coded, self.pad_id, self.steps, self.out = spec, model, coded, pad_id, steps, out
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        matrices = [weight for weight in weights if weight.ndim > 1]
        others = [weight for weight in weights if weight.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": spec.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=spec.peak_rate, fused=True)
        self.loss = float("nan")

    def resume(self, batches: list[IntArray]) -> Iterator[int]:
        """Take the steps that are left; yields the number of each step done."""
        done, began, rows = self._load(), time.monotonic(), 0
        self.model.train()
        for step in range(done, len(batches)):
            self._step(step, batches[step])
            rows += len(batches[step])
            self._tell(step + 1, rows / (time.monotonic() - began))
            yield step + 1

    def _step(self, step: int, places: IntArray) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.spec.peak_rate * self._share_of_rate(step)
        inputs = collate(self.coded, places, self.pad_id)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.spec.bfloat16):
            logits = self.model(**inputs).logits
        loss = loss_of(logits, self.coded.targets[places], self.coded.merged[places])
        if not torch.isfinite(loss):
            raise FilterError(f"training of a judge: the loss is {loss.item()} at step {step}; lower `peak_rate`")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.loss = loss.item()

    def _share_of_rate(self, step: int) -> float:
        """Linear warm-up, then linear to zero."""
        warm = max(1, round(self.steps * self.spec.warmup))
        return min((step + 1) / warm, (self.steps - step) / max(1, self.steps - warm))

    def _tell(self, step: int, rows_per_second: float) -> None:
        with (self.out / LOG).open("a", newline="") as file:
            csv.writer(file).writerow([step, self.steps, f"{self.loss:.4f}", f"{rows_per_second:.1f}"])

    def save(self, step: int) -> None:
        aside = self.out / f"{CHECKPOINT}.aside"
        torch.save({"step": step, "model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}, aside)
        aside.replace(self.out / CHECKPOINT)

    def _load(self) -> int:
        path = self.out / CHECKPOINT
        if not path.exists():
            return 0
        stored = torch.load(path, weights_only=True)
        self.model.load_state_dict(stored["model"])
        self.optimiser.load_state_dict(stored["optimiser"])
        return int(stored["step"])
