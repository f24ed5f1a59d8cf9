"""Decoding on transformers with tiny models, against the unmodified model's own forward pass."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from conftest import Make
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.teacher.decoder import Constraints, Continuation, Decode, DecoderError, Engine, Request, Sampling
from pipeline.teacher.transformers_decoder import TransformersDecoder

CONTEXT = "The city council approved the new budget on Monday."
FAMILIES = ("gpt2", "llama", "biogpt")
SEED = 5 << 20


def opened(folder: Path, window: int = 512) -> Decode:
    return TransformersDecoder(str(folder), engine=Engine(dtype="float32", max_context_tokens=window)).open()


@pytest.fixture(scope="module")
def decode(tiny_teacher: Make) -> Decode:
    return opened(tiny_teacher("llama"))


def forward_logprob(folder: Path, context: str, text: str) -> float:
    """The log-probability of `text` after `context`: one pass of the model as it is."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    head, tail = tokenizer.encode(context), tokenizer.encode(text, add_special_tokens=False)
    with torch.inference_mode():
        logits = model(torch.tensor([head + tail])).logits[0].double().log_softmax(dim=-1)
    return sum(logits[len(head) - 1 + i, token].item() for i, token in enumerate(tail))


@pytest.mark.parametrize("family", FAMILIES)
def test_logprobs_are_those_of_the_unmodified_model(tiny_teacher: Make, family: str) -> None:
    folder = tiny_teacher(family)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    (samples,) = opened(folder)([Request(CONTEXT, SEED)], Sampling(n=12))
    checked = 0
    for sample in samples:
        if len(tokenizer.encode(sample.text, add_special_tokens=False)) == sample.tokens:  # spelled the usual way
            assert sample.logprob == pytest.approx(forward_logprob(folder, CONTEXT, sample.text), abs=1e-4)
            checked += 1
    assert checked >= 6


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_are_sentences(tiny_teacher: Make, family: str) -> None:
    folder = tiny_teacher(family)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    (samples,) = opened(folder)([Request(CONTEXT, SEED)], Sampling(n=24))
    assert len({sample.text for sample in samples}) > 8
    for i, sample in enumerate(samples):
        assert sample.seed == SEED + i
        assert "\n" not in sample.text
        assert sample.decoded == sample.tokens + (sample.ended == "sentence")
        assert sample.text.startswith(" ")
        ids = tokenizer.encode(sample.text, add_special_tokens=False)
        grams = list(zip(ids, ids[1:], ids[2:], strict=False))
        assert len(ids) != sample.tokens or len(grams) == len(set(grams))
    assert sum(sample.ended == "sentence" and sample.text[-1] in ".?!" for sample in samples) >= 20


def test_same_seed_same_samples_another_seed_others(decode: Decode) -> None:
    first = decode([Request(CONTEXT, SEED)], Sampling(n=4))
    assert first == decode([Request(CONTEXT, SEED)], Sampling(n=4))
    assert first != decode([Request(CONTEXT, SEED + (1 << 20))], Sampling(n=4))


def test_a_sample_does_not_depend_on_its_siblings(decode: Decode) -> None:
    (many,) = decode([Request(CONTEXT, SEED)], Sampling(n=9))
    (few,) = decode([Request(CONTEXT, SEED)], Sampling(n=3))
    assert [s.text for s in few] == [s.text for s in many[:3]]
    (later,) = decode([Request(CONTEXT, SEED + 2)], Sampling(n=1))
    assert later[0].text == many[2].text
    assert later[0].logprob == pytest.approx(many[2].logprob, abs=1e-4)


def test_requests_do_not_touch_each_other(decode: Decode) -> None:
    one, two = Request(CONTEXT, SEED), Request("The car maker delayed the sale.", SEED + (1 << 20))
    assert decode([one, two], Sampling(n=3)) == decode([one], Sampling(n=3)) + decode([two], Sampling(n=3))


@pytest.mark.parametrize(
    "limits",
    [{"regex": "[a-z]+"}, {"grammar": 'root ::= "a"'}, {"choice": ("yes", "no")}],
    ids=["regex", "ebnf", "choice"],
)
def test_constraints_of_vllm_are_refused(decode: Decode, limits: dict[str, object]) -> None:
    with pytest.raises(DecoderError, match="need vLLM"):
        decode([Request(CONTEXT, SEED)], Sampling(n=2, constraints=Constraints(**limits)))


