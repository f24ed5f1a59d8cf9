"""Keywords forced into a continuation (the `sequential` mode), and which words of a sentence are its keywords.

The first version of Impossible Distillation wrote y after x with keywords of x forced. Ours is a soft pull: while a
keyword is missing, the tokens that begin it gain logits step by step, a begun keyword is completed, and the sentence
may not end. Near the end of the budget the sentence may end all the same; the share of keywords found is reported.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

STOPWORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below between both
    but by can could did do does doing down during each even few for from further had has have having he her
    here hers him his how i if in into is it its itself just like made make many may me might more most much my
    new no nor not now of off on once one only or other our out over own per said same say says she should since
    so some such than that the their them then there these they this those through to too two under until up us
    very was we were what when where which while who whom why will with would year years you your
    """.split()
)


def pick(sentence: str, most: int) -> tuple[str, ...]:
    """At most `most` content words of a sentence, in order: names and figures first, then the longest words."""
    words = [w for w in re.findall(r"[^\W_]+(?:[-'’][^\W_]+)*", sentence) if w.lower() not in STOPWORDS and len(w) > 2]
    unique = list(dict.fromkeys(words))
    ranked = sorted(unique, key=lambda w: (not (w[0].isupper() or w[0].isdigit()), -len(w), unique.index(w)))
    return tuple(sorted(ranked[:most], key=unique.index))


def coverage(text: str, keywords: Sequence[str]) -> float:
    """Share of `keywords` that stand in `text` as whole words, case aside. 1.0 for no keywords."""
    words = {w.lower() for w in re.findall(r"[^\W_]+(?:[-'’][^\W_]+)*", text)}
    return sum(k.lower() in words for k in keywords) / len(keywords) if keywords else 1.0


@dataclass
class Keywords:
    """Keywords of one sequence. `spellings`: for each keyword, the token sequences that write it inside a sentence."""

    spellings: Sequence[tuple[int, ...]]
    pull: float = 1.0  # logits at the first step
    growth: float = 0.15  # logits a step
    missing: set[int] = field(init=False)
    begun: dict[int, int] = field(init=False, default_factory=dict)  # keyword -> tokens of it just written
    steps: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.missing = set(range(len(self.spellings)))

    def observe(self, ids: Sequence[int]) -> None:
        """Note which keywords the continuation `ids` holds, and which one its end has begun."""
        self.steps = len(ids)
        self.begun = {}
        for k in sorted(self.missing):
            written = self._written(ids, self.spellings[k])
            if written == len(self.spellings[k]):
                self.missing.discard(k)
            elif written:
                self.begun[k] = written

    @staticmethod
    def _written(ids: Sequence[int], spelling: tuple[int, ...]) -> int:
        """How many first tokens of `spelling` the continuation ends with."""
        for length in range(min(len(spelling), len(ids)), 0, -1):
            if tuple(ids[-length:]) == spelling[:length]:
                return length
        return 0

    def push(self, logits: torch.Tensor) -> None:
        """Pull one row of logits [vocabulary] towards the missing keywords, in place."""
        if self.begun:
            k = max(self.begun, key=lambda key: (self.begun[key], -key))
            logits[self.spellings[k][self.begun[k]]] += 12.0  # half a word is no word
            return
        strength = self.pull + self.growth * self.steps
        for first in {self.spellings[k][0] for k in self.missing}:
            logits[first] += strength

    def holds_end(self, written: int, budget: int) -> bool:
        """Whether the sentence may not end yet: a keyword is missing and a quarter of the budget is left."""
        return bool(self.missing) and written < 0.75 * budget
