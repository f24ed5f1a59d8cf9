"""The nucleus without a sort, against the plain one with a sort."""

import pytest
import torch

from pipeline.teacher.nucleus import WIDTHS, keep_nucleus


def by_sorting(logits: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Row by row, in double precision: the largest until their mass is at least top_p, and what ties with the last."""
    kept = logits.clone()
    for row, share in zip(kept, top_p.tolist(), strict=True):
        if share >= 1.0:
            continue
        largest = row.sort(descending=True).values
        mass = largest.double().softmax(dim=0).cumsum(dim=0)
        enough = (mass >= share).nonzero()
        floor = largest[enough[0, 0]] if len(enough) else largest[-1]
        row[row < floor] = -torch.inf
    return kept


def random_logits(rows: int, size: int, spread: float, seed: int) -> torch.Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed)) * spread


@pytest.mark.parametrize("size", [1, 2, 7, 63, 64, 65, 1000, 1024, 1025, 5000])
@pytest.mark.parametrize("spread", [0.01, 1.0, 3.0, 10.0])
def test_equals_sorting(size: int, spread: float) -> None:
    top_p = torch.tensor([0.05, 0.3, 0.5, 0.9, 0.99, 1.0])
    logits = random_logits(len(top_p), size, spread, seed=size)
    wanted = by_sorting(logits, top_p)
    assert torch.equal(keep_nucleus(logits.clone(), top_p), wanted)


@pytest.mark.parametrize("share", [0.1, 0.9, 0.999])
def test_kept_mass_is_enough_and_minimal(share: float) -> None:
    logits = random_logits(32, 3000, 2.5, seed=4)
    kept = keep_nucleus(logits.clone(), torch.full((32,), share)) > -torch.inf
    probabilities = logits.double().softmax(dim=1)
    mass = (probabilities * kept).sum(dim=1)
    least = torch.where(kept, probabilities, torch.inf).min(dim=1).values
    assert (mass >= share - 1e-6).all()
    assert (mass - least < share + 1e-6).all()


def test_flat_rows_take_the_slow_path() -> None:
    """A flat row's nucleus is wider than every width tried first."""
    logits = random_logits(3, 4 * WIDTHS[-1], 1e-3, seed=5)
    top_p = torch.tensor([0.9, 0.5, 0.999])
    kept = keep_nucleus(logits.clone(), top_p) > -torch.inf
    assert (kept.sum(dim=1) > WIDTHS[-1]).all()
    assert torch.equal(keep_nucleus(logits.clone(), top_p), by_sorting(logits, top_p))


def test_peaked_flat_and_untouched_rows_together() -> None:
    logits = random_logits(5, 3000, 1.0, seed=6)
    logits[0] *= 20  # within 64
    logits[1] *= 3  # within 1,024
    logits[2] *= 1e-3  # slow
    top_p = torch.tensor([0.9, 0.9, 0.9, 1.0, 0.2])
    assert torch.equal(keep_nucleus(logits.clone(), top_p), by_sorting(logits, top_p))


def test_ties_with_the_last_one_stay() -> None:
    logits = torch.tensor([[2.0, 1.0, 1.0, 1.0, -5.0]])
    kept = keep_nucleus(logits.clone(), torch.tensor([0.6])) > -torch.inf
    assert kept.tolist() == [[True, True, True, True, False]]
    equal = torch.zeros(1, 200)
    assert torch.equal(keep_nucleus(equal.clone(), torch.tensor([0.5])), equal)


def test_one_hot_and_banned_tokens() -> None:
    logits = torch.full((2, 100), -torch.inf)
    logits[0, 17] = 0.0
    logits[1, :3] = torch.tensor([0.0, 0.0, -1.0])
    kept = keep_nucleus(logits.clone(), torch.tensor([0.9, 0.5])) > -torch.inf
    assert kept[0].nonzero().flatten().tolist() == [17]
    assert kept[1].nonzero().flatten().tolist() == [0, 1]


def test_rows_with_all_the_mass_are_left_alone() -> None:
    logits = random_logits(4, 500, 5.0, seed=7)
    assert torch.equal(keep_nucleus(logits.clone(), torch.ones(4)), logits)


def test_the_most_probable_token_always_stays() -> None:
    logits = random_logits(64, 300, 1.0, seed=8)
    kept = keep_nucleus(logits.clone(), torch.full((64,), 1e-9))
    assert torch.equal((kept > -torch.inf).sum(dim=1), torch.ones(64, dtype=torch.long))
    assert torch.equal(kept.argmax(dim=1), logits.argmax(dim=1))
