"""Batches whose shape follows from a row's own length, so that a row's result never depends on its neighbours.

A matrix product may add its terms in another order when the batch has another shape. Here the shape is fixed by
the row: its length gives the bucket it is padded to, the bucket gives the number of rows, and a batch that is
not full is filled up with copies. What is left is a row's place in the batch: that is tried out once for each
shape, and where places differ (seen with odd numbers of rows on two threads) rows go one at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.base import IntArray

FloatArray = npt.NDArray[np.float32]

STEP = 8
"""Rows are padded to a multiple of this many tokens."""


class Tokens(NamedTuple):
    """One row of a model's input, special tokens included; `types` is empty for a model without token types."""

    ids: tuple[int, ...]
    types: tuple[int, ...] = ()


class TokenBatch(NamedTuple):
    """Rows of one shape (rows, bucket). `mask` is 1 for a token, 0 for padding; `types` as in Tokens."""

    ids: IntArray
    mask: IntArray
    types: IntArray | None


Forward = Callable[[TokenBatch], FloatArray]
"""The model: a batch in, (rows, outputs) float32 out."""


def bucket_of(length: int, window: int) -> int:
    """The padded length: at least one place more than `length`, at most window + 1.

    The spare place is never filled, for attention takes another path when a whole batch has no padding.
    """
    return min((length // STEP + 1) * STEP, window + 1)


def rows_of(bucket: int, token_budget: int) -> int:
    """The largest power of two that fits the budget: such batches split evenly over threads."""
    return 1 << (max(1, token_budget // bucket).bit_length() - 1)


@dataclass
class FixedShapes:
    """Runs `forward` over rows of any lengths. `window` is the longest row; rows come truncated to it."""

    forward: Forward
    window: int
    token_budget: int
    pad_id: int
    rows: dict[int, int] = field(default_factory=dict)  # bucket -> rows of its batches, once tried out

    def __call__(self, rows: Sequence[Tokens]) -> FloatArray:
        """(len(rows), outputs): results in the order of `rows`."""
        results: list[FloatArray | None] = [None] * len(rows)
        for bucket, places in self._buckets(rows):
            size = self._rows_that_agree(bucket, rows[places[0]])
            for start in range(0, len(places), size):
                part = places[start : start + size]
                filled = [rows[place] for place in part] + [rows[part[0]]] * (size - len(part))
                for place, result in zip(part, self.forward(self._batch(filled, bucket)), strict=False):
                    results[place] = result
        return np.asarray(results, dtype=np.float32)

    def _buckets(self, rows: Sequence[Tokens]) -> Iterator[tuple[int, list[int]]]:
        """Places of `rows` by bucket, shortest first."""
        found: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            found.setdefault(bucket_of(len(row.ids), self.window), []).append(place)
        return iter(sorted(found.items()))

    def _rows_that_agree(self, bucket: int, row: Tokens) -> int:
        """How many rows a batch of this bucket has: one if the same row gets other results in other places."""
        if bucket not in self.rows:
            size = rows_of(bucket, self.token_budget)
            results = self.forward(self._batch([row] * size, bucket))
            self.rows[bucket] = size if bool((results == results[0]).all()) else 1
        return self.rows[bucket]

    def _batch(self, rows: Sequence[Tokens], bucket: int) -> TokenBatch:
        ids = np.full((len(rows), bucket), self.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        types = np.zeros_like(ids) if rows[0].types else None
        for line, row in enumerate(rows):
            ids[line, : len(row.ids)] = row.ids
            mask[line, : len(row.ids)] = 1
            if types is not None:
                types[line, : len(row.types)] = row.types
        return TokenBatch(ids, mask, types)


def one_by_one(forward: Forward, rows: Sequence[Tokens]) -> FloatArray:
    """(len(rows), outputs): `forward` on each row alone, unpadded. To try a few out: full batches take much longer."""
    return np.concatenate([forward(_alone(row)) for row in rows])


def _alone(row: Tokens) -> TokenBatch:
    ids = np.array([row.ids], np.int64)
    return TokenBatch(ids, np.ones_like(ids), np.array([row.types], np.int64) if row.types else None)


def of_worker(threads: int) -> int:
    """So many, or for 0 as many as the worker computes with: what is opened is tried out with that number."""
    import torch

    return threads or torch.get_num_threads()


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Torch runs on exactly this many threads inside; 0: on as many as outside, which are those of the worker."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
