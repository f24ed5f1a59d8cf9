"""Rows of any lengths as one long row of tokens, without padding between them, for filters/nli_bert.py.

A row's result must not depend on its neighbours. It does not, because
- every product of a batch adds its terms in the order of their places, whatever the number of rows, and so does every
  mean, sum and softmax over a row;
- only rows of one length share a product in attention, so that nothing is masked;
- short rows, whose products torch would compute in another way when they are alone, always are.
Nothing promises the first for every processor. So it is tried out once a model (`proven`), and where it does not hold
rows go one at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate, chain, groupby
from typing import NamedTuple

import numpy as np
import torch

from filters.base import IntArray
from filters.batches import FloatArray, Tokens

FEWEST_TOKENS = 64
FEWEST_ROWS = 16
SMALL_PRODUCT = 16**3
"""Torch leaves batches of products with this many terms or fewer to another library (mkldnn_gemm_min_size)."""


class Packed(NamedTuple):
    """A batch: the tokens of its rows one after the other, shortest rows first, then filler.

    `first` is where each row begins, with filler too. `groups`: (rows, length) of neighbours that have one length.
    """

    ids: torch.Tensor
    types: torch.Tensor
    positions: torch.Tensor
    first: torch.Tensor
    groups: tuple[tuple[int, int], ...]


PackedForward = Callable[[Packed], torch.Tensor]
"""The model: a batch in, a number or a vector for each row out, in order; more rows, of filler, may follow."""


@dataclass(frozen=True)
class PackedRows:
    """Runs `forward` over rows of any lengths, sorted by length. `width` is the model's.

    Each of `workers` threads has a batch of its own. Two threads on one batch would wait for each other at every step:
    that is slower, much slower where something else wants the processor, and sums could depend on their number.
    """

    forward: PackedForward
    token_budget: int
    width: int
    workers: int = 1
    outputs: int = 1

    def __call__(self, rows: Sequence[Tokens]) -> FloatArray:
        """(len(rows), outputs): results in the order of `rows`."""
        results = np.zeros((len(rows), self.outputs), np.float32)
        lengths = [len(row.ids) for row in rows]
        share = max(FEWEST_TOKENS, -(-sum(lengths) // self.workers))
        found = list(batches(lengths, min(self.token_budget, share)))
        torch.get_num_threads()  # a thread that never asked would get the pool's number from now on: one
        with ThreadPoolExecutor(self.workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            answers = pool.map(self._answer, ([rows[place] for place in places] for places in found))
            for places, answer in zip(found, answers, strict=True):
                results[places] = answer.reshape(len(places), self.outputs)
        return results

    def _answer(self, rows: Sequence[Tokens]) -> FloatArray:
        with torch.inference_mode():
            found: FloatArray = self.forward(pack(rows, self.token_budget, self.width))[: len(rows)].float().numpy()
        return found


def batches(lengths: Sequence[int], token_budget: int) -> Iterator[list[int]]:
    """Places of rows, shortest first, in batches within the budget; a row over it makes a batch of its own."""
    batch: list[int] = []
    tokens = 0
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and tokens + lengths[place] > token_budget:
            yield batch
            batch, tokens = [], 0
        batch.append(place)
        tokens += lengths[place]
    if batch:
        yield batch


def pack(rows: Sequence[Tokens], token_budget: int, width: int) -> Packed:
    """`rows`, shortest first, with filler up to one of a few sizes: for each size the library compiles a kernel."""
    lengths = [len(row.ids) for row in rows]
    tokens = sum(lengths)
    size = max(tokens, min(token_budget, _power_of_two(max(tokens, FEWEST_TOKENS))))
    first = list(accumulate(lengths[:-1], initial=0))
    first += [0] * (-len(first) % FEWEST_ROWS)
    types = (row.types or (0,) * len(row.ids) for row in rows)
    return Packed(
        _filled(chain.from_iterable(row.ids for row in rows), tokens, size),
        _filled(chain.from_iterable(types), tokens, size),
        _filled(chain.from_iterable(map(range, lengths)), tokens, size),
        torch.tensor(first),
        tuple(_groups(lengths, width)),
    )


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _filled(numbers: Iterator[int], count: int, size: int) -> torch.Tensor:
    filled: IntArray = np.zeros(size, np.int64)
    filled[:count] = np.fromiter(numbers, np.int64, count)
    return torch.from_numpy(filled)


def _groups(lengths: Sequence[int], width: int) -> Iterator[tuple[int, int]]:
    for length, found in groupby(lengths):
        rows = len(list(found))
        if width * length <= SMALL_PRODUCT:
            yield from ((1, length) for _ in range(rows))
        else:
            yield rows, length


def proven(rows: PackedRows, window: int, vocabulary: int) -> PackedRows:
    """`rows` if rows have the same results together, in other company and alone; else with one row a batch."""
    samples = sample_rows(window, vocabulary)
    together = rows(samples)
    apart = np.concatenate([rows([row]) for row in samples])
    halves = np.concatenate([rows(samples[::2]), rows(samples[1::2])])
    if np.array_equal(together, apart) and np.array_equal(np.concatenate([together[::2], together[1::2]]), halves):
        return rows
    return replace(rows, token_budget=1)


def sample_rows(window: int, vocabulary: int) -> list[Tokens]:
    """Rows of made-up tokens, three of each of some lengths."""
    draw = np.random.default_rng(0)
    lengths = sorted({min(length, window) for length in (3, 7, 12, 30, 31, 32, 45, 64, 90, window)})
    tokens = (tuple(draw.integers(0, vocabulary, length).tolist()) for length in lengths for _ in range(3))
    return [Tokens(ids) for ids in tokens]
