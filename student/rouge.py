"""ROUGE by the rouge-score library: F1 with the best reference, recall of the first 75 bytes over all references.

F1 is the best over the references for each kind, as the library's own `score_multi` has it. Recall of what fits into 75
bytes is the measure of DUC-2003 and 2004; it is the mean over the references, as ROUGE-1.5.5 has it by default.
Words are stemmed (Porter); the library lower-cases and drops everything but a-z and 0-9.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from student.bootstrap import Array

KINDS = ("rouge1", "rouge2", "rougeL")
BYTES = 75


class _Words:
    """The library's tokenizer with a memory: a source or reference is scored against every system."""

    def __init__(self) -> None:
        from rouge_score.tokenizers import DefaultTokenizer

        self.tokenize = lru_cache(maxsize=1 << 16)(DefaultTokenizer(use_stemmer=True).tokenize)


@lru_cache(maxsize=1)
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(KINDS, tokenizer=_Words())


def first_bytes(text: str, most: int = BYTES) -> str:
    """As much of a text as fits into so many bytes of UTF-8, without a torn character."""
    return text.encode()[:most].decode(errors="ignore")


def f1(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> Array:
    """ROUGE-1, -2 and -L F1 in percent, [rows, 3]."""
    scorer = _scorer()
    found = [scorer.score_multi(wanted, text) for text, wanted in zip(outputs, references, strict=True)]
    return np.array([[100 * score[kind].fmeasure for kind in KINDS] for score in found]).reshape(-1, len(KINDS))


def recall_75(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> Array:
    """ROUGE-1, -2 and -L recall of the first 75 bytes in percent, [rows, 3]."""
    rows = [_recall(first_bytes(text), wanted) for text, wanted in zip(outputs, references, strict=True)]
    return np.array(rows).reshape(-1, len(KINDS))


def _recall(text: str, references: Sequence[str]) -> list[float]:
    found = [_scorer().score(reference, text) for reference in references]
    return [100 * float(np.mean([score[kind].recall for score in found])) for kind in KINDS]
