"""Whether the target's content words stand in the source: what a summary adds, the source must hold.

A small judge forgives a new noun in an otherwise familiar sentence ("he speaks of the planet" => "he speaks of climate
policy"). The rule costs abstractiveness, so its threshold is a choice of the recipe: high with a weak judge, 0 with a
strong one. Ours; the paper has no such filter.
"""

from typing import ClassVar

import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.pairwise import at_least, pairwise, share_met
from filters.words import content_stems, words


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Support:
    """Share of the target's content words, by stem, that are in the source, in 0..1; null for a text without any.

    `both_ways` (paraphrase): the smaller of that share and the share of the source's that are in the target.

    Source: ours.
    Why: set by reading (docs/lab-book.md): what a summary adds is wrong more often than what it leaves out. It costs
    abstractiveness; loosen it with a better judge.
    """

    name: ClassVar[str] = "support"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    min_share: float = Field(default=0.75, ge=0, le=1)
    both_ways: bool = False

    def open(self, device: str) -> Scorer:
        return pairwise(content, self._share)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, self.min_share)

    def _share(self, source: frozenset[str], target: frozenset[str]) -> float:
        forward = share_met(target, source)
        return min(forward, share_met(source, target)) if self.both_ways else forward


def content(text: str) -> frozenset[str] | None:
    """The stems of a sentence's content words; None if it has none."""
    return frozenset(content_stems(words(text))) or None
