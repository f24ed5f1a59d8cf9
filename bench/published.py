"""The procedure as published, written anew from its description: what ours is compared with.

Source: 2305.16635 v4, sections on generation and filtering, and what is known of the authors' code. Where either leaves
a choice open, the reading that helps the published procedure is taken, but for one: the NLI model answers both
directions of every pair at once. Were the way back asked only where the way there holds, its judge time
would about halve.

As published
- n continuations a context of 100 tokens each, cut to the first sentence afterwards;
- each two sentences form one pair, in the order they were sampled in; the other order is not tried;
- the NLI model comes first: it sees all pairs, both ways, in batches of fixed size in the order given, padded to the
  longest, every pair tokenised on its own;
- then the cheap filters: length and, for paraphrases, ROUGE-L;
- then diversity: pairs are linked by one-way entailment between their sources or their targets, of every connected
  component the pair with the largest sum of both probabilities stays;
- the number check of paraphrases comes last, so the only pair of a component can still be dropped. It goes over the
  target's numbers: one that the target leaves out is not seen.

Kinder than the original
- the models are loaded once (there: every ten inputs);
- equal sentences are merged before pairs are formed, so the NLI model sees fewer pairs;
- both tasks share the answers of one pass of the NLI model, and diversity asks it nothing new;
- ROUGE-L is computed by this project's fast code.

Left out on both sides: the tree edit distance, and the two-step sampling of contexts (both get the same contexts).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf
from typing import Any

import pyarrow as pa

from filters.models import load_judge
from filters.overlap import rouge_l
from pipeline.teacher.decoder import Sampling
from pipeline.teacher.sentence import first_sentence

MAX_TOKENS = 100
MIN_PROBABILITY = 0.75
MIN_CHARACTERS = 3
BATCH = 32

Pair = tuple[str, str]
Ask = Callable[[Sequence[Pair]], Sequence[float]]
"""(premise, hypothesis) pairs in, P(entailment) out, in the order asked."""

Index = tuple[int, int]
Known = Mapping[Index, float]
"""P(sentence i entails sentence j) by (i, j), of all sentences of a context."""


@dataclass(frozen=True)
class PublishedTask:
    """A task's filters. A ratio is len(target) / len(source) in characters."""

    both_ways: bool
    min_ratio: float = 0.0
    max_ratio: float = inf
    below_ratio: float = inf
    max_rouge_l: float = 1.0
    checks_numbers: bool = False


TASKS = {
    "paraphrase": PublishedTask(both_ways=True, min_ratio=0.8, max_ratio=1.5, max_rouge_l=0.75, checks_numbers=True),
    "summary": PublishedTask(both_ways=False, below_ratio=0.8),
}


def sampling(ours: Sampling) -> Sampling:
    """The same n, temperature and nucleus; 100 tokens, and nothing stops at a sentence's end."""
    return replace(ours, max_tokens=MAX_TOKENS, stop_at_sentence=False)


def cut(texts: Sequence[str]) -> list[str]:
    """First sentences of 3 characters or more without a newline, equal ones once, in the order sampled."""
    found = (first_sentence(text) for text in texts)
    fit = (sentence for sentence in found if sentence and len(sentence) >= MIN_CHARACTERS and "\n" not in sentence)
    return list(dict.fromkeys(fit))


def accepted(sentences: Sequence[str], ask: Ask) -> dict[str, list[Pair]]:
    """The accepted pairs of one context, by task."""
    pairs = list(combinations(range(len(sentences)), 2))
    known = _judge(sentences, pairs, ask)
    return {name: _accepted(sentences, pairs, known, task) for name, task in TASKS.items()}


def _judge(sentences: Sequence[str], pairs: Sequence[Index], ask: Ask) -> Known:
    """Both directions of every pair: first all forward, then all backward."""
    backward = [(j, i) for i, j in pairs]
    known: dict[Index, float] = {}
    for direction in (pairs, backward):
        known |= zip(direction, ask([(sentences[i], sentences[j]) for i, j in direction]), strict=True)
    return known


