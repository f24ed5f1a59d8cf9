"""Clauses put together wrongly: the mistake that a plain LM makes most when it continues one context twice.

`The captain was found dead, and his wife was found with a knife.` does not say that the captain was found with a knife.
Two sentences of one context are joined to a premise; each of them follows from it, the subject of one with the
predicate of the other does not. Likewise what holds of an owner's thing does not hold of the owner.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from filters.training.hard_pairs import HardPair

_AUXILIARY = (
    r"is|are|was|were|has|have|had|will|would|may|might|could|can|should|must|said|says|did|does|began|plans|became"
)
_CLAUSE = re.compile(rf"^((?:The|A|An|[A-Z][a-z]+)\b[^,;:]{{0,60}}?) ((?:{_AUXILIARY}) [^;:]{{8,}})[.]$")
_OWNER = re.compile(rf"^(The|A|An) ([a-z]+)'s ((?:[a-z]+ ){{1,2}})({_AUXILIARY}) (.*)$")
_OF = re.compile(rf"^(?:The|A|An) (?:[a-z]+ )?([a-z]+) of (the|a|an) ((?:[a-z]+ )?[a-z]+) ({_AUXILIARY}) (.*)$")
_PRONOUNS = {"he", "she", "it", "they", "this", "that", "these", "those", "there", "we", "you", "i", "who", "both"}
_MASS = {"number", "group", "majority", "part", "rest", "lot", "series", "pair", "member", "members", "most", "people"}
JOINTS = (", and ", ", but ", ", while ", "; ", " and ", ", and that ")
MOST_SHARED = 0.4
"""Subjects, and predicates, may share this much of their words; more, and the wrong pair may be right."""


class Clause(NamedTuple):
    subject: str
    predicate: str

    def sentence(self) -> str:
        return f"{self.subject[0].upper()}{self.subject[1:]} {self.predicate}."


def clause_of(sentence: str) -> Clause | None:
    """Subject and predicate, cut at the first auxiliary; None where that cannot be told."""
    found = _CLAUSE.match(sentence)
    if found is None or found.group(1).split()[0].lower() in _PRONOUNS:
        return None
    return Clause(found.group(1), found.group(2))


def wrongly_joined(first: str, second: str, joint: str) -> Iterator[HardPair]:
    """From the two sentences joined: both sentences follow, the crossed ones do not."""
    one, other = clause_of(first), clause_of(second)
    if one is None or other is None or _alike(one.subject, other.subject) or _alike(one.predicate, other.predicate):
        return
    premise = f"{first.removesuffix('.')}{joint}{_lowered(second)}"
    for clause in (one, other):
        yield HardPair(premise, clause.sentence(), "entailment", "own_joined")
    for subject, predicate in ((one.subject, other.predicate), (other.subject, one.predicate)):
        yield HardPair(premise, Clause(subject, predicate).sentence(), "not_entailment", "own_crossed")


def of_the_owner(sentence: str) -> Iterator[HardPair]:
    """`The ship's captain was hurt.` and `The captain of the ship was hurt.` -> not `The ship was hurt.`"""
    if found := _OWNER.match(sentence):
        article, owner, _, auxiliary, rest = found.groups()
        yield HardPair(sentence, f"{article} {owner} {auxiliary} {rest}", "not_entailment", "own_owner")
    if (found := _OF.match(sentence)) and found.group(1) not in _MASS:
        _, article, owner, auxiliary, rest = found.groups()
        changed = f"{article.capitalize()} {owner} {auxiliary} {rest}"
        yield HardPair(sentence, changed, "not_entailment", "own_owner")


def recombination_pairs(contexts: Mapping[str, Sequence[str]], each: int, seed: int) -> Iterator[HardPair]:
    """Of each context, pairs from `each` random pairs of its sentences, and from every sentence about an owner."""
    rng = np.random.default_rng(seed)
    for context in sorted(contexts):
        sentences = contexts[context]
        for first, second in rng.integers(0, len(sentences), (each, 2)).tolist():
            if first != second:
                joint = JOINTS[int(rng.integers(len(JOINTS)))]
                yield from wrongly_joined(sentences[first], sentences[second], joint)
        for sentence in sentences:
            yield from of_the_owner(sentence)


def _lowered(sentence: str) -> str:
    """A sentence as a later clause: its article in lower case, a name as it is."""
    first = sentence.split(maxsplit=1)[0]
    return sentence[0].lower() + sentence[1:] if first in ("The", "A", "An") else sentence


def _alike(one: str, other: str) -> bool:
    first, second = set(one.lower().split()), set(other.lower().split())
    first, second = first - {"the", "a", "an", "of"}, second - {"the", "a", "an", "of"}
    return not first or not second or len(first & second) / min(len(first), len(second)) > MOST_SHARED
