"""Buckets at their edges, and classes that come equally often."""

from collections import Counter

import numpy as np
import pytest

from student.controls import (
    LENGTHS,
    NOVELTIES,
    Controls,
    balanced,
    controls_of,
    drop_some,
    length_bucket,
    length_range,
    length_ratio,
    novel_bigrams,
    novelty_bucket,
    novelty_range,
    read_controls,
)
from student.errors import StudentError


def test_words_stand_in_front_and_none_asks_for_nothing() -> None:
    assert Controls("short", "copied").words == "short copied "
    assert Controls("", "mixed").words == "mixed " and Controls().words == ""


@pytest.mark.parametrize(
    ("letters", "bucket"),
    [
        *((0, "shortest"), (44, "shortest"), (45, "short"), (54, "short"), (55, "medium"), (64, "medium")),
        *((65, "long"), (79, "long"), (80, "full"), (100, "full"), (300, "full")),
    ],
)
def test_length_at_its_edges(letters: int, bucket: str) -> None:
    source, target = "s" * 100, "t" * letters
    low, high = length_range(bucket)
    assert length_bucket(source, target) == bucket and low <= length_ratio(source, target) < high


def test_the_ranges_leave_no_gap() -> None:
    ranges = [length_range(name) for name in LENGTHS]
    assert ranges[0][0] == 0 and ranges[-1][1] == float("inf")
    assert [high for _, high in ranges[:-1]] == [low for low, _ in ranges[1:]]


def test_an_empty_source_or_target() -> None:
    assert length_ratio("", "") == 0.0 and length_ratio("", "abc") == 3.0
    assert controls_of("A sentence.", "") == Controls("shortest", "copied")
    assert novel_bigrams("A sentence.", "Word.") == 0.0 == novel_bigrams("", "")


@pytest.mark.parametrize(
    ("novel", "bucket"), [(0, "copied"), (1, "mixed"), (3, "mixed"), (4, "rewritten"), (10, "rewritten")]
)
def test_novelty_at_its_edges(novel: int, bucket: str) -> None:
    """Ten bigrams, `novel` of them new."""
    source = " ".join(f"w{n}" for n in range(11))
    target = " ".join([f"w{n}" for n in range(11 - novel)] + [f"new{n}" for n in range(novel)])
    low, high = novelty_range(bucket)
    assert novel_bigrams(source, target) == novel / 10 and novelty_bucket(source, target) == bucket
    assert low <= novel / 10 < high


def test_case_and_stops_are_no_novelty() -> None:
    assert novel_bigrams("The Mayor, of Oslo, said so.", "the mayor of OSLO said so") == 0.0


def keys() -> list[tuple[str, Controls]]:
    """Two tasks of unlike size; lengths and novelties that are rare, common and missing."""
    wanted = {
        ("summary", "short", "copied"): 50,
        ("summary", "short", "mixed"): 5,
        ("summary", "long", "copied"): 1,
        ("paraphrase", "full", "copied"): 7,
        ("paraphrase", "full", "rewritten"): 21,
        ("paraphrase", "long", "mixed"): 2,
    }
    return [(task, Controls(length, new)) for (task, length, new), count in wanted.items() for _ in range(count)]


def test_balanced_against_frequencies_by_hand() -> None:
    rows, count = keys(), 40_000
    drawn = Counter(rows[place] for place in balanced(rows, count, np.random.default_rng(0)))
    wanted = {}
    for task in ("summary", "paraphrase"):  # tasks keep their share; lengths, then novelties within them, are even
        share = sum(t == task for t, _ in rows) / len(rows)
        lengths = {c.length for t, c in rows if t == task}
        for length in lengths:
            novelties = {c.novelty for t, c in rows if t == task and c.length == length}
            for novelty in novelties:
                wanted[(task, Controls(length, novelty))] = share / len(lengths) / len(novelties)
    assert sum(wanted.values()) == pytest.approx(1)
    assert set(drawn) == set(wanted)
    for key, share in wanted.items():
        assert drawn[key] / count == pytest.approx(share, abs=0.01)


def test_balanced_is_drawn_by_the_seed_and_may_be_empty() -> None:
    rows = keys()
    draws = [balanced(rows, 30, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2] and len(draws[0]) == 30
    assert balanced(rows, 0, np.random.default_rng(0)) == []
    assert set(balanced(rows[:1], 3, np.random.default_rng(0))) == {0}


def test_some_words_are_dropped_equally_often() -> None:
    rng, full = np.random.default_rng(0), Controls("short", "mixed")
    found = Counter(drop_some(full, rng) for _ in range(3000))
    assert set(found) == {full, Controls("short", ""), Controls("", "mixed")}
    assert all(count == pytest.approx(1000, abs=100) for count in found.values())


def test_the_names_are_all_different() -> None:
    assert len({*LENGTHS, *NOVELTIES}) == len(LENGTHS) + len(NOVELTIES)


def test_control_words_as_they_are_written() -> None:
    assert read_controls("short") == Controls("short") and read_controls("rewritten") == Controls("", "rewritten")
    assert read_controls("mixed + full") == Controls("full", "mixed")


@pytest.mark.parametrize("text", ["", "tiny", "short+long", "short+", "copied+mixed", "Short"])
def test_words_that_are_none(text: str) -> None:
    with pytest.raises(StudentError, match="wanted one of shortest, short, medium, long, full, one of copied"):
        read_controls(text)
