"""A filter of one's own whose threshold is a whole number."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from filters.base import Cost, Role, Scorer


@dataclass(frozen=True)
class Marks:
    """It keeps what has no more marks than `max_more`."""

    name: ClassVar[str] = "marks"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    max_more: int = 0
    min_words: int = 3  # no threshold: it decides the score

    def open(self, device: str) -> Scorer:
        return lambda rows: pa.nulls(rows.num_rows, pa.float32())

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return pc.fill_null(pc.less_equal(scores, self.max_more), False)


def bounded(least: int, cost: Cost = "cheap") -> type[Marks]:
    """Marks that refuse what is smaller, and what is no whole number."""

    @checked(frozen=True)
    class Bounded(Marks):
        max_more: int = Field(default=least, ge=least)

    Bounded.cost = cost
    return Bounded
