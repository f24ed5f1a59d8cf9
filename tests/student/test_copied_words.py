"""Rare words of an output, and whether the source has them."""

import pytest

from bench.copied_words import copied

KNOWN = frozenset({"met", "the", "officials"})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Yasser met officials.", [True]),
        ("Yaser met Hewitt.", [False, True]),
        ("YASSER Yasser", [True, True]),
        ("met the 8,000 officials", []),  # known words and figures are not asked about
        ("U.S. officials", [True]),
        ("", []),
        ("日本", [False]),
    ],
)
def test_only_rare_words_are_asked_about(text: str, wanted: list[bool]) -> None:
    assert copied("Yasser met Hewitt in the U.S. for 8,000.", text, KNOWN) == wanted
