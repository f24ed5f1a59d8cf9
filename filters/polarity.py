"""Yes and no, up and down: polarity and opposites, which a small NLI model confuses where all else is the same."""

import re
from functools import lru_cache
from typing import ClassVar, NamedTuple

import pyarrow as pa
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.pairwise import at_least, pairwise
from filters.words import CLAUSE_END, FUNCTION_WORDS, stem, words

_NEGATORS = frozenset(
    "not no never without neither nor none nobody nothing nowhere hardly barely scarcely cannot".split()
)
_DENIERS = frozenset(
    """unable lack lacks lacked lacking absent fail fails failed failing failure deny denies denied denying refuse
    refuses refused refusing refusal""".split()
)
_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non-", "non")
_NOT_PREFIXED = re.compile(
    r"""(?:in(?:form|side|come|put|set|vest|ten[dst]|land|ner|stead|stitut|terest|clin|deed|fant|dustr|terview|volv|clud|creas|jur|spect)
        |dis(?:cover|play|miss|patch|eas|tract|trict|pos|count|cuss|charg|tan)|im(?:port|prov|press|part|ag)|un(?:til|ion|it|ivers|der)|non-?e)""",
    re.VERBOSE,
)
_SCOPE = 3
_WINDOW = 12
_MIN_BASE = 4
_CLOSE = 2
_OPPOSITES = (
    ("win wins won winning victory beat beats beating", "lose loses lost losing loss defeat"),
    ("buy buys bought buying purchase purchased acquire acquired acquires", "sell sells sold selling sale"),
    (
        """rise rises rose risen rising increase increases increased increasing climb climbs climbed climbing grow grows
        grew grown growing gain gains gained jump jumped soar soared surge surged""",
        """fall falls fell fallen falling decrease decreases decreased decreasing decline declines declined declining
        drop drops dropped dropping shrink shrank shrunk slump slumped plunge plunged tumble tumbled""",
    ),
    ("more higher larger bigger greater", "less fewer lower smaller"),
    ("better best improve improved improves", "worse worst worsen worsened worsens deteriorated"),
    ("above", "below beneath"),
    ("up upward", "down downward"),
    ("before", "after"),
    ("first", "last"),
    ("open opens opened opening reopen reopened", "close closes closed closing closure shut shuts"),
    (
        "begin begins began begun beginning start starts started starting",
        "end ends ended ending finish finished finishes stop stops stopped halt halted",
    ),
    ("accept accepts accepted accepting approve approves approved", "reject rejects rejected rejecting"),
    ("allow allows allowed permit permits permitted", "ban bans banned forbid forbids forbade prohibit prohibited"),
    (
        "support supports supported supporting backs backed",
        "oppose opposes opposed opposing opposition criticise criticize criticised criticized",
    ),
    ("arrive arrives arrived arriving arrival enter entered", "leave leaves leaving depart departs departed departure"),
    ("guilty convicted convict", "innocent acquitted acquit cleared"),
    ("pass passes passed succeed succeeds succeeded success", "fail fails failed failure"),
    ("alive survive survives survived living", "dead die dies died killed kill dying"),
    ("love loves loved likes liked", "hate hates hated dislike dislikes disliked"),
    ("inside", "outside"),
    ("male man men boy boys father son brother husband", "female woman women girl girls mother daughter sister wife"),
    ("north northern", "south southern"),
    ("east eastern", "west western"),
    ("strong stronger", "weak weaker"),
    ("early earlier", "late later"),
    ("hot hotter warm warmer", "cold colder cool cooler"),
    ("expensive", "cheap"),
    ("always", "never"),
    ("remember remembered", "forget forgot forgotten"),
    ("push pushed", "pull pulled"),
    ("lend lent lends", "borrow borrowed borrows"),
    ("parent parents", "child children"),
    ("teacher teachers", "student students"),
    ("employer employers", "employee employees"),
    ("victim victims", "attacker attackers suspect suspects"),
)


def _sides() -> dict[str, frozenset[int]]:
    """Word to the sides it stands on: 2i and 2i + 1 are the two sides of the i-th opposites."""
    found: dict[str, frozenset[int]] = {}
    for i, pair in enumerate(_OPPOSITES):
        for side, listed in zip((2 * i, 2 * i + 1), pair, strict=True):
            found |= {word: found.get(word, frozenset()) | {side} for word in listed.split()}
    return found


_SIDES_OF = _sides()


