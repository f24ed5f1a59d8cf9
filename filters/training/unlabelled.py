"""Pairs without a label, for a larger judge to answer: what the small one will meet, and what it lacks."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from filters.base import IntArray
from filters.batches import FloatArray
from filters.training.rows import Row

UNKNOWN = (0.0, 0.0, 0.0)
BANDS = (0.5, 0.7, 0.8, 0.87, 0.93, 0.9999)
"""Edges of cosine similarity: pairs are taken evenly from each band, so that near misses are not drowned."""


def is_for_training(context_id: str) -> bool:
    """Half of the contexts, by their id: the readings that measure a judge come from the other half."""
    return hashlib.blake2b(context_id.encode(), digest_size=8).digest()[-1] % 2 == 1


def sibling_pairs(
    contexts: Mapping[str, Sequence[str]], vectors: Mapping[str, FloatArray], each: int, seed: int
) -> Iterator[Row]:
    """Ordered pairs of sentences of one context, `each` a context and band of similarity at most.

    `vectors`: of each context, its sentences' unit vectors, (sentences, width).
    """
    for context in sorted(contexts):
        sentences, cosines = contexts[context], vectors[context] @ vectors[context].T
        rng = np.random.default_rng([seed, int.from_bytes(hashlib.blake2b(context.encode(), digest_size=4).digest())])
        for low, high in pairwise(BANDS):
            places = np.argwhere((cosines >= low) & (cosines < high))
            yield from _rows(sentences, places[rng.permutation(len(places))[:each]], "siblings")


def _rows(sentences: Sequence[str], places: IntArray, origin: str) -> Iterator[Row]:
    for first, second in places.tolist():
        yield Row(sentences[first], sentences[second], UNKNOWN, False, origin)


def recombined(rows: Iterable[Row], most: Mapping[str, int], seed: int) -> list[Row]:
    """New pairs of the sentences that labelled rows put beside one premise, `most` of each origin named there."""
    known: set[tuple[str, str]] = set()
    beside: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        known.add((row.premise, row.hypothesis))
        if row.origin in most:
            beside.setdefault((row.origin, row.premise), {row.premise: None})[row.hypothesis] = None
    found: dict[str, list[Row]] = {}
    for (origin, _), texts in beside.items():
        new = [(a, b) for a in texts for b in texts if a != b and (a, b) not in known]
        found.setdefault(origin, []).extend(Row(a, b, UNKNOWN, False, f"re_{origin}") for a, b in new)
    rng = np.random.default_rng(seed)
    return [found[name][place] for name in sorted(found) for place in rng.permutation(len(found[name]))[: most[name]]]
