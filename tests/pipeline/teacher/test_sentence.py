"""Where a sentence ends: by table, and token by token against the finished text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.teacher.sentence import Tail, begins_sentence, first_sentence, tail

OPEN, ENDED, UNSURE = Tail.OPEN, Tail.ENDED, Tail.UNSURE
DIGIT, ABBREVIATION = Tail.AFTER_DIGIT, Tail.AFTER_ABBREVIATION


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", OPEN),
        (".", OPEN),
        ("...", OPEN),
        ("No end here", OPEN),
        ("The bridge was closed.", ENDED),
        ("Was it closed?", ENDED),
        ("It was!", ENDED),
        ("It was?!", ENDED),
        # titles and initials never end, abbreviations may
        ("He met Mr.", OPEN),
        ("He met Dr.", OPEN),
        ("He met George W.", OPEN),
        ("It was I.", UNSURE),
        ("She works for Apple Inc.", ABBREVIATION),
        ("He lives in the U.S.", ABBREVIATION),
        ("It began at 5 p.m.", ABBREVIATION),
        ("It was signed on 3 Jan.", ABBREVIATION),
        ("cats, dogs, e.g.", OPEN),
        ("an x.y.z.", ABBREVIATION),
        # figures may go on
        ("It rose to 3.", DIGIT),
        ("It rose by 3.5.", DIGIT),
        # capitals may be the head of an address
        ("They bought it from Amazon.", UNSURE),
        ("See www.example.", UNSURE),
        # dots and closing marks
        ("He waited...", UNSURE),
        ("He waited…", OPEN),
        ('He said "yes."', UNSURE),
        ("He said “yes.”", UNSURE),
        ("It rained (a lot.)", UNSURE),
        ("It rained [sic].", UNSURE),
        # a stop inside does not end it
        ('He said "yes.', OPEN),
        ("He said “yes.", OPEN),
        ("It rained (a lot.", OPEN),
        ("It rained [a lot.", OPEN),
        ('"Stop!', OPEN),
        ('"Stop!" he said. "No!', OPEN),
        ('"Stop!" he said. "No!"', UNSURE),
        ("Zürich wählte.", ENDED),
        ("Москва решила.", ENDED),
    ],
)
def test_tail(text: str, state: Tail) -> None:
    assert tail(text) is state


@pytest.mark.parametrize(
    ("piece", "state", "begins"),
    [
        (" The", UNSURE, True),
        (" the", UNSURE, False),
        ("The", UNSURE, False),  # no space before it
        (" 5", UNSURE, True),
        (" 5", DIGIT, False),
        (" The", DIGIT, True),
        ("5", DIGIT, False),
        (" The", ABBREVIATION, True),
        (" Smith", ABBREVIATION, False),
        (" “", UNSURE, True),
        (" (", UNSURE, True),
        (" ,", UNSURE, False),
        (" ", UNSURE, True),
        (" ", ABBREVIATION, False),
        ("", UNSURE, False),
        (" Über", UNSURE, True),
    ],
)
def test_begins_sentence(piece: str, state: Tail, begins: bool) -> None:
    assert begins_sentence(piece, state) is begins


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("", None),
        ("no end", None),
        ("One. Two.", "One."),
        (" The bridge was closed. It stayed so.", "The bridge was closed."),
        ("Mr. Smith met Dr. Jones. They left.", "Mr. Smith met Dr. Jones."),
        ("George W. Bush spoke. He left.", "George W. Bush spoke."),
        ("It rose 3.5 percent. Then it fell.", "It rose 3.5 percent."),
        ("It rose to 3. Then it fell.", "It rose to 3."),
        ("Apple Inc. said so. It did.", "Apple Inc. said so."),
        ("He works for Apple Inc. The firm is large.", "He works for Apple Inc."),
        ("He lives in the U.S. Senate building. Yes.", "He lives in the U.S. Senate building."),
        ("It began at 5 p.m. on Monday. Then it rained.", "It began at 5 p.m. on Monday."),
        ("Visit amazon.com for more. Or not.", "Visit amazon.com for more."),
        ("Visit www.a.org/b?c=d. Or not.", "Visit www.a.org/b?c=d."),
        ('"Stop!" he said. "No."', '"Stop!" he said.'),
        ('He said "Stop. Now." Then he left.', 'He said "Stop. Now."'),
        ("He said “Stop. Now.” Then he left.", "He said “Stop. Now.”"),
        ("It rained (a lot. Really.) all day. Yes.", "It rained (a lot. Really.) all day."),
        ("He waited... and waited. Then he left.", "He waited... and waited."),
        ("He waited... Then he left.", "He waited..."),
        ("What?! He left.", "What?!"),
        ("The last one has no space after.", "The last one has no space after."),
    ],
)
def test_first_sentence(text: str, first: str | None) -> None:
    assert first_sentence(text) == first


def word_by_word(text: str) -> str | None:
    """What a decoder would keep whose tokens are words with the space before them."""
    written, state = "", OPEN
    for token in re.findall(r"\s*\S+", text):
        following = re.match(r"\s*\w+|\s*\S", token)
        if state is not OPEN and following and begins_sentence(following.group(), state):
            return written.strip()
        written += token
        state = tail(written.lstrip())
        if state is ENDED:
            return written.strip()
    return written.strip() if state is not OPEN else None


REAL = """
The city council voted 7-2 on Monday to close St. Mary's Bridge, built in 1921, for repairs. Mr. J. Smith, 54, said
the work would cost $3.5 million (about 2.9 million euros). "We can't wait," he told the Daily Courier. "The U.S.
government won't pay." Critics disagreed. Acme Inc. had offered to do it for less, e.g. with cheaper steel... but the
offer was late! Why? Nobody knows. The firm, based in Washington D.C. The firm declined to comment. At 5 p.m. on
Jan. 3 the bridge was closed. See www.example.org/bridge for more. She asked “Is it safe? Really?” and left. It rose
to 3. Then 4. No. 10 Downing Street was dark [sic]. He waited... Then he left. ("It was cold.") Dr. Jones et al. found
3.14 and no more. Prof. Lee said so, cf. the report. "Stop!" she cried. Their prices fell by 0.5% vs. May.
Next came Ms. O'Neil. Zürich’s trams were late. Ångström units? Yes! The “end.” Another one followed at noon.
"""


def test_word_by_word_ends_where_the_finished_text_says() -> None:
    words = REAL.split()
    starts = range(len(words))
    assert len(starts) > 150
    for start in starts:
        text = " ".join(words[start:])
        assert word_by_word(text) == first_sentence(text), text[:120]


@given(st.lists(st.sampled_from([*sorted(set(REAL.split())), "2.", "U.S.", "I", '"', "Mr.", "(a", "b)"]), max_size=12))
def test_word_by_word_on_any_order_of_words(words: list[str]) -> None:
    text = " ".join(words)
    assert word_by_word(text) == first_sentence(text)


@pytest.mark.parametrize(
    "text", ["One fine day ended. Then came another.", "It grew 3.5 percent. Good.", 'A "b." C d.']
)
def test_character_by_character(text: str) -> None:
    """Where no two stops follow each other, single characters end it at the same place."""
    for end in range(1, len(text) + 1):
        state = tail(text[:end])
        if state is ENDED or (state is not OPEN and begins_sentence(text[end : end + 2], state)):
            assert text[:end] == first_sentence(text)
            return
    pytest.fail("no end")


@given(st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    first = first_sentence(text)
    assert first is None or first in text
