"""Broken text holds what the original held: spans go back to their places, sentences lose or gain only words."""

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student.noise import Noise, break_sentence, make_strange, strange_pair, take_spans

SENTINELS = list(range(1000, 1064))
NOISE = Noise()
WORDS = st.lists(st.sampled_from("a b c dog cat ran 12 x,y.".split()), min_size=1, max_size=40)


def mended(source: list[int], target: list[int]) -> list[int]:
    """The source with each sentinel replaced by what the target has behind it."""
    spans: dict[int, list[int]] = {}
    for token in target:
        if token in SENTINELS:
            spans[here := token] = []
        else:
            spans[here].append(token)
    return [token for place in source for token in spans.get(place, [place])]


@given(st.integers(2, 200), st.integers(0, 1000), st.floats(0.01, 0.9), st.floats(1, 6))
def test_source_and_spans_give_the_original(size: int, seed: int, share: float, length: float) -> None:
    ids = list(range(size))
    noise = replace(NOISE, span_share=share, span_length=length)
    source, target = take_spans(ids, SENTINELS, noise, np.random.default_rng(seed))
    taken = [token for token in target if token not in SENTINELS]
    used = [token for token in target if token in SENTINELS]
    assert mended(source, target) == ids
    assert used == [token for token in source if token in SENTINELS] == SENTINELS[: len(used)]
    assert used and (len(taken) == min(max(round(size * share), 1), size - 1) or len(used) == len(SENTINELS))
    assert not any(a in SENTINELS and b in SENTINELS for a, b in pairwise(source))


def test_the_share_and_the_mean_length_are_as_stated() -> None:
    rng = np.random.default_rng(0)
    taken = spans = 0
    for _ in range(200):
        _, target = take_spans(range(100), SENTINELS, NOISE, rng)
        spans += sum(token in SENTINELS for token in target)
        taken += sum(token not in SENTINELS for token in target)
    assert taken == 200 * 15 and taken / spans == NOISE.span_length


def test_spans_are_anywhere_and_one_is_at_the_end() -> None:
    """As in T5, kept and taken pieces take turns: the first piece is kept, the last is taken."""
    rng = np.random.default_rng(0)
    made = [take_spans(range(60), SENTINELS, NOISE, rng) for _ in range(1000)]
    missing = Counter(token for _, target in made for token in target if token < 1000)
    assert set(missing) == set(range(1, 60)) and missing[59] == 1000
    assert all(source[0] == 0 and source[-1] >= 1000 for source, _ in made)


def test_two_tokens_and_one() -> None:
    assert take_spans([7, 8], SENTINELS, NOISE, np.random.default_rng(0)) == ([7, 1000], [1000, 8])
    source, target = take_spans([7], SENTINELS, NOISE, np.random.default_rng(0))
    assert mended(source, target) == [7]


@given(WORDS, WORDS, st.integers(0, 1000))
def test_a_broken_sentence_has_words_of_the_two_only(words: list[str], others: list[str], seed: int) -> None:
    text, other = " ".join(words), " ".join(others)
    found = Counter(break_sentence(text, other, NOISE, np.random.default_rng(seed)).split())
    added = found - Counter(words)
    assert set(added) <= set(others)
    assert added.total() <= round(len(words) * NOISE.most_added)
    again = break_sentence(text, other, NOISE, np.random.default_rng(seed))
    assert Counter(again.split()) == found


@given(WORDS, WORDS, st.integers(0, 1000))
def test_without_dropping_every_word_is_still_there(words: list[str], others: list[str], seed: int) -> None:
    noise = replace(NOISE, dropped=0.0)
    found = break_sentence(" ".join(words), " ".join(others), noise, np.random.default_rng(seed)).split()
    assert not Counter(words) - Counter(found)


@given(st.integers(1, 30), st.integers(0, 1000))
def test_shuffled_words_stay_near(size: int, seed: int) -> None:
    noise = replace(NOISE, untouched_share=0.0, dropped=0.0, most_added=0.0, shuffled_share=1.0)
    words = [str(n) for n in range(size)]
    found = break_sentence(" ".join(words), "none", noise, np.random.default_rng(seed)).split()
    assert sorted(found) == sorted(words)
    assert all(abs(place - int(word)) < noise.shuffle_reach for place, word in enumerate(found))


@pytest.mark.parametrize("other", ["", "word", "two words"])
def test_one_word(other: str) -> None:
    for seed in range(50):
        found = break_sentence("Alone.", other, NOISE, np.random.default_rng(seed)).split()
        assert "Alone." in found and len(found) <= 2  # the only word is never dropped


