"""Screen: a small NLI model says first what a large one need not be asked."""

from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import Role, Scorer
from filters.entailment import Entailment, probabilities
from filters.nli_judge import Ask


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Screen(Entailment):
    """P(source entails target) by a small model, in 0..1; with `both_ways` the lesser of that and P(target entails
    source). Null where either is null or blank.

    Source: ours, as a second gate before a judge that costs much more; Impossible Distillation asks its judge about all
    pairs.
    Why: it has to lose next to nothing of what the judge would accept, so its threshold comes from `make
    calibrate-gate`: at 0.03, both ways, nli-minilm lets all 212 of 130,070 pairs of 100 contexts pass that nli-mpnet
    accepted with its weights of 2026-11-23, at 0.05 210 (docs/bench.md). It stands before the judge wherever its table
    stands. No recipe asks it by default: its model has a say then, and can no longer look at the corpus from outside.
    """

    name: ClassVar[str] = "screen"
    role: ClassVar[Role | None] = "screen"

    min_probability: float = Field(default=0.03, ge=0, le=1)
    both_ways: bool = False

    def open(self, device: str) -> Scorer:
        ask = self.ask(device).at(self.min_probability)
        return lambda rows: self._lesser(rows, ask)

    def _lesser(self, rows: pa.Table, ask: Ask) -> pa.Array:
        there = probabilities(rows, ask, "source", "target")
        if not self.both_ways:
            return there
        return pc.min_element_wise(there, probabilities(rows, ask, "target", "source"), skip_nulls=False)
