"""Pairs whose words are nearly the same and whose meaning is not, made from plain sentences by rule.

PAWS-like (Zhang et al. 2019, arXiv 1904.01130) in kind, of our own making: the same words in other roles do not
follow; the same words with an adverbial or a list in another order do. Further rules change one word that the meaning
hangs on. A rule returns the changed sentence, or None where it does not apply.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

Rule = Callable[[str], str | None]

_NOUN = r"(?:[a-z]{3,}|[A-Z][a-z]+)"
_TWO_PHRASES = re.compile(
    rf"\b([Tt]he|[Aa]n?) ({_NOUN}) (?P<between>[^.;:()\"]*?\b[^.;:()\"]*?)\b(the|an?) ({_NOUN})\b"
)
_NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][a-z]+(?: [A-Z][a-z]+)*\b")
_LIST = re.compile(rf"\b({_NOUN}) and ({_NOUN})\b(?! [a-z]+ing\b)")
_FRONTED = re.compile(r"^((?:In|On|At|During|After|Before|Since|By|From|Until) [^,]{3,30}), ([^.]{15,})([.])$")
_FROM_TO = re.compile(r"\bfrom ((?:[A-Z][a-z]+|\d+)) to ((?:[A-Z][a-z]+|\d+))\b")
_DATE_LIKE = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"} | set(
    "January February March April May June July August September October November December".split()
)
_FUNCTION = set(
    "same other first last second only most many few year years day days time end number part one two three new old "
    "also more such very late early following most next more least best".split()
)
_NOT_VERBS = set("of and or a an the in on at for with to by from as".split())


def swapped_nouns(text: str) -> str | None:
    """`The dog chased the cat` -> `The cat chased the dog`: two nouns after determiners change places."""
    found = _TWO_PHRASES.search(text)
    if found is None:
        return None
    first, second, between = found.group(2), found.group(5), found.group("between")
    words = between.split()
    if first.lower() == second.lower() or {first.lower(), second.lower()} & _FUNCTION:
        return None
    if " and " in f" {between} " or " or " in f" {between} " or not set(words) - _NOT_VERBS:
        return None
    start, end = found.span(2), found.span(5)
    return text[: start[0]] + second + text[start[1] : end[0]] + first + text[end[1] :]


def swapped_names(text: str) -> str | None:
    """Two names inside a sentence change places, unless a list joins them."""
    names = [found for found in _NAME.finditer(text) if not set(found.group().split()) & _DATE_LIKE]
    for first, second in pairwise(names):
        between = text[first.end() : second.start()]
        if first.group() != second.group() and len(between.split()) >= 2 and not re.search(r"\b(and|or)\b|,", between):
            return text[: first.start()] + second.group() + between + first.group() + text[second.end() :]
    return None


def swapped_ends(text: str) -> str | None:
    """`from Rome to Paris` -> `from Paris to Rome`."""
    return _FROM_TO.sub(r"from \2 to \1", text, count=1) if _FROM_TO.search(text) else None


def swapped_list(text: str) -> str | None:
    """`cats and dogs` -> `dogs and cats`: the meaning stays."""
    found = _LIST.search(text)
    if found is None or found.group(1).lower() == found.group(2).lower():
        return None
    if found.group(1)[0].isupper() != found.group(2)[0].isupper() or found.start() == 0:
        return None
    return f"{text[: found.start()]}{found.group(2)} and {found.group(1)}{text[found.end() :]}"


def moved_adverbial(text: str) -> str | None:
    """`In 1998, he moved away.` -> `He moved away in 1998.`: the meaning stays."""
    found = _FRONTED.match(text)
    if found is None or "," in found.group(2):
        return None
    adverbial, rest = found.group(1), found.group(2)
    return f"{rest[0].upper()}{rest[1:]} {adverbial[0].lower()}{adverbial[1:]}."


def _replaced(*changes: tuple[str, str]) -> Rule:
    """A rule that changes the first word of `changes` that the sentence has."""
    patterns = [(re.compile(rf"\b{old}\b"), new) for old, new in changes]

    def rule(text: str) -> str | None:
        for pattern, new in patterns:
            if pattern.search(text):
                return pattern.sub(new, text, count=1)
        return None

    return rule


unhedged = _replaced(
    ("was being", "was"), ("were being", "were"), ("was to be", "was"), ("were to be", "were"), ("is set to be", "is"),
    ("was set to be", "was"), ("was destined to be", "was"), ("is being considered", "has been accepted"),
    ("is being", "has been"), ("are being", "have been"), ("was supposed to be", "was"), ("is planning to", "will"),
    ("may have", "has"), ("might have", "has"), ("may be", "is"), ("might be", "is"), ("could be", "is"),
    ("may", "will"), ("might", "will"), ("could", "will"), ("is expected to be", "is"), ("is expected to", "will"),
    ("are expected to", "will"), ("plans to", "will"), ("hopes to", "will"), ("is likely to", "will"),
    ("is believed to be", "is"), ("is thought to be", "is"), ("are believed to be", "are"),
    ("reportedly ", ""), ("allegedly ", ""), ("probably", "certainly"), ("possibly", "certainly"),
    ("tried to", "managed to"), ("wants to", "is going to"), ("wanted to", "was able to"),
)  # fmt: skip
opposite = _replaced(
    ("before", "after"), ("after", "before"), ("increased", "decreased"), ("decreased", "increased"),
    ("more than", "less than"), ("less than", "more than"), ("rose", "fell"), ("fell", "rose"), ("won", "lost"),
    ("lost", "won"), ("above", "below"), ("north", "south"), ("east", "west"), ("higher", "lower"),
    ("lower", "higher"), ("larger", "smaller"), ("first", "last"), ("always", "never"), ("accepted", "rejected"),
    ("with", "without"), ("began", "ended"), ("started", "stopped"), ("opened", "closed"), ("bought", "sold"),
    ("sold", "bought"), ("teacher", "student"), ("parents", "children"), ("all", "none"), ("many", "few"),
    ("best", "worst"), ("supported", "opposed"), ("older", "younger"), ("joined", "left"),
)  # fmt: skip
other_tense = _replaced(
    ("will be", "was"), ("will", "did"), ("was", "will be"), ("were", "will be"), ("has been", "will be"),
)  # fmt: skip


@dataclass(frozen=True)
class HardPair:
    """`label`: entailment, or not_entailment."""

    premise: str
    hypothesis: str
    label: str
    origin: str


RULES: dict[str, tuple[Rule, str, bool]] = {
    "own_swap_nouns": (swapped_nouns, "not_entailment", True),
    "own_swap_names": (swapped_names, "not_entailment", True),
    "own_swap_ends": (swapped_ends, "not_entailment", True),
    "own_order_list": (swapped_list, "entailment", True),
    "own_order_adverbial": (moved_adverbial, "entailment", True),
    "own_unhedged": (unhedged, "not_entailment", False),
    "own_opposite": (opposite, "not_entailment", True),
    "own_tense": (other_tense, "not_entailment", True),
}
"""name -> rule, label, and whether the pair is also asked the other way round."""


def hard_pairs(sentences: Iterable[str], rules: Iterable[str] = tuple(RULES)) -> Iterator[HardPair]:
    """Every pair that the rules make of the sentences."""
    chosen = list(rules)
    for sentence in sentences:
        for name in chosen:
            rule, label, both_ways = RULES[name]
            changed = rule(sentence)
            if changed and changed != sentence:
                yield HardPair(sentence, changed, label, name)
                if both_ways:
                    yield HardPair(changed, sentence, label, name)
