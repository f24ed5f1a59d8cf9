"""Every metric of an evaluation as statistics of rows: what `student.bootstrap` resamples.

Overlap scores are in percent, ratios in 0..1. Definitions:
    bleu           corpus BLEU against the references
    source_bleu    corpus BLEU against the source: how much was copied
    ibleu          0.7 bleu - 0.3 source_bleu, of the whole corpus (Sun & Zhou 2012, alpha 0.7)
    ibleu_sentence the same of each row's sentence BLEU, then the mean
    bert_ibleu     per row, the weighted harmonic mean of BERTScore(output, source), weight 4, and of 100 minus its
                   sentence BLEU against the source, weight 1; then the mean (Niu et al. 2021, beta 4)
    bertscore      F1 with the best reference
    compression    characters of all outputs / characters of all sources
    novel_n        share of the output's n-grams that the source lacks; rows too short for one are left out
    faithfulness   the probability that a judge gives, from 0 to 1; what it could not judge counts as 0
    empty          share of blank outputs
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from student import bleu, rouge
from student.bertscore import Score
from student.bootstrap import Array, Statistic, mean_of, quotient_of
from student.diversity import ngrams, words

ALPHA, BETA = 0.7, 4.0
Faithfulness = Callable[[Sequence[str], Sequence[str]], Sequence[float | None]]
"""Sources and outputs in, for each the probability that the output is true to its source; None: could not say."""

PERCENT = frozenset(
    {
        *(f"{kind}{ending}" for kind in rouge.KINDS for ending in ("", "_recall75")),
        *("bertscore", "bleu", "source_bleu", "ibleu", "ibleu_sentence", "bert_ibleu", "self_bleu", "msttr"),
    }
)


@dataclass(frozen=True)
class Compared:
    """A system's outputs beside sources and references, all written in one convention."""

    sources: Sequence[str]
    outputs: Sequence[str]
    references: Sequence[Sequence[str]]


def overlap(texts: Compared, tokenise: str) -> dict[str, Statistic]:
    """ROUGE and BLEU and what follows from BLEU alone."""
    found = dict(_columns(rouge.f1(texts.outputs, texts.references), ""))
    found |= _columns(rouge.recall_75(texts.outputs, texts.references), "_recall75")
    near = bleu.counts(texts.outputs, texts.references, tokenise)
    copied = _source_counts(texts, tokenise)
    of_rows = ALPHA * bleu.sentence_bleu(near) - (1 - ALPHA) * bleu.sentence_bleu(copied)
    return found | {
        "bleu": Statistic(near, bleu.corpus_bleu),
        "source_bleu": Statistic(copied, bleu.corpus_bleu),
        "ibleu": Statistic(np.concatenate([near, copied], axis=1), _ibleu),
        "ibleu_sentence": mean_of(of_rows),
    }


def _columns(scores: Array, ending: str) -> dict[str, Statistic]:
    return {f"{kind}{ending}": mean_of(scores[:, i]) for i, kind in enumerate(rouge.KINDS)}


def _source_counts(texts: Compared, tokenise: str) -> Array:
    return bleu.counts(texts.outputs, [[source] for source in texts.sources], tokenise)


def _ibleu(sums: Array) -> Array:
    near, copied = sums[..., : bleu.COUNTS], sums[..., bleu.COUNTS :]
    return ALPHA * bleu.corpus_bleu(near) - (1 - ALPHA) * bleu.corpus_bleu(copied)


def shape(texts: Compared) -> dict[str, Statistic]:
    """Lengths, blanks and new n-grams."""
    pairs = list(zip(texts.sources, texts.outputs, strict=True))
    read, written = [words(source) for source, _ in pairs], [words(output) for _, output in pairs]
    found = {
        "compression": quotient_of(
            np.array([(len(output), len(source)) for source, output in pairs], dtype=np.float64)
        ),
        "words": mean_of(np.array([float(len(output)) for output in written])),
        "empty": mean_of(np.array([float(not output.strip()) for _, output in pairs])),
    }
    for n in (1, 2):
        shares = [novel(source, output, n) for source, output in zip(read, written, strict=True)]
        found[f"novel_{n}"] = mean_of(np.array(shares))
    return found


def novel(source: Sequence[str], output: Sequence[str], n: int) -> float:
    """The share of the output's n-grams that are not in the source; nan where it has none."""
    there, made = set(ngrams(source, n)), ngrams(output, n)
    return sum(gram not in there for gram in made) / len(made) if made else float("nan")


def meaning(systems: Mapping[str, Compared], score: Score, tokenise: str) -> dict[str, dict[str, Statistic]]:
    """BERTScore and BERT-iBLEU of all systems, row by row together, so that no text is encoded twice."""
    names = list(systems)
    asked: list[tuple[str, str]] = []
    places: list[tuple[str, int, bool]] = []
    for row in range(len(systems[names[0]].sources) if names else 0):
        for name in names:
            texts = systems[name]
            against = [*texts.references[row], texts.sources[row]]
            asked += [(texts.outputs[row], other) for other in against]
            places += [(name, row, i == len(against) - 1) for i in range(len(against))]
    near = {name: np.zeros(len(texts.sources)) for name, texts in systems.items()}
    kept = {name: np.zeros(len(texts.sources)) for name, texts in systems.items()}
    for (name, row, is_source), found in zip(places, score(asked), strict=True):
        target = kept if is_source else near
        target[name][row] = max(target[name][row], found)
    return {
        name: {
            "bertscore": mean_of(near[name]),
            "bert_ibleu": mean_of(bert_ibleu(kept[name], bleu.sentence_bleu(_source_counts(texts, tokenise)))),
        }
        for name, texts in systems.items()
    }


def bert_ibleu(similarity: Array, copied: Array) -> Array:
    """Per row, in percent, from BERTScore and sentence BLEU against the source, [rows] each."""
    kept, fresh = np.maximum(similarity, 0.0), np.maximum(100.0 - copied, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray((BETA + 1) / (BETA / kept + 1 / fresh))


def faithfulness(texts: Compared, judge: Faithfulness) -> Statistic:
    """The judge's mean probability. Blank outputs, and what it could not judge, are not faithful."""
    given = judge(texts.sources, texts.outputs)
    return mean_of(np.array([0.0 if value is None else float(value) for value in given]))
