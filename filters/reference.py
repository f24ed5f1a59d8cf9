"""Who is meant: pronouns agree, and a sentence that stands alone has a subject with a name or a noun.

"She was arrested" against "He was arrested" is one light word to a small NLI model; and of "It's a cult of
personality." nobody can say what it follows from, so the judge's verdict on it is noise.
"""

import re
from typing import ClassVar, NamedTuple

import pyarrow as pa
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.pairwise import at_least, pairwise
from filters.words import straight

_PERSONS = {
    "I": "i me my mine myself i'm i've i'll i'd",
    "we": "we us our ours ourselves we're we've we'll we'd",
    "you": "you your yours yourself yourselves you're you've you'll you'd",
    "he": "he him his himself he's he'll he'd",
    "she": "she her hers herself she's she'll she'd",
    "they": "they they're they've they'll they'd",
    "it": "it it's it'll it'd",
}
_PERSON_OF = {word: person for person, listed in _PERSONS.items() for word in listed.split()}
_NOT_WE = re.compile(r"\b(?:US|U\.S\.?)(?![a-z])")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_BARE_SUBJECT = re.compile(
    r"""^\W*(?:(?:and|but|so|yet|or|also|then|now|however|meanwhile)\W+)*
        (?:(?:he|she|it|they|we|you|i)(?:'\w+)?(?!\w)
         |(?:this|that|these|those)(?:'s)?\s+(?:is|was|are|were|has|have|had|will|would|may|might|could|can|should|means?|makes?|made
            |does|did|do|includes?|included|comes?|came|leads?|led|shows?|showed|happens?|happened)\b)""",
    re.VERBOSE | re.IGNORECASE,
)


class Reference(NamedTuple):
    """The persons a sentence's pronouns speak of, and whether its subject is nothing but a pronoun."""

    persons: frozenset[str]
    bare: bool


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Pronouns:
    """1: pronouns agree; 0.5: they agree, but one sentence's subject is a bare pronoun; 0: they do not.

    They agree when each person of the target's pronouns is one of the source's: he does not become she, and a name
    does not become he, for then the summary does not stand alone. Its and their are free: they point inside.
    `both_ways` (paraphrase): also I, we, you, he and she of the source are in the target. `named_subject` keeps
    only the 1s.

    Source: ours.
    Why: off by default, since text of one's own may speak in pronouns. The recipes turn `named_subject` on: pairs of
    pronoun sentences were accepted for nothing (docs/lab-book.md).
    """

    name: ClassVar[str] = "pronouns"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    both_ways: bool = False
    named_subject: bool = False

    def open(self, device: str) -> Scorer:
        return pairwise(reference, self._agreement)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 1.0 if self.named_subject else 0.5)

    def _agreement(self, source: Reference, target: Reference) -> float:
        lost = source.persons - target.persons - {"it", "they"} if self.both_ways else frozenset()
        if target.persons - source.persons or lost:
            return 0.0
        return 0.5 if source.bare or target.bare else 1.0


def reference(text: str) -> Reference | None:
    """Read the pronouns of a sentence; None for a blank one."""
    if not text.strip():
        return None
    plain = _NOT_WE.sub("America", straight(text))
    persons = {_PERSON_OF[word] for word in _WORD.findall(plain.lower()) if word in _PERSON_OF}
    return Reference(frozenset(persons), _BARE_SUBJECT.match(plain) is not None)
