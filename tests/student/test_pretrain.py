"""A few steps on sixty sentences: broken text in, whole text out; resumed is undisturbed."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_student import SHAPE, sentences

from student.errors import StudentError
from student.learning import IGNORED
from student.noise import DENOISE, Noise
from student.pretrain import Examples, PretrainSpec, line, pretrain
from student.text import chunks, clean, documents, held_out
from student.vocabulary import END, SENTINELS


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("text") / "plain.jsonl"
    file.write_text("".join(json.dumps({"text": sentence}) + "\n" for sentence in sentences(200)))
    return file


@pytest.fixture(scope="module")
def spec(text: Path) -> PretrainSpec:
    return PretrainSpec((str(text),), SHAPE, steps=6, token_budget=512, copy_steps=2, warmup=2, held_out=0.05, most=60)


class StoppedError(Exception):
    """Stands for a kill."""


def stop_after(step: int) -> Callable[[Any], None]:
    def tell(point: Any) -> None:
        if point.step == step:
            raise StoppedError

    return tell


def test_resumed_is_undisturbed(spec: PretrainSpec, tmp_path: Path) -> None:
    points: list[Any] = []
    whole = pretrain(spec, tmp_path / "whole", points.append, save_every=2)
    assert [point.step for point in points] == [1, 2, 3, 4, 5, 6] and line(points[-1]).startswith("step 6  loss ")
    assert [point.validation_loss is not None for point in points] == [False, True] * 3
    for step in (1, 3):
        with pytest.raises(StoppedError):
            pretrain(spec, tmp_path / "cut", stop_after(step), save_every=2)
    resumed = pretrain(spec, tmp_path / "cut", save_every=2)
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


def test_it_goes_on_from_a_pretrained_one(spec: PretrainSpec, tmp_path: Path) -> None:
    """Its weights, its vocabulary, no copying steps; the first loss is that of weights that know something."""
    first = pretrain(spec, tmp_path / "first", save_every=6)
    on = replace(spec, start=str(first), steps=2, seed=7)
    points: list[Any] = []
    second = pretrain(on, tmp_path / "second", points.append, save_every=2)
    assert (second / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()
    assert not (tmp_path / "second" / "vocabulary").exists()
    fresh: list[Any] = []
    pretrain(replace(on, start="", copy_steps=0, rising_steps=0), tmp_path / "fresh", fresh.append, save_every=2)
    assert points[0].loss < fresh[0].loss


def test_a_folder_of_another_pretraining_is_not_gone_on_with(spec: PretrainSpec, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        pretrain(spec, tmp_path, stop_after(3), save_every=2)
    strange = replace(spec, start="x", noise=Noise(dropped=0))
    for other, said in ((replace(spec, seed=9), "seed"), (strange, "noise, start")):
        with pytest.raises(StudentError, match=rf"another {said} was begun there; give another --out \(OUT=\)"):
            pretrain(other, tmp_path)
    assert pretrain(replace(spec, steps=3), tmp_path, save_every=2)


def test_what_it_makes_loads_as_a_t5(spec: PretrainSpec, tmp_path: Path) -> None:
    from student.model import load

    loaded = load(str(pretrain(spec, tmp_path, save_every=6)))
    assert loaded.model.config.model_type == "t5" and len(loaded.tokenizer) == SHAPE.vocabulary
    assert loaded.model.config.feed_forward_proj == "gated-gelu"
    assert loaded.model.lm_head.weight is loaded.model.shared.weight
    assert json.loads(json.dumps(asdict(spec)))["shape"]["vocabulary"] == SHAPE.vocabulary


def test_nothing_held_out(spec: PretrainSpec, tmp_path: Path) -> None:
    from dataclasses import replace

    points: list[Any] = []
    pretrain(replace(spec, held_out=0.0, steps=2), tmp_path, points.append)
    assert [point.validation_loss for point in points] == [None, None]


@pytest.fixture(scope="module")
def tokenizer(tiny_t5: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_t5)


def rows(batch: Any) -> list[tuple[list[int], list[int]]]:
    pairs = zip(batch.sources.numpy(), batch.mask.numpy(), batch.targets.numpy(), strict=True)
    return [(ids[mask == 1].tolist(), target[target != IGNORED].tolist()) for ids, mask, target in pairs]


def test_the_first_steps_are_copying(spec: PretrainSpec, tokenizer: Any) -> None:
    examples = Examples(sentences(60), tokenizer, spec)
    for number in range(spec.copy_steps):
        (batch,) = examples.training_step(number)
        assert all(source == target and source[-1] == END for source, target in rows(batch))
        inner = {token for source, _ in rows(batch) for token in source[:-1]}
        assert min(inner) > 2 and max(inner) < SHAPE.vocabulary - SENTINELS


def test_later_steps_hold_every_text_once(spec: PretrainSpec, tokenizer: Any) -> None:
    texts = sentences(60)
    noise = Noise(denoise_share=1.0, lowercase_share=0.0, strange_share=0.0)
    plain = PretrainSpec(spec.text, SHAPE, noise=noise, token_budget=512)
    examples = Examples(texts, tokenizer, plain)
    for epoch in (0, 1):
        steps = range(epoch * examples.steps, (epoch + 1) * examples.steps)
        found = [row for number in steps for batch in examples.step(number) for row in rows(batch)]
        written = [tokenizer.decode(target, skip_special_tokens=True) for _, target in found]
        assert set(written) == set(texts)
        assert all(tokenizer.decode(source).startswith(DENOISE) for source, _ in found)


def test_examples_follow_from_their_number(spec: PretrainSpec, tokenizer: Any) -> None:
    one, other = (Examples(sentences(60), tokenizer, spec) for _ in range(2))
    numbers = [0, 5, 30, 7, 2]
    wanted = {n: rows(one.training_step(n)[0]) for n in sorted(numbers)}
    assert {n: rows(other.training_step(n)[0]) for n in numbers} == wanted


def test_chunks_come_from_content(text: Path) -> None:
    found = chunks([str(text)], 1)
    assert found == chunks([f"{text}:text"], 1) and sorted(found) == sorted(chunks([str(text)], 2))
    assert len(chunks([str(text)], 1, 10)) == 10 and set(chunks([str(text)], 1, 10)) <= set(found)
    learn, kept_out = held_out(found, 0.2, 1)
    assert not set(learn) & set(kept_out) and sorted(learn + kept_out) == sorted(found)
    assert np.isclose(len(kept_out) / len(found), 0.2, atol=0.1)


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("The mayor said  so today .", "The mayor said so today."),
        ("It is n't so , he said .", "It isn't so, he said."),
        ("Three words only.", None),
        ("This one never comes to an end because", None),
        ("See https://example.org for more on this.", None),
        ('He said "that it was so.', None),
        ("1 2 3 4 5 6 7 8 9 10 11 12.", None),
    ],
)
def test_clean(sentence: str, wanted: str | None) -> None:
    assert clean(sentence) == wanted


def test_text_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "Short."}\n')
    (tmp_path / "b.jsonl").write_text('{"body": "A."}\n')
    (tmp_path / "c.jsonl").write_text("{torn\n")
    for source, said in (
        (str(tmp_path / "none.jsonl"), "no such file"),
        (str(tmp_path), "no parquet file in it"),
        (str(tmp_path / "a.jsonl"), "not one usable sentence"),
        (str(tmp_path / "b.jsonl"), "a row has no text or sentence or source or line; name its column"),
        (f"{tmp_path / 'a.jsonl'}:body", "a row has no body"),
        (str(tmp_path / "c.jsonl"), "line 1: not JSON"),
    ):
        with pytest.raises(StudentError, match=said) as error:
            chunks([source], 1)
        assert "\n" not in str(error.value)
    assert list(documents(str(tmp_path / "a.jsonl"))) == [["Short."]]
