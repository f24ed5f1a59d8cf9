"""What a question asks for: a reason, a way, a person, a place, a number, a yes or no.

"How did the wall become a symbol?" against "Why did the wall become a symbol?" is one light word to a small NLI model,
and an encoder puts both questions in nearly the same place.
"""

import re
from typing import ClassVar

import pyarrow as pa
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.pairwise import at_least, pairwise
from filters.words import straight

_BE = r"(?:\s+(?:is|are|was|were|would\s+be|will\s+be)|'s|'re)"
_FEW = r"(?:\w+\s+){0,4}?"
_KINDS = {
    "number": rf"""
        how\s+(?:much|many)\b
        |what{_BE}\s+the\s+(?:\w+\s+)?(?:number|amount|cost|price|total)\b""",
    "time": rf"""
        when\b|how\s+soon\b|(?:at\s+)?wh(?:at|ich)\s+(?:time|year|day|date|month)\b|what{_BE}\s+the\s+date\b""",
    "span": r"""how\s+long\b""",
    "degree": r"""
        how\s+(?:old|far|often|big|large|tall|high|deep|fast|heavy|well|bad|good|likely|hard|difficult|safe|accurate)\b""",
    "reason": rf"""
        why\b|how\s+come\b|for\s+what\s+reasons?\b|what\s+causes?d?\b
        |what{_BE}\s+the\s+{_FEW}(?:reason|cause)s?\b""",
    "manner": rf"""
        how\b|what\s+(?:can|could|should|must|do|does|would)\s+{_FEW}do\s+(?:to|about|if|when)\b
        |(?:in\s+)?wh(?:at|ich)(?:{_BE})?\s+{_FEW}(?:ways?|steps?|methods?)\s+(?:to|of|for)\b""",
    "person": rf"""
        who(?:m|se)?\b|wh(?:at|ich)\s+(?:person|people|man|woman)\b
        |what{_BE}\s+the\s+name\s+of\s+the\s+(?:person|man|woman)\b""",
    "place": r"""where\b|(?:in\s+)?wh(?:at|ich)\s+(?:place|country|city|town)\b""",
    "thing": r"""wh(?:at|ich)\b""",
    "verdict": r"""
        (?:is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|should|shall|may|might|must)(?:n't)?\b
        |(?:won't|cannot|ain't)\b""",
}
_KIND = re.compile("|".join(f"(?P<{name}>{form})" for name, form in _KINDS.items()), re.VERBOSE)
_LEAD = re.compile(
    r"""^\W*(?:(?:and|but|so|or|well|also|then|now|ok|hey|please|exactly)\b\W*)*
        (?:(?:can|could|would|will|does|do)\s+(?:you|anyone|anybody|someone|somebody)\s+
           (?:please\s+)?(?:tell\s+(?:me|us)|explain(?:\s+to\s+(?:me|us))?|know|say)\s+(?=wh|how|if))?
        (?:(?:in|at|on|for|to|with|from|by|of)\s+(?=wh))?""",
    re.VERBOSE,
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Asked:
    """1 where both sentences ask for the same kind of thing, or neither asks; else 0. Null for a blank one.

    The kinds: a number, a time, a span of time, a degree, a reason, a way to do it, a person, a place, some other
    thing, or a yes or no; read off a question's first words. "What is the best way to" asks for a way, as "how" does.

    Source: ours.
    Why: of 150 pairs of questions that all other cheap filters passed, read blind, it drops 35, and none of the 54
    right ones (data/readings/questions.jsonl); the judge and the encoder see little of this. Its forms were written
    with these pairs in view.
    """

    name: ClassVar[str] = "asked"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    def open(self, device: str) -> Scorer:
        return pairwise(asked, lambda source, target: float(source == target))

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 1.0)


def asked(text: str) -> str | None:
    """The kind of thing that a sentence asks for; "nothing" for a statement, "other" for a question of another form."""
    plain = straight(text).strip().lower()
    if not plain:
        return None
    if not plain.rstrip("\"'”’)]!").endswith("?"):
        return "nothing"
    lead = _LEAD.match(plain)
    found = _KIND.match(plain, lead.end() if lead else 0)
    return (found.lastgroup if found else None) or "other"
