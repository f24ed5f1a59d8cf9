"""Which words are keywords, how much of them a text holds, and how they are pulled into one."""

import pytest
import torch

from pipeline.teacher.keywords import Keywords, coverage, pick


@pytest.mark.parametrize(
    ("sentence", "most", "wanted"),
    [
        ("The mayor of Oslo opened 14 new schools.", 2, ("Oslo", "schools")),
        ("The mayor of Oslo opened 1400 new schools.", 2, ("Oslo", "1400")),
        ("Interest rates rose again.", 3, ("Interest", "rates", "rose")),
        ("It is what it is.", 3, ()),
        ("", 3, ()),
        ("bridge bridge bridge", 3, ("bridge",)),
        ("A long-term plan, the mayor’s own.", 9, ("long-term", "plan", "mayor’s")),
        ("Zürich näher", 1, ("Zürich",)),
    ],
)
def test_pick(sentence: str, most: int, wanted: tuple[str, ...]) -> None:
    assert pick(sentence, most) == wanted


@pytest.mark.parametrize(
    ("text", "keywords", "share"),
    [
        ("Rates rose in Oslo.", ("oslo", "RATES"), 1.0),
        ("Rates rose in Oslo.", ("rate",), 0.0),  # a part of a word is no word
        ("The long-term plan.", ("long-term", "term"), 0.5),
        ("Anything.", (), 1.0),
        ("", ("a",), 0.0),
    ],
)
def test_coverage(text: str, keywords: tuple[str, ...], share: float) -> None:
    assert coverage(text, keywords) == share


def after(ids: list[int], *spellings: tuple[int, ...]) -> Keywords:
    keywords = Keywords(spellings)
    for length in range(1, len(ids) + 1):
        keywords.observe(ids[:length])
    return keywords


def test_what_is_missing_and_what_is_begun() -> None:
    assert after([], (1, 2)).missing == {0}
    begun = after([9, 1], (1, 2), (3,))
    assert (begun.missing, begun.begun) == ({0, 1}, {0: 1})
    done = after([9, 1, 2, 3], (1, 2), (3,))
    assert (done.missing, done.begun) == (set(), {})


def test_the_longest_beginning_counts() -> None:
    assert after([1, 1, 1, 2], (1, 1, 2, 3)).begun == {0: 3}


def test_a_keyword_stays_found() -> None:
    assert after([1, 2, 7, 7, 7, 7], (1, 2)).missing == set()


def test_pull_grows_and_stops_when_found() -> None:
    first, later = torch.zeros(10), torch.zeros(10)
    after([9], (3, 4)).push(first)
    after([9, 9, 9, 9], (3, 4)).push(later)
    assert 0 < first[3] < later[3]
    assert first.nonzero().flatten().tolist() == [3]
    found = torch.zeros(10)
    after([3, 4], (3, 4)).push(found)
    assert not found.any()


def test_a_begun_keyword_is_completed() -> None:
    logits = torch.zeros(10)
    after([3], (3, 4), (5,)).push(logits)
    assert logits.argmax() == 4
    assert logits[5] == 0


def test_a_first_token_that_keywords_share_is_pulled_once() -> None:
    logits = torch.zeros(10)
    after([9], (3, 4), (3, 5)).push(logits)
    once = torch.zeros(10)
    after([9], (3, 4)).push(once)
    assert torch.equal(logits, once)


def test_the_end_is_held_while_a_keyword_is_missing_and_there_is_room() -> None:
    missing = after([9], (3,))
    assert missing.holds_end(written=47, budget=64)
    assert not missing.holds_end(written=48, budget=64)
    assert not after([3], (3,)).holds_end(written=1, budget=64)
