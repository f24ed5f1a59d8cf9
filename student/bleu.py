"""BLEU by sacrebleu, kept as counts a row, so that a resample of the rows has its corpus BLEU by addition.

Tokens are split at spaces where the benchmark is already cut into tokens, else by sacrebleu's 13a. Corpus BLEU has
sacrebleu's default smoothing (exp); sentence BLEU has it too, with the effective order. iBLEU and BERT-iBLEU are
functions of these: see `student.metrics`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from student.bootstrap import Array

ORDER = 4
COUNTS = 2 + 2 * ORDER
"""Length of the output, length of the nearest reference, matches of 1..4-grams, 1..4-grams in all."""


def tokeniser_name(is_tokenised: bool) -> str:
    return "none" if is_tokenised else "13a"


def counts(outputs: Sequence[str], references: Sequence[Sequence[str]], tokenise: str = "13a") -> Array:
    """The sufficient statistics of BLEU, [rows, 10], as sacrebleu extracts them."""
    metric = _metric(tokenise)
    rows = [_row(metric, text, list(wanted)) for text, wanted in zip(outputs, references, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(-1, COUNTS)


def _metric(tokenise: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenise, force=True)


def _row(metric: Any, output: str, references: list[str]) -> list[float]:
    score = metric.corpus_score([output], [[reference] for reference in references])
    return [score.sys_len, score.ref_len, *score.counts, *score.totals]


def corpus_bleu(sums: Array) -> Array:
    """Corpus BLEU in percent from sums [..., 10]; sacrebleu's `compute_bleu` with smoothing exp, for arrays."""
    output, reference = sums[..., 0], sums[..., 1]
    matches, totals = sums[..., 2 : 2 + ORDER], sums[..., 2 + ORDER :]
    return _bleu(output, reference, matches, totals, np.full(output.shape, ORDER))


def sentence_bleu(rows: Array) -> Array:
    """Sentence BLEU in percent of each row [rows, 10], with the effective order."""
    orders = (rows[:, 2 + ORDER :] > 0).sum(axis=1)
    return _bleu(rows[:, 0], rows[:, 1], rows[:, 2 : 2 + ORDER], rows[:, 2 + ORDER :], orders)


def _bleu(output: Array, reference: Array, matches: Array, totals: Array, orders: Array) -> Array:
    """Brevity penalty times the geometric mean of the precisions of the first `orders` n-grams.

    Smoothing exp (NIST): the k-th order without a match counts as 1 / 2^k matches.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = (matches == 0) & (totals > 0)
        smoothed = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), matches)
        logs = np.log(smoothed / totals)
        counted = np.arange(ORDER) < orders[..., None]
        mean = np.where(counted, logs, 0.0).sum(axis=-1) / orders
        penalty = np.where(output < reference, np.exp(1 - reference / output), 1.0)
        score = 100 * penalty * np.exp(mean)
    usable = (matches.sum(axis=-1) > 0) & (output > 0) & np.isfinite(score)
    return np.asarray(np.where(usable, score, 0.0))
