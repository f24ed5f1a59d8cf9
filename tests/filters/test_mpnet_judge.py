"""The larger judge: cut from a training, put on its base again, and asked like any other."""

import json
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, TEXTS, _bpe
from safetensors.torch import load_file, save_file
from transformers import MPNetConfig, MPNetForSequenceClassification, MPNetModel

from filters.base import FilterError
from filters.models import EMBEDDED_MPNET_JUDGE, home, load_judge, revision_of
from filters.mpnet_judge import changes, export_mpnet_judge, load_mpnet_judge
from filters.nli_judge import JudgeSpec, NliJudge
from filters.training import packaged_base
from filters.training.packaged_base import PACKAGE, PARTS, unpack_mpnet
from filters.training.train import keep_layers

LABELS = {0: "entailment", 1: "neutral", 2: "contradiction"}
PAIRS = [(a, b) for a in TEXTS for b in TEXTS]
COMMITTED = home() / "data" / "models" / "nli-mpnet"
Train = Callable[[MPNetForSequenceClassification], None]


def missing_packages() -> str:
    """Why the real one's tests cannot run here; empty where they can."""
    for number in range(1, PARTS + 1):
        try:
            distribution(PACKAGE.format(number))
        except PackageNotFoundError:
            return "the base's packages are not installed: make setup"
    return ""


