"""Where a T5 comes from, and what is said of one that cannot be used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from student.errors import StudentError
from student.model import EMBEDDED, load, locate, revision_of


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def refused(what: Callable[[], object], said: str) -> None:
    with pytest.raises(StudentError, match=said) as error:
        what()
    assert "\n" not in str(error.value)


def test_a_folder(tiny_t5: Path) -> None:
    place = locate(str(tiny_t5))
    assert (place.folder, place.name, place.revision) == (tiny_t5, str(tiny_t5), None)
    loaded = load(str(tiny_t5), dropout=0.25)
    assert loaded.model.dtype == torch.float32 and loaded.model.config.dropout_rate == 0.25
    assert load(str(tiny_t5)).model.config.dropout_rate == 0.0


@pytest.mark.parametrize("name", ["google/t5-v1_1-small", "t5-small", "a.b_c/d-e"])
def test_a_hub_id_is_not_looked_up(name: str) -> None:
    place = locate(name, "main")
    assert (place.folder, place.name, place.revision) == (None, name, "main")


def test_a_folder_comes_before_the_hub(tiny_t5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny_t5, tmp_path / "org" / "name")
    monkeypatch.chdir(tmp_path)
    assert locate("org/name").folder == Path("org/name")


def test_the_embedded_one(tiny_t5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPOSSIBLE_HOME", str(tmp_path))
    refused(lambda: locate(EMBEDDED), "student embedded:t5: no model in")
    refused(lambda: locate("embedded:t6"), "there is no such embedded model; there is embedded:t5")
    shutil.copytree(tiny_t5, tmp_path / "data" / "models" / "t5")
    assert revision_of(EMBEDDED) == revision_of(str(tiny_t5))


@pytest.mark.parametrize("reference", ["/no/such/folder", "~/no/such/folder", "a/b/c"])
def test_no_folder(reference: str) -> None:
    refused(lambda: locate(reference), f"student {reference}: no model in .*; wanted a folder with a config.json")


def test_no_config_no_json_no_weights(tiny_t5: Path, tmp_path: Path) -> None:
    refused(lambda: load(str(tmp_path)), "wanted a folder with a config.json")
    (tmp_path / "config.json").write_text("{torn")
    refused(lambda: load(str(tmp_path)), "it does not load .*; wanted a T5")
    bare = tmp_path / "bare"
    shutil.copytree(tiny_t5, bare)
    (bare / "model.safetensors").unlink()
    refused(lambda: load(str(bare)), "it does not load")
    torn = tmp_path / "torn"
    shutil.copytree(tiny_t5, torn)
    (torn / "model.safetensors").write_bytes((tiny_t5 / "model.safetensors").read_bytes()[:1000])
    refused(lambda: load(str(torn)), "it does not load")


def test_not_a_t5(tmp_path: Path) -> None:
    for kind, said in (("bert", "it is a bert; wanted a T5"), ("bart", "it is a bart"), ("nonesuch", "does not load")):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        refused(lambda: load(str(tmp_path)), said)


def test_a_tokenizer_with_more_entries_than_the_weights_have(tiny_t5: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    place = tmp_path / "t5"
    shutil.copytree(tiny_t5, place)
    tokenizer = AutoTokenizer.from_pretrained(place)
    tokenizer.add_tokens(["<one>", "<two>"])
    tokenizer.save_pretrained(place)
    refused(lambda: load(str(place)), "its tokenizer has 642 entries, its weights 640")


def test_a_hub_id_without_a_network() -> None:
    refused(lambda: load("nobody/none-such"), "student nobody/none-such: it does not load")
    refused(lambda: revision_of("nobody/none-such"), "not found on the hub")
    assert revision_of("nobody/none-such", "a" * 40) == "a" * 40  # a commit needs no look


def test_the_revision_is_of_the_files_that_count(tiny_t5: Path, tmp_path: Path) -> None:
    place = tmp_path / "t5"
    shutil.copytree(tiny_t5, place)
    (place / "README.md").write_text("A card.")
    before = revision_of(str(place))
    assert before == revision_of(str(tiny_t5)) and len(before) == 32
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(config | {"dropout_rate": 0.5}))
    assert revision_of(str(place)) != before
