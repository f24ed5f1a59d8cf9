"""Decoding on vLLM: one engine with a tiny teacher for all tests here; its bookkeeping alone, against brute force."""

import random
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import Make
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.teacher.decoder import Constraints, Continuation, Decode, DecoderError, Engine, Request, Sampling
from pipeline.teacher.vllm_decoder import VllmDecoder, _follow, knows

CONTEXT = "The city council approved the new budget on Monday."
OTHER = "The car maker delayed the sale of the port after a long debate."
SEED = 5 << 20
ENGINE = Engine(dtype="float32", max_context_tokens=256, kv_cache_gb=0.25, max_sequences=64)


@pytest.fixture(scope="module")
def folder(tiny_teacher: Make) -> Path:
    return tiny_teacher("llama")


@pytest.fixture(scope="module")
def decode(folder: Path) -> Decode:
    pytest.importorskip("vllm")
    return VllmDecoder(str(folder), engine=ENGINE).open()


def usual_ids(folder: Path, sample: Continuation) -> list[int] | None:
    """The tokens of a sample where it is spelled the usual way, which only the text can tell."""
    ids = list(AutoTokenizer.from_pretrained(folder).encode(sample.text, add_special_tokens=False))
    return ids if len(ids) == sample.tokens else None


def test_logprobs_are_those_of_the_unmodified_model(decode: Decode, folder: Path) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    head, checked = tokenizer.encode(CONTEXT), 0
    banned = Constraints(bad_words=("ministry",))
    for sample in decode([Request(CONTEXT, SEED)], Sampling(n=16, constraints=banned))[0]:
        if ids := usual_ids(folder, sample):
            with torch.inference_mode():
                logits = model(torch.tensor([head + ids])).logits[0].log_softmax(dim=-1)
            wanted = sum(logits[len(head) - 1 + i, token].item() for i, token in enumerate(ids))
            assert sample.logprob == pytest.approx(wanted, abs=2e-3)
            assert "ministry" not in sample.text
            checked += 1
    assert checked >= 8


def test_samples_are_sentences(decode: Decode, folder: Path) -> None:
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=32))
    assert len({sample.text for sample in samples}) > 10
    for i, sample in enumerate(samples):
        assert sample.seed == SEED + i
        assert sample.text.startswith(" ")
        assert "\n" not in sample.text
        assert sample.decoded == sample.tokens + (sample.ended == "sentence")
        if ids := usual_ids(folder, sample):
            grams = list(zip(ids, ids[1:], ids[2:], strict=False))
            assert len(grams) == len(set(grams))
    assert sum(sample.ended == "sentence" and sample.text[-1] in ".?!" for sample in samples) >= 28


def test_same_seed_same_samples_another_seed_others(decode: Decode) -> None:
    first = decode([Request(CONTEXT, SEED)], Sampling(n=4))
    assert first == decode([Request(CONTEXT, SEED)], Sampling(n=4))
    assert texts(first[0]) != texts(decode([Request(CONTEXT, SEED + (1 << 20))], Sampling(n=4))[0])


def texts(samples: list[Continuation]) -> list[str]:
    return [sample.text for sample in samples]


def test_sibling_i_draws_from_seed_plus_i(decode: Decode) -> None:
    (many,) = decode([Request(CONTEXT, SEED)], Sampling(n=6))
    for i in range(6):
        (alone,) = decode([Request(CONTEXT, SEED + i)], Sampling(n=1))
        assert texts(alone) == [many[i].text]


def test_answers_come_in_the_order_asked(decode: Decode) -> None:
    """Also where more is asked than runs at once, and some requests do not fit."""
    asked = [Request(text, SEED + (k << 20)) for k, text in enumerate([CONTEXT, OTHER, "x " * 300, "", CONTEXT])]
    answers = decode(asked, Sampling(n=30))
    assert [len(answer) for answer in answers] == [30, 30, 0, 30, 30]
    assert texts(answers[1]) == texts(decode([asked[1]], Sampling(n=30))[0])


def test_no_room_for_any_context(decode: Decode) -> None:
    with pytest.raises(DecoderError, match="leaves no room for a context in a window of 256 tokens"):
        decode([Request(CONTEXT, SEED)], Sampling(n=2, max_tokens=256))


