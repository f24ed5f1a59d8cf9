"""The judge: splicing, truncation, memory, and a score that does not know its neighbours."""

import random
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import TEXTS, Make
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from filters.base import FilterError
from filters.models import EMBEDDED_JUDGE
from filters.nli_back_ends import why_not_int8
from filters.nli_judge import JudgeSpec, NliJudge, far_from, longest_first, open_judge, splice_of

PAIRS = list(product(TEXTS, TEXTS))


@pytest.fixture(params=["tiny_bert", "tiny_roberta"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def spec(folder: Path, **more: object) -> JudgeSpec:
    return JudgeSpec(str(folder), **({"threads": 1} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("window", [6, 7, 9, 16, 17, 30, 60])
def test_splicing_equals_the_tokenizer_on_the_pair(folder: Path, window: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    splice = splice_of(tokenizer)
    for premise, hypothesis in [*PAIRS, ("unheard of words", "x"), ("日本 é", "naïve — 5%")]:
        whole = tokenizer(premise, hypothesis, truncation="longest_first", max_length=window)
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (premise, hypothesis)]
        spliced = splice.join(*ids, window)
        assert list(spliced.ids) == whole["input_ids"]
        assert list(spliced.types) == whole.get("token_type_ids", [])


def test_longest_first_never_overfills_and_cuts_the_longer() -> None:
    for first, second, room in product(range(12), range(12), range(1, 20)):
        a, b = longest_first(first, second, room)
        assert a + b == min(first + second, room)
        assert a <= first and b <= second
        if a < first and b < second:
            assert abs(a - b) <= 1


def test_scores_are_the_models_own(folder: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    scores = NliJudge(spec(folder))(PAIRS)
    for (premise, hypothesis), score in zip(PAIRS, scores, strict=True):
        coded = tokenizer(premise, hypothesis, truncation=True, max_length=min(tokenizer.model_max_length, 64))
        with torch.inference_mode():
            one = model(**{name: torch.tensor([ids]) for name, ids in coded.items()}).logits.softmax(-1)[0, 2]
        assert score == pytest.approx(float(one), abs=1e-5)


@pytest.mark.parametrize(("token_budget", "threads"), [(1, 1), (100, 1), (256, 2), (1000, 1)])
def test_a_score_does_not_know_its_neighbours(folder: Path, token_budget: int, threads: int) -> None:
    together = dict(zip(PAIRS, NliJudge(spec(folder, token_budget=token_budget, threads=threads))(PAIRS), strict=True))
    shuffled = random.Random(0).sample(PAIRS, len(PAIRS))
    fresh = NliJudge(spec(folder, token_budget=token_budget, threads=threads))
    assert dict(zip(shuffled, fresh(shuffled), strict=True)) == together
    alone, parts = (NliJudge(spec(folder, token_budget=token_budget, threads=threads)) for _ in range(2))
    assert {pair: alone([pair])[0] for pair in PAIRS[:12]} == {pair: together[pair] for pair in PAIRS[:12]}
    pieces = [parts(shuffled[i : i + 5]) for i in range(0, len(shuffled), 5)]
    assert dict(zip(shuffled, np.concatenate(pieces), strict=True)) == together


def test_a_full_length_pair_does_not_know_its_neighbours_either(tiny_bert: Path) -> None:
    """A batch without any padding would take another path through attention."""
    exact = [" ".join(["budget"] * n) for n in (12, 15, 20, 28)]  # 12 + 15 + 3 special tokens fill the window of 30
    pairs = list(product(exact, exact))
    judge = NliJudge(spec(tiny_bert))
    together = judge(pairs)
    assert judge.truncated == sum(len(a.split()) + len(b.split()) + 3 > 30 for a, b in pairs)
    assert together.tolist() == [NliJudge(spec(tiny_bert))([pair, (TEXTS[6], TEXTS[6])])[0] for pair in pairs]


def test_every_pair_is_asked_once(tiny_bert: Path) -> None:
    judge = NliJudge(spec(tiny_bert))
    first = judge(PAIRS[:10] + PAIRS[:10])
    assert judge.asked == 10
    assert judge(PAIRS[:10]).tolist() == first[:10].tolist() == first[10:].tolist()
    assert judge.asked == 10
    judge([PAIRS[20][::-1]])
    assert judge.asked == 11


def test_a_full_memory_starts_afresh(tiny_bert: Path) -> None:
    judge = NliJudge(spec(tiny_bert), memory=5)
    first = judge(PAIRS[:5]).tolist()
    assert judge(PAIRS[5:7]).shape == (2,)
    assert judge(PAIRS[:5]).tolist() == first
    assert judge.asked == 12


def test_no_pairs_no_model() -> None:
    judge = NliJudge(JudgeSpec("nobody/no-such-model"))
    assert judge([]).shape == (0,)


def test_equal_specs_share_one_judge(tiny_bert: Path) -> None:
    assert open_judge(spec(tiny_bert)) is open_judge(spec(tiny_bert))
    assert open_judge(spec(tiny_bert)) is not open_judge(spec(tiny_bert, threads=2))


def test_unknown_folder_is_found_out_on_opening() -> None:
    with pytest.raises(FilterError, match="no folder"):
        open_judge(JudgeSpec("/no/such/judge"))


def test_the_embedded_judge_knows_the_obvious() -> None:
    ask = open_judge(JudgeSpec(EMBEDDED_JUDGE, threads=1))
    entailed = [
        ("Two young men are playing football in the park.", "Two men are playing football."),
        (
            "The company said on Monday that it will close its plant in Ohio.",
            "The company will close its plant in Ohio.",
        ),
        ("A woman in a red coat is walking her dog.", "A woman is walking a dog."),
    ]
    unrelated = [
        ("Two young men are playing football in the park.", "The senate voted on the tax bill."),
        ("A woman in a red coat is walking her dog.", "A man is asleep in his bed."),
        ("Rain is expected in the north.", "She has written fourteen books about the sea."),
    ]
    assert min(ask(entailed)) >= 0.75
    assert max(ask(unrelated)) < 0.25


def test_the_embedded_judge_does_not_know_a_pairs_neighbours() -> None:
    together = dict(zip(PAIRS, NliJudge(JudgeSpec(EMBEDDED_JUDGE, threads=1))(PAIRS), strict=True))
    fresh = NliJudge(JudgeSpec(EMBEDDED_JUDGE, threads=1))
    assert all(fresh([pair])[0] == together[pair] for pair in PAIRS[::9])


def test_what_is_forgotten_is_asked_again(tiny_bert: Path) -> None:
    judge = NliJudge(spec(tiny_bert))
    first = judge(PAIRS[:4]).tolist()
    judge.forget()
    assert judge(PAIRS[:4]).tolist() == first
    assert judge.asked == 8


def test_cut_pairs_are_said_and_counted(tiny_bert: Path, caplog: pytest.LogCaptureFixture) -> None:
    judge = NliJudge(spec(tiny_bert))
    judge([(TEXTS[6], TEXTS[6])])
    assert judge.truncated == 0 and not caplog.text
    judge([(TEXTS[2], TEXTS[4]), (TEXTS[6], TEXTS[6]), ("budget " * 40, TEXTS[6])])
    assert judge.truncated == 1
    assert "1 of 2 pairs were longer than its 30 tokens, and cut" in caplog.text


@pytest.mark.parametrize("back_end", ["fp32", "bf16"])
def test_every_back_end_gives_a_score_that_does_not_know_its_neighbours(folder: Path, back_end: str) -> None:
    together = dict(zip(PAIRS, NliJudge(spec(folder, back_end=back_end))(PAIRS), strict=True))
    fresh = NliJudge(spec(folder, back_end=back_end, token_budget=90))
    assert all(fresh([pair])[0] == together[pair] for pair in PAIRS[::3])


int8_here = pytest.mark.skipif(bool(why_not_int8()), reason=f"int8 cannot be had: {why_not_int8()}")


@int8_here
@pytest.mark.parametrize("at", [0.0, "median", 1.0])
def test_int8_looks_again_near_the_threshold_and_nowhere_else(at: float | str) -> None:
    judge, other, close = (NliJudge(JudgeSpec(EMBEDDED_JUDGE, back_end=name)) for name in ("int8", "int8", "bf16"))
    exact, quick = close(PAIRS), other._recall(PAIRS, other._quick)
    threshold = float(np.median(quick)) if at == "median" else float(at)
    asked, near = judge.at(threshold)(PAIRS), ~far_from(threshold, quick)
    assert near.any() == (at == "median") and not near.all()
    assert asked[near].tolist() == exact[near].tolist() and asked[~near].tolist() == quick[~near].tolist()
    assert (quick != exact).any() and judge.looked_again == near.sum()
    assert judge(PAIRS).tolist() == exact.tolist()  # who names no threshold has bf16's


@int8_here
def test_in_int8_a_score_knows_neither_neighbours_nor_what_was_asked_before() -> None:
    def fresh(**more: int) -> NliJudge:
        return NliJudge(JudgeSpec(EMBEDDED_JUDGE, back_end="int8", **more))  # type: ignore[arg-type]

    middle = float(np.median(fresh()(PAIRS)))
    together = dict(zip(PAIRS, fresh().at(middle)(PAIRS), strict=True))
    used, shuffled = fresh(token_budget=90, threads=2), random.Random(0).sample(PAIRS, len(PAIRS))
    used(PAIRS[:9])
    for threshold in (middle / 2, middle + 0.01):
        used.at(threshold)(PAIRS)
    assert dict(zip(shuffled, used.at(middle)(shuffled), strict=True)) == together
    assert all(used.at(middle)([pair])[0] == together[pair] for pair in PAIRS[::3])
    used.forget()
    assert all(used.at(middle)([pair])[0] == together[pair] for pair in PAIRS[::3])


@int8_here
def test_a_pair_that_is_cut_is_said_once_though_it_is_looked_at_again(
    tiny_bert: Path, caplog: pytest.LogCaptureFixture
) -> None:
    judge = NliJudge(spec(tiny_bert, back_end="int8"))
    for _ in range(2):
        score = judge.at(0.4)([("budget " * 40, TEXTS[6])])
        judge.at(float(score[0]))([("budget " * 40, TEXTS[6])])
    assert (judge.truncated, judge.asked, judge.looked_again) == (1, 2, 2)
    assert len(caplog.records) == 1


@int8_here
def test_where_int8_is_not_made_for_the_model_it_is_asked_once(tiny_classifier: Make) -> None:
    folder = tiny_classifier("bert")
    config = BertConfig.from_pretrained(folder, intermediate_size=50)
    BertForSequenceClassification(config).save_pretrained(folder)
    judge, close = (NliJudge(spec(folder, back_end=name)) for name in ("int8", "bf16"))
    assert judge.at(0.35)(PAIRS).tolist() == close(PAIRS).tolist()
    assert (judge.asked, judge.looked_again) == (len(PAIRS), 0)


@pytest.mark.parametrize("back_end", ["fp32", "bf16"])
def test_of_other_back_ends_a_threshold_changes_nothing(tiny_bert: Path, back_end: str) -> None:
    judge = NliJudge(spec(tiny_bert, back_end=back_end))
    assert judge.at(0.35) is judge


def test_far_is_measured_in_logits() -> None:
    def far(threshold: float, *probabilities: float) -> list[bool]:
        found: list[bool] = far_from(threshold, np.array(probabilities, np.float32)).tolist()
        return found

    assert far(0.5, 0.47, 0.48, 0.5, 0.52, 0.53) == [True, False, False, False, True]
    assert far(0.95, 0.944, 0.946, 0.954, 0.956, 1.0, 0.0) == [True, False, False, True, True, True]
    assert far(0.0, 0.0, 1e-30, 0.5, 1.0) == [False, True, True, True]
    assert far(1.0, 0.0, 0.5, 1.0) == [True, True, False]
    assert far(0.5) == []


def test_int8_is_refused_where_it_cannot_be_had_before_weights_are_loaded(tiny_bert: Path) -> None:
    with pytest.raises(
        FilterError, match="back_end int8 wants a CPU and vLLM's products; the device is cuda:0; take auto"
    ):
        open_judge(spec(tiny_bert, back_end="int8", device="cuda:0"))
