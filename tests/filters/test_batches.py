"""Shapes follow from a row's length alone, and a row's result from the row alone."""

import numpy as np
import pytest
import torch

from filters.batches import FixedShapes, FloatArray, TokenBatch, Tokens, bucket_of, fixed_threads, one_by_one, rows_of


def test_bucket_always_leaves_one_place_of_padding() -> None:
    assert [bucket_of(n, 512) for n in (1, 7, 8, 9, 15, 16)] == [8, 8, 16, 16, 16, 24]
    for window in (5, 8, 30, 127, 128, 511):
        for length in range(1, window + 1):
            assert length < bucket_of(length, window) <= window + 1


def test_rows_are_a_power_of_two_within_the_budget() -> None:
    assert [rows_of(8, budget) for budget in (1, 8, 15, 16, 31, 64, 100)] == [1, 1, 1, 2, 2, 8, 8]


class Seen:
    """A model that reports the shapes it saw; each row's result is a sum over its own ids."""

    def __init__(self, moves_with_place: bool = False) -> None:
        self.shapes: list[tuple[int, int]] = []
        self.moves = moves_with_place

    def __call__(self, batch: TokenBatch) -> FloatArray:
        self.shapes.append((batch.ids.shape[0], batch.ids.shape[1]))
        result = (batch.ids * batch.mask).sum(axis=1, keepdims=True).astype(np.float32)
        return result + np.arange(len(result), dtype=np.float32)[:, None] if self.moves else result


def rows(lengths: list[int]) -> list[Tokens]:
    return [Tokens(tuple(range(1, n + 1))) for n in lengths]


def test_one_by_one_rows_are_alone_and_unpadded() -> None:
    seen, types = Seen(), []

    def forward(batch: TokenBatch) -> FloatArray:
        types.append(None if batch.types is None else batch.types.tolist())
        return seen(batch)

    assert one_by_one(forward, [Tokens((1, 2, 3)), Tokens((4, 5), (0, 1))]).tolist() == [[6.0], [9.0]]
    assert seen.shapes == [(1, 3), (1, 2)] and types == [None, [[0, 1]]]


def test_results_come_in_the_order_asked() -> None:
    lengths = [20, 3, 9, 3, 15, 1, 20, 8]
    results = FixedShapes(Seen(), 20, 32, 0)(rows(lengths))
    assert results[:, 0].tolist() == [n * (n + 1) / 2 for n in lengths]


def test_every_batch_of_a_bucket_has_one_shape() -> None:
    seen = Seen()
    shapes = FixedShapes(seen, 40, 32, 0)
    shapes(rows([3, 4, 5, 6, 7, 12]))
    shapes(rows([2]))
    assert set(seen.shapes) == {(4, 8), (2, 16)}


def test_a_shape_whose_places_differ_runs_row_by_row() -> None:
    seen = Seen(moves_with_place=True)
    results = FixedShapes(seen, 40, 32, 0)(rows([5, 6, 7]))
    assert results[:, 0].tolist() == [15, 21, 28]
    assert seen.shapes == [(4, 8), (1, 8), (1, 8), (1, 8)]


def test_padding_and_types() -> None:
    kept: list[TokenBatch] = []

    def forward(batch: TokenBatch) -> FloatArray:
        kept.append(batch)
        return np.zeros((len(batch.ids), 1), np.float32)

    FixedShapes(forward, 6, 7, 9)([Tokens((5, 6, 7), (0, 1, 1))])
    assert kept[-1].ids.tolist() == [[5, 6, 7, 9, 9, 9, 9]]
    assert kept[-1].mask.tolist() == [[1, 1, 1, 0, 0, 0, 0]]
    assert kept[-1].types is not None and kept[-1].types.tolist() == [[0, 1, 1, 0, 0, 0, 0]]


def test_no_number_of_threads_is_that_of_the_worker() -> None:
    with fixed_threads(1), fixed_threads(0):
        assert torch.get_num_threads() == 1


def test_threads_are_given_back_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), fixed_threads(1):
        assert torch.get_num_threads() == 1
        raise KeyError("x")
    assert torch.get_num_threads() == before
