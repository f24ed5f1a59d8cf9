"""Names and who does what to whom: two rules beside the judge, which reads both loosely.

A small NLI model knows that both sentences speak of a purchase by companies; it does not see that one of them
is another company, nor that buyer and seller have changed places. It scores the word overlap, and that is high.
"""

import re
from typing import ClassVar, NamedTuple

import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.demonyms import key, known_as, supplies
from filters.pairwise import at_least, pairwise, share_met
from filters.words import FUNCTION_WORDS, WORD, bare, content_stems, straight, words

_TITLES = frozenset("mr mrs ms miss dr sir lord lady sen rep gov gen col lt sgt prof rev st jr".split())
_DATES = frozenset(
    """monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december jan feb mar apr jun jul aug sep sept oct nov dec""".split()
)
_STARTERS = frozenset(
    """according still even however meanwhile also despite among once later earlier soon perhaps maybe yes well
    instead like unlike thanks more most many several some such few less least all almost around nearly next last
    first police officials authorities people men women children scientists prosecutors lawyers doctors teachers
    critics experts analysts fans families parents students officers soldiers troops rebels militants government
    doctor lawyer officer president prime minister chief judge court parliament congress state federal local national
    international former new old young big small good bad great other others another no none nobody nothing someone
    everyone everything something today tomorrow yesterday tonight sales shares prices stocks profits oil gas markets
    news reports research data study studies results life work business money time news sources residents witnesses
    neighbors neighbours voters leaders members players workers firefighters investigators detectives protesters
    supporters opponents hundreds thousands millions dozens two three four five six seven eight nine ten
    never always often sometimes usually whether being having please let get go see look take make
    know think say says said nothing anyone back away far little much home high low long short early late""".split()
)
_COMMON_END = re.compile(r"(?:ing|ly|ed|ers|ors|ists?|men|ants|ents|ies|tions?|ness|ments?|ence|ity|ism|ogy)$")
_OPENING_NAMES = frozenset(
    """italy yemen sicily beijing wyoming flanders florence boeing reuters christ lawrence clarence mohamed mohammed
    ahmed khaled ed ted fred alfred kelly billy emily sally molly holly beverly pence sanders rogers rodgers myers
    davies manning fleming hawking irving""".split()
)
"""Names that have the ending of a common noun: what opens a sentence with one is a name all the same."""
_ROLE_MARKERS = frozenset("by from to in at of with for against over on near after before under than as".split())
_PARTICIPLES = frozenset(
    """won sold bought beaten taken given made held built seen led told shot hit written known born found lost sent
    caught paid left put set run driven chosen hurt kept brought sung drawn shown stolen thrown""".split()
)
_NO_NAME = _TITLES | FUNCTION_WORDS
_SHORT_FORMS = {"United States": "US", "United Kingdom": "UK"}
_LONG_FORM = re.compile(r"\b(United States|United Kingdom)(?: of America)?\b")
_LISTING = frozenset("and or the a an as well both".split()) | _TITLES | {"doctor", "professor", "president"}
_LOOK_BACK = 4


class Named(NamedTuple):
    """What a sentence names: `stated` as key tokens, the last of each span, and all that it can supply."""

    stated: frozenset[str]
    heads: frozenset[str]
    supplied: frozenset[str]


