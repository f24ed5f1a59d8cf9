"""How varied a set of texts is, compared at equal numbers of words.

All of these measures change with the amount of text, so sets that are compared are first cut to the same number of
words: their texts in a seeded random order, until the smallest set would be used up. For self-BLEU, to as many texts.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, islice

import numpy as np

from student.self_bleu import self_bleu

NAN = float("nan")
SEGMENT = 100
"""Words of an MSTTR segment: the library's default."""
SELF_BLEU_SAMPLE = 500
"""Texts that are compared with each other: self-BLEU, too, grows with their number."""
FEWEST_WORDS = 2 * SEGMENT
"""A set with fewer has no diversity that could be told: it is left out, and does not set the others' size."""

_WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")

Words = list[str]


def words(text: str) -> Words:
    """Lower-case words and numbers, without punctuation."""
    return _WORD.findall(text.lower())


def diversity(sets: Mapping[str, Sequence[str]], seed: int = 0) -> tuple[dict[str, dict[str, float]], int]:
    """The measures of every set, and the number of words that each was cut to."""
    mixed = {name: _shuffled(texts, seed) for name, texts in sets.items()}
    streams = {name: list(chain.from_iterable(map(words, texts))) for name, texts in mixed.items()}
    size = min((len(stream) for stream in streams.values() if len(stream) >= FEWEST_WORDS), default=0)
    sample = min(SELF_BLEU_SAMPLE, *(len(mixed[name]) for name in streams if len(streams[name]) >= FEWEST_WORDS), 10**9)
    found = {
        name: lexical(stream[:size] if len(stream) >= FEWEST_WORDS else [])
        | {"self_bleu": self_bleu(_spaced(mixed[name][:sample])) if len(stream) >= FEWEST_WORDS else math.nan}
        for name, stream in streams.items()
    }
    return found, size


def _spaced(texts: Sequence[str]) -> list[str]:
    return [" ".join(words(text)) for text in texts]


def _shuffled(texts: Sequence[str], seed: int) -> list[str]:
    """Texts with something in them, in an order that depends on the seed and on them alone."""
    mixed = sorted(text for text in texts if text.strip())
    random.Random(seed).shuffle(mixed)
    return mixed


def lexical(stream: Words) -> dict[str, float]:
    """MTLD, MSTTR in percent, distinct n-grams as a share, entropy of n-grams in bits."""
    long_enough = len(stream) >= FEWEST_WORDS
    found = {"mtld": _mtld(stream) if long_enough else NAN, "msttr": _msttr(stream) if long_enough else NAN}
    for n in (1, 2, 3):
        counts = Counter(ngrams(stream, n))
        found[f"distinct_{n}"] = len(counts) / counts.total() if counts else NAN
        found[f"entropy_{n}"] = entropy(counts)
    return found


def ngrams(stream: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(islice(stream, start, None) for start in range(n)), strict=False))


def entropy(counts: Counter[tuple[str, ...]]) -> float:
    """Shannon entropy of a frequency table, in bits."""
    if not counts:
        return NAN
    shares = np.array(list(counts.values()), dtype=np.float64) / counts.total()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def _mtld(stream: Words) -> float:
    from lexicalrichness import LexicalRichness

    return float(LexicalRichness(stream, preprocessor=None, tokenizer=None).mtld())


def _msttr(stream: Words) -> float:
    """The library leaves out the last segment, whole or not: one word more than whole segments keeps them all."""
    from lexicalrichness import LexicalRichness

    whole = len(stream) // SEGMENT * SEGMENT
    measured = LexicalRichness([*stream[:whole], ""], preprocessor=None, tokenizer=None)
    return 100 * float(measured.msttr(segment_window=SEGMENT))
