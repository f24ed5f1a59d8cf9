"""The training loop of pretraining and of students alike: one optimiser step after another, resumable, reproducible.

A step is a list of micro-batches, given by its number. The loss of a step is the sum over all its target tokens
divided by their number, so eight rows at once, or twice four, are the same step but for the dropout masks. What is
random is seeded by the number of the step; a checkpoint is written aside and renamed: a killed training goes on where
it was, with the same curve.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from student.errors import NoNumberError, StudentError

CHECKPOINT = "checkpoint.pt"
IGNORED = -100


@dataclass(frozen=True)
class Batch:
    """Token ids, rows padded to the longest: (rows, source length), and (rows, target length) with -100 for padding."""

    sources: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor

    @property
    def tokens(self) -> int:
        """Target tokens that count."""
        return int((self.targets != IGNORED).sum())


def collate(sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], pad_id: int) -> Batch:
    """Pad lists of token ids on the right."""
    ids = torch.from_numpy(_padded(sources, pad_id))
    mask = torch.from_numpy(_padded([[1] * len(row) for row in sources], 0))
    return Batch(ids, mask, torch.from_numpy(_padded(targets, IGNORED)))


def _padded(rows: Sequence[Sequence[int]], filler: int) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    out = np.full((len(rows), max(map(len, rows))), filler, np.int64)
    for place, row in enumerate(rows):
        out[place, : len(row)] = row
    return out


@dataclass(frozen=True)
class Rate:
    """The learning rate: linear warm-up to `peak`, then linear to `floor * peak` at `steps`, or constant."""

    peak: float
    warmup: int
    steps: int
    shape: Literal["linear", "constant"] = "linear"
    floor: float = 0.0

    def at(self, step: int) -> float:
        rising = min(1.0, (step + 1) / max(1, self.warmup))
        left = max(0.0, (self.steps - step) / max(1, self.steps - self.warmup))
        falling = self.floor + (1 - self.floor) * min(1.0, left)
        return self.peak * (rising * falling if self.shape == "linear" else rising)


@dataclass(frozen=True)
class Point:
    """One step on the curve. Losses are nats a target token; `validation_loss` None where it was not measured."""

    step: int
    loss: float
    learning_rate: float
    tokens: int
    seconds: float
    validation_loss: float | None = None
    total: int = 0
    """Steps of the whole training, at most: it may stop earlier."""

    @property
    def on_curve(self) -> dict[str, Any]:
        """What is kept of it: the curve is the same where more steps are asked for later."""
        return {name: value for name, value in asdict(self).items() if name != "total"}


@dataclass(frozen=True)
class Settings:
    """What the loop itself needs to know."""

    rate: Rate
    seed: int = 0
    weight_decay: float = 0.0
    clip: float = 1.0
    label_smoothing: float = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    validate_every: int = 200
    patience: int = 0
    """Stop after so many validations in a row without a better one; 0 never."""
    save_every: int = 200


@dataclass
class Progress:
    """How far a training is. All of it is in the checkpoint."""

    step: int = 0
    best: float = math.inf
    best_step: int = 0
    since_best: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)


class Learner:
    """A training under way. It keeps no data: `run` is given the micro-batches of a step by its number."""

    def __init__(self, model: Any, settings: Settings, folder: Path) -> None:
        from accelerate import Accelerator

        self.settings, self.folder, self.progress = settings, folder, Progress()
        self.accelerator = Accelerator()
        self.half = _in_half(settings.precision)
        optimiser = torch.optim.AdamW(_groups(model, settings), lr=settings.rate.peak, betas=(0.9, 0.98), fused=True)
        self.model, self.optimiser = model.to(self.accelerator.device), self.accelerator.prepare(optimiser)

    def run(
        self,
        steps: Callable[[int], Sequence[Batch]],
        validation: Sequence[Batch] = (),
        tell: Callable[[Point], None] = lambda point: None,
        on_best: Callable[[Any], None] = lambda model: None,
    ) -> Progress:
        """To the end, or until no validation gets better. `on_best` is given the model after each best validation."""
        self._load()
        total, settings = self.settings.rate.steps, self.settings
        self.model.train()
        while self.progress.step < total and not self._tired():
            began = time.monotonic()
            loss, tokens = self._step(steps(self.progress.step))
            step = self.progress.step = self.progress.step + 1
            measured = self._validate(validation, on_best) if self._due(step, validation) else None
            rate = settings.rate.at(step - 1)
            point = Point(step, loss, rate, tokens, round(time.monotonic() - began, 4), measured, total)
            self.progress.curve.append(point.on_curve)
            tell(point)
            if step % settings.save_every == 0 or step == total or measured is not None:
                self.save()
        return self.progress

    def _due(self, step: int, validation: Sequence[Batch]) -> bool:
        settings = self.settings
        return bool(validation) and (step % settings.validate_every == 0 or step == settings.rate.steps)

    def _tired(self) -> bool:
        return bool(self.settings.patience) and self.progress.since_best >= self.settings.patience

    def _step(self, batches: Sequence[Batch]) -> tuple[float, int]:
        """One update. Each process takes its share of the micro-batches."""
        torch.manual_seed(self.settings.seed * 1_000_003 + self.progress.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate.at(self.progress.step)
        tokens = sum(batch.tokens for batch in batches)
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        total = torch.zeros((), device=self.accelerator.device)
        for batch in batches[rank::world]:
            loss = self.loss_sum(batch, self.settings.label_smoothing) / max(1, tokens)
            self.accelerator.backward(loss)
            total += loss.detach()
        self._share_gradients()
        mean = float(self.accelerator.reduce(total, "sum"))
        self._check("loss", mean)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self._check("gradient's norm", float(norm))
        self.optimiser.step()
        self.optimiser.zero_grad()
        return mean, tokens

    def _share_gradients(self) -> None:
        """Sum them over all processes. A process may have had no micro-batch, or fewer than the others."""
        if self.accelerator.num_processes == 1:
            return
        learned = [weight for weight in self.model.parameters() if weight.requires_grad]
        own = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in learned]
        summed = self.accelerator.reduce(torch.cat([gradient.flatten() for gradient in own]), "sum")
        for weight, gradient in zip(learned, summed.split([weight.numel() for weight in learned]), strict=True):
            weight.grad = gradient.view_as(weight)

    def _check(self, name: str, value: float) -> None:
        """Stop before weights are spoiled. What was saved before stays."""
        if math.isfinite(value):
            return
        kept = (self.folder / CHECKPOINT).exists()
        raise NoNumberError(
            f"training: the {name} is {value} at step {self.progress.step + 1}; "
            f"{'the last good checkpoint is kept in' if kept else 'nothing had been saved yet in'} {self.folder}; "
            f"lower the learning rate (now {self.settings.rate.at(self.progress.step):.2g})"
        )

    def loss_sum(self, batch: Batch, smoothing: float = 0.0) -> torch.Tensor:
        """Sum of the negative log-likelihoods of a batch's target tokens, in nats."""
        device = self.accelerator.device
        targets = batch.targets.to(device)
        inputs = self.model.prepare_decoder_input_ids_from_labels(targets)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.half):
            logits = self.model(
                input_ids=batch.sources.to(device), attention_mask=batch.mask.to(device), decoder_input_ids=inputs
            ).logits
        return cross_entropy(
            *(logits.float().flatten(0, 1), targets.flatten()),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=smoothing,
        )

    def validation_loss(self, batches: Sequence[Batch]) -> float:
        """Nats a target token over all batches."""
        self.model.eval()
        with torch.no_grad():
            total = sum(float(self.loss_sum(batch)) for batch in batches)
        self.model.train()
        return total / max(1, sum(batch.tokens for batch in batches))

    def _validate(self, batches: Sequence[Batch], on_best: Callable[[Any], None]) -> float:
        loss, progress = self.validation_loss(batches), self.progress
        if loss < progress.best:
            progress.best, progress.best_step, progress.since_best = loss, progress.step, 0
            if self.accelerator.is_main_process:
                on_best(self.model)
        else:
            progress.since_best += 1
        return loss

    def save(self) -> None:
        """The whole state, aside first."""
        if not self.accelerator.is_main_process:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{CHECKPOINT}.aside"
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}
        with aside.open("wb") as file:
            torch.save(state | {"progress": asdict(self.progress)}, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.folder / CHECKPOINT)

    def _load(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        stored = torch.load(path, weights_only=True, map_location="cpu")
        try:
            self.model.load_state_dict(stored["model"])
        except RuntimeError as error:
            raise StudentError(
                f"{path}: a checkpoint of another model or vocabulary ({str(error).splitlines()[1].strip()}); "
                "remove it, or go on with the model that it belongs to"
            ) from None
        self.optimiser.load_state_dict(stored["optimiser"])
        self.progress = Progress(**stored["progress"])


def _groups(model: Any, settings: Settings) -> list[dict[str, Any]]:
    """Matrices decay; embeddings and norms do not."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    decaying = [w for name, w in named if w.ndim > 1 and not _is_embedding(name)]
    others = [w for name, w in named if w.ndim <= 1 or _is_embedding(name)]
    return [{"params": decaying, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]


def _is_embedding(name: str) -> bool:
    return name.startswith(("shared.", "lm_head.")) or "embed_tokens" in name or "relative_attention_bias" in name


def _in_half(wanted: str) -> bool:
    """Whether to compute in bfloat16; auto: where the device gains from it. Weights and optimiser stay in float32."""
    if wanted != "auto":
        return wanted == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
