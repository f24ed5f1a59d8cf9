"""How sure a sentence is: a hedge must not get lost ("may close" is not "will close"), nor a plan become a fact.

Small models drop a hedge more often than anything else that matters, and a small NLI model lets it pass: "may" is
one light word among many that agree. Every marker has a class; classes near in meaning may stand for each other.
"""

import re
from typing import ClassVar, NamedTuple

import pyarrow as pa
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.pairwise import at_least, pairwise
from filters.words import CLAUSE_END, FUNCTION_WORDS, stem, straight, words

_BE = r"(?:is|are|was|were|be|been|'s|'re|\w+s)"
_MARKERS = {
    "possible": r"""
        may|might|could|possibl[ey]|possibility|perhaps|maybe|likely|probably|unlikely
        |potential(?:ly)?|chances?\ of|appear(?:s|ed)?\ to|seem(?:s|ed)?|risk(?:s|ed|ing)?
        |threat(?:s|en|ens|ened|ening)?|feared?|fears""",
    "reported": r"""
        reportedly|allegedly|apparently|supposedly|alleged?s?|accus(?:e|es|ed|ing)
        |suspect(?:s|ed)?|rumou?r(?:s|ed)?|purported(?:ly)?|claim(?:s|ed|ing)?|believed\ to
        |thought\ to|believes?|thinks?|said\ to\ (?:be|have)|charged\ with|suggest(?:s|ed)?""",
    "planned": rf"""
        plan(?:s|ned|ning)?|intend(?:s|ed|ing)?|hop(?:e|es|ed|ing)\ (?:to|that|for)
        |want(?:s|ed|ing)?|wish(?:es|ed)?|aim(?:s|ed|ing)?\ (?:to|at)|seek(?:s|ing)?|sought
        |expect(?:s|ed|ing)?|consider(?:s|ed|ing)?|set\ to|due\ to|(?:{_BE})\ going\ to
        |tr(?:y|ies|ied|ying)\ to|attempt(?:s|ed|ing)?|scheduled|propos(?:e|es|ed|ing|al)
        |ask(?:s|ed|ing)?\ (?:\w+\ )?(?:to|for)|urg(?:e|es|ed|ing)|call(?:s|ed|ing)?\ (?:for|on)
        |offer(?:s|ed|ing)?\ to|vow(?:s|ed|ing)?|promis(?:e|es|ed|ing)|pledg(?:e|es|ed|ing)
        |agree(?:s|d)?\ to|ready\ to|about\ to|eager\ to|willing\ to""",
    "future": r"""will|won't|shall|would""",
    "conditional": r"""if|unless|whether|in\ case|provided\ that|as\ long\ as""",
    "necessary": r"""
        should|must|ought\ to|need(?:s|ed)?\ to|ha(?:s|ve|d)\ to|require[sd]?\ (?:in\ order\ )?to|supposed\ to""",
}
_PATTERN = re.compile(
    r"(?<!\w)(?:" + "|".join(f"(?P<{name}>{forms})" for name, forms in _MARKERS.items()) + r")(?![\w])", re.VERBOSE
)
_MONTH_MAY = re.compile(r"\bMay\b(?=\s+\d)|(?<=\b[Ii]n )May\b|(?<=[a-z0-9] )May\b")
_SHORT_WILL = re.compile(r"'ll\b")
_KEPT_BY = {
    "possible": {"possible"},
    "reported": {"reported", "possible"},
    "planned": {"planned", "possible"},
    "future": {"future", "planned"},
    "conditional": {"conditional"},
    "necessary": {"necessary"},
}
_ALLOWED_FROM = {
    "possible": {"possible", "future"},
    "reported": {"reported", "possible"},
    "planned": {"planned", "future"},
    "future": {"future"},
    "conditional": {"conditional"},
    "necessary": {"necessary"},
}
_SCOPE = 4


class Modality(NamedTuple):
    """The classes of a sentence, the words each class's first markers govern, and all content words."""

    classes: frozenset[str]
    scope: frozenset[tuple[str, str]]
    content: frozenset[str]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Hedges:
    """1 where the target is as sure as the source, else 0.

    A class of the target must come from the source. A class of the source must be kept; in a summary it may go with
    its clause, that is if none of the words after the marker is left in the target. `both_ways` (paraphrase) keeps all.

    Source: ours.
    Why: a small teacher drops a hedge more often than anything else that matters.
    """

    name: ClassVar[str] = "hedges"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    both_ways: bool = False

    def open(self, device: str) -> Scorer:
        return pairwise(modality, self._agreement)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 1.0)

    def _agreement(self, source: Modality, target: Modality) -> float:
        if any(not (_ALLOWED_FROM[name] & source.classes) for name in target.classes):
            return 0.0
        lost = {name for name in source.classes if not (_KEPT_BY[name] & target.classes)}
        if self.both_ways:
            return 0.0 if lost else 1.0
        return 0.0 if any(name in lost and word in target.content for name, word in source.scope) else 1.0


def modality(text: str) -> Modality | None:
    """Read the hedges of a sentence; None for a blank one."""
    if not text.strip():
        return None
    lowered = _SHORT_WILL.sub(" will", _MONTH_MAY.sub("Month", straight(text)).lower())
    scope: set[tuple[str, str]] = set()
    classes: set[str] = set()
    for match in _PATTERN.finditer(lowered):
        name = str(match.lastgroup)
        classes.add(name)
        clause = CLAUSE_END.split(lowered[match.end() :], maxsplit=1)[0]
        following = [word for word in words(clause) if word not in FUNCTION_WORDS]
        scope.update((name, stem(word)) for word in following[:_SCOPE])
    content = frozenset(stem(word) for word in words(lowered) if word not in FUNCTION_WORDS)
    return Modality(frozenset(classes), frozenset(scope), content)
