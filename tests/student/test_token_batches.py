"""Every row once, no batch over its budget."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from student.batches import WINDOW, fill, plan

COSTS = st.lists(st.integers(1, 60), max_size=80)


@given(COSTS, st.integers(1, 200), st.integers(0, 5))
def test_every_row_is_in_one_batch_within_the_budget(costs: list[int], budget: int, seed: int) -> None:
    batches = plan(costs, budget, seed)
    assert sorted(row for batch in batches for row in batch) == list(range(len(costs)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(costs[row] for row in batch) <= budget


@given(COSTS, st.integers(1, 200))
def test_no_row_of_the_next_batch_would_have_fitted(costs: list[int], budget: int) -> None:
    batches = fill(sorted(range(len(costs)), key=lambda row: costs[row]), costs, budget)
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * costs[following[0]] > budget
        assert max(costs[row] for row in batch) <= min(costs[row] for row in following)


def test_the_plan_follows_from_the_seed() -> None:
    costs = [n % 17 + 1 for n in range(300)]
    assert plan(costs, 64, 1) == plan(costs, 64, 1)
    assert plan(costs, 64, 1) != plan(costs, 64, 2)
    assert plan(costs, 64, [1, 2]) != plan(costs, 64, [2, 1])


def test_batches_come_in_random_order_and_hold_like_lengths() -> None:
    costs = [n % 50 + 1 for n in range(WINDOW)]
    batches = plan(costs, 500, 0)
    longest = [max(costs[row] for row in batch) for batch in batches]
    assert longest != sorted(longest)
    padding = sum(len(b) * max(costs[row] for row in b) - sum(costs[row] for row in b) for b in batches)
    assert padding < 0.1 * sum(costs)


@pytest.mark.parametrize(
    ("costs", "budget", "wanted"),
    [
        ([], 10, []),
        ([99], 10, [[0]]),  # alone over the budget: alone in its batch
        ([5, 5], 10, [[0, 1]]),
        ([5, 6], 11, [[0], [1]]),
        ([1, 1, 99], 100, [[0, 1], [2]]),
    ],
)
def test_at_the_budget(costs: list[int], budget: int, wanted: list[list[int]]) -> None:
    assert fill(range(len(costs)), costs, budget) == wanted
