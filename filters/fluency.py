"""Fluency: how much less likely than its source a target is to a small language model.

A sentence that was cut or stitched together badly is unlikely at the seam, whatever it says.
"""

from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import Scorer
from filters.entailment import has_text
from filters.language_model import OfLanguageModel
from filters.pairwise import at_most, sentences
from filters.token_likelihood import Reader


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Fluency(OfLanguageModel):
    """Mean NLL of the target minus mean NLL of the source, in nats a token: above 0 the target reads worse.

    NLL is -ln P(token | tokens before it), the mean over all tokens of the sentence. The first one follows the
    model's break between documents, else its begin-of-text, else its end-of-text token; where it has none of them,
    the first token is not counted. Null where either text is null or blank, or has no token to count.

    Source: ours; the paper has no such filter.
    Why: measured on pairs that reached the judge in a news run: all of 100 accepted ones are under 1.8, and of the same
    targets with their words shuffled all are above 2.5. A shorter text has a higher mean, for its first tokens are the
    dearest: summaries rise by 0.5 (median), paraphrases by none. In no shipped recipe: what it finds at a seam, `seams`
    finds more surely.
    """

    name: ClassVar[str] = "fluency"

    max_rise: float = Field(default=2.0, ge=-20, le=20)

    def open(self, device: str) -> Scorer:
        reader = self.reader(device)
        return lambda rows: rises(rows, reader)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_most(scores, self.max_rise)


def rises(rows: pa.Table, reader: Reader) -> pa.Array:
    """The score of every row that has text on both sides."""
    texts, left, right = sentences(rows)
    asked = [text for text in texts if has_text(text)]
    known = {text: read.mean for text, read in zip(asked, reader(asked), strict=True)}
    values = np.array([*(known.get(text, np.nan) for text in texts), np.nan])  # the last is a null's
    found = (values[right] - values[left]).astype(np.float32)
    return pa.array(found, pa.float32(), mask=np.isnan(found))
