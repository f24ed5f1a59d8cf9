"""A place and its people as one name: Italy and Italian, Britain and British, the U.S. and American."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_DEMONYM_END = re.compile(r"(?<=\w{4})(?:ian|ese|ish|an)$")
_PLURAL = re.compile(r"(?<=\w{4})(?<!s)s$")
_PLACE_ENDS = ("", "a", "e", "i", "o", "y", "ia")
"""What a place may end in where its people have another ending: Italy, Italian; China, Chinese; Russia, Russian."""
_OF = "~"
"""Marks what is left of a word without the ending of a people: "~ital" is Italian, and Italy has it to give."""
_PLACES = {
    "german": "germany", "germans": "germany", "french": "france", "spanish": "spain", "british": "britain",
    "turkish": "turkey", "dutch": "netherlands", "greek": "greece", "greeks": "greece", "swiss": "switzerland",
    "danish": "denmark", "polish": "poland", "swedish": "sweden", "welsh": "wales", "irish": "ireland", "uk": "britain",
    "scottish": "scotland", "american": "usa", "americans": "usa", "america": "usa", "norwegian": "norway",
    "belgian": "belgium", "cuban": "cuba", "argentine": "argentina", "nigerian": "nigeria", "nigerien": "niger",
    "filipino": "philippine", "asian": "asia", "texan": "texas", "taiwanese": "taiwan", "belarusian": "belarus",
    # By the rule they would be George's, Dominic's, Victor's and Colombo's.
    "georgian": "georgia", "dominican": "dominica", "victorian": "victoria", "colombian": "colombia",
    # A bare i is no ending of a people elsewhere: Harris is not Harry, nor Francis France.
    "iraqi": "iraq", "israeli": "israel", "pakistani": "pakistan", "kuwaiti": "kuwait", "yemeni": "yemen",
    "omani": "oman", "qatari": "qatar", "bahraini": "bahrain", "emirati": "emirate", "nepali": "nepal",
    "somali": "somalia", "bangladeshi": "bangladesh", "azerbaijani": "azerbaijan", "kashmiri": "kashmir",
    "punjabi": "punjab", "bengali": "bengal", "gujarati": "gujarat",
}  # fmt: skip
_NO_PEOPLE = frozenset(
    """adrian brendan christian cristian dorian fabian florian gillian jordan julian kieran kristian lilian lillian
    lucian marian norman octavian tristan vivian gregorian republican""".split()
)
"""They end as a people does, and what would be left is another's name: Julia, Norma, Brenda, Christ."""


@lru_cache(maxsize=1 << 16)  # the sentences of one context have most of their words in common
def key(word: str) -> str:
    """A name word brought to one form: Italians = "~ital", British = Britain, U.S. = American. A bare vowel is no
    ending: Niger is not Nigeria, nor Maria Mario."""
    return _keyed(_plain(word))


@lru_cache(maxsize=1 << 16)
def supplies(word: str) -> frozenset[str]:
    """The keys of all that a word of the source may be called in the target: Italy gives Italian, Italian Italy."""
    plain = _plain(word)
    if not word[:1].isupper():
        return frozenset((plain, _keyed(plain)))
    people = _without_end(plain)
    places = {plain} if people == plain else {plain, *(people + end for end in _PLACE_ENDS)}
    peoples = {_OF + place.removesuffix(end) for place in places for end in _PLACE_ENDS}
    return frozenset(places | {_keyed(place) for place in places} | peoples)


def known_as(name: str, others: Sequence[str]) -> str:
    """That one of the other keys which is the same name, or else a place and its people; the key itself if none is."""
    if name in others:
        return name
    return next((other for other in others if _is_people_of(name, other) or _is_people_of(other, name)), name)


def _is_people_of(people: str, place: str) -> bool:
    stem = people.removeprefix(_OF)
    return people != stem and place.startswith(stem) and place[len(stem) :] in _PLACE_ENDS


def _keyed(plain: str) -> str:
    people = _without_end(plain)
    return plain if people == plain else _OF + people


def _without_end(plain: str) -> str:
    return plain if plain in _NO_PEOPLE else _DEMONYM_END.sub("", plain)


def _plain(word: str) -> str:
    """Small letters without marks, of one number; a people that has no ending for that by its place."""
    if word == "US":
        return "usa"  # not the pronoun
    if not word.isascii():
        word = "".join(mark for mark in unicodedata.normalize("NFKD", word) if not unicodedata.combining(mark))
    word = word.lower()
    single = _PLURAL.sub("", word)
    return _PLURAL.sub("", _PLACES.get(word) or _PLACES.get(single, single))
