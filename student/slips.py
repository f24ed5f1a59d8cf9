"""Slips of a small student that its text alone betrays: words put together wrongly or said twice, and an end in the
middle.

It copies a word piece after piece, and at a place where it leaves something out it may go on in another word:
"officialsday". And it has learned that a text ends with a period, so it may stop at "Gen." Beams often differ in just
that. Counting says which of them has fewest; what a good student writes is hardly ever counted.
"""

import re
from collections.abc import Set
from typing import Any

WORD_BEGINS = "▁"
"""What SentencePiece writes for the space before a word."""
WORD = re.compile(r"(?<![^\W\d_]['’])[^\W\d_]+(?:\.[^\W\d_]+)*|\d+(?:[.,]\d+)*")
"""A word, initials among them ("u.s"), or a figure with all its digits ("8,000", "78.1"). What follows an apostrophe
("'s") is none."""
NOT = re.compile(r"n['’]t\b", re.IGNORECASE)
_TWICE = re.compile(r"(?<!\S)(\w+)\s+\1(?=[\s.,;:!?]|$)")
"""A word and at once the same: "was awarded awarded"."""


_MARKS_AT_END = re.compile(r"[.,;:]+[.,;:]$")
_ENDED = re.compile(r"""[.?!…]['"’”)\]]*\s*$""")
BROKEN = "\ufffd"
"""Stands for bytes that are no character."""


def whole_words(tokenizer: Any) -> frozenset[str]:
    """Words that the vocabulary has as one piece, folded: common ones, which cannot be put together wrongly. A figure
    is known only from the source, and so is a single letter, but for "a" and "I"."""
    pieces = (piece[1:] for piece in tokenizer.get_vocab() if piece.startswith(WORD_BEGINS))
    words = (piece.casefold() for piece in pieces if WORD.fullmatch(piece))
    return frozenset(word for word in words if word in ("a", "i") or (len(word) > 1 and not word[0].isdigit()))


LONG = 5
"""Letters from which on a word of the prompt is taken for an echo: "the" of an instruction may be anybody's."""


def echoes(front: str) -> frozenset[str]:
    """Long words of what stands in front of a source ("rewritten paraphrase: "), and their plurals: a student that has
    learned from few pairs copies these too."""
    said = {word for word in words_of(front) if len(word) >= LONG}
    return frozenset(said | {f"{word}s" for word in said})


def repeats(source: str, text: str, front: Set[str]) -> bool:
    """Whether the text has a word of the prompt's that the source has not."""
    return not front.isdisjoint(set(words_of(text)) - set(words_of(source)))


def slips(source: str, text: str, known: Set[str]) -> int:
    """Words and figures of the text that neither the source nor `known` has, words said twice running that the source
    does not, broken characters and marks, and one more each for an end at a period that stands inside the source and
    for an owner without what it owns."""
    own = set(words_of(source))
    strange = sum(word not in own and word not in known for word in words_of(text))
    return (
        strange
        + len(_twice(text) - _twice(source))
        + broken_marks(source, text)
        + stops_short(source, text)
        + ends_at_owner(source, text)
    )


def broken_marks(source: str, text: str) -> int:
    """What is wrong with a text's marks and not with its source's: a quotation or bracket left open, two marks for an
    end ("Corp.."), no mark at the end, and a character that was cut in two."""
    ends = _MARKS_AT_END.search(text)
    doubled = ends is not None and ends.group() not in source
    endless = bool(text.strip()) and _ENDED.search(source) is not None and _ENDED.search(text) is None
    left_open = sum(_open(text, pair) and not _open(source, pair) for pair in ('""', "“”", "()", "[]"))
    return doubled + endless + left_open + (BROKEN in text and BROKEN not in source)


def _open(text: str, pair: str) -> bool:
    first, second = pair[0], pair[1]
    return bool(text.count(first) % 2) if first == second else text.count(first) != text.count(second)


def _twice(text: str) -> set[str]:
    return set(_TWICE.findall(text.casefold()))


def words_of(text: str) -> list[str]:
    """Words and figures, folded; "n't" is "not"."""
    return WORD.findall(NOT.sub(" not", text.casefold()))


TAIL = 4
"""Words at the end of a text that have to stand in the source so for its end to be one of the source's places."""


def ends_at_owner(source: str, text: str) -> bool:
    """Whether the text stops at a word of the source's whose "'s" and what follows is left out: "lose his pilot." of
    "lose his pilot's license". A few such ends are true ("near Kenya." of "near Kenya's border")."""
    words = text.casefold().rstrip(" .?!…\"”’')]").split()[-TAIL:]
    own, tail = " ".join(source.casefold().split()), re.escape(" ".join(words))
    if len(words) < TAIL or not re.search(rf"(?<!\w){tail}['’]s\b", own):
        return False
    return re.search(rf"(?<!\w){tail}(?!['’]s\b|\w)", own) is None


def stops_short(source: str, text: str) -> bool:
    """Whether the last word is one of the source's, cut or whole, whose period ends no sentence: "Gen.", "78."."""
    words = text.casefold().split()
    if not words or not words[-1].endswith("."):
        return False
    return any(word.startswith(words[-1]) for word in source.casefold().split()[:-1])
