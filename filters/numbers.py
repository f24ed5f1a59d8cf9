"""Figures agree: every number, date and amount of the target is in the source, and for a paraphrase the other way too.

A small NLI model reads numbers loosely: "47 died" entails "57 died" with high probability. So they are read here.
Numbers are brought to one form first: 1,000 = 1000 = a thousand, $5m = 5 million dollars, 3rd = third.
Days, months, and today, yesterday and tomorrow count as figures: one wrong and the sentence is wrong. What is counted
is seen where it is money, a share or a usual measure: 3 hours are not 3 days, but 3 men may be 3 women.

Not seen: a unit that only one of the two gives (3 of anything in the source lets the target say 3 hours, though not
$3 or 3%), what has no number word ("an hour", "a year and a half"), "half" and "a third" without "of" or the like
after them ("half were hurt"), and Celsius from Fahrenheit.
"""

import re
from typing import ClassVar, NamedTuple

import pyarrow as pa
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.measures import KINDS, MEASURES, PARTS, SAME, UNITS, counted, with_unit
from filters.pairwise import at_least, pairwise, share_met

_SMALL = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen""".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_COUNTS = {word: value for value, word in enumerate(_SMALL)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "dozen": 12}
_SHORT_SCALES = {"k": 1e3, "m": 1e6, "mn": 1e6, "mln": 1e6, "bn": 1e9, "b": 1e9, "tn": 1e12}
_ORDINALS = {
    word: value
    for value, word in enumerate(
        """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
        fifteenth sixteenth seventeenth eighteenth nineteenth twentieth""".split(),
        start=1,
    )
} | {"thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100}
_VAGUE = {f"{word}s" for word in _SCALES}
_HALF_OF = {"of", "the", "its", "their", "all", "his", "her", "our"}
_HALF_TIMES = {"first", "second", "other", "top", "bottom", "last", "latter", "next", "upper", "lower", "early"}
_MONTHS = """january february march april may june july august september october november december""".split()
_SHORT_MONTHS = {f"{month[:3]}.": month for month in _MONTHS} | {"sept.": "september"}
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_WHEN = frozenset(_DAYS) | {"today", "yesterday", "tomorrow", "tonight"}
_ALSO_WORDS = ("march", "may")  # a verb and a modal unless written as a month
_IMPLIED = {
    "one": "1",
    "single": "1",
    "once": "1",
    "both": "2",
    "couple": "2",
    "pair": "2",
    "twice": "2",
}
_AND_A_HALF = ["and", "a", "half"]
_BEFORE_ONE_DAY = {"a", "in", "for", "within", "after", "than", "only", "just", "about", "nearly", "lasted", "last"}
"""Elsewhere "one day" is some day."""
_COUNTED_AS_ONE = {"in", "out", "year", "month", "week", "hour", "minute", "mile", "point", "goal", "person", "percent"}
_NOT_A_COUNT = {"no", "the", "this", "that", "any", "every", "each", "some", "another", "which"}
_NOT_AN_ORDINAL = {"per", "each", "every", "split"}

_LEXEME = re.compile(
    r"""(?P<code>\b[A-Z][A-Za-z]*-?\d+[A-Za-z]*\b)                     # A320, F-16, Covid-19
      | (?P<time>\b\d{1,2}:\d{2}\b)
      | (?P<figure>(?P<sign>(?<!\S)[-\u2212])?(?:(?P<money>(?:US)?\$|[€£¥])\s?)?
            (?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?P<after>%|[A-Za-z]+)?)
      | (?P<word>(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.|[A-Za-z]+)""",
    re.VERBOSE,
)


class Facts(NamedTuple):
    """The figures a sentence states, and those it can stand for: "twice" is a 2, "$5" is a 5."""

    stated: frozenset[str]
    supplied: frozenset[str]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Numbers:
    """Share of the target's figures that the source supplies; `both_ways`: the smaller of the two shares.

    Source: the released code of Impossible Distillation, mended: it looks at the target's numbers alone.
    Why: all of them must agree, since one wrong figure makes the sentence wrong. A summary may leave figures out; a
    paraphrase may not.
    """

    name: ClassVar[str] = "numbers"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    both_ways: bool = False

    def open(self, device: str) -> Scorer:
        return pairwise(figures, self._agreement)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 1.0)

    def _agreement(self, source: Facts, target: Facts) -> float:
        share = share_met(target.stated, source.supplied)
        return min(share, share_met(source.stated, target.supplied)) if self.both_ways else share


def figures(text: str) -> Facts | None:
    """Read the figures of a sentence; None for a blank one."""
    if not text.strip():
        return None
    lexemes = list(_LEXEME.finditer(text))
    tokens = [match.group().lower() for match in lexemes]
    stated = set(_dates(lexemes, tokens)) | set(_numbers(lexemes, tokens))
    if stated & set(_MONTHS):  # "May 3rd" is "May 3"
        stated = {fact.removeprefix("#") for fact in stated}
    return Facts(frozenset(stated), frozenset(stated) | _implied(stated, tokens))


def _implied(stated: set[str], tokens: list[str]) -> set[str]:
    """What the stated figures also stand for: the number without its unit, "both" for 2."""
    loose = {fact.split()[0].removeprefix("#") for fact in stated if " " in fact or fact.startswith("#")}
    loose |= {_IMPLIED[token] for token in tokens if token in _IMPLIED}
    for before, token in zip(["", *tokens], tokens, strict=False):
        loose |= _shares(before, token)
    loose |= {SAME[fact] for fact in stated if fact in SAME} | {fact for fact, same in SAME.items() if same in stated}
    of_what = {fact for fact in stated if " " not in fact} | {_IMPLIED[token] for token in tokens if token in _IMPLIED}
    return loose | {f"{fact} {unit}" for fact in of_what if _is_bare(fact) for unit in KINDS}


def _shares(before: str, token: str) -> set[str]:
    """What a word stands for where it states nothing: "over half were", "a third were", "a week", "500m"."""
    if token == "half":
        return {"50 %", "1/2"}
    if token in PARTS and before in ("a", "one"):
        return {f"1/{PARTS[token]}"}
    if token in MEASURES and before in ("a", "an"):
        return {f"1 {MEASURES[token]}"}
    return {token[:-1], f"{token[:-1]} metre"} if token[-1] == "m" and token[:-1].isdigit() else set()


def _is_bare(fact: str) -> bool:
    """A number that does not say of what ("3 or 4 days"): it may be of any measure."""
    return fact.lstrip("-").replace(".", "", 1).replace(":", "", 1).isdigit()


def _dates(lexemes: list[re.Match[str]], tokens: list[str]) -> list[str]:
    found = []
    for i, token in enumerate(tokens):
        month = _SHORT_MONTHS.get(token, token)
        if token in _WHEN or (month in _MONTHS and (token not in _ALSO_WORDS or _is_month(lexemes, i))):
            found.append(month)
    return found


def _is_month(lexemes: list[re.Match[str]], i: int) -> bool:
    """March and May are months when capitalised inside a sentence, or beside a number."""
    beside = [lexemes[j].group("figure") for j in (i - 1, i + 1) if 0 <= j < len(lexemes)]
    return lexemes[i].group()[0].isupper() and (i > 0 or any(beside))


def _numbers(lexemes: list[re.Match[str]], tokens: list[str]) -> list[str]:
    """Walk over the lexemes; each number takes the scales and the unit that follow it."""
    found, i = [], 0
    while i < len(tokens):
        fact, i = _fact(lexemes[i], tokens, i)
        if fact:
            found.append(fact)
    return found


def _fact(match: re.Match[str], tokens: list[str], i: int) -> tuple[str, int]:
    """The fact that begins at lexeme i, empty if none does, and where to read on."""
    token = tokens[i]
    if match.group("code"):
        return token.replace("-", ""), i + 1
    if match.group("time"):
        return counted(token, None, tokens, i + 1)
    if match.group("figure"):
        return _figure(match, tokens, i)
    if token in _VAGUE:
        return token, i + 1
    if whole := _halved(tokens, i):
        return with_unit(*_scaled(0.5, tokens, whole), tokens)
    if part := _part(tokens, i):
        return part, i + 1
    return _spelled(tokens, i) if _opens_a_number(tokens, i) else ("", i + 1)


def _figure(match: re.Match[str], tokens: list[str], i: int) -> tuple[str, int]:
    """A number in digits from lexeme i on: the fact, and where to read on."""
    after = (match.group("after") or "").lower()
    value = float(match.group("digits").replace(",", "")) * _SHORT_SCALES.get(after, 1)
    if after == "s":
        return f"{value:.15g}s", i + 1
    if after in {"st", "nd", "rd", "th"}:
        return f"#{value:.15g}", i + 1
    negative = match.group("sign") or (i and tokens[i - 1] == "minus")
    if tokens[i + 1 : i + 4] == _AND_A_HALF:
        value, i = value + 0.5, i + 3
    value, i = _scaled(-value if negative else value, tokens, i + 1)
    return with_unit(value, i, tokens, UNITS.get((match.group("money") or after).lower()))


def _scaled(value: float, tokens: list[str], i: int) -> tuple[float, int]:
    """The number times the scales that stand from token i on ("million"), and where to read on."""
    while i < len(tokens) and tokens[i] in _SCALES:
        value, i = value * _SCALES[tokens[i]], i + 1
    return value, i


def _halved(tokens: list[str], i: int) -> int:
    """Where the whole stands of which token i is a half ("half a million", "half-hour"); 0 if it is no such half."""
    before, after = _beside(tokens, i)
    whole = i + 2 if after in ("a", "an") else i + 1
    if tokens[i] != "half" or before in _HALF_TIMES or whole >= len(tokens):
        return 0
    return whole if tokens[whole] in _SCALES or tokens[whole] in MEASURES else 0


def _part(tokens: list[str], i: int) -> str:
    """ "a third of", "half the": a share without a number before it; else empty. "The third", "first half": none."""
    before, after = _beside(tokens, i)
    if tokens[i] in PARTS and before == "a" and after == "of":
        return f"1/{PARTS[tokens[i]]}"
    return "1/2" if tokens[i] == "half" and after in _HALF_OF and before not in _HALF_TIMES else ""


def _beside(tokens: list[str], i: int) -> tuple[str, str]:
    return tokens[i - 1] if i else "", tokens[i + 1] if i + 1 < len(tokens) else ""


def _opens_a_number(tokens: list[str], i: int) -> bool:
    token = tokens[i]
    before, after = _beside(tokens, i)
    if token == "one":
        if after == "day":
            return before in _BEFORE_ONE_DAY
        counts = after in _COUNTED_AS_ONE or after in _SCALES or after in PARTS or after in MEASURES
        return before not in _NOT_A_COUNT and (counts or tokens[i + 1 : i + 4] == _AND_A_HALF)
    if token == "second":
        return before not in _NOT_AN_ORDINAL and before not in _COUNTS and not before.isdigit()
    return token in _COUNTS or token in _SCALES or token in _ORDINALS


def _spelled(tokens: list[str], i: int) -> tuple[str, int]:
    """A number in words from token i on ("two hundred and fifty thousand"): the fact, and where to read on."""
    total, current = 0.0, 0.0
    start = i
    while i < len(tokens):
        token = tokens[i]
        if token in _ORDINALS and (i == start or (current and current % 10 == 0)):
            return f"#{total + current + _ORDINALS[token]:.15g}", i + 1
        if token in _COUNTS and _fits(current, _COUNTS[token]):
            current += _COUNTS[token]
        elif token in ("hundred", "dozen"):
            current = (current or 1) * _SCALES[token]
        elif token in _SCALES:
            total, current = total + (current or 1) * _SCALES[token], 0.0
        elif current and tokens[i : i + 3] == _AND_A_HALF:
            current, i = current + 0.5, i + 2
        elif not (token == "and" and i > start and tokens[i - 1] in _SCALES and _is_count(tokens, i + 1)):
            break
        if i == start and token == "zero":
            return "0", i + 1
        i += 1
    value = total + current
    return with_unit(-value if start and tokens[start - 1] == "minus" else value, i, tokens)


def _is_count(tokens: list[str], i: int) -> bool:
    return i < len(tokens) and tokens[i] in _COUNTS


def _fits(current: float, value: int) -> bool:
    """Whether a count can go on a number: five after twenty, but not five after six."""
    free = 100 if current % 100 == 0 else 10 if current % 10 == 0 and current % 100 >= 20 else 1
    return current == 0 or 0 < value < free