class Cast(NamedTuple):
    """Names in order of appearance, each with its role marker ("by", "of", "") and its list; the other words."""

    order: tuple[str, ...]
    markers: tuple[str, ...]
    lists: tuple[int, ...]
    rest: frozenset[str]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Names:
    """Share of the target's name words that the source has. A name may be dropped, none may be added.

    `both_ways` (paraphrase): also the last word of every name of the source must be in the target, so that
    "John Smith" may become "Smith" but not "a man". "Mr. Smith" may not become "John Smith": where would the
    John come from?

    Source: ours.
    Why: all of them, since a name that the source lacks was made up by the teacher.
    """

    name: ClassVar[str] = "names"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    both_ways: bool = False

    def open(self, device: str) -> Scorer:
        return pairwise(names, self._agreement)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 1.0)

    def _agreement(self, source: Named, target: Named) -> float:
        share = share_met(target.stated, source.supplied)
        return min(share, share_met(source.heads, target.supplied)) if self.both_ways else share


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Roles:
    """0 where two names have changed places in otherwise nearly the same words ("X bought Y", "Y bought X").

    Not a swap: both stand in a list ("X and Y"), one kept a preposition of its own ("in Paris, Obama ..."), or the
    voice changed with the order ("Y was bought by X"). `same_words`: share of the target's other content words
    that must be in the source for the rule to speak at all; below it, order says little.

    Source: ours, against role swaps as in PAWS.
    Why: a small judge scores the word overlap, and that is high. 0.7 keeps the rule to nearly equal wordings.
    """

    name: ClassVar[str] = "roles"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    same_words: float = Field(default=0.7, ge=0, le=1)

    def open(self, device: str) -> Scorer:
        return pairwise(cast_of, self._agreement)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 1.0)

    def _agreement(self, source: Cast, target: Cast) -> float:
        target = target._replace(order=tuple(known_as(name, source.order) for name in target.order))
        shared = [name for name in target.order if name in source.order]
        if len(shared) < 2 or share_met(target.rest, source.rest) < self.same_words:
            return 1.0
        swapped = any(_swapped(source, target, a, b) for i, a in enumerate(shared) for b in shared[i + 1 :])
        return 0.0 if swapped else 1.0


def spans(text: str) -> list[list[tuple[str, int]]]:
    """Runs of capitalised words that touch, each word with where it starts: the names of a sentence.

    The first word of a sentence is capitalised anyway. It is a name when it goes on (Angela Merkel), is an
    acronym, or is neither a function word, nor a common opener, nor of a common noun's form (Researchers).
    """
    text = straight(text)
    runs: list[list[tuple[str, int]]] = []
    ended = -2
    for match in WORD.finditer(text):
        word = match.group()
        if _is_capitalised(word):
            touches = text[ended : match.start()].strip() in ("", ".") and runs and ended > 0
            name = (bare(word), match.start())
            if touches and not text[:ended].endswith("'s"):
                runs[-1].append(name)
            else:
                runs.append([name])
            ended = match.end()
    return [kept for run in runs if (kept := _without_opener(run, text))]


def names(text: str) -> Named | None:
    """Read the names of a sentence; None for a blank one."""
    if not text.strip():
        return None
    text = _shortened(text)
    runs = [[part for word, _ in run for part in word.split("-")] for run in spans(text)]
    stated = {key(word) for run in runs for word in run if _is_name_word(word)}
    supplied = {name for word in words(text) for part in (word, *word.split("-")) for name in supplies(part)}
    return Named(frozenset(stated), frozenset(key(run[-1]) for run in runs), frozenset(supplied | _initials(text)))


def cast_of(text: str) -> Cast | None:
    """Read who is named in which order and role; None for a blank sentence."""
    if not text.strip():
        return None
    text = _shortened(text)
    tokens = [match.group() for match in WORD.finditer(text)]
    starts = {match.start(): place for place, match in enumerate(WORD.finditer(text))}
    order: list[str] = []
    markers: list[str] = []
    lists: list[int] = []
    ended = -1
    for number, run in enumerate(spans(text)):
        name, place = key(run[-1][0]), starts[run[0][1]]
        joins = lists and _listed(text[ended : run[0][1]])
        ended = run[-1][1] + len(run[-1][0])
        if name not in order:
            order.append(name)
            markers.append(_marker(tokens, place, place + len(run) - 1))
            lists.append(lists[-1] if joins else number)
    rest = frozenset(stem for stem in content_stems(tokens) if key(stem) not in order)
    return Cast(tuple(order), tuple(markers), tuple(lists), rest)


def _shortened(text: str) -> str:
    """The United States and the United Kingdom by their initials, as they are as often written."""
    return _LONG_FORM.sub(lambda match: _SHORT_FORMS[match.group(1)], straight(text))


