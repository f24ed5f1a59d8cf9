"""One pair kept of those that are near copies of each other, over the whole corpus: all contexts, shards and workers.

What is a near copy is said in filters/near_copies.py. The strongest pair stays, as in filters/duplicates.py; a pair
left out is a near copy of one that stays, never only of another that was left out.
"""

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.duplicates import FORWARD, strengths
from filters.near_copies import Documents, Words, strongest

TEXTS = ("source", "target")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class NearDuplicates:
    """Keeps the strongest of near copies, as `duplicates` counts strength; ties go to the smallest context_id, then
    pair_id.

    `match`: "pair": both its source and its target are near those of the pair that stays. "sentence": any sentence of
    one is near any sentence of the other, so that of a task none is learned twice and none is in two splits.
    `min_jaccard`: words in common over all words, from which on two sentences are near copies.

    Source: ours; Impossible Distillation looks for duplicates within a context only.
    Why: at 0.7 a word or two are exchanged; "pair", so that one source may still have two summaries.
    """

    name: ClassVar[str] = "near_duplicates"
    within: ClassVar[Literal["context_id"] | None] = None

    min_jaccard: float = Field(default=0.7, ge=0.5, le=1)
    match: Literal["pair", "sentence"] = "pair"
    one_way_tasks: tuple[str, ...] = ("summary",)

    def select(self, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        order = self._order(pairs, scores)
        texts = [pairs.column(name).combine_chunks().take(order) for name in TEXTS]
        kept = np.empty(pairs.num_rows, dtype=bool)
        kept[order.to_numpy()] = strongest(*self._documents(texts))
        return pa.array(kept, pa.bool_())

    def _order(self, pairs: pa.Table, scores: pa.Table) -> pa.Array:
        """Row numbers, strongest first. Where nothing was judged, all are equally strong."""
        judged = FORWARD in scores.column_names
        strength = strengths(pairs, scores, self.one_way_tasks) if judged else [0.0] * pairs.num_rows
        keys = pairs.select(["context_id", "pair_id"]).append_column("strength", pa.array(strength, pa.float64()))
        by = [("strength", "descending"), ("context_id", "ascending"), ("pair_id", "ascending")]
        return pa.compute.sort_indices(keys, sort_keys=by)

    def _documents(self, texts: list[pa.Array]) -> tuple[Documents, int]:
        """A pair as one document of two texts, or as two documents."""
        if self.match == "pair":
            return Documents(
                [Words.of(text, mark) for text, mark in zip(texts, TEXTS, strict=True)], self.min_jaccard
            ), 1
        rows = len(texts[0])
        one_by_one = np.arange(2 * rows).reshape(2, rows).T.ravel()
        return Documents([Words.of(pa.concat_arrays(texts).take(pa.array(one_by_one)))], self.min_jaccard), 2
