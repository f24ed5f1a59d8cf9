"""Compression ratio of a summary, length band of a paraphrase, in characters (Impossible Distillation, filters)."""

from typing import ClassVar, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.pairwise import at_least, at_most, below


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Length:
    """len(target) / len(source), both stripped. A summary is below 0.8; a paraphrase is within 0.8 and 1.5.

    A bound that is None is not applied. `min_ratio` and `max_ratio` are themselves kept, `below_ratio` is not.

    Source: Impossible Distillation (summary, below 0.8); its released code (paraphrase, 0.8 to 1.5, characters).
    Why: no bound holds for every task, so the class has none by default; the recipes set the published ones.
    """

    name: ClassVar[str] = "length"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    min_ratio: float | None = Field(default=None, ge=0)
    max_ratio: float | None = Field(default=None, gt=0)
    below_ratio: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _something_can_pass(self) -> Self:
        low = self.min_ratio or 0.0
        if self.max_ratio is not None and self.max_ratio < low:
            raise ValueError(f"max_ratio {self.max_ratio} is under min_ratio {low}: nothing would pass; raise it")
        if self.below_ratio is not None and self.below_ratio <= low:
            raise ValueError(
                f"below_ratio {self.below_ratio} is not above min_ratio {low}: nothing would pass; raise it"
            )
        return self

    def open(self, device: str) -> Scorer:
        return length_ratio

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        kept = at_least(scores, self.min_ratio or 0.0)
        if self.max_ratio is not None:
            kept = pc.and_(kept, at_most(scores, self.max_ratio))
        if self.below_ratio is not None:
            kept = pc.and_(kept, below(scores, self.below_ratio))
        return kept


def length_ratio(rows: pa.Table) -> pa.Array:
    """Characters of the target over characters of the source; null where either is null or blank."""
    source, target = (_characters(rows.column(name)) for name in ("source", "target"))
    ratio = pc.divide(target.cast(pa.float64()), source.cast(pa.float64())).cast(pa.float32())
    return ratio.combine_chunks() if isinstance(ratio, pa.ChunkedArray) else ratio


def _characters(texts: pa.ChunkedArray) -> pa.Array:
    """Length after stripping white space; null for a blank text, which has no ratio."""
    counts = pc.utf8_length(pc.utf8_trim_whitespace(texts))
    return pc.if_else(pc.equal(counts, 0), None, counts)
