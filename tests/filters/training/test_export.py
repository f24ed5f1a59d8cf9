"""The embedded judge is read, written as it is committed, and is the same to the bit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from filters.base import FilterError
from filters.models import EMBEDDED_JUDGE, WORD_EMBEDDINGS, home, load_judge
from filters.training.export import export

COMMITTED = home() / "data" / "models" / "nli-minilm" / "body.safetensors"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    load_judge(EMBEDDED_JUDGE).model.save_pretrained(folder)
    return folder


def test_what_was_read_is_written(trained: Path, tmp_path: Path) -> None:
    export(trained, tmp_path, window=128)
    before, after = load_file(COMMITTED), load_file(tmp_path / "body.safetensors")
    assert before.keys() == after.keys() and not [name for name in after if WORD_EMBEDDINGS in name]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_temperature_divides_the_head_alone(trained: Path, tmp_path: Path) -> None:
    export(trained, tmp_path, window=128, temperature=2.0)
    before, after = load_file(COMMITTED), load_file(tmp_path / "body.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert torch.allclose(after["classifier.weight"].float(), before["classifier.weight"].float() / 2, atol=1e-4)


def test_other_word_embeddings_are_refused(trained: Path, tmp_path: Path) -> None:
    judge = load_judge(EMBEDDED_JUDGE).model
    with torch.no_grad():
        judge.bert.embeddings.word_embeddings.weight[5, 5] += 1
    judge.save_pretrained(tmp_path / "other")
    with pytest.raises(FilterError, match="train with them frozen"):
        export(tmp_path / "other", tmp_path / "out", window=128)
    assert not (tmp_path / "out").exists()
