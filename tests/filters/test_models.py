"""Finding, loading and versioning the filters' models."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from filters.base import FilterError
from filters.models import (
    EMBEDDED_ENCODER,
    EMBEDDED_JUDGE,
    entailment_index,
    load_encoder,
    load_judge,
    locate,
    revision_of,
)


@pytest.mark.parametrize(
    ("labels", "index"),
    [
        (["entailment", "neutral", "contradiction"], 0),
        (["contradiction", "entailment", "neutral"], 1),
        (["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], 2),
        (["entailment", "not_entailment"], 0),
        (["not_entailment", "entailment"], 1),
        (["non-entailment", "Entailment"], 1),
        (["NOT ENTAILMENT", "entails"], 1),
        (["nonentailed", "entailed"], 1),
    ],
)
def test_entailment_label_is_found(labels: list[str], index: int) -> None:
    assert entailment_index(dict(enumerate(labels)), None, "m") == index


@pytest.mark.parametrize(
    "labels",
    [["LABEL_0", "LABEL_1", "LABEL_2"], ["entailment", "strong entailment"], ["yes", "no"], ["not_entailment", "x"]],
)
def test_unclear_labels_ask_for_the_parameter(labels: list[str]) -> None:
    with pytest.raises(FilterError, match="entailment_label") as caught:
        entailment_index(dict(enumerate(labels)), None, "org/judge")
    assert "org/judge" in str(caught.value) and labels[0] in str(caught.value) and "\n" not in str(caught.value)


def test_label_names_kept_only_in_label2id_serve_too() -> None:
    labels = {0: "LABEL_0", 1: "LABEL_1"}
    assert entailment_index(labels, None, "m", {"contradiction": 0, "entailment": 1}) == 1
    with pytest.raises(FilterError):
        entailment_index({0: "entailment", 1: "LABEL_1"}, None, "m", {"entailment": 1})


@pytest.mark.parametrize(("wanted", "index"), [("LABEL_2", 2), ("label_1", 1), ("0", 0)])
def test_entailment_label_given(wanted: str, index: int) -> None:
    assert entailment_index({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, wanted, "m") == index


def test_entailment_label_given_but_not_there() -> None:
    with pytest.raises(FilterError, match="no label 'maybe'"):
        entailment_index({0: "a", 1: "b"}, "maybe", "m")


def test_one_output_is_no_classifier() -> None:
    with pytest.raises(FilterError, match="fewer than two"):
        entailment_index({0: "entailment"}, None, "m")


@pytest.mark.parametrize("reference", ["embedded:nothing", "/no/such/folder", "./no-such", "a b", "", "x/y/z"])
def test_unknown_model_is_one_clear_line(reference: str) -> None:
    with pytest.raises(FilterError, match="wanted embedded:nli-mpnet, embedded:nli-minilm") as caught:
        locate(reference)
    assert repr(reference) in str(caught.value) and "\n" not in str(caught.value)


def test_hub_id_that_is_not_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for ask in (revision_of, load_judge, load_encoder):
        with pytest.raises(FilterError, match="cannot be loaded") as caught:
            ask("nobody/no-such-model")
        assert "nobody/no-such-model" in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_one_clear_line(tmp_path: Path) -> None:
    for load in (load_judge, load_encoder):
        with pytest.raises(FilterError, match="cannot be loaded"):
            load(str(tmp_path))


def test_damaged_weights_are_one_clear_line(tiny_bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "damaged")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(FilterError, match="cannot be loaded"):
        load_judge(str(folder))


def test_a_plain_encoder_is_no_judge(tiny_encoder: Path) -> None:
    with pytest.raises(FilterError, match="not a trained classifier"):
        load_judge(str(tiny_encoder), entailment_label="1")


def test_label_of_a_folder(tiny_bert: Path, tiny_classifier) -> None:  # type: ignore[no-untyped-def]
    assert load_judge(str(tiny_bert)).entailment == 2
    assert load_judge(str(tiny_classifier("roberta", ["not_entailment", "entailment"]))).entailment == 1
    with pytest.raises(FilterError, match="entailment_label"):
        load_judge(str(tiny_classifier("bert", ["LABEL_0", "LABEL_1"])))


def test_revision_is_content(tiny_bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "copy")
    before = revision_of(str(folder))
    assert before == revision_of(str(tiny_bert))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    assert revision_of(str(folder)) != before
    (folder / "README.md").write_text("notes")
    assert len(before) == 32


def test_a_commit_is_its_own_revision() -> None:
    assert revision_of("org/name", "a" * 40) == "a" * 40


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMPOSSIBLE_HOME", str(tmp_path))
    with pytest.raises(FilterError, match="no folder"):
        locate(EMBEDDED_JUDGE)
    folder = tmp_path / "data" / "models" / "nli-minilm"
    folder.mkdir(parents=True)
    assert locate(EMBEDDED_JUDGE).folder == folder


def test_the_embedded_judge_is_whole_and_leaves_the_random_state_alone() -> None:
    state = torch.get_rng_state()
    judge = load_judge(EMBEDDED_JUDGE)
    assert torch.equal(state, torch.get_rng_state())
    words = load_encoder(EMBEDDED_ENCODER)[0].auto_model.get_input_embeddings().weight
    assert torch.equal(judge.model.get_input_embeddings().weight, words.half().float())
    assert isinstance(judge.model, AutoModelForSequenceClassification._model_mapping[type(judge.model.config)])
    assert (judge.entailment, judge.window) == (0, 128)
    assert {p.dtype for p in judge.model.parameters()} == {torch.float32}
    assert not judge.model.training
