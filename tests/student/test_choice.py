"""Which rewrite is taken: asked for, fewest slips and faults, strongest, likeliest, in this order."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from toy_student import sentences

from student.choice import Rating, Rewrite, Sought, best_first
from student.controls import Controls
from student.generate import CHOICES, Rewriter
from student.settings import Decoding

SOURCE = "The council approved the budget on Monday."


def rewrites(*texts: str) -> list[Rewrite]:
    return [Rewrite(text, -1.0, 1, True) for text in texts]


@pytest.mark.parametrize(
    ("ratings", "order"),
    [
        ([], "abc"),
        ([Rating(1), Rating(0), Rating(2)], "bac"),
        ([Rating(1, 0.9), Rating(1, 1.8), Rating(1, 0.0)], "bac"),
        ([Rating(2, 2.0), Rating(0, -1.0), Rating(1, 2.0)], "bca"),  # no strength makes up for a fault
        ([Rating(1, 0.5)] * 3, "abc"),  # even: the likeliest
    ],
)
def test_faults_then_strength_then_likelihood(ratings: Sequence[Rating], order: str) -> None:
    rows = rewrites("a", "b", "c")
    best = best_first("a b c", rows, Controls(), ratings=ratings)
    assert "".join(row.text for row in best) == order


def test_a_slip_is_a_fault() -> None:
    rows = rewrites("The council approved the budgetday.", "The council approved.")
    known = frozenset({"the"})
    assert best_first(SOURCE, rows, Controls(), known, [Rating(0), Rating(0)])[0] is rows[1]
    assert best_first(SOURCE, rows, Controls(), known, [Rating(0), Rating(2)])[0] is rows[0]


def test_what_is_asked_for_comes_before_what_a_panel_says() -> None:
    rows = rewrites("t" * 56, "t" * 20)
    best = best_first("s" * 100, rows, Controls(length="medium"), ratings=[Rating(9), Rating(0, 2.0)])
    assert best[0] is rows[0]


def test_what_was_drawn_again_comes_last_and_the_likelier_first() -> None:
    rows = [Rewrite(text, logprob, 2, True) for text, logprob in (("a", -9.0), ("b", -3.0), ("b", -3.0), ("c", -5.0))]
    assert [row.text for row in best_first("a b c", rows, Controls(), drawn=True)] == ["b", "c", "a", "b"]
    assert [row.text for row in best_first("a b c", rows, Controls())] == ["a", "b", "c", "b"]  # beams: as they come


def test_ratings_that_are_not_of_these_rewrites() -> None:
    with pytest.raises(ValueError, match="zip"):
        best_first(SOURCE, rewrites("a", "b"), Controls(), ratings=[Rating()])


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_rewriter_asks_once_about_all_that_it_wrote(tiny_student: Path, temperature: float) -> None:
    asked = []

    def longest(task: str, sources: Sequence[str], texts: Sequence[Sequence[str]], of: Sought) -> list[list[Rating]]:
        assert of.count == 2 and [len(row) for row in of.places] == [len(row) for row in texts]
        asked.append((task, tuple(sources), [len(row) for row in texts]))
        return [[Rating(0, len(text)) for text in row] for row in texts]

    student = Rewriter(tiny_student, threads=1, decoding=Decoding(samples=2, temperature=temperature))

    sources = sentences(3, 4)
    found = student.rewrite("summary", sources, seed=1, rate=longest)
    assert asked == [("summary", tuple(sources), [CHOICES] * 3)] and [len(rows) for rows in found] == [2] * 3
    assert student.rewrite("summary", sources, seed=1, rate=longest) == found
