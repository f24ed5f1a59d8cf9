"""Lower-case, tokenised text with masked digits: found, and the same for all who are compared."""

import pytest

from student.convention import Convention, detect, normaliser, readable

GIGAWORD = [
    "japan 's nec corp. and UNK computer corp. said wednesday they had agreed to join forces .",
    "factory orders rose #.# percent in september , the commerce department said here thursday .",
    "the bank -lrb- boj -rrb- could n't say `` yes '' or \\/ `` no '' .",
]
HEADLINES = ["nec UNK in computer sales tie-up", "us factory orders up #.# percent", "bank silent"]
PLAIN = ["Japan's NEC Corp. said on Wednesday that it agreed.", "Orders rose 5.2 percent, the ministry said."]


def test_gigaword_is_found_out() -> None:
    assert detect(GIGAWORD, HEADLINES) == Convention(lowercase=True, tokenise=True, mask_digits=True)


def test_plain_text_is_left_as_it_is() -> None:
    convention = detect(PLAIN, ["NEC agreed.", "Orders rose."])
    assert convention.plain and normaliser(convention)("It's 5 o'clock.") == "It's 5 o'clock."
    assert convention.says() == "Text as it is."
    assert readable("it 's .", convention) == "it 's ."


def test_cased_references_of_lower_case_sources_meet_in_lower_case() -> None:
    convention = detect(GIGAWORD[2:], ["Bank silent.", "The bank, asked, said nothing."])
    assert convention == Convention(lowercase=True, tokenise=True, mask_digits=False)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("Japan's NEC Corp. said it couldn't.", "japan 's nec corp. said it could n't ."),
        ("Orders rose 5.2 percent, to 330,000.", "orders rose #.# percent , to ###,### ."),
        ("The bank (BOJ) said \u201cyes\u201d.", 'the bank ( boj ) said " yes " .'),
        ("", ""),
        ("  Ünïcödé   text ", "ünïcödé text"),
    ],
)
def test_what_a_model_writes_becomes_what_the_references_are(written: str, wanted: str) -> None:
    assert normaliser(Convention(True, True, True))(written) == wanted


@pytest.mark.parametrize(
    "text", [*GIGAWORD, *HEADLINES, *PLAIN, "in the u.s.", "0.5 and 10", "# ## #.#", "''", "a\\/b"]
)
def test_twice_is_once(text: str) -> None:
    normalise = normaliser(Convention(True, True, True))
    assert normalise(normalise(text)) == normalise(text)


def test_sources_are_put_together_for_a_reader() -> None:
    convention = Convention(True, True, True)
    assert readable(GIGAWORD[0], convention).startswith("Japan's nec corp. and UNK computer corp. said")
    assert readable(GIGAWORD[0], convention).endswith("join forces.")
    assert "rose #.# percent in september, the" in readable(GIGAWORD[1], convention)
    assert "(boj) couldn't say" in readable(GIGAWORD[2], convention)
    assert readable("", convention) == ""
    assert readable("u.s. officials met u.s. envoys .", convention).startswith("U.S. officials met u.s. envoys")
    assert readable("a. smith", convention) == "A. smith"


@pytest.mark.parametrize("text", GIGAWORD)
def test_putting_together_loses_nothing_that_is_compared(text: str) -> None:
    convention = Convention(True, True, True)
    normalise = normaliser(convention)
    assert normalise(readable(text, convention)) == normalise(text)
