"""A place and its people as one name: Italy and Italian, Britain and British, the U.S. and American."""

import re
import unicodedata

_DEMONYM_END = re.compile(r"(?<=\w{4})(?:ian|ese|ish|an|i)$")
_PLURAL = re.compile(r"(?<=\w{4})(?<![su])s$")
_PLACE_ENDS = ("", "a", "e", "o", "y", "ia")
"""What a place may end in where its people have another ending: Italy, Italian; China, Chinese; Russia, Russian."""
_OF = "~"
"""Marks what is left of a word without the ending of a people: "~ital" is Italian, and Italy has it to give."""
_PLACES = {
    "german": "germany", "germans": "germany", "french": "france", "spanish": "spain", "british": "britain",
    "turkish": "turkey", "dutch": "netherlands", "greek": "greece", "greeks": "greece", "swiss": "switzerland",
    "danish": "denmark", "polish": "poland", "swedish": "sweden", "welsh": "wales", "irish": "ireland", "uk": "britain",
    "scottish": "scotland", "iraqi": "iraq", "american": "usa", "americans": "usa", "america": "usa",
    "norwegian": "norway", "belgian": "belgium", "cuban": "cuba", "argentine": "argentina", "nigerian": "nigeria",
    "nigerien": "niger", "filipino": "philippine",
}  # fmt: skip


def key(word: str) -> str:
    """A name word brought to one form: Italians = "~ital", British = Britain, U.S. = American. A bare vowel is no
    ending: Niger is not Nigeria, nor Maria Mario."""
    return _keyed(_plain(word))


def _keyed(plain: str) -> str:
    people = _DEMONYM_END.sub("", plain)
    return plain if people == plain else _OF + people


def supplies(word: str) -> set[str]:
    """The keys of all that a word of the source may be called in the target: Italy gives Italian, Italian Italy."""
    plain = _plain(word)
    if not word[:1].isupper():
        return {plain, key(word)}
    people = _DEMONYM_END.sub("", plain)
    places = {plain} if people == plain else {plain, *(people + end for end in _PLACE_ENDS)}
    return places | {_keyed(place) for place in places} | {_OF + p.removesuffix(e) for p in places for e in _PLACE_ENDS}


def _plain(word: str) -> str:
    """Small letters without marks, of one number; a people that has no ending for that by its place."""
    if word == "US":
        return "usa"  # not the pronoun
    if not word.isascii():
        word = "".join(mark for mark in unicodedata.normalize("NFKD", word) if not unicodedata.combining(mark))
    word = word.lower()
    single = _PLURAL.sub("", word)
    return _PLURAL.sub("", _PLACES.get(word) or _PLACES.get(single, single))
