"""Surface difference: ROUGE-L between the two sentences, and the share of n-grams that are new.

Words are those of the rouge-score package, lowercased runs of [a-z0-9] without stemming, and its figures are met
exactly on plain English. It drops every other letter, so that "Zürich" is two words and a Greek sentence is
empty: here a run of letters or digits of any script is a word, and of Chinese and Japanese each character.
"""

import re
import unicodedata
from itertools import chain
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cpdist

from filters.base import Cost, IntArray, Role, Scorer
from filters.pairwise import at_least, at_most, pairwise, sentences

_UNSPACED = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+|[{_UNSPACED}]")
_CHUNK = 65_536
_LETTERS = 0x110000


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Overlap:
    """ROUGE-L F1 of source and target: 2 LCS / (m + n) for m and n words.

    Source: Impossible Distillation, filters (at most 0.75 for a paraphrase).
    Why: the published value. A paraphrase that shares more is a copy with a word changed.
    """

    name: ClassVar[str] = "overlap"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    max_rouge_l: float = Field(default=0.75, ge=0, le=1)

    def open(self, device: str) -> Scorer:
        return rouge_l

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_most(scores, self.max_rouge_l)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Novelty:
    """Share of the target's n-grams that the source does not hold: 0 is a copied extract.

    Source: ours here; the novel n-gram ratio is a usual measure of a summary's abstractiveness.
    Why: 0.2 of the bigrams only sorts out extracts. No shipped recipe uses it: with the small judge, what is
    new in a summary is more often wrong than what was left out.
    """

    name: ClassVar[str] = "novelty"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    min_novel_share: float = Field(default=0.2, ge=0, le=1)
    n: int = Field(default=2, ge=1, le=10)

    def open(self, device: str) -> Scorer:
        return pairwise(lambda text: _ngrams(text, self.n) if text.strip() else None, _novel_share)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, self.min_novel_share)


def rouge_words(text: str) -> list[str]:
    """The words ROUGE counts."""
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def rouge_l(rows: pa.Table) -> pa.Array:
    """ROUGE-L F1 = 2 LCS / (m + n) words; null where either side is null or has no word."""
    texts, sources, targets = sentences(rows)
    tokens = [rouge_words(text) for text in texts]
    sizes = np.array([*map(len, tokens), 0], dtype=np.int64)  # the last is a null's
    common = np.zeros(rows.num_rows, dtype=np.int64)
    asked = np.flatnonzero((sizes[sources] > 0) & (sizes[targets] > 0))
    for start in range(0, len(asked), _CHUNK):
        part = asked[start : start + _CHUNK]
        common[part] = _common(tokens, sources[part], targets[part])
    total = sizes[sources] + sizes[targets]
    missing = np.ones(rows.num_rows, dtype=bool)
    missing[asked] = False
    return pa.array((2 * common / np.maximum(total, 1)).astype(np.float32), mask=missing)


def _common(tokens: list[list[str]], sources: IntArray, targets: IntArray) -> IntArray:
    """Length of the longest common subsequence of words, row by row. A word is made one character."""
    used = np.unique(np.concatenate([sources, targets])).tolist()
    letters = {word: place for place, word in enumerate(dict.fromkeys(chain.from_iterable(tokens[i] for i in used)))}
    if len(letters) > _LETTERS:  # a library of books, not sentences: slower, and as right
        return np.array([LCSseq.similarity(tokens[i], tokens[j]) for i, j in zip(sources, targets, strict=True)])
    spelled = {i: "".join([chr(letters[word]) for word in tokens[i]]) for i in used}
    left, right = ([spelled[i] for i in side.tolist()] for side in (sources, targets))
    return cpdist(left, right, scorer=LCSseq.similarity, dtype=np.int64)


def novel_ngram_share(source: str, target: str, n: int) -> float | None:
    """Share of the target's distinct n-grams that are not in the source; None if the target has fewer than n words."""
    return _novel_share(_ngrams(source, n), _ngrams(target, n))


def _ngrams(text: str, n: int) -> frozenset[tuple[str, ...]]:
    tokens = rouge_words(text)
    return frozenset(zip(*(tokens[start:] for start in range(n)), strict=False))


def _novel_share(source: frozenset[tuple[str, ...]], target: frozenset[tuple[str, ...]]) -> float | None:
    return len(target - source) / len(target) if target else None
