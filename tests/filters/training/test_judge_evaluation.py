import numpy as np
import pytest

from filters.training.evaluate import accuracy, auc, measured, precision_at, recall_at
from filters.training.rows import Row


def test_auc_is_the_share_of_rightly_ordered_pairs() -> None:
    rng = np.random.default_rng(0)
    scores, positive, weights = rng.integers(0, 8, 60).astype(float), rng.random(60) < 0.4, rng.random(60)
    good, bad = np.flatnonzero(positive), np.flatnonzero(~positive)
    wanted = sum(
        weights[i] * weights[j] * ((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])) for i in good for j in bad
    )
    assert auc(scores, positive.astype(float), weights) == pytest.approx(
        wanted / (weights[good].sum() * weights[bad].sum())
    )


def test_precision_and_recall_take_the_threshold_itself() -> None:
    scores, positive, weights = np.array([0.5, 0.5, 0.4, 0.9]), np.array([1.0, 0, 1, 1]), np.array([1.0, 1, 2, 1])
    assert precision_at(0.5)(scores, positive, weights) == pytest.approx(2 / 3)
    assert recall_at(0.5)(scores, positive, weights) == pytest.approx(2 / 4)


def test_nothing_to_measure_is_nan_not_zero() -> None:
    nothing = np.array([0.1]), np.array([0.0]), np.array([1.0])
    assert np.isnan(precision_at(0.5)(*nothing)) and np.isnan(recall_at(0.5)(*nothing)) and np.isnan(auc(*nothing))


def test_the_interval_holds_the_value_and_is_seeded() -> None:
    scores, positive = np.linspace(0, 1, 100), np.linspace(0, 1, 100) > 0.5
    first = measured(recall_at(0.7), scores, positive)
    assert first.low <= first.value <= first.high
    assert first == measured(recall_at(0.7), scores, positive)


def test_a_merged_row_is_right_when_it_is_not_entailment() -> None:
    rows = [Row("p", "h", (0.0, 1.0, 0.0), merged, "") for merged in (True, False)]
    said = np.array([[0.1, 0.2, 0.7]] * 2, np.float32)
    assert accuracy(said, rows) == 0.5
