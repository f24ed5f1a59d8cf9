"""What a panel makes of read pairs: which filter drops a row, what is right, and what a row counts."""

import numpy as np
import pytest

from bench.readings import FOLDER, READINGS, _rows, _table, right, stages_of, threshold, weights_of
from filters.base import Panel
from filters.length import Length
from filters.overlap import Overlap
from filters.support import Support

PANEL = Panel((Length(below_ratio=0.8), Support(min_share=0.5)))
ROWS = [
    {"source": "The old bridge was closed on Monday.", "target": "The bridge was closed.", "weight": 1},
    {"source": "The old bridge was closed on Monday.", "target": "The old bridge was closed on Mondays.", "weight": 3},
    {"source": "The old bridge was closed on Monday.", "target": "Wolves ate sheep.", "weight": 2},
]


def test_the_filter_that_drops_a_row_is_told_by_its_place() -> None:
    assert stages_of(ROWS, PANEL).tolist() == [2, 0, 1]


def test_a_row_counts_by_the_pairs_that_it_stands_for() -> None:
    assert weights_of(ROWS).tolist() == [0.5, 1.5, 1.0]


@pytest.mark.parametrize(
    ("task", "forward", "reverse", "broken", "wanted"),
    [
        ("summary", True, False, False, True),
        ("summary", True, False, True, False),
        ("paraphrase", True, False, False, False),
        ("paraphrase", True, True, False, True),
        ("paraphrase", False, True, False, False),
    ],
)
def test_what_is_right(task: str, forward: bool, reverse: bool, broken: bool, wanted: bool) -> None:
    assert right({"task": task, "forward": forward, "reverse": reverse, "broken": broken}) is wanted


def test_figures_behind_each_filter(capsys: pytest.CaptureFixture[str]) -> None:
    precision, recall = _table("x", PANEL, np.array([2, 0, 1]), [True, True, False], np.ones(3, np.float32))
    assert (precision.value, recall.value) == (1.0, 0.5)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("| x | length | 3 | 2 | 0.500") and second.startswith("| x | support | 3 | 1 | 1.000")


def test_a_threshold_is_named_where_there_is_one() -> None:
    assert threshold(Support(min_share=0.5)) == "0.5" and threshold(Overlap()) == ""


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("task", ["summary", "paraphrase"])
def test_a_label_is_the_majority_of_its_readers(name: str, task: str) -> None:
    for row in _rows(FOLDER / name, task):
        for label in ("forward", "broken", *(("reverse",) if task == "paraphrase" else ())):
            said = row[f"{label}_by"]
            assert isinstance(said, list) and len(said) >= 2
            assert row[label] is (2 * sum(said) > len(said)), row["pair_id"]
