"""Tiny students for every room's tests: one that is fresh, one that learned to leave the time out of a sentence."""

from pathlib import Path

import pytest
import torch
from toy_student import INSTRUCTIONS, SHAPE, make_t5, toy_pairs

from student.settings import Training
from student.train import TrainSpec, train


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fresh T5."""
    return make_t5(tmp_path_factory.mktemp("t5"), SHAPE)


@pytest.fixture(scope="session")
def tiny_student(tmp_path_factory: pytest.TempPathFactory, tiny_t5: Path) -> Path:
    """The folder of a student of two tasks that was trained for a few seconds."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("student")
    training = Training(epochs=100, most_steps=150, batch_tokens=1024, learning_rate=1e-2, dropout=0, precision="fp32")
    spec = TrainSpec(str(tiny_t5), INSTRUCTIONS, training=training)
    train(spec, toy_pairs(200), [], folder / "model", folder / "work")
    return folder / "model"


@pytest.fixture
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of converted models lie apart; one place for the whole session."""
    place = tmp_path_factory.getbasetemp() / "home"
    monkeypatch.setenv("IMPOSSIBLE_HOME", str(place))
    return place
