"""What is committed of a pretraining: half precision, every stage that decided the weights, a card of what it is."""

import json
from dataclasses import replace
from pathlib import Path

from toy_student import SHAPE, sentences

from student.export_pretrained import STAGES, export
from student.model import load
from student.pretrain import PretrainSpec, pretrain

NOTES = {"licence": "mit", "text": "| toys |"}


def test_two_pretrainings_one_after_the_other(tmp_path: Path) -> None:
    text = tmp_path / "plain.jsonl"
    text.write_text("".join(json.dumps({"text": sentence}) + "\n" for sentence in sentences(100)))
    first = PretrainSpec((str(text),), SHAPE, steps=2, token_budget=256, copy_steps=1, warmup=1, held_out=0.05)
    pretrain(first, tmp_path / "a", save_every=1)
    one = export(tmp_path / "a", tmp_path / "one", first, NOTES, "on a toy")
    second = replace(first, start=str(one), steps=1, seed=2)
    pretrain(second, tmp_path / "b", save_every=1)
    two = export(tmp_path / "b", tmp_path / "two", second, NOTES | {"before": "First this. "}, "on a toy")
    assert [stage["seed"] for stage in json.loads((one / STAGES).read_text())] == [1]
    assert [stage["seed"] for stage in json.loads((two / STAGES).read_text())] == [1, 2]
    assert "The first 1 steps copy random pieces" in (one / "README.md").read_text()
    assert "First this. 1 steps" in (card := (two / "README.md").read_text()) and "license: mit" in card
    assert load(str(two)).model.config.vocab_size == SHAPE.vocabulary
    assert (two / "model.safetensors").stat().st_size < 0.6 * (tmp_path / "b/model/model.safetensors").stat().st_size
