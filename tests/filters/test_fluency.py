"""Fluency: against the model's own log-probabilities, without knowing neighbours, and how a text begins."""

import random
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from conftest import TEXTS
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from filters.base import FilterError
from filters.fluency import Fluency
from filters.half_products import HalfProduct, with_half_products
from filters.models import EMBEDDED_FLUENCY, FLUENCY_FILE, load_language_model, revision_of
from filters.nli_back_ends import BackEnd
from filters.token_likelihood import DOCUMENT_BREAK, Reader, open_reader, shared_model, start_of
from pipeline.teacher.loading import EMBEDDED, cache_root


def rows(*pairs: tuple[str | None, str | None]) -> pa.Table:
    columns = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table(dict(zip(("source", "target"), (pa.array(c, pa.string()) for c in columns), strict=True)))


def reader(folder: Path, token_budget: int = 256, back_end: BackEnd = "fp32") -> Reader:
    return Reader(str(folder), "", token_budget, 1, "cpu", back_end)


def means(opened: Reader, texts: list[str]) -> list[float]:
    return [read.mean for read in opened(texts)]


def test_a_mean_is_that_of_the_models_own_log_probabilities(tiny_language_model: Path) -> None:
    model, tokenizer = (kind.from_pretrained(tiny_language_model) for kind in (AutoModelForCausalLM, AutoTokenizer))
    texts = [*TEXTS, " ".join(TEXTS * 4)]
    for text, found in zip(texts, means(reader(tiny_language_model), texts), strict=True):
        ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]][:64]
        with torch.inference_mode():
            loss = model(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss  # the mean over ids[1:]
        assert found == pytest.approx(float(loss), abs=1e-4)


def test_the_score_is_the_rise_from_source_to_target(tiny_language_model: Path) -> None:
    read = dict(zip(TEXTS, means(reader(tiny_language_model), TEXTS), strict=True))
    spec = Fluency(model=str(tiny_language_model), threads=1, back_end="fp32")
    found = spec.open("cpu")(rows(*[(a, b) for a in TEXTS for b in TEXTS])).to_pylist()
    assert found == pytest.approx([read[b] - read[a] for a in TEXTS for b in TEXTS], abs=1e-6)
    known, unknown = spec.open("cpu")(
        rows((TEXTS[0], TEXTS[1]), (TEXTS[0], "spring the until closed stay"))
    ).to_pylist()
    assert known < 1 < unknown


@pytest.fixture(scope="module")
def tiny_llama(tiny_language_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Layers that are linear ones (a GPT-2 has none but its head), and a head that shares the embeddings."""
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = AutoTokenizer.from_pretrained(tiny_language_model)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=66, tie_word_embeddings=True, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("back_end", ["fp32", "bf16"])
@pytest.mark.parametrize("token_budget", [1, 64, 500])
def test_a_mean_does_not_know_its_neighbours(tiny_llama: Path, token_budget: int, back_end: BackEnd) -> None:
    texts = list(dict.fromkeys(" ".join(text.split()[:n]) for text in TEXTS for n in (1, 3, 6, 9)))
    together = dict(zip(texts, means(reader(tiny_llama, token_budget, back_end), texts), strict=True))
    shuffled = random.Random(0).sample(texts, len(texts))
    fresh, alone = (reader(tiny_llama, token_budget, back_end) for _ in range(2))
    assert dict(zip(shuffled, means(fresh, shuffled), strict=True)) == together
    assert all(means(alone, [text]) == [together[text]] for text in shuffled)


def test_bfloat16_products_are_near_float32(tiny_llama: Path) -> None:
    whole, half = (reader(tiny_llama, back_end=name)(TEXTS) for name in ("fp32", "bf16"))
    for one, other in zip(whole, half, strict=True):
        assert one.ids == other.ids
        assert 0 < abs(one.nll - other.nll).max() < 0.1


@pytest.mark.parametrize("bias", [True, False])
def test_a_half_product_rounds_its_factors_and_its_result_alone(bias: bool) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 3, bias=bias)
    states = torch.randn(2, 5)
    rounded = torch.nn.functional.linear(
        states.bfloat16().float(), layer.weight.bfloat16().float(), layer.bias.bfloat16().float() if bias else None
    )
    product = HalfProduct(layer)
    found = product(states)
    assert found.dtype == torch.float32 and found.equal(found.bfloat16().float())
    assert torch.allclose(found, rounded, rtol=2**-8, atol=1e-6) and not found.equal(layer(states))
    assert product.weight.equal(layer.weight.bfloat16()) and (product.bias is not None) == bias


def test_every_linear_layer_gives_half_products_and_no_other_layer_does() -> None:
    inner = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2), torch.nn.Embedding(2, 2))
    found = with_half_products(torch.nn.Sequential(inner, torch.nn.Linear(2, 2)))
    assert [type(layer).__name__ for layer in [*found[0], found[1]]] == [
        "HalfProduct",
        "LayerNorm",
        "Embedding",
        "HalfProduct",
    ]


def test_each_sentence_is_read_once(tiny_language_model: Path) -> None:
    once = reader(tiny_language_model)
    first = means(once, TEXTS + TEXTS)
    assert once.read == len(TEXTS) and first[: len(TEXTS)] == first[len(TEXTS) :]
    assert means(once, TEXTS[::-1]) == first[: len(TEXTS)][::-1]
    assert once.read == len(TEXTS)
    assert once([]) == []


def test_null_and_blank_rows_have_no_score(tiny_language_model: Path) -> None:
    spec = Fluency(model=str(tiny_language_model), threads=1, max_rise=20)
    scores = spec.open("cpu")(rows((None, "x"), ("x", None), ("", "x"), ("x", " \n"), (TEXTS[0], TEXTS[0])))
    assert scores.to_pylist() == [None] * 4 + [0.0]
    assert spec.keep(scores).to_pylist() == [False] * 4 + [True]
    assert len(spec.open("cpu")(rows())) == 0


def test_without_any_first_token_the_first_of_the_text_is_not_counted(tiny_language_model: Path) -> None:
    """And a text of one token then has nothing to count: null."""
    spec = Fluency(model=str(tiny_language_model), threads=1, token_budget=64)
    opened = open_reader(spec.model, "", 64, 1, "cpu", "auto")
    before = means(opened, ["Yes.", TEXTS[0]])
    object.__setattr__(opened._loaded, "start", ())
    opened._known.clear()
    after = spec.open("cpu")(rows((TEXTS[0], "Y"), (TEXTS[0], TEXTS[0])))
    assert after.to_pylist() == [None, 0.0]
    assert means(opened, [TEXTS[0]])[0] != before[1]
    open_reader.cache_clear()
    shared_model.cache_clear()


def test_a_text_begins_with_the_break_between_documents_else_bos_else_eos_else_nothing() -> None:
    class Words:
        """As much of a tokenizer as is asked here."""

        def __init__(self, vocabulary: dict[str, int], bos: int | None, eos: int | None) -> None:
            self.vocabulary, self.bos_token_id, self.eos_token_id = vocabulary, bos, eos

        def get_vocab(self) -> dict[str, int]:
            return self.vocabulary

        def convert_tokens_to_ids(self, token: str) -> int:
            return self.vocabulary[token]

    assert start_of(Words({DOCUMENT_BREAK: 7}, 1, 2)) == (7,)
    assert start_of(Words({}, 0, 2)) == (0,)
    assert start_of(Words({}, None, 2)) == (2,)
    assert start_of(Words({}, None, None)) == ()


def test_the_threshold_passes_itself_and_bad_parameters_are_refused(tiny_bert: Path) -> None:
    scores = pa.array([-1.0, 0.5, 0.51, None], pa.float32())
    assert Fluency(max_rise=0.5).keep(scores).to_pylist() == [True, True, False, False]
    for given in ({"max_rise": float("nan")}, {"max_rise": 21}, {"threads": -1}):
        with pytest.raises(ValidationError):
            Fluency(**given)
    with pytest.raises(FilterError, match="no folder"):
        Fluency(model="/no/such/model").open("cpu")
    with pytest.raises(FilterError, match="no such embedded model"):
        Fluency(model="embedded:gpt-9").open("cpu")
    with pytest.raises(FilterError, match="language model"):
        load_language_model(str(tiny_bert))  # a classifier


def test_the_embedded_model_is_the_teachers() -> None:
    """Named twice, since filters see no other room; the same package, the same file."""
    assert EMBEDDED[EMBEDDED_FLUENCY][1] == FLUENCY_FILE
    assert len(revision_of(EMBEDDED_FLUENCY)) == 32


@pytest.mark.skipif(
    not (cache_root() / "smollm2-135m-instruct" / "config.json").exists(),
    reason="the teacher has not been unpacked yet",
)
def test_the_embedded_model_tells_a_sentence_from_its_words() -> None:
    spec = Fluency(threads=1)
    table = rows((TEXTS[0], TEXTS[1]), (TEXTS[0], "approved Tuesday council on new the The budget."))
    good, bad = spec.open("cpu")(table).to_pylist()
    assert good < 2 < bad
    assert spec.keep(pa.array([good, bad], pa.float32())).to_pylist() == [True, False]
    open_reader.cache_clear()
    shared_model.cache_clear()
