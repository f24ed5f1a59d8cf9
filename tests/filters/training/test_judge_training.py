"""A tiny BERT learns, and a killed training ends like one that was left alone."""

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from filters.base import FilterError
from filters.training import train as training
from filters.training.rows import LABELS, read_rows
from filters.training.soft_labels import probabilities, write_soft_labels
from filters.training.train import TrainingSpec, loss_of, train

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h".split()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertForSequenceClassification(
        BertConfig(vocab_size=len(WORDS), id2label=dict(enumerate(LABELS)), **size)
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    names, made = "abcdefgh", []
    for number in range(240):
        first, second = names[number % 8], names[(number * 5 + number // 8) % 8]
        label = "entailment" if second in "abcd" else "not_entailment"
        made.append({"premise": f"{first} {names[number % 3]}", "hypothesis": second, "label": label, "origin": "x"})
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


def spec_of(base: Path, rows: Path) -> TrainingSpec:
    return TrainingSpec(base=str(base), rows=(str(rows),), token_budget=64, peak_rate=1e-2, bfloat16=False, threads=1)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return BertForSequenceClassification.from_pretrained(folder).state_dict()


class KilledError(Exception):
    pass


def test_a_killed_training_ends_the_same(base: Path, rows: Path, tmp_path: Path, monkeypatch) -> None:
    whole = weights(train(spec_of(base, rows), tmp_path / "whole", save_every=3))
    step = training._Run._step

    def dying(run, number: int, places) -> None:
        if number == 7:
            raise KilledError
        step(run, number, places)

    monkeypatch.setattr(training._Run, "_step", dying)
    with pytest.raises(KilledError):
        train(spec_of(base, rows), tmp_path / "killed", save_every=3)
    monkeypatch.undo()
    resumed = weights(train(spec_of(base, rows), tmp_path / "killed", save_every=3))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_word_embeddings_stay_and_the_rest_learns(base: Path, rows: Path, tmp_path: Path) -> None:
    before, after = weights(base), weights(train(spec_of(base, rows), tmp_path / "run"))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in same if "word_embeddings" in name}
    assert not {name for name in same if "classifier.weight" in name or "attention.self.query" in name}
    losses = [float(line.split(",")[2]) for line in (tmp_path / "run" / "log.csv").read_text().splitlines()]
    assert sum(losses[-5:]) < sum(losses[:5])


def test_a_rate_that_breaks_it_is_told(base: Path, rows: Path, tmp_path: Path) -> None:
    spec = TrainingSpec(base=str(base), rows=(str(rows),), token_budget=64, peak_rate=1e30, bfloat16=False, threads=1)
    with pytest.raises(FilterError, match="lower `peak_rate`"):
        train(spec, tmp_path / "run")


def test_the_loss_merges_two_classes() -> None:
    logits = torch.tensor([[2.0, 1.0, -1.0]])
    share = logits.softmax(-1)[0]
    hard = torch.tensor([[0.0, 1.0, 0.0]])
    assert loss_of(logits, hard, torch.tensor([False])).item() == pytest.approx(-share[1].log().item())
    assert loss_of(logits, hard, torch.tensor([True])).item() == pytest.approx(-(share[1] + share[2]).log().item())


def test_soft_labels_go_on_where_they_stopped(base: Path, rows: Path, tmp_path: Path) -> None:
    asked = read_rows(rows)[:30]
    write_soft_labels(base, asked[:12], tmp_path / "soft.jsonl", part=5)
    write_soft_labels(base, asked, tmp_path / "soft.jsonl", part=5)
    written = read_rows(tmp_path / "soft.jsonl")
    assert [row.premise for row in written] == [row.premise for row in asked]
    whole = probabilities(base, asked)
    assert torch.allclose(torch.tensor([row.target for row in written]), whole, atol=2e-2)
    assert torch.allclose(whole.sum(-1), torch.ones(30), atol=1e-5)
