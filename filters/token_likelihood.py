"""How unlikely a small language model finds each token of a sentence: read once, kept, the same in any batch.

Arithmetic is that of a back end (filters/nli_back_ends.py), but bfloat16 is that of filters/half_products.py on any
device, and float32 on a GPU without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from filters.batches import FixedShapes, FloatArray, Forward, TokenBatch, Tokens, fixed_threads
from filters.models import LanguageModel, load_language_model, locate
from filters.nli_back_ends import BackEnd, resolve

TOKEN_BUDGET = 256
SENTENCES_KEPT = 65_536
DOCUMENT_BREAK = "<|endoftext|>"
MOST_TOKENS = 512
"""A sentence is shorter; of a longer text the beginning is read, or where its end is asked about the end."""


class Read(NamedTuple):
    """A sentence's tokens, and -ln P(token | tokens before it) of each in nats; NaN for one with none before it."""

    ids: tuple[int, ...]
    nll: FloatArray

    @property
    def mean(self) -> float:
        """Nats a token; NaN where there is no token to count."""
        counted = self.nll[~np.isnan(self.nll)]
        return float(counted.mean()) if len(counted) else float("nan")


@lru_cache(maxsize=2)
def open_reader(model: str, revision: str, token_budget: int, threads: int, device: str, back_end: BackEnd) -> "Reader":
    """The language model of this process. Its weights are loaded at the first sentence."""
    locate(model, revision)
    return Reader(model, revision, token_budget, threads, device, back_end)


@dataclass
class Reader:
    """Sentences in, what the model thinks of their tokens out, in order; each sentence is read once."""

    model: str
    revision: str
    token_budget: int
    threads: int
    device: str
    back_end: BackEnd = "auto"
    read: int = 0
    _loaded: "_Loaded | None" = None
    _known: dict[str, Read] = field(default_factory=dict)

    def __call__(self, texts: Sequence[str]) -> list[Read]:
        if len(self._known) >= SENTENCES_KEPT:
            self._known.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            with fixed_threads(self.threads):
                self._loaded = self._loaded or _load(self)
                self._known.update(zip(new, self._loaded(new), strict=True))
            self.read += len(new)
        return [self._known[text] for text in texts]


@dataclass(frozen=True)
class _Loaded:
    """What there is once the weights are in memory."""

    tokenizer: Any
    start: tuple[int, ...]
    shapes: FixedShapes

    def __call__(self, texts: list[str]) -> list[Read]:
        coded = self.tokenizer(texts, add_special_tokens=False, padding=False, truncation=False, verbose=False)
        rows = [(*self.start, *ids)[: self.shapes.window] for ids in coded["input_ids"]]
        counted = [place for place, ids in enumerate(rows) if len(ids) > 1]
        found = self.shapes([Tokens(rows[place]) for place in counted]) if counted else ()
        said = dict(zip(counted, found, strict=True))
        return [self._read(ids, said.get(place)) for place, ids in enumerate(rows)]

    def _read(self, ids: tuple[int, ...], nll: FloatArray | None) -> Read:
        own = ids[len(self.start) :]
        values = np.full(len(own), np.nan, np.float32)
        if nll is not None:
            first = 1 - len(self.start)  # without a start, the first token has none before it
            values[first:] = nll[: len(own) - first]
        return Read(own, values)


def _load(reader: Reader) -> _Loaded:
    loaded = shared_model(reader.model, reader.revision, reader.device, resolve(reader.back_end, reader.device))
    pad = loaded.tokenizer.pad_token_id or 0
    window = min(loaded.window, MOST_TOKENS)
    shapes = FixedShapes(_forward(loaded, reader.device, window), window, reader.token_budget, pad)
    return _Loaded(loaded.tokenizer, start_of(loaded.tokenizer), shapes)


@lru_cache(maxsize=2)
def shared_model(model: str, revision: str, device: str, back_end: str) -> LanguageModel:
    """One set of weights for all filters of this process that ask this model alike. `back_end`: fp32 or bf16."""
    loaded = load_language_model(model, revision, device)
    if back_end == "bf16":
        from filters.half_products import computes, with_half_products

        if computes(device):
            with_half_products(loaded.model)
    return loaded


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


def _forward(loaded: LanguageModel, device: str, window: int) -> Forward:
    """NLL of each token but the first of a row, filled with zeros up to the window."""
    import torch

    def forward(batch: TokenBatch) -> FloatArray:
        ids, mask = (torch.from_numpy(value).to(device) for value in (batch.ids, batch.mask))
        with torch.inference_mode():
            logits = loaded.model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
            own = logits.gather(-1, ids[:, 1:, None])[..., 0]
            nll = (torch.logsumexp(logits, -1) - own) * mask[:, 1:]
        result: FloatArray = np.zeros((len(nll), window), np.float32)
        result[:, : nll.shape[1]] = nll.cpu().numpy()
        return result

    return forward
