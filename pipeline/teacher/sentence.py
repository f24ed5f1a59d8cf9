"""Where an English sentence ends, seen from its left: the question a decoder asks after every token.

`tail(text)` looks only at the end of the text so far. Earlier stops need no second look: had one ended the
sentence, decoding would have stopped there.
"""

import re
from enum import Enum

CLOSERS = "\"')]”’"
TERMINAL = re.compile(rf"[.?!]+[{re.escape(CLOSERS)}]*$")
_QUOTES = re.compile(r"[\"“”]")

# Never end a sentence: something always follows.
TITLES = frozenset(
    """
    mr mrs ms dr prof rev fr hon gen col lt sgt capt cmdr maj adm sen rep gov pres st mt ft messrs vs cf e.g i.e
    """.split()
)
# May end one: "at 5 p.m.", "in the U.S.", "Apple Inc."
ABBREVIATIONS = frozenset(
    """
    jr sr inc ltd co corp llc plc bros dept est univ assn etc al approx no nos vol fig figs sec min hr hrs jan
    feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun a.m p.m u.s u.k u.n u.s.a d.c e.u
    ph.d m.d b.a m.a ave blvd rd
    """.split()
)
# After an abbreviation only these say that a new sentence has begun.
STARTERS = frozenset(
    """
    The A An He She It They We I You But And In On At For With As If When While After Before There This That
    These Those However His Her Its Their Our Some Many Most More One Two Another According
    """.split()
)


class Tail(Enum):
    """What the end of a text says about the sentence."""

    OPEN = "open"  # it goes on
    ENDED = "ended"  # it has ended, whatever comes next
    UNSURE = "unsure"  # it has ended if the next word begins like a sentence
    AFTER_DIGIT = "after_digit"  # as UNSURE, and a digit that follows is a decimal
    AFTER_ABBREVIATION = "after_abbreviation"  # it has ended only if a typical first word follows


def tail(text: str) -> Tail:
    """Judge the end of `text`. `OPEN` unless the text ends in . ? or ! and closing marks.

    Stops inside an open double quotation or bracket do not end a sentence; "3." may become "3.5", "U.S." and
    "Inc." may go on, "Mr." does; "Amazon." may become "Amazon.com".
    """
    stop = TERMINAL.search(text)
    if stop is None or _inside(text):
        return Tail.OPEN
    words = text[: stop.start()].split()
    if not words:
        return Tail.OPEN
    if any(mark in stop.group() for mark in CLOSERS):
        return Tail.UNSURE  # '"Stop!" he said' goes on
    if "?" in stop.group() or "!" in stop.group():
        return Tail.ENDED
    return Tail.UNSURE if len(stop.group()) > 1 else _after_word(words[-1])


def _after_word(word: str) -> Tail:
    """The verdict on a single full stop, from the word before it."""
    bare = word.lstrip("\"'([“‘").lower()
    if bare in TITLES or (len(bare) == 1 and bare.isalpha() and bare != "i"):
        return Tail.OPEN
    if bare in ABBREVIATIONS or re.fullmatch(r"([^\W\d_]\.)+[^\W\d_]", bare):
        return Tail.AFTER_ABBREVIATION
    if bare[-1:].isdigit():
        return Tail.AFTER_DIGIT
    plain = bare.isalpha() and len(bare) > 2 and word[:1].islower()
    return Tail.ENDED if plain else Tail.UNSURE


def _inside(text: str) -> bool:
    """An open quotation or bracket. Curly marks say which way they face; straight ones alternate."""
    if text.count("(") > text.count(")") or text.count("[") > text.count("]"):
        return True
    is_open = False
    for mark in _QUOTES.findall(text):
        is_open = {"“": True, "”": False}.get(mark, not is_open)
    return is_open


def begins_sentence(piece: str, at: Tail) -> bool:
    """Whether a token's text (leading space kept), coming after a text in state `at`, opens a new sentence."""
    word = piece.strip()
    if not piece[:1].isspace():
        return False
    if at is Tail.AFTER_ABBREVIATION:
        return word in STARTERS
    if not word:
        return True
    if at is Tail.AFTER_DIGIT and word[0].isdigit():
        return False
    return word[0].isupper() or word[0].isdigit() or word[0] in "\"“‘'([—-"


def first_sentence(text: str) -> str | None:
    """The first sentence of a finished text, by the same rules; None if none ends in it.

    The reference for what a decoder does token by token, and the cut of the published procedure.
    """
    for stop in re.finditer(rf"[.?!]+[{re.escape(CLOSERS)}]*", text):
        state, rest = tail(text[: stop.end()]), text[stop.end() :]
        if state is Tail.ENDED and (not rest or rest[0].isspace()):
            return text[: stop.end()].strip()
        if state is not Tail.OPEN and (not rest.strip() or begins_sentence(_word(rest), state)):
            return text[: stop.end()].strip()
    return None


def _word(rest: str) -> str:
    """The first word of `rest` with the space before it."""
    found = re.match(r"\s*\w*[^\w\s]?" if rest[:1].isspace() else r"\S+", rest)
    return re.sub(r"(\w)[^\w\s]$", r"\1", found.group()) if found else rest
