"""From a rule about two sentences to a scorer of many rows.

The ordered pairs of a context hold few distinct sentences (64 make 4032 pairs), so a sentence is read once,
and sentences that read alike (no figures in them, say) are compared once.
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.base import IntArray, Scorer, verdicts

Reading = TypeVar("Reading", bound=Hashable)


class Sentences(NamedTuple):
    """The distinct sentences of a table, and where each row's two are among them (-1 = null)."""

    texts: list[str]
    sources: IntArray
    targets: IntArray


def sentences(rows: pa.Table) -> Sentences:
    """Dictionary-encode `source` and `target` together."""
    columns = [rows.column(name).cast(pa.large_string()) for name in ("source", "target")]
    chunks = [chunk for column in columns for chunk in column.chunks]
    encoded = pa.chunked_array(chunks, pa.large_string()).combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Sentences(encoded.dictionary.to_pylist(), codes[: rows.num_rows], codes[rows.num_rows :])


def pairwise(read: Callable[[str], Reading | None], compare: Callable[[Reading, Reading], float | None]) -> Scorer:
    """Score = compare(read(source), read(target)). Null where a text is null, or either function gives None."""

    def score(rows: pa.Table) -> pa.Array:
        texts, sources, targets = sentences(rows)
        numbers, readings = _numbered(read, texts)
        left, right = numbers[sources], numbers[targets]
        size = len(readings) + 1
        keys, rows_of = np.unique((left + 1) * size + right + 1, return_inverse=True)
        firsts, seconds = np.divmod(keys, size)
        values = [
            compare(readings[i - 1], readings[j - 1]) if i and j else None
            for i, j in zip(firsts.tolist(), seconds.tolist(), strict=True)
        ]
        return pa.array(values, pa.float32()).take(pa.array(rows_of))

    return score


def _numbered(read: Callable[[str], Reading | None], texts: list[str]) -> tuple[IntArray, list[Reading]]:
    """Each text's position in the list of distinct readings; -1 for None, and at the end, for a null text."""
    positions: dict[Reading, int] = {}
    found = np.full(len(texts) + 1, -1, dtype=np.int64)
    for place, text in enumerate(texts):
        reading = read(text)
        if reading is not None:
            found[place] = positions.setdefault(reading, len(positions))
    return found, list(positions)


def bound(value: float) -> pa.Scalar:
    """A threshold in the precision scores are stored in: a ratio of exactly 0.8 is then equal to 0.8."""
    return pa.scalar(value, pa.float32())


def at_least(scores: pa.Array, minimum: float) -> pa.BooleanArray:
    return verdicts(pc.greater_equal(scores.cast(pa.float32()), bound(minimum)))


def at_most(scores: pa.Array, maximum: float) -> pa.BooleanArray:
    return verdicts(pc.less_equal(scores.cast(pa.float32()), bound(maximum)))


def below(scores: pa.Array, limit: float) -> pa.BooleanArray:
    return verdicts(pc.less(scores.cast(pa.float32()), bound(limit)))


def share_met(required: frozenset[str], supplied: frozenset[str]) -> float:
    """Share of what is required that is supplied; 1 when nothing is required."""
    return len(required & supplied) / len(required) if required else 1.0
