"""Misspelt words: what the source has nearly so is spelled as there, all else stays."""

from dataclasses import replace
from pathlib import Path

import pytest
from toy_student import sentences

from student.generate import Rewriter
from student.settings import Decoding
from student.spelling import respelled

SOURCE = (
    "Yasser Arafat and Lleyton Hewitt won the championships for McDonald, 8,000 officials of the U.S. said in Zürich."
)
KNOWN = frozenset({"officially", "won", "champion", "news"})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Yaser met Hewit.", "Yasser met Hewitt."),
        ("yaser met hewit", "Yasser met Hewitt"),  # a name is written as the source writes it
        ("Championshipsday won.", "Championships won."),  # at the beginning of a sentence
        ("the officialsday's news", "the officials's news"),
        ("Mcdonald and Mcdonnald", "Mcdonald and McDonald"),  # the first is the source's word, however it is written
        ("officially", "officially"),  # known
        ("Hewitts, championship, Arafatian", "Hewitts, championship, Arafatian"),  # words of their own
        ("championshipss championshipsed", "championships championships"),  # an ending after an ending
        ("Zürch Zurich", "Zürich Zürich"),
        ("80,000 and 8,00", "80,000 and 8,00"),  # figures
        ("Arab", "Arab"),  # too far
        ("hew", "hew"),  # too short
        ("rasser", "rasser"),  # another first letter
        ("U.S.A", "U.S.A"),
        ("", ""),
        (" \n ", " \n "),
        ("日本語です", "日本語です"),
    ],
)
def test_a_word_that_is_nearly_the_source_s_becomes_it(text: str, wanted: str) -> None:
    assert respelled(SOURCE, text, KNOWN) == wanted


@pytest.mark.parametrize("text", ["He doesn't win.", "He doesn’t win.", "DOESN'T"])
def test_not_is_no_slip_of_the_pen(text: str) -> None:
    assert respelled("What he does is his.", text, frozenset()) == text
    assert respelled("What he does is his.", "He doesng it.", frozenset()) == "He does it."


def test_a_source_without_words_changes_nothing() -> None:
    assert respelled("", "Yaser won.", frozenset()) == respelled("... 8", "Yaser won.", frozenset()) == "Yaser won."


def test_of_equally_near_words_the_first_in_the_source_is_taken() -> None:
    assert respelled("Marina, Marino", "Marine", frozenset()) == "Marina"
    assert respelled("Marino, Marina", "Marine", frozenset()) == "Marino"


@pytest.mark.parametrize("how", [Decoding(samples=3), Decoding(samples=3, temperature=1.0)])
def test_a_student_respells_all_that_it_writes(tiny_student: Path, how: Decoding) -> None:
    texts = sentences(6, 3)
    plain = Rewriter(tiny_student, threads=1, decoding=replace(how, respell=False))
    known, changed = plain._common, 0
    mended = Rewriter(tiny_student, threads=1, decoding=how).rewrite("summary", texts, seed=1)
    for source, rows, again in zip(texts, plain.rewrite("summary", texts, seed=1), mended, strict=True):
        wanted = sorted((respelled(source, row.text, known), row.logprob) for row in rows)
        assert how.temperature == 0 or [text for text, _ in wanted] == sorted(row.text for row in again)
        assert all(respelled(source, row.text, known) == row.text for row in again)
        changed += sum(respelled(source, row.text, known) != row.text for row in rows)
    assert changed  # else nothing was put to the test
