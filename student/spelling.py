"""A small student's misspelt words, spelled as the source has them.

It copies a rare word piece after piece, and may lose its way in it ("Hewit", "Yaser") or behind it
("championshipsday"). A word that neither the source nor the vocabulary knows, but that is nearly one of the source's,
is taken for that one; an inflection of it ("Kenyan", "Kenyans") is a word of its own. As unknown words are replaced in
translation (Luong et al. 2015, 1410.8206), with the spelling in the place of an alignment.
"""

import re
from collections.abc import Set
from functools import partial

from rapidfuzz import process
from rapidfuzz.distance import JaroWinkler

from student.slips import NOT, WORD

NEAR = 0.9
"""Jaro-Winkler similarity, which asks most of how words begin: chosen by its table in docs/lab-book.md."""
SHORTEST = 4
"""Letters of a word that is looked at, and of one that is put in its place."""

INFLECTIONS = frozenset("s es n ns an ans ian ians d ed r er ers ing ly".split())


def respelled(source: str, text: str, known: Set[str]) -> str:
    """The text with every word that neither the source nor `known` (folded) has replaced by the source's nearest, where
    that begins with the same letter and is near enough. Figures stay; a capital at the beginning stays one."""
    own: dict[str, str] = {}
    for word in WORD.findall(source):
        own.setdefault(word.casefold(), word)
    return WORD.sub(partial(_respelled, own=own, known=known), text)


def _respelled(match: re.Match[str], own: dict[str, str], known: Set[str]) -> str:
    word = match.group()
    folded = word.casefold()
    if len(folded) < SHORTEST or folded in own or folded in known or not folded[0].isalpha():
        return word
    if NOT.match(match.string, match.end() - 1):  # "doesn't" is no misspelt "does"
        return word
    alike = [each for each in own if len(each) >= SHORTEST and each[0] == folded[0] and not _inflected(each, folded)]
    nearest = process.extractOne(folded, alike, scorer=JaroWinkler.similarity, score_cutoff=NEAR)
    if nearest is None:
        return word
    found = own[nearest[0]]
    return found[0].upper() + found[1:] if word[0].isupper() else found


def _inflected(a: str, b: str) -> bool:
    """Whether one is the other with an ending, which an ending already there ("fields-s", "hampered-ed") does not
    take."""
    stem, word = sorted((a, b), key=len)
    return word.startswith(stem) and word[len(stem) :] in INFLECTIONS and not stem.endswith(("s", "ed", "ing", "ly"))