def tiny_config() -> MPNetConfig:
    return MPNetConfig(
        vocab_size=len(_bpe()), max_position_embeddings=66, id2label=LABELS, initializer_range=0.3, **SMALL
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    MPNetModel(tiny_config()).save_pretrained(folder)
    _bpe().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base with a change of rank 3 in one matrix, another norm, and a head."""
    folder = tmp_path_factory.mktemp("trained")
    model = MPNetForSequenceClassification.from_pretrained(base, dtype="float32")
    layer = model.mpnet.encoder.layer[1]
    torch.manual_seed(1)
    with torch.no_grad():
        layer.intermediate.dense.weight += 0.2 * torch.randn(64, 3) @ torch.randn(3, 32)
        layer.output.LayerNorm.bias += torch.randn(32)
    model.save_pretrained(folder)
    return folder


def logits(model: torch.nn.Module) -> torch.Tensor:
    rows = torch.arange(4, 44).reshape(4, 10)
    with torch.inference_mode():
        return model(input_ids=rows, attention_mask=torch.ones_like(rows)).logits


def put_together(trained: Path, base: Path, rank: int, out: Path) -> torch.nn.Module:
    export_mpnet_judge(trained, base, rank, 40, out)
    model, tokenizer, missing = load_mpnet_judge(out, base)
    assert not missing and tokenizer.model_max_length == 40
    return model.eval()


def test_what_was_cut_is_put_together(trained: Path, base: Path, tmp_path: Path) -> None:
    whole = logits(MPNetForSequenceClassification.from_pretrained(trained, dtype="float32").eval())
    assert (logits(put_together(trained, base, 3, tmp_path / "3")) - whole).abs().max() < 0.02
    assert (logits(put_together(trained, base, 1, tmp_path / "1")) - whole).abs().max() > 0.1  # rank 1 is not enough


def test_some_of_the_layers_are_enough(base: Path, tmp_path: Path) -> None:
    model = MPNetForSequenceClassification.from_pretrained(base, dtype="float32")
    keep_layers(model, (1,))
    with torch.no_grad():
        model.mpnet.encoder.layer[0].intermediate.dense.weight += 0.2 * torch.randn(64, 3) @ torch.randn(3, 32)
    model.save_pretrained(tmp_path / "trained")
    again = put_together(tmp_path / "trained", base, 3, tmp_path / "out")
    assert (logits(again) - logits(model.eval())).abs().max() < 0.02
    assert {name for name in load_file(tmp_path / "out" / "delta.safetensors") if ".layer.1." in name} == set()
    assert again.config.kept_layers == [1] and len(again.mpnet.encoder.layer) == 1


def test_layers_kept_of_those_kept_are_named_as_the_base_has_them(base: Path) -> None:
    model = MPNetForSequenceClassification(tiny_config())
    keep_layers(model, (1, 0))
    keep_layers(model, (0,))
    assert model.config.kept_layers == [1]


@pytest.mark.parametrize("layers", [(2,), (0, 0), (-1,)])
def test_layers_that_the_base_has_not_are_refused(layers: tuple[int, ...]) -> None:
    with pytest.raises(FilterError, match=r"`layers` is \[.*wanted different numbers from 0 to 1") as caught:
        keep_layers(MPNetForSequenceClassification(tiny_config()), layers)
    assert "\n" not in str(caught.value)


def test_a_change_of_a_layer_that_is_not_kept_is_refused(trained: Path, base: Path, tmp_path: Path) -> None:
    export_mpnet_judge(trained, base, 2, 40, tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | {"kept_layers": [0]}))
    with pytest.raises(FilterError, match=r"changes mpnet\.encoder\.layer\.1.*which its base has not"):
        load_mpnet_judge(tmp_path, base)


def test_only_the_change_is_stored_in_half_precision(trained: Path, base: Path, tmp_path: Path) -> None:
    export_mpnet_judge(trained, base, 3, 40, tmp_path)
    stored = load_file(tmp_path / "delta.safetensors")
    inner = "mpnet.encoder.layer.1.intermediate.dense.weight"
    head = {f"classifier.{part}.{kind}" for part in ("dense", "out_proj") for kind in ("weight", "bias")}
    bias = "mpnet.encoder.layer.1.output.LayerNorm.bias"
    assert set(stored) == {f"{inner}.left", f"{inner}.right", bias, *head}
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert (stored[f"{inner}.left"].shape, stored[f"{inner}.right"].shape) == ((64, 3), (3, 32))
    assert changes(stored)[inner].shape == (64, 32)


def test_a_matrix_that_factors_would_not_make_smaller_is_stored_as_it_is(
    trained: Path, base: Path, tmp_path: Path
) -> None:
    export_mpnet_judge(trained, base, 30, 40, tmp_path)
    assert "mpnet.encoder.layer.1.intermediate.dense.weight" in load_file(tmp_path / "delta.safetensors")


def test_export_is_the_same_bytes_twice(trained: Path, base: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_mpnet_judge(trained, base, 2, 40, tmp_path / name)
    for file in ("delta.safetensors", "config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_another_base_is_refused_in_one_line(trained: Path, base: Path, tmp_path: Path) -> None:
    export_mpnet_judge(trained, base, 2, 40, tmp_path / "out")
    other = shutil.copytree(base, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, other / "model.safetensors")
    with pytest.raises(FilterError, match="remove the folder") as caught:
        load_mpnet_judge(tmp_path / "out", other)
    assert str(other) in str(caught.value) and "\n" not in str(caught.value)


def test_a_judge_of_another_base_is_not_exported(base: Path, tiny_roberta: Path, tmp_path: Path) -> None:
    with pytest.raises(FilterError, match="wanted a judge trained from"):
        export_mpnet_judge(tiny_roberta, base, 2, 40, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_lost_head_is_said(trained: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "models" / "nli-mpnet"
    export_mpnet_judge(trained, base, 2, 40, folder)
    stored = load_file(folder / "delta.safetensors")
    save_file({n: v for n, v in stored.items() if "out_proj" not in n}, folder / "delta.safetensors")
    shutil.copytree(base, tmp_path / "cache" / "all-mpnet-base-v2")
    monkeypatch.setenv("IMPOSSIBLE_HOME", str(tmp_path))
    monkeypatch.setenv("IMPOSSIBLE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FilterError, match="its weights lack classifier"):
        load_judge(EMBEDDED_MPNET_JUDGE)


@pytest.fixture
def embedded(trained: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny one in the place of the real one."""
    export_mpnet_judge(trained, base, 3, 40, tmp_path / "data" / "models" / "nli-mpnet")
    shutil.copytree(base, tmp_path / "cache" / "all-mpnet-base-v2")
    monkeypatch.setenv("IMPOSSIBLE_HOME", str(tmp_path))
    monkeypatch.setenv("IMPOSSIBLE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_it_is_reached_by_its_name(embedded: Path) -> None:
    state = torch.get_rng_state()
    judge = load_judge(EMBEDDED_MPNET_JUDGE)
    assert torch.equal(state, torch.get_rng_state())
    assert (judge.entailment, judge.window, judge.model.training) == (0, 40, False)
    assert {p.dtype for p in judge.model.parameters()} == {torch.float32}


def test_its_revision_is_its_content_without_the_packages(embedded: Path) -> None:
    before = revision_of(EMBEDDED_MPNET_JUDGE)
    shutil.rmtree(embedded / "cache")
    assert revision_of(EMBEDDED_MPNET_JUDGE) == before  # the base is named by its digest in config.json
    file = embedded / "data" / "models" / "nli-mpnet" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_digest": "0" * 32}))
    assert revision_of(EMBEDDED_MPNET_JUDGE) != before


@pytest.mark.parametrize("back_end", ["fp32", "bf16"])
def test_a_score_does_not_know_its_neighbours(embedded: Path, back_end: str) -> None:
    spec = JudgeSpec(EMBEDDED_MPNET_JUDGE, threads=1, back_end=back_end)
    together = dict(zip(PAIRS, NliJudge(spec)(PAIRS), strict=True))
    fresh = NliJudge(spec)
    assert all(fresh([pair])[0] == together[pair] for pair in PAIRS[::3])
    assert fresh.asked == len(PAIRS[::3])
    assert np.ptp(list(together.values())) > 0.01


def test_the_runner_agrees_with_transformers(embedded: Path) -> None:
    judge = load_judge(EMBEDDED_MPNET_JUDGE)
    asked = NliJudge(JudgeSpec(EMBEDDED_MPNET_JUDGE, threads=1, back_end="fp32"))(PAIRS[:10])
    for (premise, hypothesis), found in zip(PAIRS[:10], asked, strict=True):
        coded = judge.tokenizer(premise, hypothesis, return_tensors="pt", truncation="longest_first", max_length=40)
        with torch.inference_mode():
            assert abs(judge.model(**coded).logits.softmax(-1)[0, 0].item() - found) < 1e-4


def test_missing_packages_are_one_line_that_says_how_to_install_them(
    embedded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged_base, "PACKAGE", "no-such-package-00{}")
    load_judge(EMBEDDED_MPNET_JUDGE)  # put together already: the packages are not needed
    monkeypatch.setenv("IMPOSSIBLE_CACHE", str(embedded / "empty"))
    with pytest.raises(FilterError, match=r"run `make setup`") as caught:
        NliJudge(JudgeSpec(EMBEDDED_MPNET_JUDGE))([("A b.", "A c.")])
    assert str(caught.value).startswith("all-mpnet-base-v2: the package no-such-package-001 ")
    assert "\n" not in str(caught.value)


def test_the_committed_change_is_small_and_so_are_both_judges_together() -> None:
    change = (COMMITTED / "delta.safetensors").stat().st_size
    other = (COMMITTED.parent / "nli-minilm" / "body.safetensors").stat().st_size
    assert change < 15_000_000 and change + other < 40_000_000


@pytest.mark.slow
@pytest.mark.skipif(bool(missing_packages()), reason=missing_packages())
def test_the_real_one_knows_the_obvious(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPOSSIBLE_CACHE", str(tmp_path))
    assert unpack_mpnet(tmp_path) == tmp_path / "all-mpnet-base-v2" and len(list(tmp_path.iterdir())) == 1
    ask = NliJudge(JudgeSpec(EMBEDDED_MPNET_JUDGE, threads=1))
    holds = [
        ("Two young men are playing football in the park.", "Two men are playing football."),
        ("The company said on Monday that it will close its plant in Ohio.", "The company will close its plant."),
    ]
    fails = [
        ("Two young men are playing football in the park.", "The senate voted on the tax bill."),
        ("The dog chased the cat.", "The cat chased the dog."),
        ("The company may close its plant in Ohio.", "The company will close its plant in Ohio."),
    ]
    assert min(ask(holds)) >= 0.75 and max(ask(fails)) < 0.5
    fresh = NliJudge(JudgeSpec(EMBEDDED_MPNET_JUDGE, threads=1))
    assert fresh(fails[1:2])[0] == ask(fails[1:2])[0]
