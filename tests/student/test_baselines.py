"""Copies and first words."""

import pytest

from student.baselines import baselines, first_characters, first_words


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("one two three four five six seven eight nine", "one two three four five six seven eight"),
        ("one , two", "one , two"),
        ("", ""),
        ("  a   b ", "a b"),
    ],
)
def test_first_words(source: str, wanted: str) -> None:
    assert first_words(source) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a" * 75, "a" * 75),
        ("a" * 76, "a" * 75),
        ("a" * 40 + " " + "b" * 34, "a" * 40 + " " + "b" * 34),
        ("a" * 40 + " " + "b" * 35, "a" * 40),
        ("a" * 75 + " b", "a" * 75),
        ("é " * 60, ("é " * 38).strip()),
        ("", ""),
    ],
)
def test_first_characters_keep_words_whole(source: str, wanted: str) -> None:
    assert first_characters(source) == wanted and len(wanted) <= 75


def test_there_are_three() -> None:
    found = baselines(["a b", ""])
    assert list(found) == ["copy", "first 8 words", "first 75 characters"]
    assert all(outputs == ["a b", ""] for outputs in found.values())
