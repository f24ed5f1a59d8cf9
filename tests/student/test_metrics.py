"""Metrics against values worked out by hand, and against the libraries asked one by one."""

import itertools
import math
import random

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from student import bleu, metrics, rouge
from student.bootstrap import resampled
from student.metrics import Compared

WORDS = "the cat dog sat ran on mat a big small red house under tree".split()


def sentences(number: int, seed: int, shortest: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(shortest, 12))) for _ in range(number)]


OUTPUTS, SOURCES = sentences(60, 1), sentences(60, 2, shortest=1)
REFERENCES = [list(pair) for pair in zip(sentences(60, 3, 1), sentences(60, 4, 1), strict=True)]


def test_rouge_by_hand() -> None:
    found = rouge.f1(["the cat sat"], [["the cat ran away"]])[0]
    assert found == pytest.approx(
        [100 * 2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4), 100 * 2 * (1 / 2) * (1 / 3) / (5 / 6), 400 / 7]
    )


def test_rouge_takes_the_best_reference_for_f1_and_the_mean_for_recall() -> None:
    references = [["dogs run", "the cat sat"]]
    assert rouge.f1(["the cat sat"], references)[0] == pytest.approx([100, 100, 100])
    assert rouge.recall_75(["the cat sat"], references)[0] == pytest.approx([50, 50, 50])


def test_rouge_is_the_librarys() -> None:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    for output, wanted, found in zip(OUTPUTS, REFERENCES, rouge.f1(OUTPUTS, REFERENCES), strict=True):
        asked = [scorer.score(reference, output) for reference in wanted]
        assert found == pytest.approx([100 * max(a[kind].fmeasure for a in asked) for kind in rouge.KINDS])


def test_recall_sees_75_bytes_and_tears_no_character() -> None:
    text = "word " * 14 + "final ending"  # "final" ends at byte 75
    assert rouge.first_bytes(text) == "word " * 14 + "final"
    assert rouge.first_bytes("é" * 40) == "é" * 37
    assert rouge.recall_75([text], [["final ending"]])[0][0] == 50
    assert rouge.recall_75([""], [["x"]])[0].tolist() == [0, 0, 0]


def test_corpus_bleu_is_sacrebleus() -> None:
    streams = [list(stream) for stream in zip(*REFERENCES, strict=True)]
    for tokenise in ("none", "13a"):
        counts = bleu.counts(OUTPUTS, REFERENCES, tokenise)
        theirs = BLEU(tokenize=tokenise, force=True).corpus_score(OUTPUTS, streams).score
        assert bleu.corpus_bleu(counts.sum(axis=0)) == pytest.approx(theirs, abs=1e-9)


def test_sentence_bleu_is_sacrebleus() -> None:
    metric = BLEU(tokenize="none", effective_order=True, force=True)
    found = bleu.sentence_bleu(bleu.counts(OUTPUTS, REFERENCES, "none"))
    theirs = [metric.sentence_score(a, b).score for a, b in zip(OUTPUTS, REFERENCES, strict=True)]
    assert found == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_resampled_corpus_bleu_is_that_of_the_resampled_corpus(size: int) -> None:
    """Short corpora meet the smoothing and the missing orders."""
    outputs, references = OUTPUTS[:size], REFERENCES[:size]
    counts = bleu.counts(outputs, references, "none")
    metric, draw = BLEU(tokenize="none", force=True), np.random.default_rng(0)
    for _ in range(10):
        drawn = draw.integers(0, size, size)
        streams = [[references[i][side] for i in drawn] for side in (0, 1)]
        theirs = metric.corpus_score([outputs[i] for i in drawn], streams).score
        assert bleu.corpus_bleu(counts[drawn].sum(axis=0)) == pytest.approx(theirs, abs=1e-9)


def test_ibleu_is_the_weighted_difference() -> None:
    found = metrics.overlap(Compared(SOURCES, OUTPUTS, REFERENCES), "none")
    wanted = 0.7 * found["bleu"].value() - 0.3 * found["source_bleu"].value()
    assert found["ibleu"].value() == pytest.approx(wanted)
    parts = resampled([found[name] for name in ("ibleu", "bleu", "source_bleu")], 20, seed=0)
    assert parts[0] == pytest.approx(0.7 * parts[1] - 0.3 * parts[2])


def test_a_copy_costs_thirty_points_of_ibleu() -> None:
    found = metrics.overlap(Compared(SOURCES, SOURCES, [["nothing alike here"]] * 60), "none")
    assert found["source_bleu"].value() == pytest.approx(100)
    assert found["ibleu"].value() == pytest.approx(-30)
    assert found["ibleu_sentence"].value() == pytest.approx(-30)


def test_bert_ibleu_by_hand() -> None:
    similarity, copied = np.array([80.0, 100.0, 0.0, -5.0, 90.0]), np.array([20.0, 100.0, 0.0, 10.0, 40.0])
    wanted = [5 / (4 / 80 + 1 / 80), 0, 0, 0, 5 / (4 / 90 + 1 / 60)]
    assert metrics.bert_ibleu(similarity, copied) == pytest.approx(wanted)


def test_new_ngrams_by_hand() -> None:
    assert metrics.novel("a b c".split(), "a c d".split(), 1) == pytest.approx(1 / 3)
    assert metrics.novel("a b c".split(), "b c d d".split(), 2) == pytest.approx(2 / 3)
    assert math.isnan(metrics.novel(["a"], ["a"], 2)) and math.isnan(metrics.novel(["a"], [], 1))


def test_shape_of_blank_and_long_outputs() -> None:
    found = metrics.shape(Compared(["ab cd", "ab cd"], ["", "ab cd ab cd"], [["x"], ["x"]]))
    assert {name: found[name].value() for name in ("compression", "words", "empty")} == {
        "compression": pytest.approx((0 + 11) / (5 + 5)),
        "words": 2,
        "empty": 0.5,
    }
    assert found["novel_1"].value() == 0 and found["novel_2"].value() == pytest.approx(1 / 3)


def test_meaning_asks_of_every_reference_and_the_source() -> None:
    """The score is made of lengths here: what is tested is who is compared with whom."""
    asked: list[tuple[str, str]] = []

    def score(pairs: "list[tuple[str, str]]") -> np.ndarray:
        asked.extend(pairs)
        return np.array([10.0 * len(a) + len(b) for a, b in pairs])

    systems = {
        name: Compared(["s", "ss"], list(outputs), [["r", "rrr"], ["rr"]])
        for name, outputs in {"a": "xy", "b": "zw"}.items()
    }
    found = metrics.meaning(systems, score, "none")
    assert set(asked) == {
        *itertools.product("xz", ("r", "rrr", "s")),
        *itertools.product("yw", ("rr", "ss")),
    }
    assert found["a"]["bertscore"].value() == (13 + 12) / 2


def test_what_a_judge_cannot_say_is_not_faithful() -> None:
    texts = Compared(["s"] * 3, ["a", "b", ""], [["r"]] * 3)
    assert metrics.faithfulness(texts, lambda sources, outputs: [0.9, 0.3, None]).value() == pytest.approx(0.4)


def test_identical_outputs_have_identical_statistics() -> None:
    one, two = (metrics.overlap(Compared(SOURCES, list(OUTPUTS), REFERENCES), "13a") for _ in range(2))
    assert all((one[name].rows == two[name].rows).all() for name in one)
