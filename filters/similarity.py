"""Cosine of a sentence encoder: the cheap gate before the judge."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.batches import FixedShapes, FloatArray, TokenBatch, Tokens, fixed_threads, of_worker, one_by_one
from filters.entailment import has_text
from filters.models import EMBEDDED_ENCODER, load_encoder, locate
from filters.pairwise import at_least, at_most, sentences

TOKEN_BUDGET = 256
SENTENCES_KEPT = 8192
"""Vectors kept: the tasks of a context ask about the same sentences."""
ROWS_AT_ONCE = 8192
LONGEST_TRIED = 512
TOLERANCE = 1e-4
"""How far our forward pass may be from the encoder's own on made-up rows. Rounding stays far below."""
LOG = logging.getLogger(__name__)
Answer = Callable[[Sequence[Tokens]], FloatArray]
"""Rows in, (rows, width) out, in their order."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Similarity:
    """Cosine of source and target, in -1..1. Null where either is null or blank.

    Source: ours, as a gate before the judge; Impossible Distillation asks the judge about all pairs.
    Why: 0.6 is loose on purpose: it spares the judge pairs that speak of other things. The news recipe asks 0.579 of a
    summary (`make calibrate-gate`) and 0.85 of a paraphrase: accepted pairs below it were read as wrong
    (docs/lab-book.md).
    """

    name: ClassVar[str] = "similarity"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = "encoder"

    model: str = EMBEDDED_ENCODER
    revision: str = ""
    min_cosine: float = Field(default=0.6, ge=-1, le=1)
    max_cosine: float = Field(default=1.0, ge=-1, le=1)
    token_budget: int = Field(default=TOKEN_BUDGET, ge=1, le=1 << 20)
    threads: int = Field(default=0, ge=0, le=256)  # 0: those of the worker

    @model_validator(mode="after")
    def _something_can_pass(self) -> Self:
        if self.max_cosine < self.min_cosine:
            raise ValueError(
                f"max_cosine {self.max_cosine} is under min_cosine {self.min_cosine}: nothing would pass; raise it"
            )
        return self

    def open(self, device: str) -> Scorer:
        encoder = open_encoder(self.model, self.revision, self.token_budget, of_worker(self.threads), device)
        return lambda rows: cosines(rows, encoder)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return pc.and_(at_least(scores, self.min_cosine), at_most(scores, self.max_cosine))


def cosines(rows: pa.Table, encoder: "Encoder") -> pa.Array:
    """The cosine of every row that has text on both sides."""
    texts, left, right = sentences(rows)
    full = np.array([*map(has_text, texts), False])
    place = np.cumsum(full) - 1
    vectors = encoder([text for text, any_text in zip(texts, full, strict=False) if any_text])
    known = full[left] & full[right]
    scores = np.zeros(len(left), dtype=np.float32)
    for part in np.array_split(np.flatnonzero(known), known.sum() // ROWS_AT_ONCE + 1):
        products = vectors[place[left[part]]] * vectors[place[right[part]]]
        scores[part] = products.sum(axis=1) if len(part) else 0
    return pa.array(np.clip(scores, -1, 1), pa.float32(), mask=~known)


@lru_cache(maxsize=4)
def open_encoder(model: str, revision: str, token_budget: int, threads: int, device: str) -> "Encoder":
    """The encoder of this process. Its weights are loaded at the first sentence."""
    locate(model, revision)
    return Encoder(model, revision, token_budget, threads, device)


@plain_dataclass
class Encoder:
    """Sentences in, (n, width) float32 vectors of length 1 out; a vector depends on its sentence alone."""

    model: str
    revision: str
    token_budget: int
    threads: int
    device: str
    encoded: int = 0
    _loaded: Any = None
    _answer: Answer | None = None
    _vectors: OrderedDict[str, FloatArray] = field(default_factory=OrderedDict)

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        known = {text: self._vectors[text] for text in texts if text in self._vectors}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            with fixed_threads(self.threads):
                known.update(zip(new, _unit(self._encode(new)), strict=True))
        self._remember(known)
        return np.array([known[text] for text in texts], dtype=np.float32)

    def _remember(self, used: dict[str, FloatArray]) -> None:
        """The sentences used last stay."""
        for text, vector in used.items():
            self._vectors[text] = vector
            self._vectors.move_to_end(text)
        while len(self._vectors) > SENTENCES_KEPT:
            self._vectors.popitem(last=False)

    def _encode(self, texts: list[str]) -> FloatArray:
        self.encoded += len(texts)
        self._loaded = self._loaded or load_encoder(self.model, self.revision, self.device)
        features = self._loaded.preprocess(texts)
        if "attention_mask" not in features:  # a table of word vectors, say: no batch to speak of, so one by one
            return np.concatenate([self._loaded.encode([text], show_progress_bar=False) for text in texts])
        rows = _unpadded(features)
        self._answer = self._answer or self._opened(features)
        return self._answer(rows)

    def _opened(self, features: dict[str, Any]) -> Answer:
        """Our own forward pass where it is the encoder's function, else the encoder's modules."""
        own = self._fixed_shapes(features)
        packed = packed_encoder(self._loaded, self.token_budget, self.threads) if self.device == "cpu" else None
        if packed is None:
            return own
        from filters.nli_packed import sample_rows

        samples = sample_rows(_tried_window(self._loaded), self._loaded[0].auto_model.config.vocab_size)[::3]
        pad = self._loaded[0].auto_model.config.pad_token_id or 0
        whole = [tuple(token if token != pad else int(not pad) for token in row.ids) for row in samples]  # none in it
        samples = [Tokens(ids, (0,) * len(ids) if "token_type_ids" in features else ()) for ids in whole]
        if np.abs(_unit(packed(samples)) - _unit(one_by_one(own.forward, samples))).max() <= TOLERANCE:
            return packed
        LOG.warning("encoder %s: our forward pass is not the model's own; torch's is used", self.model)
        return own

    def _fixed_shapes(self, features: dict[str, Any]) -> FixedShapes:
        """The encoder's own modules (pooling and normalising too), fed batches of our shape."""
        import torch

        constants = {name: value for name, value in features.items() if not isinstance(value, torch.Tensor)}

        def forward(batch: TokenBatch) -> FloatArray:
            inputs = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.types}
            given = {
                name: torch.from_numpy(value).to(self.device) for name, value in inputs.items() if value is not None
            }
            with torch.inference_mode():
                vectors: FloatArray = self._loaded({**given, **constants})["sentence_embedding"].float().cpu().numpy()
            return vectors

        return FixedShapes(
            forward, self._loaded.max_seq_length, self.token_budget, self._loaded.tokenizer.pad_token_id or 0
        )


