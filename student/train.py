"""Trains a student: a T5 learns from pairs to rewrite, with or without control words.

One readable program: pairs to epochs of examples, the loop of learning.py, the best checkpoint by validation loss, a
curve, a card. Killed and started again with the same `work` folder it goes on, and ends with the same weights.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from student.dataset import Epochs, Mix, Pair, validation_batches
from student.errors import StudentError
from student.learning import Learner, Point, Progress, Rate, Settings
from student.model import Loaded, load
from student.settings import Training

ABOUT = "student.json"
CARD = """# A student

A T5 that learned to rewrite single English sentences from pairs that a language model wrote and a judge accepted. It
started from `{base}`; its settings stand in student.json, its curve beside the folder.

{asked}

Length and abstractiveness {controls} be asked for with control words. What it learned from is invented: names,
figures and events in its training text are not facts, and it may change those of yours. Evaluate it before use.
"""


@dataclass(frozen=True)
class TrainSpec:
    """All that decides a student's weights, together with the pairs."""

    base: str
    instructions: Mapping[str, str]
    revision: str = ""
    training: Training = field(default_factory=Training)
    seed: int = 0
    turned: tuple[str, ...] = ()
    """Tasks whose pairs are learned from target to source as well."""


@dataclass(frozen=True)
class Trained:
    """What a training came to. `best_loss` is nats a token on validation, None where there was nothing to measure."""

    steps: int
    best_step: int
    best_loss: float | None
    cut: int
    """Examples of the first epoch that were too long for their window."""
    curve: Sequence[Mapping[str, Any]]


Tell = Callable[[Point], None]


def train(
    spec: TrainSpec,
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    place: Path,
    work: Path,
    tell: Tell = lambda point: None,
    rehearsed: Sequence[str] = (),
) -> Trained:
    """Train on `pairs`; the model lands in `place`. `work` keeps what a restart needs.

    `rehearsed`: sentences to be broken and mended beside the pairs, where the settings ask for that.
    """
    training = spec.training
    loaded = load(spec.base, spec.revision, training.dropout)
    mix = _mix(spec, rehearsed)
    windows = (training.most_source_tokens, training.most_target_tokens)
    epochs = Epochs(pairs, mix, loaded.tokenizer, windows, (training.batch_tokens, training.device_tokens))
    measured = validation_batches(validation, mix, loaded.tokenizer, windows, training.device_tokens)
    learner = Learner(loaded.model, _settings(spec, epochs), work)
    cut = epochs.coded.cut
    progress = learner.run(epochs.step, measured, tell, lambda model: _keep_best(model, work))
    if not learner.accelerator.is_main_process:
        return _trained(progress, cut)
    tasks = [task for task in spec.instructions if any(pair.task == task for pair in pairs)]
    save_model(learner.model, loaded, work, place, _about(spec, tasks))
    return _trained(progress, cut)


def _mix(spec: TrainSpec, rehearsed: Sequence[str]) -> Mix:
    training = spec.training
    shares = (training.rehearsal_share, rehearsed, training.strange_share, training.lowercase_share)
    return Mix(spec.instructions, training.controls_share, spec.seed, *shares, training.task_temperature)


def _settings(spec: TrainSpec, epochs: Epochs) -> Settings:
    training, an_epoch = spec.training, epochs.steps_an_epoch
    steps = max(1, round(training.epochs * an_epoch))
    steps = min(steps, training.most_steps) if training.most_steps else steps
    every = max(1, round(an_epoch / training.validations_an_epoch))
    return Settings(
        Rate(training.learning_rate, round(steps * training.warmup_share), steps),
        spec.seed,
        weight_decay=training.weight_decay,
        label_smoothing=training.label_smoothing,
        precision=training.precision,
        validate_every=every,
        patience=training.patience,
        save_every=every,
    )


def _keep_best(model: Any, work: Path) -> None:
    """The best weights so far, aside first."""
    work.mkdir(parents=True, exist_ok=True)
    aside, place = work / ".best.aside", work / "best"
    shutil.rmtree(aside, ignore_errors=True)
    model.save_pretrained(aside)
    shutil.rmtree(place, ignore_errors=True)
    aside.replace(place)


def _about(spec: TrainSpec, tasks: Sequence[str]) -> dict[str, Any]:
    """What a reader of the folder needs to use the model."""
    return {
        "base": spec.base,
        "tasks": {task: spec.instructions[task] for task in tasks},
        "controls": spec.training.controls_share > 0,
        "seed": spec.seed,
        "training": asdict(spec.training),
    }


def save_model(model: Any, loaded: Loaded, work: Path, place: Path, about: Mapping[str, Any]) -> None:
    """The best weights where there are any, else the last; with tokenizer and what to know."""
    if (work / "best").is_dir():
        shutil.copytree(work / "best", place, dirs_exist_ok=True)
    else:
        model.save_pretrained(place)
    loaded.tokenizer.save_pretrained(place)
    (place / ABOUT).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    (place / "README.md").write_text(card(about))


def card(about: Mapping[str, Any]) -> str:
    """The model's card: what it is, how it is asked, and what it is not."""
    asked = "\n".join(f"- {task}: `{instruction}` before the sentence" for task, instruction in about["tasks"].items())
    return CARD.format(base=about["base"], asked=asked, controls="can" if about["controls"] else "cannot")


def about(folder: Path) -> dict[str, Any]:
    """What a trained student says of itself: its tasks with their instructions, whether it knows control words."""
    try:
        found = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError):
        raise StudentError(f"{folder}: no {ABOUT} in it; wanted the folder of a trained student") from None
    if not isinstance(found, dict) or not isinstance(found.get("tasks"), dict):
        raise StudentError(f"{folder / ABOUT}: it names no tasks; wanted the folder of a trained student")
    return found


def _trained(progress: Progress, cut: int) -> Trained:
    best = progress.best if progress.best_step else None
    return Trained(progress.step, progress.best_step or progress.step, best, cut, progress.curve)
