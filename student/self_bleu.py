"""Self-BLEU: how much the texts of a set are like each other (Zhu et al. 2018).

The mean sentence BLEU of each text against all the others as references: high is monotonous. For N texts that is N - 1
references each; taking the two largest counts of every n-gram over all texts gives the same numbers in one pass.
"""

from collections.abc import Sequence

import numpy as np

from student.bleu import ORDER, sentence_bleu

Gram = tuple[str, ...]


def self_bleu(texts: Sequence[str]) -> float:
    """Mean in percent; tokens are split at spaces. Two texts at least; nan for fewer."""
    from sacrebleu.metrics.helpers import extract_all_word_ngrams

    if len(texts) < 2:
        return float("nan")
    counted = [extract_all_word_ngrams(text, 1, ORDER) for text in texts]
    grams, lengths = [dict(found) for found, _ in counted], np.array([length for _, length in counted])
    first, second = _two_largest(grams)
    rows = []
    for i, own in enumerate(grams):
        matches, totals = [0] * ORDER, [0] * ORDER
        for gram, count in own.items():
            elsewhere = second.get(gram, 0) if count == first[gram] else first[gram]
            matches[len(gram) - 1] += min(count, elsewhere)
            totals[len(gram) - 1] += count
        rows.append([lengths[i], _nearest(lengths, i), *matches, *totals])
    return float(sentence_bleu(np.array(rows, dtype=np.float64)).mean())


def _two_largest(grams: Sequence[dict[Gram, int]]) -> tuple[dict[Gram, int], dict[Gram, int]]:
    """The largest and second largest count of every n-gram in one text; equal where two texts share the largest."""
    first: dict[Gram, int] = {}
    second: dict[Gram, int] = {}
    for found in grams:
        for gram, count in found.items():
            top = first.get(gram, 0)
            if count > top:
                first[gram], second[gram] = count, top
            elif count > second.get(gram, 0):
                second[gram] = count
    return first, second


def _nearest(lengths: "np.ndarray[tuple[int], np.dtype[np.int64]]", i: int) -> int:
    """The length of another text that is nearest to that of text i; the shorter of two as near."""
    others = np.delete(lengths, i)
    gaps = np.abs(others - lengths[i])
    return int(others[gaps == gaps.min()].min())