def packed_encoder(loaded: Any, token_budget: int, threads: int) -> Answer | None:
    """Our own forward pass over rows without padding (filters/nli_bert.py), before vectors have length 1; None for an
    encoder that is more than a known transformer and the mean of its states."""
    import torch

    from filters.nli_bert import can_run, open_encoding
    from filters.nli_packed import PackedRows, proven

    kinds = [type(module).__name__ for module in loaded]
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Normalize"}:
        return None
    model, pooling = loaded[0].auto_model, loaded[1]
    if not can_run(model, "Model") or str(pooling.pooling_mode) != "mean":
        return None
    width = int(model.config.hidden_size)
    workers = threads or torch.get_num_threads()
    forward = open_encoding(model, torch.float32)
    rows = PackedRows(forward, token_budget, width, workers, outputs=width)
    return proven(rows, _tried_window(loaded), model.config.vocab_size)


def _tried_window(loaded: Any) -> int:
    """The longest made-up row that the forward pass is tried out with: attention over thousands fills the memory."""
    return min(int(loaded.max_seq_length), LONGEST_TRIED)


def _unpadded(features: dict[str, Any]) -> list[Tokens]:
    """The rows of a padded batch, each at its own length."""
    masks = features["attention_mask"].bool()
    types = features.get("token_type_ids")
    ids = [tuple(row[mask].tolist()) for row, mask in zip(features["input_ids"], masks, strict=True)]
    if types is None:
        return [Tokens(row) for row in ids]
    return [Tokens(row, tuple(kinds[mask].tolist())) for row, kinds, mask in zip(ids, types, masks, strict=True)]


def _unit(vectors: FloatArray) -> FloatArray:
    """Vectors of length 1: not every encoder ends in a normalising module."""
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(lengths, np.float32(1e-12)), dtype=np.float32)