class Polarity(NamedTuple):
    """What a sentence denies and states, as stems."""

    negated: bool  # by a word of its own: not, never, refuse
    scope: frozenset[str]  # the content words that follow a negator
    denied: frozenset[str]  # of these the first, unless it is also stated elsewhere
    stated: frozenset[str]  # all content words but the denied
    prefixed: frozenset[tuple[str, str]]  # stems of (unhappy, happy)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Negation:
    """1 where the two sentences deny the same, 0 where one denies what the other states.

    A negation of the source may go with its clause (summary), if no word it denies is left in the target; with
    `both_ways` (paraphrase) it may not. A negation the source does not have is never right. A word that is denied
    in one sentence must not be stated plainly in the other, be it by "not" or by a prefix (unhappy, illegal).
    Two negators beside each other ("did not deny") cancel.

    Source: ours.
    Why: to a small judge a "not" is one light word among many that agree.
    """

    name: ClassVar[str] = "negation"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    both_ways: bool = False

    def open(self, device: str) -> Scorer:
        return pairwise(polarity, self._agreement)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 1.0)

    def _agreement(self, source: Polarity, target: Polarity) -> float:
        if _contradicts(source, target) or _contradicts(target, source):
            return 0.0
        if _unexplained(target, source):
            return 0.0
        if _unexplained(source, target) and (self.both_ways or source.scope & (target.stated | target.denied)):
            return 0.0
        return 1.0


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Converses:
    """0 where the source says one of two opposites (win, rise, before) and the target only the other one; else 1.

    Source: ours.
    Why: opposites stand in the same places, and a small judge takes them for one word.
    """

    name: ClassVar[str] = "converses"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    def open(self, device: str) -> Scorer:
        return pairwise(opposites, _no_opposites)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 1.0)


def polarity(text: str) -> Polarity | None:
    """Read what a sentence denies; None for a blank one."""
    if not text.strip():
        return None
    tokens = [token.lower() for token in words(text)]
    reaches = [reach for clause in CLAUSE_END.split(text) for reach in _reaches(clause)]
    denied = {reach[0] for reach in reaches if reach}
    content = [stem(token) for token in tokens if _is_content(token)]
    once = {word for word in denied if content.count(word) == 1}
    prefixed = frozenset((stem(word), base) for word in tokens for base in _bases(word) if base not in content)
    return Polarity(bool(reaches), frozenset().union(*reaches), frozenset(once), frozenset(content) - once, prefixed)


def opposites(text: str) -> frozenset[int] | None:
    """The sides of opposites a sentence takes: 2i and 2i + 1 are the two sides of the i-th; None for a blank one."""
    if not text.strip():
        return None
    return frozenset().union(*(_SIDES_OF.get(word.lower(), frozenset()) for word in words(text)))


def _no_opposites(source: frozenset[int], target: frozenset[int]) -> float:
    turned = {side ^ 1 for side in target - source} & (source - target)
    return 0.0 if turned else 1.0


def _is_content(token: str) -> bool:
    return token not in FUNCTION_WORDS | _NEGATORS | _DENIERS


def _reaches(clause: str) -> list[list[str]]:
    """For each negation of a clause, the stems of the content words that follow it."""
    tokens = [token.lower() for token in words(clause)]
    return [
        [stem(token) for token in tokens[place + 1 : place + _WINDOW] if _is_content(token)][:_SCOPE]
        for place in _uncancelled(tokens)
    ]


def _uncancelled(tokens: list[str]) -> list[int]:
    """Where the negations are. "Not only" is none, and "did not deny" are two that cancel."""
    left: list[int] = []
    for place, token in enumerate(tokens):
        if token in _DENIERS and left and place - left[-1] <= _CLOSE and tokens[left[-1]] not in _DENIERS:
            left.pop()
        elif token in _DENIERS or _is_negator(token, tokens[place + 1 : place + 2]):
            left.append(place)
    return left


def _is_negator(token: str, following: list[str]) -> bool:
    return (token in _NEGATORS or token.endswith("n't")) and following != ["only"]


def _contradicts(one: Polarity, other: Polarity) -> bool:
    """Whether `one` denies a word that `other` states."""
    if one.denied & other.stated:
        return True
    return any(base in other.stated and word not in other.stated for word, base in one.prefixed)


def _unexplained(one: Polarity, other: Polarity) -> bool:
    """Whether `one` has a negation, and `other` has none nor says it by a prefix ("not likely", "unlikely")."""
    if not one.negated or other.negated:
        return False
    return not any(base in one.denied for _, base in other.prefixed)


@lru_cache(maxsize=65_536)
def _bases(word: str) -> tuple[str, ...]:
    """The stem of what a word may deny by a prefix: of unhappy, happy."""
    if _NOT_PREFIXED.match(word):
        return ()
    bases = {word.removeprefix(prefix) for prefix in _PREFIXES if word.startswith(prefix)}
    return tuple(stem(base) for base in sorted(bases) if len(base) >= _MIN_BASE)
