"""What the word rules share: how a sentence falls into words, and which of them carry content."""

import re

WORD = re.compile(r"(?:[A-Z]\.){2,}|[^\W_]+(?:['-][^\W_]+)*")
"""U.S. | John, O'Neil, well-known, don't, A320."""

FUNCTION_WORDS = frozenset(
    """a an the this that these those there here and or but nor so yet as than of in on at by for from to with without
    into onto over under about after before between during against through out off up down near since until till while
    when where which who whom whose what why how if unless because although though it its he him his she her hers they
    them their theirs we us our ours you your yours i me my mine one is are was were be been being am do does did done
    has have had having will would shall should can could may might must not no n't also just only very too then now
    s t all any some each every both either neither such own same more most much many other another said says say
    """.split()
)

_SUFFIXES = ("ing", "ies", "ied", "ed", "es", "ly", "s", "e", "y")


CLAUSE_END = re.compile(r"[,;:()\u2013\u2014]|--|\b(?:but|although|though|while|whereas|because)\b", re.IGNORECASE)
"""Where the reach of a negator or a hedge ends."""


def straight(text: str) -> str:
    """Curly apostrophes made straight, so that don't has one spelling."""
    return text.replace("\u2019", "'").replace("\u2018", "'")


def words(text: str) -> list[str]:
    """The words as written; "U.S." loses its stops and "Smith's" its ending."""
    return [bare(word) for word in WORD.findall(straight(text))]


def bare(word: str) -> str:
    """A word without the stops of an acronym and without a possessive ending."""
    return word.replace(".", "").removesuffix("'s")


def stem(word: str) -> str:
    """A crude stem, good enough to see that closes, closed and closing are one word. Compared, never shown."""
    word = word.lower()
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word.removesuffix(suffix)
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def content_stems(tokens: list[str]) -> list[str]:
    """Stems of the words that are not function words, in order."""
    return [stem(token) for token in tokens if token.lower() not in FUNCTION_WORDS]