def test_how_it_ended(decode: Decode) -> None:
    (short,) = decode([Request(CONTEXT, SEED)], Sampling(n=4, max_tokens=3))
    assert {(sample.tokens, sample.decoded, sample.ended) for sample in short} == {(3, 3, "length")}
    (two,) = decode([Request(CONTEXT, SEED, sentences=2)], Sampling(n=8, max_tokens=100))
    ended = [sample.text for sample in two if sample.ended == "sentence"]
    assert len(ended) >= 6
    assert {text.count(".") for text in ended} == {2}


def test_min_tokens(decode: Decode) -> None:
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=8, min_tokens=25))
    assert all(sample.tokens >= 25 for sample in samples)


def test_keywords_are_forced(decode: Decode) -> None:
    asked = Request(CONTEXT, SEED, keywords=("bridge", "Friday"))
    (samples,) = decode([asked], Sampling(n=16))
    assert sum("bridge" in sample.text and "Friday" in sample.text for sample in samples) >= 8


def test_regex(decode: Decode) -> None:
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=4, constraints=Constraints(regex="[a-c]{3,5}")))
    assert all(set(text) <= set("abc") and 3 <= len(text) <= 5 for text in texts(samples))


def test_choice(decode: Decode) -> None:
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=6, constraints=Constraints(choice=("yes", "perhaps"))))
    assert set(texts(samples)) <= {"yes", "perhaps"}


def test_grammar(decode: Decode) -> None:
    grammar = 'root ::= "The " ("port" | "bridge") "."'
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=4, constraints=Constraints(grammar=grammar)))
    assert {text.strip() for text in texts(samples)} <= {"The port.", "The bridge."}


def test_logit_bias(decode: Decode) -> None:
    (samples,) = decode(
        [Request(CONTEXT, SEED)], Sampling(n=16, constraints=Constraints(logit_bias={" budget": -99.0}))
    )
    assert " budget" not in " ".join(texts(samples))
    with pytest.raises(DecoderError, match="give one token"):
        decode([Request(CONTEXT, SEED)], Sampling(n=2, constraints=Constraints(logit_bias={"un mot": 1.0})))


def test_greedy(decode: Decode) -> None:
    one, other = decode([Request(CONTEXT, SEED), Request(CONTEXT, 9)], Sampling(n=1, temperature=0.0))
    assert texts(one) == texts(other)


@pytest.mark.parametrize(
    ("architecture", "is_known"),
    [("LlamaForCausalLM", True), ("GPT2LMHeadModel", True), ("BioGptForCausalLM", False)],
)
def test_knows(architecture: str, is_known: bool) -> None:
    pytest.importorskip("vllm")
    assert knows(architecture) is is_known


def test_fingerprint(folder: Path) -> None:
    assert VllmDecoder(str(folder), engine=ENGINE).fingerprint().endswith("/float32/vllm")


def random_update(draw: random.Random, batch: dict[int, str], name: str) -> tuple[SimpleNamespace, dict[int, str]]:
    """One step of vLLM's batch and what it holds afterwards: some leave, some come, then some move or swap."""
    after = dict(batch)
    removed = [index for index in batch if draw.random() < 0.3]
    for index in removed:
        del after[index]
    added = []
    for number in range(draw.randrange(3)):
        index = draw.randrange(8)
        after[index] = f"{name}.{number}"
        added.append((index, after[index], None, []))
    moved = []
    for _ in range(draw.randrange(3)):
        a, b = draw.sample(range(8), 2)
        one, other = after.pop(a, None), after.pop(b, None)
        is_swap = draw.random() < 0.5
        after |= {b: one} if one is not None else {}
        after |= {a: other} if other is not None and is_swap else {}
        moved.append((a, b, SimpleNamespace(name="SWAP" if is_swap else "UNIDIRECTIONAL")))
    return SimpleNamespace(removed=removed, added=added, moved=moved), after


def test_following_the_batch() -> None:
    draw = random.Random(3)
    rows: dict[int, str] = {}
    batch: dict[int, str] = {}
    for step in range(400):
        update, batch = random_update(draw, batch, str(step))
        _follow(rows, update, lambda params, _: params)
        assert rows == batch
    _follow(rows, None, lambda params, _: params)
    assert rows == batch


def test_rows_without_a_state_are_not_kept() -> None:
    rows: dict[int, str] = {2: "old"}
    _follow(rows, SimpleNamespace(removed=[], added=[(2, "new", None, [])], moved=[]), lambda params, _: None)
    assert rows == {}


def test_opening_an_engine_leaves_torch_its_threads(decode: Decode) -> None:

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