def test_shares_of_sentences() -> None:
    rng = np.random.default_rng(0)
    text, other = " ".join(map(str, range(40))), " ".join("x" * 9)
    made = [break_sentence(text, other, NOISE, rng).split() for _ in range(2000)]
    assert sum(words == text.split() for words in made) / 2000 == pytest.approx(NOISE.untouched_share, abs=0.03)
    own = [[word for word in words if word != "x"] for words in made]
    assert 1 - np.mean([len(words) for words in own]) / 40 == pytest.approx(
        NOISE.dropped * (1 - NOISE.untouched_share), abs=0.01
    )
    shuffled = sum(list(map(int, words)) != sorted(map(int, words)) for words in own) / 2000
    assert shuffled == pytest.approx(NOISE.shuffled_share * (1 - NOISE.untouched_share), abs=0.03)
    assert max(words.count("x") for words in made) == round(40 * NOISE.most_added)


STRANGE = replace(NOISE, strange_share=1.0, strange_words=1.0)


def test_strange_words_keep_capitals_figures_and_everything_between() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        made = make_strange(
            "In 1987, Anna O'Neill met UNESCO staff (again) in Rio.", "whatever else there", STRANGE, rng
        )
        found = re.fullmatch(
            r"In 1(\d{3}), ([A-Z][a-z]+) O'([A-Z][a-z]+) met ([A-Z]+) ([a-z]+) \(([a-z]+)\) in Rio\.", made
        )
        assert found and found[2] != "Anna" and found[4] != "UNESCO"


def test_how_many_are_strange() -> None:
    rng = np.random.default_rng(0)
    text = " ".join(["wording"] * 50)
    made = [make_strange(text, "never seen before", NOISE, rng).split() for _ in range(2000)]
    changed = [sum(word != "wording" for word in words) for words in made]
    assert sum(map(bool, changed)) / 2000 == pytest.approx(NOISE.strange_share, abs=0.04)
    assert np.mean([n for n in changed if n]) / 50 == pytest.approx(NOISE.strange_words, abs=0.02)


@pytest.mark.parametrize("text", ["", "a of the", "?! ...", "日本", "É à"])
def test_what_has_no_long_word_stays(text: str) -> None:
    assert make_strange(text, "", STRANGE, np.random.default_rng(0)) == text


def test_a_strange_pair_has_the_same_words_in_both() -> None:
    source, target = (
        "In 1987 Oona Brill, a teacher, opened the Brill school.",
        "Oona Brill opened a large school in 1987.",
    )
    rng = np.random.default_rng(1)
    for _ in range(50):
        one, two = strange_pair(source, target, "never seen before", STRANGE, rng)
        words, short = re.findall(r"\w+", one), re.findall(r"\w+", two)
        assert [words[n] for n in (1, 2, 3, 6, 9)] == [short[n] for n in (7, 0, 1, 2, 5)]
        assert words[3] == words[8] and words[5] == "teacher" and short[4] == "large"
    assert strange_pair(source, target, "x", replace(STRANGE, strange_share=0.0), rng) == (source, target)
    assert strange_pair("", "Nothing shared.", "", STRANGE, rng) == ("", "Nothing shared.")


def test_dotted_words_are_the_same_in_both_and_end_with_one_period() -> None:
    """Abbreviations, initials and decimals; where one ends the sentence, its period is the sentence's."""
    noise = Noise(strange_share=1.0, strange_words=1.0, dotted=1.0)
    rng = np.random.default_rng(3)
    ended = set()
    for _ in range(50):
        texts = "Prices rose 12 percent from 8,000, officials said.", "Prices rose 12 percent from 8,000, officials."
        source, target = strange_pair(*texts, "Rain", noise, rng)
        figure = re.search(r"\d+\.\d(?!\d)", source)
        assert figure and figure[0] in target and ".." not in source + target
        assert re.search(r" 8,0\d\d, ", source)  # no decimal inside a figure
        assert re.search(r"[A-Za-z]\.$", target)
        ended.add("initials" if re.search(r" (?:[A-Z]\.){2,3}$", target) else "abbreviation")
    assert ended == {"initials", "abbreviation"}
    plain = Noise(strange_share=1.0, strange_words=1.0)
    assert "." not in strange_pair("Prices rose", "prices rose", "Rain", plain, rng)[0]
