"""Fragments: against the model's own probabilities counted by hand, whatever stands beside a row."""

import random
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from conftest import TEXTS
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from filters import fragments
from filters.base import FilterError
from filters.fragments import Fragments, open_ends, token_after, tokens_after
from filters.models import EMBEDDED_FLUENCY
from pipeline.teacher.loading import cache_root

CUT = [
    "The council",
    "The council approved the new budget",
    "Officials said the bridge",
    "Rain",
    "A new budget,",
    "x y z",
]


def rows(*pairs: tuple[str | None, str | None]) -> pa.Table:
    columns = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table(dict(zip(("source", "target"), (pa.array(c, pa.string()) for c in columns), strict=True)))


def scores(spec: Fragments, *targets: str | None) -> list[float | None]:
    return spec.open("cpu")(rows(*[("A source.", target) for target in targets])).to_pylist()


def by_hand(folder: Path, text: str) -> float:
    """The larger of both probabilities, one row at a time, by transformers alone."""
    model, tokenizer = (kind.from_pretrained(folder) for kind in (AutoModelForCausalLM, AutoTokenizer))

    def chance(before: str, words: list[str]) -> float:
        known = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in words]
        ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(before, add_special_tokens=False)["input_ids"]]])
        with torch.inference_mode():
            said = model(input_ids=ids).logits[0, -1].softmax(-1)
        return sum(float(said[each[0]]) for each in known if len(each) == 1)

    verbs, pronouns = fragments.VERBS, fragments.PRONOUNS
    return max(chance(text, verbs), chance(f"{text},", verbs + pronouns))


@pytest.mark.parametrize("text", CUT)
def test_a_score_is_the_models_own_probability(tiny_language_model: Path, text: str) -> None:
    spec = Fragments(model=str(tiny_language_model), threads=1, back_end="fp32")
    assert scores(spec, f"{text}.") == pytest.approx([by_hand(tiny_language_model, text)], abs=1e-5)


def test_pronouns_count_after_a_comma_and_there_alone(
    tiny_language_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny model has no pronoun as one token; it has these words, and likes them after some commas."""
    spec = Fragments(model=str(tiny_language_model), threads=1, back_end="fp32")
    before = scores(spec, *CUT)
    monkeypatch.setattr(fragments, "PRONOUNS", ["council", "budget", "and", "the"])
    open_ends.cache_clear()
    after = scores(spec, *CUT)
    open_ends.cache_clear()
    assert after == pytest.approx([by_hand(tiny_language_model, text.rstrip(".")) for text in CUT], abs=1e-5)
    assert all(b >= a for a, b in zip(before, after, strict=True)) and after != before


def test_no_weights_are_loaded_for_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "open_ends", lambda *_: pytest.fail("a model was opened"))
    assert len(Fragments().open("cpu")(rows())) == 0
    assert Fragments().open("cpu")(rows(("x", None), ("x", "..."))).to_pylist() == [None, None]


@pytest.mark.parametrize("marks", ["", ".", "!", "?", "…", '."', ".”", " .", ".)", "... "])
def test_closing_marks_are_taken_off(tiny_language_model: Path, marks: str) -> None:
    spec = Fragments(model=str(tiny_language_model), threads=1)
    assert scores(spec, f"The council{marks}") == scores(spec, "The council")


@pytest.mark.parametrize("token_budget", [1, 64, 500])
def test_a_score_does_not_know_its_neighbours(tiny_language_model: Path, token_budget: int) -> None:
    spec = Fragments(model=str(tiny_language_model), threads=1, token_budget=token_budget)
    texts = list(dict.fromkeys(" ".join(text.split()[:n]) for text in TEXTS for n in (1, 2, 4, 8)))
    together = dict(zip(texts, scores(spec, *texts), strict=True))
    shuffled = random.Random(0).sample(texts, len(texts))
    assert dict(zip(shuffled, scores(spec, *shuffled), strict=True)) == together
    assert [scores(spec, text) for text in shuffled] == [[together[text]] for text in shuffled]


def test_nulls_and_targets_of_nothing_but_marks_have_no_score(tiny_language_model: Path) -> None:
    spec = Fragments(model=str(tiny_language_model), threads=1, max_awaited=1)
    found = spec.open("cpu")(
        rows((None, "x"), (" ", "x"), ("x", None), ("x", ""), ("x", " \n"), ("x", "...”"), ("x", "x."))
    )
    assert found.to_pylist()[:6] == [None] * 6 and found[6].is_valid
    assert spec.keep(found).to_pylist() == [False] * 6 + [True]
    assert len(spec.open("cpu")(rows())) == 0


def test_of_a_text_longer_than_the_window_the_end_is_read(tiny_language_model: Path) -> None:
    """64 tokens: what came before them changes nothing."""
    spec = Fragments(model=str(tiny_language_model), threads=1)
    end = " ".join(TEXTS * 3)
    assert scores(spec, f"Yes. {end}") == scores(spec, f"{TEXTS[3]} {end}") != scores(spec, TEXTS[0])


def test_a_word_counts_that_is_one_token(tiny_language_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_language_model)
    whole = tokenizer(" would", add_special_tokens=False)["input_ids"]
    assert [token_after(tokenizer, " would")] == whole
    assert token_after(tokenizer, " zyzzyva") is None
    assert tokens_after(tokenizer, ["would", "zyzzyva", "was", "would"]) == [
        *whole,
        *tokenizer(" was", add_special_tokens=False)["input_ids"],
    ]


def test_an_unknown_word_is_no_token() -> None:
    vocabulary = {"<unk>": 0, "it": 1, "is": 2, ",": 3}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
    assert [token_after(tokenizer, text) for text in (" is", ",", " would")] == [2, 3, None]


def test_a_model_without_any_verb_is_refused(tiny_language_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "VERBS", ["zyzzyva", "qwerty", "asdf", "hjkl"])
    open_ends.cache_clear()
    with pytest.raises(FilterError, match="does not have any of zyzzyva, qwerty"):
        scores(Fragments(model=str(tiny_language_model), threads=1), "The council.")
    open_ends.cache_clear()


def test_the_threshold_passes_itself_and_bad_parameters_are_refused() -> None:
    found = pa.array([0.0, 0.15, 0.1501, None], pa.float32())
    assert Fragments().keep(found).to_pylist() == [True, True, False, False]
    for given in ({"max_awaited": -0.1}, {"max_awaited": 1.1}, {"max_awaited": float("nan")}, {"token_budget": 0}):
        with pytest.raises(ValidationError):
            Fragments(**given)  # type: ignore[arg-type]
    with pytest.raises(FilterError, match="no such embedded model"):
        Fragments(model="embedded:gpt-9").open("cpu")


@pytest.mark.skipif(
    not (cache_root() / "smollm2-135m-instruct" / "config.json").exists(),
    reason="the teacher has not been unpacked yet",
)
def test_the_embedded_model_waits_for_a_verb() -> None:
    spec = Fragments(model=EMBEDDED_FLUENCY, threads=1)
    whole = ["The bridge was closed on Monday.", "The mayor, who was elected in May, resigned."]
    cut = [
        "One of the goals of the new law.",
        "The mayor, who was elected in May.",
        "While the bridge was closed on Monday.",
    ]
    assert spec.keep(pa.array(scores(spec, *whole, *cut), pa.float32())).to_pylist() == [True] * 2 + [False] * 3
