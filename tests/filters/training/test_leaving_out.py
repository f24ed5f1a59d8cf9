"""What may be left out of a sentence, what must stay, and the clauses in it. With a real parser."""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from conftest import without_parser

from filters import syntax
from filters.base import FilterError
from filters.syntax import open_documents
from filters.training.leaving_out import clauses_of, left_out, parts_that_may_go, parts_that_must_stay, rest_of
from filters.training.parsed_text import phrase, sentence

needs_parser = pytest.mark.skipif(bool(without_parser()), reason=without_parser())
BRIDGE = "The bridge, which was built a century ago, was closed on Monday."


@pytest.fixture(scope="module")
def read() -> Callable[[Iterable[str]], Iterator[Any]]:
    return open_documents()


def less_of(doc: Any) -> set[str]:
    return {sentence(rest_of(doc, tokens)) for _, tokens in parts_that_may_go(doc)}


@needs_parser
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (BRIDGE, "The bridge was closed on Monday."),
        (BRIDGE, "The bridge, which was built a century ago, was closed."),
        ("The mayor, a former teacher, opened the school.", "The mayor opened the school."),
        ("The court fined the bank and banned the broker.", "The court fined the bank."),
        ("The bank sold a valuable painting.", "The bank sold a painting."),
        ("The thief was arrested by the police.", "The thief was arrested."),
        ("Prices rose last month because the harvest failed.", "Prices rose last month."),
        ("The shop sells apples and pears.", "The shop sells apples."),
    ],
)
def test_a_part_goes_with_its_commas_and_its_joint(read: Any, text: str, wanted: str) -> None:
    (doc,) = read([text])
    assert wanted in less_of(doc)


@needs_parser
@pytest.mark.parametrize(
    "text",
    [
        "The mayor did not resign on Monday.",  # he may have on Tuesday
        "This is the largest bridge in the city.",
        "The plant will close if the talks fail.",
        "Workers who strike lose their pay.",
        "The former minister was tried.",
        "It was the only bridge that was open.",
    ],
)
def test_what_the_meaning_hangs_on_stays(read: Any, text: str) -> None:
    (doc,) = read([text])
    assert less_of(doc) == set()


@needs_parser
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The plant will close if the talks fail.", "The plant will close."),
        ("This is the largest bridge in the city.", "This is the largest bridge."),
    ],
)
def test_without_a_condition_or_a_bound_a_sentence_says_more(read: Any, text: str, wanted: str) -> None:
    (doc,) = read([text])
    assert wanted in {sentence(rest_of(doc, tokens)) for tokens in parts_that_must_stay(doc)}


@needs_parser
def test_nothing_must_stay_where_nothing_is_bound(read: Any) -> None:
    (doc,) = read(["The bridge in the city was closed while the river rose."])
    assert list(parts_that_must_stay(doc)) == []


@needs_parser
def test_clauses_have_their_own_subjects(read: Any) -> None:
    (doc,) = read(["The bank, which owns the tower, was sold in May and was renamed."])
    found = {clause.sentence() for clause in clauses_of(doc)}
    assert "The bank owns the tower." in found
    assert any(text.startswith("The bank") and text.endswith(" was renamed.") for text in found), found


@needs_parser
def test_a_shared_auxiliary_is_carried_over(read: Any) -> None:
    (doc,) = read(["The thief was tried in March and jailed in April."])
    assert "The thief was jailed in April." in {clause.sentence() for clause in clauses_of(doc)}


@needs_parser
def test_a_condition_is_no_clause_that_the_sentence_states(read: Any) -> None:
    (doc,) = read(["The plant will close if the talks fail."])
    assert [clause.label for clause in clauses_of(doc)] == ["ROOT"]


@needs_parser
def test_pairs_are_right_ones_shorter_than_the_sentence_and_follow_from_the_seed(read: Any) -> None:
    (doc,) = read([BRIDGE])
    pairs = list(left_out(doc, random.Random(1)))
    assert pairs and {pair.label for pair in pairs} == {"entailment"}
    assert all(len(pair.hypothesis) < len(BRIDGE) for pair in pairs)
    assert pairs == list(left_out(doc, random.Random(1)))


@needs_parser
@pytest.mark.parametrize("text", ["", "Monday.", "!!!", "The old. The new."])
def test_what_is_no_sentence_gives_nothing_and_no_error(read: Any, text: str) -> None:
    assert all(pair.label == "entailment" for doc in read([text]) for pair in left_out(doc, random.Random(0)))


@needs_parser
def test_a_phrase_has_no_stop_and_a_sentence_has_one(read: Any) -> None:
    (doc,) = read(["However, the bridge, it seems, fell."])
    assert phrase(doc[:2]) == "However" and sentence(doc[2:5]) == "The bridge."


def test_without_the_parser_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "NEEDED", ("no_such_parser_package",))
    with pytest.raises(FilterError, match=r"no_such_parser_package not installed.*pip install -e '\.\[parser\]'"):
        open_documents()
