"""Foretold: how much of the target a small language model knew once it had read the source.

A judge compares; a language model expects. What a source does not say surprises it in the target, even where all words
are there: another speaker, another subject, a plan that was carried out.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import Scorer
from filters.entailment import has_text
from filters.language_model import OfLanguageModel
from filters.pairwise import at_least
from filters.token_likelihood import Read, Reader

JOINT = " In other words,"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Foretold(OfLanguageModel):
    """The share of the target's surprise that its source takes away: 1 - NLL(target after the source and "In other
    words,") / NLL(target alone), sums over the target's tokens; 1 is foretold to the letter, 0 as if there were no
    source, less where it misleads. Null where either text is null or blank, or both together are longer than the model
    reads.

    Source: ours; the uncertainty coefficient (Theil's U) of one pair of sentences.
    Why: TO BE MEASURED
    """

    name: ClassVar[str] = "foretold"

    min_share: float = Field(default=0.6, ge=-10, le=1)

    def open(self, device: str) -> Scorer:
        reader = self.reader(device)
        return lambda rows: pa.array(_each(rows, reader), pa.float32())

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, self.min_share)


def _each(rows: pa.Table, reader: Reader) -> Iterator[float | None]:
    """The score of every row that has text on both sides; each text is read once."""
    pairs = list(zip(rows.column("source").to_pylist(), rows.column("target").to_pylist(), strict=True))
    asked = [(f" {t}", f"{s}{JOINT} {t}") if has_text(s) and has_text(t) else None for s, t in pairs]
    found = iter(reader([text for both in asked if both for text in both]))
    for both in asked:
        yield share_foretold(next(found), next(found)) if both else None


def share_foretold(alone: Read, after: Read) -> float | None:
    """`alone`: the target; `after`: a text that ends in it. None where the model did not read it to its end."""
    count = len(alone.ids)
    surprise = float(np.nansum(alone.nll))
    if after.ids[len(after.ids) - count :] != alone.ids or count >= len(after.ids) or surprise <= 0:
        return None
    return 1 - float(after.nll[-count:].sum()) / surprise