def _accepted(sentences: Sequence[str], pairs: Sequence[Index], known: Known, task: PublishedTask) -> list[Pair]:
    entailed = [pair for pair in pairs if _entails(pair, known, task.both_ways)]
    cheap = _similar_enough(sentences, [pair for pair in entailed if _fits(sentences, pair, task)], task.max_rouge_l)
    kept = [(sentences[i], sentences[j]) for i, j in diverse(cheap, known)]
    return [pair for pair in kept if not task.checks_numbers or numbers_agree(*pair)]


def _entails(pair: Index, known: Known, both_ways: bool) -> bool:
    return known[pair] >= MIN_PROBABILITY and (not both_ways or known[pair[::-1]] >= MIN_PROBABILITY)


def _fits(sentences: Sequence[str], pair: Index, task: PublishedTask) -> bool:
    ratio = len(sentences[pair[1]]) / len(sentences[pair[0]])
    return task.min_ratio <= ratio <= task.max_ratio and ratio < task.below_ratio


def _similar_enough(sentences: Sequence[str], pairs: Sequence[Index], max_rouge_l: float) -> list[Index]:
    """The pairs that differ on the surface."""
    if not pairs or max_rouge_l >= 1.0:
        return list(pairs)
    columns = {"source": [sentences[i] for i, _ in pairs], "target": [sentences[j] for _, j in pairs]}
    scores = rouge_l(pa.table(columns)).to_pylist()
    return [pair for pair, score in zip(pairs, scores, strict=True) if score is not None and score <= max_rouge_l]


def diverse(pairs: Sequence[Index], known: Known) -> list[Index]:
    """Algorithm 1: of every connected component the pair that the NLI model is surest of; the first of equals."""
    components = _components(pairs, known)
    return [max(component, key=lambda pair: known[pair] + known[pair[::-1]]) for component in components]


def _components(pairs: Sequence[Index], known: Known) -> list[list[Index]]:
    left, components = list(pairs), []
    while left:
        component, edge = [], [left.pop(0)]
        while edge:
            component.append(edge.pop())
            near = [pair for pair in left if _linked(component[-1], pair, known)]
            left = [pair for pair in left if pair not in near]
            edge += near
        components.append(sorted(component))
    return components


def _linked(p: Index, q: Index, known: Known) -> bool:
    """Whether one's source entails the other's source, or one's target the other's target: one way is enough."""
    return any(a == b or max(known[a, b], known[b, a]) >= MIN_PROBABILITY for a, b in zip(p, q, strict=True))


def numbers_agree(source: str, target: str) -> bool:
    """Every figure of the target is in the source. Figures that the target drops go unseen, as published."""
    return set(_FIGURE.findall(target)) <= set(_FIGURE.findall(source))


_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")


class UnsortedJudge:
    """The NLI model asked as published: fixed batches in the order given, padded to the longest, nothing kept."""

    def __init__(self, model: str, revision: str = "", entailment_label: str | None = None, threads: int = 2) -> None:
        self._judge = load_judge(model, revision, entailment_label)
        self._threads = threads

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        from filters.batches import fixed_threads

        with fixed_threads(self._threads):
            parts = [self._batch(pairs[start : start + BATCH]) for start in range(0, len(pairs), BATCH)]
        return [probability for part in parts for probability in part]

    def _batch(self, pairs: Sequence[Pair]) -> Any:
        import torch

        premises, hypotheses = (list(texts) for texts in zip(*pairs, strict=True))
        coded = self._judge.tokenizer(
            premises,
            hypotheses,
            padding=True,
            truncation=True,
            max_length=self._judge.window,
            return_tensors="pt",
        )
        with torch.inference_mode():
            logits = self._judge.model(**coded).logits
        return logits.softmax(-1)[:, self._judge.entailment].tolist()
