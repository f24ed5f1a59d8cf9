"""Finding a teacher, and saying in one line why there is none."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Make

from pipeline.teacher import loading
from pipeline.teacher.choose import decoder
from pipeline.teacher.decoder import DecoderError, Engine
from pipeline.teacher.loading import architecture, device_of, dtype_of, files, window
from pipeline.teacher.transformers_decoder import TransformersDecoder


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def one_line(error: BaseException) -> str:
    text = str(error)
    assert text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("model", ["./nowhere", "/no/such/folder", "~/nowhere-at-all"])
def test_no_such_folder(model: str) -> None:
    with pytest.raises(DecoderError, match="no such folder") as raised:
        files(model)
    assert model in one_line(raised.value)


def test_no_such_embedded_model() -> None:
    with pytest.raises(DecoderError, match="embedded:smollm2-135m-instruct") as raised:
        files("embedded:gpt5")
    one_line(raised.value)


@pytest.mark.parametrize("model", ["nobody/no-such-model", "not an id!"])
def test_no_such_model_on_the_hub(model: str) -> None:
    with pytest.raises(DecoderError, match="the hub has no such model") as raised:
        files(model)
    one_line(raised.value)


def test_folder_without_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DecoderError, match="no weights") as raised:
        files(str(tmp_path))
    one_line(raised.value)


def test_folder_without_config(tmp_path: Path, tiny_teacher: Make) -> None:
    shutil.copy(tiny_teacher("llama") / "model.safetensors", tmp_path)
    with pytest.raises(DecoderError, match=r"no config\.json") as raised:
        files(str(tmp_path))
    one_line(raised.value)


@pytest.mark.parametrize("config", ["{", "{}", '{"model_type": "no-such-type"}'])
def test_folder_with_a_config_of_no_use(tmp_path: Path, tiny_teacher: Make, config: str) -> None:
    shutil.copy(tiny_teacher("llama") / "model.safetensors", tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(DecoderError, match=r"config\.json") as raised:
        architecture(files(str(tmp_path)))
    one_line(raised.value)


@pytest.mark.parametrize("architectures", [None, [], ["A", "B"]])
def test_a_config_names_one_architecture(tmp_path: Path, tiny_teacher: Make, architectures: object) -> None:
    shutil.copytree(tiny_teacher("llama"), tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": architectures}))
    with pytest.raises(DecoderError, match="architectures; one is wanted"):
        decoder(str(tmp_path), "", Engine())


def test_no_end_of_text(tiny_teacher: Make) -> None:
    folder = tiny_teacher("llama", steps=0, end=None)
    with pytest.raises(DecoderError, match="no end-of-text token") as raised:
        TransformersDecoder(str(folder), "", Engine(decoder="transformers")).open()
    one_line(raised.value)


def test_damaged_weights(tmp_path: Path, tiny_teacher: Make) -> None:
    shutil.copytree(tiny_teacher("llama"), tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(DecoderError, match="cannot load it") as raised:
        TransformersDecoder(str(tmp_path)).open()
    one_line(raised.value)


def test_the_revision_of_a_folder_is_its_weights(tmp_path: Path, tiny_teacher: Make) -> None:
    shutil.copytree(tiny_teacher("llama"), tmp_path / "copy")
    same = files(str(tmp_path / "copy"))
    assert same.revision == files(str(tiny_teacher("llama"))).revision
    assert same.revision != files(str(tiny_teacher("gpt2"))).revision
    assert not same.is_hub


def test_auto_number_type_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_of(Engine(device="cpu")) == "cpu"
    assert device_of(Engine()) == "cpu"
    assert dtype_of(Engine(dtype="float16")) == "float16"
    assert dtype_of(Engine()) in ("float32", "bfloat16")


@pytest.mark.parametrize("family", ["llama", "gpt2", "biogpt"])
def test_window(tiny_teacher: Make, family: str) -> None:
    found = files(str(tiny_teacher(family, steps=0, window=96)))
    assert window(found, Engine()) == 96
    assert window(found, Engine(max_context_tokens=40)) == 40


def test_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMPOSSIBLE_HOME", str(tmp_path))
    assert loading.cache_root() == tmp_path / "data" / "cache"
    monkeypatch.setenv("IMPOSSIBLE_CACHE", str(tmp_path / "other"))
    assert loading.cache_root() == tmp_path / "other"


def test_which_decoder(tiny_teacher: Make) -> None:
    known = decoder(str(tiny_teacher("llama", steps=0)), "", Engine())
    assert type(known).__name__ == "VllmDecoder"
    assert isinstance(decoder(str(tiny_teacher("biogpt", steps=0)), "", Engine()), TransformersDecoder)
    chosen = Engine(decoder="transformers")
    assert isinstance(decoder(str(tiny_teacher("llama", steps=0)), "", chosen), TransformersDecoder)
    with pytest.raises(DecoderError, match="lacks BioGptForCausalLM"):
        decoder(str(tiny_teacher("biogpt", steps=0)), "", Engine(decoder="vllm"))
