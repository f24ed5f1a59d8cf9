import pyarrow as pa
import pytest
from pydantic import ValidationError

from filters.wellformed import PROBLEMS, Wellformed, problem

GOOD = [
    "The plant in Ohio may close next year, officials said.",
    'He said: "The plant will close next year."',
    "Mr. J. Smith of the U.S. met Dr. Jones at 3:30 p.m. on Sunday.",
    "“Stocks rose by 3.5 percent,” the bank’s chief economist said.",
    "Did the government of Côte d’Ivoire raise cocoa prices again?",
    "The team (which won twice last year) lost its final match.",
    "It was raining at 7:30 p.m. Pacific time when the ship sank.",
    "Überall in Zürich stieg der Preis für frisches Brot.",
    "Élodie's mother won't sell the family's house in Paris!",
]
BAD = [
    ("", "empty"),
    (" \n ", "empty"),
    ("The plant in Ohio may close\nnext year, officials said.", "newline"),
    ("12 34 56 78 90 -- 11 12 13 a b.", "not_language"),
    ("Visit http://example.com for more about the plant in Ohio.", "boilerplate"),
    ("Follow @plant for news about the plant in Ohio today.", "boilerplate"),
    ("The mayor (Reporting by John Smith) closed the plant today.", "boilerplate"),
    ("Click here to read about the plant in Ohio today.", "boilerplate"),
    ("- The plant in Ohio may close next year, officials said.", "boilerplate"),
    ("1. The plant in Ohio may close next year, officials said.", "boilerplate"),
    ("The <b>plant</b> in Ohio may close next year, officials said.", "boilerplate"),
    ("Copyright belongs to the authors of this long newspaper article.", "boilerplate"),
    ("the plant in Ohio may close next year, officials said.", "lowercase_start"),
    ("The plant in Ohio may close next year, officials said", "no_end"),
    ("The plant in Ohio may close next year, officials...", "no_end"),
    ("The plant in Ohio may close next year, officials said,", "no_end"),
    ('The plant in Ohio "may close next year, officials said.', "unbalanced"),
    ("The plant (in Ohio may close next year, officials said.", "unbalanced"),
    ("The plant in Ohio) may (close next year, officials said.", "unbalanced"),
    ("The plant in Ohio may close. Officials said so on Monday.", "several_sentences"),
    ("Will it close next year? Officials did not say so.", "several_sentences"),
    ("The plant may close soon.", "too_short"),
    ("The plant " + "and the mill and the farm " * 13 + "closed.", "too_long"),
    ("It was what it was and he had it.", "few_content_words"),
    ("The plant was very very very old, officials said on Monday.", "repeated"),
    ("The plant in Ohio will close, and the plant in Ohio will reopen.", "repeated"),
]
CONTEXT = "Snow fell on Monday. The old paper plant in Ohio may close next year, three officials said. Nobody was hurt."


@pytest.mark.parametrize("text", GOOD)
def test_good_sentences_have_no_problem(text: str) -> None:
    assert problem(text) is None
    assert problem(text, CONTEXT) is None


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_bad_sentences_are_named(text: str, expected: str) -> None:
    assert problem(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The old paper plant in Ohio may close next year, three officials said.", "copied"),
        ("The old paper plant in Ohio may close next year.", "copied"),  # a stretch of it
        ("The old paper plant in Ohio might close next year, three officials said.", "copied"),  # nearly
        ("Three officials said that an Ohio paper plant may close.", None),
    ],
)
def test_copies_of_the_context(text: str, expected: str | None) -> None:
    assert problem(text, CONTEXT) == expected
    assert problem(text) is None


def test_every_problem_has_a_case() -> None:
    assert {expected for _, expected in BAD} | {"copied", "other_end"} == set(PROBLEMS)


@pytest.mark.parametrize(
    ("text", "ends_in", "expected"),
    [
        ("Did the plant in Ohio close last year?", "?", None),
        ('Who said "the plant in Ohio is closing?"', "?", None),
        ("Did the plant in Ohio really close?!", "?", None),
        ("The plant in Ohio may close next year.", "?", "other_end"),
        ("The plant in Ohio may close next year.", ".!", None),
        ("Did the plant in Ohio close last year?", ".!", "other_end"),
        ("Überall in Zürich stieg der Preis für Brot!", "?", "other_end"),
        ("The plant in Ohio may close next year", "?", "no_end"),
        ("", "?", "empty"),
    ],
)
def test_ends_that_are_wanted(text: str, ends_in: str, expected: str | None) -> None:
    assert Wellformed(ends_in=ends_in).problem(text) == expected


@pytest.mark.parametrize("ends_in", ["", ",", "? "])
def test_ends_that_no_sentence_has_are_refused(ends_in: str) -> None:
    with pytest.raises(ValidationError, match="ends_in"):
        Wellformed(ends_in=ends_in)


def test_limits_are_inclusive() -> None:
    text = "One plant in Ohio has closed."
    assert Wellformed(min_words=6, max_words=6).problem(text) is None
    assert Wellformed(min_words=7).problem(text) == "too_short"
    assert Wellformed(min_words=1, max_words=5).problem(text) == "too_long"
    assert Wellformed(min_content_words=3).problem(text) is None
    assert Wellformed(min_content_words=4).problem(text) == "few_content_words"
    with pytest.raises(ValidationError):
        Wellformed(min_words=9, max_words=8)


def test_filter_asks_of_both_sentences() -> None:
    rows = pa.table({"source": [GOOD[0], GOOD[0], "Short.", None], "target": [GOOD[1], " ", GOOD[0], GOOD[0]]})
    scores = Wellformed().open("cpu")(rows)
    assert scores.to_pylist() == [1.0, 0.0, 0.0, None]
    assert Wellformed().keep(scores).to_pylist() == [True, False, False, False]


def test_a_content_word_used_too_often_is_repetition():
    text = "The bridge was built as a bridge near the old bridge in the town."
    assert Wellformed(max_word_uses=3).problem(text) is None  # the boundary passes
    assert Wellformed(max_word_uses=2).problem(text) == "repeated"
