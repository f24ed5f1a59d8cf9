import random

import pyarrow as pa
import pytest
from rouge_score import rouge_scorer

from filters import overlap
from filters.overlap import Novelty, Overlap, novel_ngram_share, rouge_l

SENTENCES = [
    "The plant in Ohio may close next year, officials said on Monday.",
    "Officials said Monday that the plant in Ohio may close.",
    "U.S. stocks rose 2.5% to $1,000 -- a record high!",
    "She didn't say 'no' to the well-known offer.",
    "no no no yes no",
    "A",
]


def table(pairs: list[tuple[str | None, str | None]]) -> pa.Table:
    source, target = zip(*pairs, strict=True)
    return pa.table({"source": pa.array(source, pa.string()), "target": pa.array(target, pa.string())})


def reference(source: str, target: str) -> float:
    return rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False).score(source, target)["rougeL"].fmeasure


def test_equals_the_reference_package() -> None:
    rng = random.Random(1)
    alphabet = "the a cat dog sat on mat X9 it's 3.5 high-end THE, ran; (fast)".split()
    made = [" ".join(rng.choices(alphabet, k=rng.randint(1, 40))) for _ in range(120)]
    pairs = [(a, b) for a in SENTENCES for b in SENTENCES] + [tuple(rng.choices(made, k=2)) for _ in range(400)]
    found = rouge_l(table(pairs)).to_pylist()
    assert found == pytest.approx([reference(a, b) for a, b in pairs], abs=1e-6)


def test_does_not_depend_on_the_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(a, b) for a in SENTENCES for b in SENTENCES]
    whole = rouge_l(table(pairs)).to_pylist()
    assert [rouge_l(table([pair])).to_pylist()[0] for pair in pairs] == whole
    monkeypatch.setattr(overlap, "_CHUNK", 5)
    assert rouge_l(table(pairs)).to_pylist() == whole
    monkeypatch.setattr(overlap, "_LETTERS", 3)  # the slow path
    assert rouge_l(table(pairs)).to_pylist() == whole


@pytest.mark.parametrize(
    ("source", "target", "score"),
    [
        ("Zürich is cold", "Zurich is cold", 2 / 3),
        ("Zürich", "Zürich", 1.0),
        ("Zu\u0308rich", "Z\u00fcrich", 1.0),  # one letter, two spellings
        ("Это предложение", "Это слово", 0.5),
        ("今日は晴れ", "今日は雨", 2 * 3 / 9),
    ],
)
def test_other_scripts_have_words(source: str, target: str, score: float) -> None:
    assert rouge_l(table([(source, target)])).to_pylist() == pytest.approx([score])


def test_null_blank_and_wordless_have_no_score() -> None:
    found = rouge_l(table([(None, "a"), ("a", None), ("", "a"), ("a", " "), ("...", "a"), ("a", "a")]))
    assert found.to_pylist() == [None] * 5 + [1.0]
    assert Overlap(max_rouge_l=1).keep(found).to_pylist() == [False] * 5 + [True]
    assert len(rouge_l(table([(None, None)]).slice(0, 0))) == 0


def test_boundary_is_kept() -> None:
    found = rouge_l(table([("a b c d", "a b c e"), ("a b c d", "a b c d")]))
    assert Overlap(max_rouge_l=0.75).keep(found).to_pylist() == [True, False]
    assert Overlap(max_rouge_l=0.74).keep(found).to_pylist() == [False, False]


def test_novel_ngrams() -> None:
    assert novel_ngram_share("the cat sat down", "The cat sat.", 2) == 0.0
    assert novel_ngram_share("the cat sat", "a cat sat there", 2) == pytest.approx(2 / 3)
    assert novel_ngram_share("the cat sat", "cat", 2) is None
    scorer = Novelty(min_novel_share=0.5, n=1).open("cpu")
    found = scorer(table([("a b", "a c"), ("a b", "a b"), ("a", None), ("", "a")]))
    assert found.to_pylist() == [0.5, 0.0, None, None]
    assert Novelty(min_novel_share=0.5, n=1).keep(found).to_pylist() == [True, False, False, False]