def _is_capitalised(word: str) -> bool:
    return word[0].isupper() and word.lower() not in _DATES and word not in ("I", "I'm", "I've", "I'll", "I'd")


def _is_name_word(word: str) -> bool:
    """A capitalised word that is no title; in capitals altogether it is an acronym, even US or IT."""
    return word[:1].isupper() and (word.lower() not in _NO_NAME or (word.isupper() and len(word) > 1))


def _without_opener(run: list[tuple[str, int]], text: str) -> list[tuple[str, int]]:
    """Take off a sentence's first word where it is no name."""
    word, start = run[0]
    if not _opens_sentence(text, start) or (word.isupper() and len(word) > 1):
        return run
    plain = word.lower()
    if plain in FUNCTION_WORDS or plain in _STARTERS or plain.split("'")[0] in FUNCTION_WORDS:
        return run[1:]
    common = len(run) == 1 and _COMMON_END.search(plain) and plain not in _OPENING_NAMES
    return run[1:] if common else run


def _opens_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip()
    return not before.strip("\"'(“‘[ -") or before[-1] in '.?!:"“([' or before.endswith(" '")


def _initials(text: str) -> set[str]:
    """Acronyms the names supply ("WHO"). Not the other way: what an acronym stands for is not in the source."""
    return {key("".join(word[0] for word, _ in run)) for run in spans(text) if len(run) > 1}


def _marker(tokens: list[str], first: int, last: int) -> str:
    """The preposition that governs the name, looking back over "the new chief"; a possessive counts as "of"."""
    if tokens[last].endswith("'s"):
        return "of"
    for back in range(first - 1, max(first - 1 - _LOOK_BACK, -1), -1):
        word = tokens[back].lower()
        if word in _ROLE_MARKERS:
            return "by" if word == "by" and _is_passive(tokens, back) else word
        if word not in ("the", "a", "an", "his", "her", "its", "their", "and", "mr", "former") and word.islower():
            break
    return ""


def _is_passive(tokens: list[str], by: int) -> bool:
    before = tokens[max(by - 3, 0) : by]
    return any(word.endswith("ed") or word.lower() in _PARTICIPLES for word in before)


def _listed(between: str) -> bool:
    """Whether what stands between two names only lists them."""
    return between != " " and set(re.sub(r"[,;:()&.]", " ", between).lower().split()) <= _LISTING


def _same_list(cast: Cast, a: str, b: str) -> bool:
    return cast.lists[cast.order.index(a)] == cast.lists[cast.order.index(b)]


def _swapped(source: Cast, target: Cast, a: str, b: str) -> bool:
    """Whether a and b have changed parts, from order, voice and prepositions."""
    if _same_list(source, a, b) and _same_list(target, a, b):
        return False
    in_source = {name: source.markers[source.order.index(name)] for name in (a, b)}
    in_target = {name: target.markers[target.order.index(name)] for name in (a, b)}
    if in_source[a] != in_source[b] and any(_keeps_place(in_source, in_target, name) for name in (a, b)):
        return False
    turned = (source.order.index(a) < source.order.index(b)) != (target.order.index(a) < target.order.index(b))
    voice = _is_turned_passive(in_source) != _is_turned_passive(in_target)
    exchanged = in_source[a] == in_target[b] and in_source[b] == in_target[a] and in_source[a] != in_source[b]
    return exchanged or turned != voice


def _keeps_place(in_source: dict[str, str], in_target: dict[str, str], name: str) -> bool:
    """Whether a name stands under one preposition in both sentences, and the other name never does."""
    marker = in_source[name]
    others = {given[other] for given in (in_source, in_target) for other in given if other != name}
    return marker != "" and in_target[name] == marker and marker not in others


def _is_turned_passive(markers: dict[str, str]) -> bool:
    """Whether one of the two names is the subject and the other the agent ("X was bought by Y")."""
    return set(markers.values()) == {"", "by"}
