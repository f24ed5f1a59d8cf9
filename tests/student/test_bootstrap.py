"""Intervals against scipy, and what resampling must not do."""

import numpy as np
import pytest
from scipy import stats

from student.bootstrap import Statistic, draws, interval, mean_of, resampled


def test_the_interval_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(1).gamma(2.0, 3.0, size=400)
    ours = interval(resampled([mean_of(values)], 9000, seed=3)[0])
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9000, method="percentile", rng=5).confidence_interval
    width = theirs.high - theirs.low
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.06 * width)


def test_resampling_is_what_drawing_rows_would_give() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 5.0], [8.0, 13.0]])
    weights = np.concatenate(list(draws(3, 40, seed=0)))
    assert weights.shape == (40, 3) and (weights.sum(axis=1) == 3).all()
    brute = [rows[np.repeat(np.arange(3), weight.astype(int))].sum(axis=0) for weight in weights]
    ratio = Statistic(rows, lambda sums: sums[..., 0] / sums[..., 1])
    assert resampled([ratio], 40, seed=0)[0] == pytest.approx([a / b for a, b in brute])
    assert ratio.value() == 12 / 20


def test_a_seed_gives_the_same_draws_and_another_seed_others() -> None:
    statistic = mean_of(np.arange(50.0))
    first, again, other = (resampled([statistic], 300, seed)[0] for seed in (7, 7, 8))
    assert (first == again).all() and (first != other).any()


def test_rows_without_a_value_are_left_out() -> None:
    statistic = mean_of(np.array([1.0, np.nan, 3.0]))
    assert statistic.value() == 2.0
    assert np.isnan(mean_of(np.array([np.nan])).value())
    low, high = interval(resampled([mean_of(np.array([np.nan, np.nan]))], 10, 0)[0])
    assert np.isnan(low) and np.isnan(high)


def test_one_row_has_no_width() -> None:
    values = resampled([mean_of(np.array([4.0]))], 100, seed=0)[0]
    assert interval(values) == (4.0, 4.0)


def test_nothing_to_resample() -> None:
    assert resampled([], 10, seed=0) == []
