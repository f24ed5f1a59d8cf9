"""Ray Train on two processes without a GPU: the student that one process trains, to rounding, and one clear line."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from safetensors.torch import load_file
from toy_student import INSTRUCTIONS, QUICK, toy_pairs, toy_training

from pipeline.errors import StageError
from pipeline.rounds.train_together import Together, train_together
from pipeline.stage import Resources
from student.errors import StudentError
from student.learning import Point
from student.train import TrainSpec

pytestmark = pytest.mark.slow
TRAINING = replace(QUICK, epochs=2, dropout=0.0, device_tokens=128)
"""Several micro-batches a step: each worker has a share of them."""
TWO = Resources(workers=2, cpus=0.5)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    tests = str(Path(__file__).parents[1])
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": tests}})
    yield
    ray.shutdown()


def task(base: Path, out: Path, **more: object) -> Together:
    spec = TrainSpec(str(base), INSTRUCTIONS, training=replace(TRAINING, **more))  # type: ignore[arg-type]
    (out / "work").mkdir(parents=True)
    return Together(spec, toy_pairs(), toy_pairs(6, 1), out / "model", out / "work", threads=1)


def test_two_workers_train_what_one_trains(tiny_t5: Path, tmp_path: Path) -> None:
    alone = toy_training(tiny_t5, tmp_path / "alone", TRAINING)
    told: list[Point] = []
    made = train_together(task(tiny_t5, tmp_path / "two"), TWO, told.append)
    assert made.steps == alone.steps > 1 and [point.step for point in told] == list(range(1, made.steps + 1))
    for one, other in zip(alone.curve, made.curve, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-3)
    assert made.best_loss == pytest.approx(alone.best_loss, rel=1e-3)
    weights, others = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("alone", "two"))
    assert weights.keys() == others.keys()
    assert max(float((weights[name] - others[name]).abs().max()) for name in weights) < 1e-2


def test_a_loss_that_is_no_number_is_one_line_and_not_tried_again(tiny_t5: Path, tmp_path: Path) -> None:
    told: list[Point] = []
    with pytest.raises(
        StudentError, match=r"training: the .* is (nan|inf) at step .*; lower the learning rate"
    ) as caught:
        train_together(task(tiny_t5, tmp_path / "nan", learning_rate=1e9), TWO, told.append)
    assert "\n" not in str(caught.value)
    assert len({point.step for point in told}) == len(told)


def test_a_worker_that_fails_otherwise_is_quoted(tiny_t5: Path, tmp_path: Path) -> None:
    bad = replace(task(tiny_t5, tmp_path / "bad"), threads=0)
    with pytest.raises(StageError, match=r"stage student, 2 workers: .*a positive integer") as caught:
        train_together(bad, TWO, lambda point: None)
    assert "\n" not in str(caught.value)
