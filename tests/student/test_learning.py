"""The loop: the same curve from the same seed, whatever is killed, resumed or cut into parts."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_student import QUICK, SHAPE, toy_training

from student.errors import StudentError
from student.learning import CHECKPOINT, IGNORED, Batch, Learner, Progress, Rate, Settings, collate
from student.pretrain import fresh_model

HOUSE = Path(__file__).parents[2]
TOY = HOUSE / "tests" / "toy_student.py"
STEADY = Settings(Rate(3e-3, 2, 8, "constant"), seed=3, precision="fp32", validate_every=4, save_every=2)


def rows(number: int) -> tuple[list[list[int]], list[list[int]]]:
    """Eight examples of different lengths, by the number of the step."""
    draw = torch.Generator().manual_seed(number)
    lengths = torch.randint(2, 12, (8, 2), generator=draw).tolist()
    made = [[torch.randint(3, 500, (n,), generator=draw).tolist() for n in pair] for pair in lengths]
    return [source for source, _ in made], [target for _, target in made]


def whole(number: int) -> list[Batch]:
    return [collate(*rows(number), 0)]


def quarters(number: int) -> list[Batch]:
    sources, targets = rows(number)
    return [collate(sources[n : n + 2], targets[n : n + 2], 0) for n in range(0, 8, 2)]


def learner(folder: Path, settings: Settings = STEADY, dropout: float = 0.0, vocabulary: int = 640) -> Learner:
    model = fresh_model(replace(SHAPE, vocabulary=vocabulary), 1)
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = dropout
    return Learner(model, settings, folder)


def curve(found: Progress | Sequence[Any]) -> list[dict[str, Any]]:
    """Without what the clock said."""
    points = found.curve if isinstance(found, Progress) else found
    return [{name: value for name, value in point.items() if name != "seconds"} for point in points]


def weights(of: Learner) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in of.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class StoppedError(Exception):
    """Stands for a kill."""


def stop_after(step: int) -> Callable[[Any], None]:
    def tell(point: Any) -> None:
        if point.step == step:
            raise StoppedError

    return tell


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_same_seed_gives_the_same_curve(tmp_path: Path, dropout: float) -> None:
    one, two = (learner(tmp_path / name, dropout=dropout) for name in "ab")
    first = one.run(whole, whole(99))
    torch.rand(7)  # what was drawn elsewhere does not matter
    assert curve(first) == curve(two.run(whole, whole(99)))
    assert same(weights(one), weights(two))
    assert len({point["loss"] for point in first.curve}) == 8


def test_another_seed_draws_another_dropout(tmp_path: Path) -> None:
    one = learner(tmp_path / "a", dropout=0.3)
    two = learner(tmp_path / "b", replace(STEADY, seed=4), dropout=0.3)
    assert curve(one.run(whole)) != curve(two.run(whole))


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 8])
def test_stopped_anywhere_and_resumed(tmp_path: Path, step: int) -> None:
    undisturbed = learner(tmp_path / "whole", dropout=0.3)
    wanted = undisturbed.run(whole, whole(99))
    with pytest.raises(StoppedError):
        learner(tmp_path / "cut", dropout=0.3).run(whole, whole(99), stop_after(step))
    again = learner(tmp_path / "cut", dropout=0.3)
    found = again.run(whole, whole(99))
    assert curve(found) == curve(wanted)
    assert (found.best, found.best_step, found.since_best) == (wanted.best, wanted.best_step, wanted.since_best)
    assert same(weights(again), weights(undisturbed))


def test_fewer_steps_and_then_the_rest(tmp_path: Path) -> None:
    undisturbed = learner(tmp_path / "whole")
    wanted = undisturbed.run(whole)
    fewer = learner(tmp_path / "cut", replace(STEADY, rate=replace(STEADY.rate, steps=5)))
    assert curve(fewer.run(whole)) == curve(wanted)[:5]
    again = learner(tmp_path / "cut")
    assert curve(again.run(whole)) == curve(wanted)
    assert same(weights(again), weights(undisturbed))
    finished = learner(tmp_path / "cut")
    assert curve(finished.run(whole)) == curve(wanted)  # nothing is left to do
    assert same(weights(finished), weights(undisturbed))


def test_eight_at_once_or_four_times_two(tmp_path: Path) -> None:
    one, four = learner(tmp_path / "a"), learner(tmp_path / "b")
    left, right = one.run(whole, whole(99)), four.run(quarters, quarters(99))
    for name in ("loss", "validation_loss"):
        pairs = [(p[name], q[name]) for p, q in zip(left.curve, right.curve, strict=True) if p[name] is not None]
        assert [p for p, _ in pairs] == pytest.approx([q for _, q in pairs], rel=1e-4)
    assert [p["tokens"] for p in left.curve] == [q["tokens"] for q in right.curve]


def test_padding_does_not_count(tmp_path: Path) -> None:
    model = learner(tmp_path)
    model.model.eval()
    (batch,) = whole(0)
    alone = [collate([s], [t], 0) for s, t in zip(*rows(0), strict=True)]
    assert batch.tokens == sum(map(len, rows(0)[1])) == sum(each.tokens for each in alone)
    assert float(model.loss_sum(batch)) == pytest.approx(sum(float(model.loss_sum(each)) for each in alone), rel=1e-5)
    assert (batch.targets == IGNORED).any()


def spoiled(at: int) -> Callable[[Any], None]:
    """Makes a weight NaN after a step."""

    def tell(point: Any) -> None:
        if point.step == at:
            with torch.no_grad():
                tell.model.shared.weight[0] = math.nan  # type: ignore[attr-defined]

    return tell


@pytest.mark.parametrize(("at", "kept"), [(1, 0), (2, 2), (3, 2), (5, 4)])
def test_a_loss_that_is_no_number_stops(tmp_path: Path, at: int, kept: int) -> None:
    """Checkpoints are written every second step."""
    victim, tell = learner(tmp_path), spoiled(at)
    tell.model = victim.model  # type: ignore[attr-defined]
    with pytest.raises(StudentError) as error:
        victim.run(whole, tell=tell)
    said = str(error.value)
    assert f"the loss is nan at step {at + 1}" in said and "lower the learning rate (now 0.003)" in said
    assert "\n" not in said
    if not kept:
        assert "nothing had been saved" in said and not (tmp_path / CHECKPOINT).exists()
        return
    assert "the last good checkpoint is kept" in said
    stored = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert stored["progress"]["step"] in (kept, at)


def test_a_gradient_that_is_no_number_spoils_no_weight(tmp_path: Path) -> None:
    """A loss may be finite while its gradient is not."""
    victim = learner(tmp_path)
    victim.run(whole, tell=lambda point: None)
    before = weights(victim)
    victim.model.shared.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(StudentError, match=r"the gradient's norm is (inf|nan) at step 9"):
        victim._step(whole(8))
    assert same(before, weights(victim))


def test_a_checkpoint_of_another_vocabulary(tmp_path: Path) -> None:
    learner(tmp_path).run(whole)
    with pytest.raises(StudentError, match="another model or vocabulary") as error:
        learner(tmp_path, vocabulary=700).run(whole)
    assert "\n" not in str(error.value) and str(tmp_path / CHECKPOINT) in str(error.value)
    assert (tmp_path / CHECKPOINT).exists()


def test_early_stopping_and_the_best_are_kept(tmp_path: Path) -> None:
    """Trained on noise, so that unseen rows get worse at once."""
    settings = replace(STEADY, rate=Rate(3e-2, 1, 40, "constant"), validate_every=2, patience=3)
    kept: list[dict[str, torch.Tensor]] = []
    one = learner(tmp_path, settings)
    found = one.run(lambda step: whole(0), whole(99), on_best=lambda model: kept.append(weights(one)))
    measured = [(p["step"], p["validation_loss"]) for p in found.curve if p["validation_loss"] is not None]
    assert [step for step, _ in measured] == list(range(2, found.step + 1, 2))
    assert found.best == min(loss for _, loss in measured) and (found.best_step, found.best) in measured
    assert found.since_best == 3 and found.step == found.best_step + 6 < 40
    for name, weight in kept[-1].items():
        one.model.state_dict()[name].copy_(weight)
    assert one.validation_loss(whole(99)) == pytest.approx(found.best, rel=1e-6)
    again = learner(tmp_path, settings)
    assert curve(again.run(lambda step: whole(0), whole(99))) == curve(found)  # tired it was, tired it is


def test_the_learning_rate_at_its_bounds() -> None:
    rate = Rate(1.0, 4, 12, floor=0.1)
    assert [rate.at(step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rate.at(8) == pytest.approx(0.55) and rate.at(12) == pytest.approx(0.1) == rate.at(50)
    falling = [rate.at(step) for step in range(4, 13)]
    assert falling == sorted(falling, reverse=True)
    assert Rate(1.0, 0, 4).at(0) == 1.0 and Rate(1.0, 0, 4).at(4) == 0.0
    assert [Rate(2.0, 2, 4, "constant").at(step) for step in (0, 1, 3, 99)] == [1.0, 2.0, 2.0, 2.0]
    assert Rate(1.0, 9, 3).at(2) == pytest.approx(1 / 3)  # a warm-up longer than the training


def test_kill_minus_nine(tmp_path: Path, tiny_t5: Path) -> None:
    """The whole training program, dropout and control words on, killed twice."""
    undisturbed = toy_training(tiny_t5, tmp_path / "whole")
    words = [sys.executable, str(TOY), str(tiny_t5), str(tmp_path / "victim")]
    path = os.pathsep.join([str(HOUSE), str(TOY.parent)])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    an_epoch = undisturbed.steps // QUICK.epochs
    for step in (2, an_epoch + 2):
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            while int(process.stdout.readline().split()[0]) < step:
                pass
            process.send_signal(signal.SIGKILL)
    stored = torch.load(tmp_path / "victim" / "work" / CHECKPOINT, weights_only=True)
    assert an_epoch <= stored["progress"]["step"] < undisturbed.steps
    resumed = toy_training(tiny_t5, tmp_path / "victim")
    assert curve(resumed.curve) == curve(undisturbed.curve)
    files = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "victim")]
    assert files[0] == files[1]
