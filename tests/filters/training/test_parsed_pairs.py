"""Pairs of a context's sentences by parsing: both labels, each pair once, the same from the same seed."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from conftest import without_parser

from filters.syntax import open_documents
from filters.training.parsed_pairs import parsed_pairs, weaker

needs_parser = pytest.mark.skipif(bool(without_parser()), reason=without_parser())
CONTEXTS = {
    "b": [
        "The bridge, which was built a century ago, was closed on Monday because the river rose.",
        "The mayor said that the old bridge would be repaired by the army in May.",
        "The city's engineers found large cracks in the tower and warned the council on Friday.",
    ],
    "a": [
        "The bank was fined by the court in March, and its rival lost money.",
        "The court's decision is expected to be published after the summer.",
    ],
}


@pytest.fixture(scope="module")
def read() -> Callable[[Iterable[str]], Iterator[Any]]:
    return open_documents()


@needs_parser
def test_both_labels_each_pair_once_and_no_copy(read: Any) -> None:
    pairs = list(parsed_pairs(CONTEXTS, read, None, 0))
    labels = Counter(pair.label for pair in pairs)
    assert labels["entailment"] > 5 and labels["not_entailment"] > 5
    assert len({(pair.premise, pair.hypothesis) for pair in pairs}) == len(pairs)
    assert all(pair.premise != pair.hypothesis for pair in pairs)
    assert all(pair.origin.startswith("parsed_") for pair in pairs)


@needs_parser
def test_the_same_seed_gives_the_same_pairs_whatever_else_is_asked(read: Any) -> None:
    alone = list(parsed_pairs({"b": CONTEXTS["b"]}, read, None, 3))
    together = list(parsed_pairs(CONTEXTS, read, None, 3))
    assert together[-len(alone) :] == alone
    assert alone != list(parsed_pairs({"b": CONTEXTS["b"]}, read, None, 4))


@needs_parser
def test_a_doubt_taken_out_stays_wrong(read: Any) -> None:
    """What was made firmer must not be made weaker again afterwards."""
    firmer = {
        pair.hypothesis
        for seed in range(30)
        for pair in parsed_pairs({"a": CONTEXTS["a"][1:]}, read, None, seed)
        if "firmer" in pair.origin
    }
    assert firmer and not any("expected" in text or "is set" in text for text in firmer)


@needs_parser
@pytest.mark.parametrize("sentences", [[], [""], ["Yes."], ["???"]])
def test_contexts_without_sentences_give_no_pair(read: Any, sentences: list[str]) -> None:
    assert list(parsed_pairs({"x": sentences}, read, None, 0)) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It will be sold.", {"It is expected to be sold.", "It is set to be sold."}),
        ("It was repaired.", {"It was being repaired."}),
        ("He said that it fell.", {"He has said that it fell."}),
        ("It fell.", {"It fell."}),
        ("", {""}),
    ],
)
def test_weaker_forms(text: str, wanted: set[str]) -> None:
    assert {weaker(text, random.Random(seed)) for seed in range(20)} == wanted
