import numpy as np
import pytest
import torch

from filters.training.batching import Coded, collate, plan


@pytest.mark.parametrize("rows", [0, 1, 7, 500])
def test_every_row_is_in_one_batch_within_the_budget(rows: int) -> None:
    lengths = np.random.default_rng(0).integers(3, 60, rows).tolist()
    batches = plan(lengths, token_budget=100, seed=3, pool=64)
    assert sorted(place for batch in batches for place in batch) == list(range(rows))
    assert all(len(batch) * max(lengths[place] for place in batch) <= 100 for batch in batches)


def test_a_row_over_the_budget_goes_alone() -> None:
    assert [batch.tolist() for batch in plan([200], token_budget=100, seed=0)] == [[0]]


def test_the_order_follows_from_the_seed() -> None:
    lengths = list(range(5, 200))
    first, again, other = (plan(lengths, 400, seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(first, other, strict=False))


def test_rows_are_padded_and_masked() -> None:
    coded = Coded([[5, 6, 7], [8]], [[0, 0, 1], [1]], torch.zeros(2, 3), torch.zeros(2, dtype=torch.bool))
    inputs = collate(coded, np.array([1, 0]), pad_id=9)
    assert inputs["input_ids"].tolist() == [[8, 9, 9], [5, 6, 7]]
    assert inputs["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert inputs["token_type_ids"].tolist() == [[1, 0, 0], [0, 0, 1]]
