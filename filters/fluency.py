"""Fluency: how much less likely than its source a target is to a small language model.

A sentence that was cut or stitched together badly is unlikely at the seam, whatever it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.batches import FixedShapes, FloatArray, Forward, TokenBatch, Tokens, fixed_threads, of_worker
from filters.entailment import has_text
from filters.models import EMBEDDED_FLUENCY, LanguageModel, load_language_model, locate
from filters.pairwise import at_most, sentences

TOKEN_BUDGET = 256
SENTENCES_KEPT = 65_536
DOCUMENT_BREAK = "<|endoftext|>"
MOST_TOKENS = 512
"""A sentence is shorter; of a longer text the beginning counts."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Fluency:
    """Mean NLL of the target minus mean NLL of the source, in nats a token: above 0 the target reads worse.

    NLL is -ln P(token | tokens before it), the mean over all tokens of the sentence. The first one follows the
    model's break between documents, else its begin-of-text, else its end-of-text token; where it has none of them,
    the first token is not counted. Null where either text is null or blank, or has no token to count.

    Source: ours; the paper has no such filter.
    Why: measured on pairs that reached the judge in a news run: all of 100 accepted ones are under 1.8, and of the same
    targets with their words shuffled all are above 2.5. A shorter text has a higher mean, for its first tokens are the
    dearest: summaries rise by 0.5 (median), paraphrases by none. In no shipped recipe: it costs more than the judge.
    """

    name: ClassVar[str] = "fluency"
    cost: ClassVar[Cost] = "model"
    role: ClassVar[Role | None] = "fluency"

    model: str = EMBEDDED_FLUENCY
    revision: str = ""
    max_rise: float = Field(default=2.0, ge=-20, le=20)
    token_budget: int = Field(default=TOKEN_BUDGET, ge=1, le=1 << 20)
    threads: int = Field(default=0, ge=0, le=256)  # 0: those of the worker

    def open(self, device: str) -> Scorer:
        reader = open_reader(self.model, self.revision, self.token_budget, of_worker(self.threads), device)
        return lambda rows: rises(rows, reader)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_most(scores, self.max_rise)


def rises(rows: pa.Table, reader: "Reader") -> pa.Array:
    """The score of every row that has text on both sides."""
    texts, left, right = sentences(rows)
    asked = [text for text in texts if has_text(text)]
    known = dict(zip(asked, reader(asked).tolist(), strict=True))
    values = np.array([*(known.get(text, np.nan) for text in texts), np.nan])  # the last is a null's
    found = (values[right] - values[left]).astype(np.float32)
    return pa.array(found, pa.float32(), mask=np.isnan(found))


@lru_cache(maxsize=2)
def open_reader(model: str, revision: str, token_budget: int, threads: int, device: str) -> "Reader":
    """The language model of this process. Its weights are loaded at the first sentence."""
    locate(model, revision)
    return Reader(model, revision, token_budget, threads, device)


@plain_dataclass
class Reader:
    """Sentences in, mean NLL in nats a token out (NaN: no token to count); each sentence is read once."""

    model: str
    revision: str
    token_budget: int
    threads: int
    device: str
    read: int = 0
    _loaded: "_Loaded | None" = None
    _known: dict[str, float] = field(default_factory=dict)

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        if len(self._known) >= SENTENCES_KEPT:
            self._known.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            with fixed_threads(self.threads):
                self._loaded = self._loaded or _load(self)
                self._known.update(zip(new, self._loaded(new).tolist(), strict=True))
            self.read += len(new)
        return np.array([self._known[text] for text in texts], dtype=np.float32)


@plain_dataclass(frozen=True)
class _Loaded:
    """What there is once the weights are in memory."""

    tokenizer: Any
    start: tuple[int, ...]
    shapes: FixedShapes

    def __call__(self, texts: list[str]) -> FloatArray:
        coded = self.tokenizer(texts, add_special_tokens=False, padding=False, truncation=False, verbose=False)
        rows = [(*self.start, *ids)[: self.shapes.window] for ids in coded["input_ids"]]
        means = np.full(len(texts), np.nan, dtype=np.float32)
        counted = [place for place, ids in enumerate(rows) if len(ids) > 1]
        if counted:
            means[counted] = self.shapes([Tokens(rows[place]) for place in counted])[:, 0]
        return means


def _load(reader: Reader) -> _Loaded:
    loaded = load_language_model(reader.model, reader.revision, reader.device)
    pad = loaded.tokenizer.pad_token_id or 0
    window = min(loaded.window, MOST_TOKENS)
    shapes = FixedShapes(_forward(loaded, reader.device), window, reader.token_budget, pad)
    return _Loaded(loaded.tokenizer, start_of(loaded.tokenizer), shapes)


def start_of(tokenizer: Any) -> tuple[int, ...]:
    """What a text begins with: the tokenizer may add it by itself or not, so it is put there by us.

    The break between documents comes first, where there is one: a chat model's own first token opens a turn, and
    after it plain text is unlikely (the embedded model: 5.8 nats a token for a sentence that has 3.4 after the break).
    """
    if DOCUMENT_BREAK in tokenizer.get_vocab():
        return (int(tokenizer.convert_tokens_to_ids(DOCUMENT_BREAK)),)
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return (int(token),)
    return ()


def _forward(loaded: LanguageModel, device: str) -> Forward:
    """Mean NLL of each row, over the tokens that have one before them. float32 on any device."""
    import torch

    def forward(batch: TokenBatch) -> FloatArray:
        ids, mask = (torch.from_numpy(value).to(device) for value in (batch.ids, batch.mask))
        with torch.inference_mode():
            logits = loaded.model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
            nll = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
            counted = mask[:, 1:].float()
            means = (nll * counted).sum(1, keepdim=True) / counted.sum(1, keepdim=True)
        result: FloatArray = means.cpu().numpy()
        return result

    return forward
