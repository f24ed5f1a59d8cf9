"""Diversity at equal numbers of words, against values by hand and the libraries."""

import math
import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from lexicalrichness import LexicalRichness
from sacrebleu.metrics import BLEU

from student.diversity import FEWEST_WORDS, diversity, entropy, lexical, ngrams, words
from student.self_bleu import self_bleu


def texts(number: int, vocabulary: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(f"w{draw.randrange(vocabulary)}" for _ in range(draw.randint(1, 12))) for _ in range(number)]


def test_words() -> None:
    assert words("The U.S. rose 3.5% - it's Jack-o'-lantern, l\u2019été!") == [
        *("the", "u.s", "rose", "3.5", "it's", "jack-o", "lantern", "l\u2019été"),
    ]
    assert words(" ... ") == []


def test_entropy_by_hand() -> None:
    assert entropy(Counter({("a",): 2, ("b",): 1, ("c",): 1})) == pytest.approx(1.5)
    assert entropy(Counter({("a",): 9})) == 0 and math.isnan(entropy(Counter()))


def test_ngrams() -> None:
    assert ngrams("a b c".split(), 2) == [("a", "b"), ("b", "c")]
    assert ngrams(["a"], 2) == []


def test_lexical_measures_are_the_librarys() -> None:
    stream = [word for text in texts(60, 90) for word in text.split()][:305]
    found = lexical(stream)
    library = LexicalRichness(stream, preprocessor=None, tokenizer=None)
    segments = [stream[i : i + 100] for i in (0, 100, 200)]
    assert found["mtld"] == pytest.approx(library.mtld())
    assert found["msttr"] == pytest.approx(100 * np.mean([len(set(part)) / 100 for part in segments]))
    assert found["distinct_1"] == pytest.approx(len(set(stream)) / 305)
    assert found["distinct_2"] == pytest.approx(len(set(pairwise(stream))) / 304)


def test_whole_segments_all_count() -> None:
    assert lexical(["a", "b"] * 100 + [f"w{i}" for i in range(100)])["msttr"] == pytest.approx(
        100 * (0.02 + 0.02 + 1) / 3
    )


def test_sets_are_cut_to_the_same_number_of_words() -> None:
    sets = {"small": texts(100, 500), "large": texts(900, 500, seed=1)}
    found, size = diversity(sets, seed=2)
    assert size == sum(len(text.split()) for text in sets["small"])
    alone, _ = diversity({"large": sets["large"]}, seed=2)
    assert found["large"]["distinct_1"] > alone["large"]["distinct_1"]


def test_order_does_not_count_but_the_seed_does() -> None:
    sets = texts(300, 80)
    one, other = diversity({"a": sets, "b": sets[::-1]}, seed=1), diversity({"a": sets, "b": sets[:200]}, seed=9)
    assert one[0]["a"] == one[0]["b"]
    assert one[0]["a"] != other[0]["a"]


def test_a_set_that_is_too_small_has_no_numbers_and_does_not_cut_the_others() -> None:
    found, size = diversity({"tiny": ["one two"] * 4, "none": [], "blank": ["", " "], "fine": texts(100, 50)}, seed=0)
    assert size >= FEWEST_WORDS
    assert all(math.isnan(value) for name in ("tiny", "none", "blank") for value in found[name].values())
    assert not any(math.isnan(value) for value in found["fine"].values())


@pytest.mark.parametrize("vocabulary", [4, 40])
def test_self_bleu_is_every_text_against_all_the_others(vocabulary: int) -> None:
    these = [*texts(40, vocabulary), "w1 w2", "w1 w2", "w1"]
    metric = BLEU(tokenize="none", effective_order=True, force=True)
    wanted = [metric.sentence_score(text, these[:i] + these[i + 1 :]).score for i, text in enumerate(these)]
    assert self_bleu(these) == pytest.approx(np.mean(wanted))


def test_self_bleu_of_copies_and_of_strangers() -> None:
    assert self_bleu(["a b c d e"] * 3) == pytest.approx(100)
    assert self_bleu(["a b", "c d"]) == 0
    assert math.isnan(self_bleu(["a b"]))