def test_a_context_that_does_not_fit_has_no_continuations(tiny_teacher: Make) -> None:
    decode = opened(tiny_teacher("llama"), window=80)
    long = " ".join([CONTEXT] * 12)
    answers = decode([Request(long, SEED), Request(CONTEXT, SEED)], Sampling(n=2, max_tokens=40))
    assert [len(answer) for answer in answers] == [0, 2]


def test_a_context_may_fill_the_window(tiny_teacher: Make) -> None:
    folder = tiny_teacher("llama")
    length = len(AutoTokenizer.from_pretrained(folder).encode(CONTEXT))
    sampling = Sampling(n=1, max_tokens=20)
    assert len(opened(folder, window=length + 20)([Request(CONTEXT, SEED)], sampling)[0]) == 1
    assert len(opened(folder, window=length + 19)([Request(CONTEXT, SEED)], sampling)[0]) == 0


def test_no_room_for_any_context(tiny_teacher: Make) -> None:
    decode = opened(tiny_teacher("llama"), window=64)
    with pytest.raises(DecoderError, match="leaves no room for a context in a window of 64 tokens"):
        decode([Request(CONTEXT, SEED)], Sampling(n=2, max_tokens=64))


def test_a_context_of_no_words(decode: Decode) -> None:
    (samples,) = decode([Request("", SEED)], Sampling(n=4))
    assert len(samples) == 4


def text_of(samples: list[Continuation]) -> str:
    return " ".join(sample.text for sample in samples)


def test_bad_words_are_not_written_and_change_no_logprob(tiny_teacher: Make, decode: Decode) -> None:
    (free,) = decode([Request(CONTEXT, SEED)], Sampling(n=24))
    assert " council" in text_of(free)
    banned = Constraints(bad_words=("council",))
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=24, constraints=banned))
    assert " council" not in text_of(samples)
    folder, checked = tiny_teacher("llama"), 0
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for sample in samples[:8]:
        if len(tokenizer.encode(sample.text, add_special_tokens=False)) == sample.tokens:
            assert sample.logprob == pytest.approx(forward_logprob(folder, CONTEXT, sample.text), abs=1e-4)
            checked += 1
    assert checked


def test_logit_bias(decode: Decode) -> None:
    bias = Constraints(logit_bias={" budget": -100.0})
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=24, constraints=bias))
    (free,) = decode([Request(CONTEXT, SEED)], Sampling(n=24))
    assert " budget" in text_of(free)
    assert " budget" not in text_of(samples)
    with pytest.raises(DecoderError, match="give one token"):
        decode([Request(CONTEXT, SEED)], Sampling(n=2, constraints=Constraints(logit_bias={"un mot": 1.0})))


def test_keywords_are_found(decode: Decode) -> None:
    asked = Request(CONTEXT, SEED, keywords=("bridge", "Friday"))
    (samples,) = decode([asked], Sampling(n=16))
    found = sum("bridge" in sample.text and "Friday" in sample.text for sample in samples)
    (free,) = decode([Request(CONTEXT, SEED)], Sampling(n=16))
    assert found > sum("bridge" in sample.text and "Friday" in sample.text for sample in free)
    assert found >= 8


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_as_many_sentences_as_wanted(decode: Decode, wanted: int) -> None:
    (samples,) = decode([Request(CONTEXT, SEED, sentences=wanted)], Sampling(n=8, max_tokens=100))
    ended = [sample.text for sample in samples if sample.ended == "sentence"]
    assert len(ended) >= 6
    assert {text.count(".") for text in ended} == {wanted}


def test_the_budget_ends_it(decode: Decode) -> None:
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=6, max_tokens=4))
    assert {(sample.tokens, sample.decoded, sample.ended) for sample in samples} == {(4, 4, "length")}


def test_min_tokens(decode: Decode) -> None:
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=8, min_tokens=25))
    assert all(sample.tokens >= 25 for sample in samples)


def test_greedy(decode: Decode) -> None:
    (samples,) = decode([Request(CONTEXT, SEED)], Sampling(n=3, temperature=0.0))
    assert len({sample.text for sample in samples}) == 1


def test_spec(tiny_teacher: Make) -> None:
    one = TransformersDecoder(str(tiny_teacher("llama")), engine=Engine(dtype="float32"))
    assert one.fingerprint() == one.fingerprint()
    assert one.fingerprint().endswith("/float32/transformers")
    assert len({one, TransformersDecoder(str(tiny_teacher("llama")), engine=Engine(dtype="float32"))}) == 1
    seeds = [1 << 20, 2 << 20]
    assert all(b - a >= 4096 for a, b in pairwise(seeds))
