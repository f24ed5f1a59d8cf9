"""What does not follow although its words are there. With a real parser."""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from conftest import without_parser

from filters.syntax import open_documents
from filters.training.mixing_up import added, bank_of, exchanged, mixed_up
from filters.training.parsed_text import content

pytestmark = pytest.mark.skipif(bool(without_parser()), reason=without_parser())


@pytest.fixture(scope="module")
def read() -> Callable[[Iterable[str]], Iterator[Any]]:
    return open_documents()


def wrong_ones(read: Any, text: str, rule: str) -> set[str]:
    (doc,) = read([text])
    made = [pair for seed in range(20) for pair in mixed_up(doc, random.Random(seed))]
    assert {pair.label for pair in made} <= {"not_entailment"} and {pair.premise for pair in made} <= {text}
    return {pair.hypothesis for pair in made if pair.origin == f"parsed_{rule}"}


@pytest.mark.parametrize(
    ("rule", "text", "wanted"),
    [
        ("crossed", "The mayor, who was very ill, met the banker, who came late.", "The banker was very ill."),
        ("owner", "The ship's captain was hurt in the storm.", "The ship was hurt in the storm."),
        ("owner", "The captain of the ship was hurt in the storm.", "The ship was hurt in the storm."),
        ("swapped", "The teacher praised the student.", "The student praised the teacher."),
        ("widened", "The plant will close if the talks fail.", "The plant will close."),
        ("said", "The prices rose again, and the minister left.", "The minister said that the prices rose again."),
    ],
)
def test_each_rule_makes_its_pair(read: Any, rule: str, text: str, wanted: str) -> None:
    made = wrong_ones(read, text, rule)
    assert any(wanted == text or (rule == "said" and "that the prices rose" in text) for text in made), made


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("crossed", "The mayor opened the school and left the town."),  # one subject
        ("crossed", "The bank bought the old bank, which was small."),  # subjects that share a word
        ("owner", "A group of nurses was hurt."),  # it is the nurses who were
        ("owner", "Their captain was hurt."),  # no noun owns
        ("swapped", "The teacher is the owner."),  # `a is b` is as good as `b is a`
        ("swapped", "It rained."),
        ("widened", "The plant will close in May."),
    ],
)
def test_no_pair_where_it_would_be_right(read: Any, rule: str, text: str) -> None:
    assert wrong_ones(read, text, rule) == set()


def test_a_siblings_phrase_is_put_in_and_was_not_there(read: Any) -> None:
    docs = list(read(["The court fined the bank in March.", "The court freed a broker in June."]))
    bank = bank_of(docs)
    for seed in range(10):
        for text in exchanged(docs[0], bank, docs[0].text, 3, random.Random(seed)):
            assert text.endswith(".") and text != docs[0].text
            assert content(text) - content(docs[0].text)


def test_nothing_is_exchanged_without_siblings(read: Any) -> None:
    (doc,) = read(["The court fined the bank in March."])
    assert list(exchanged(doc, bank_of([doc]), doc.text, 3, random.Random(0))) == []
    assert list(exchanged(doc, {}, doc.text, 3, random.Random(0))) == []


def test_something_a_sibling_says_is_added(read: Any) -> None:
    docs = list(read(["The shop sells apples.", "The shop sells lamps."]))
    assert added(docs[0], bank_of(docs), random.Random(0)) == "The shop sells apples and lamps."
    assert added(docs[0], {}, random.Random(0)) is None
