"""Words for words: synonyms and kinds out of WordNet, so that a judge sees another word in a pair that is right.

WordNet (Princeton; free use with its notice) is read from its `dict` folder, as Debian's package wordnet-base lays it
out. A word stands for another where each has the shared sense among its first two, and is about as common.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from filters.base import FilterError

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
OF_SPACY = {"NOUN": "n", "VERB": "v", "ADJ": "a", "ADV": "r"}
SENSES = 2
FEWEST, RARER = 60, 25
"""A word that comes in has been seen so often, and is at most so many times rarer than the one that goes."""
KINDS_SHARE = 0.35
VAGUE = set(
    "entity object thing whole unit artifact matter abstraction attribute state group event act activity organism "
    "instrumentality person being cause relation quality measure".split()
)
KEPT = set(
    "be have do get make take go say see come know use set lead run may will number year month day week time people "
    "man woman state government country president united nations one way part least most first last new old also now "
    "next".split()
)
"""Words that stand in too many phrases, or mean too many things."""
_DOUBLED = re.compile(r"[^aeiou][aeiou][bdgmnprt]")
Sense = tuple[str, str]


@dataclass(frozen=True)
class WordNet:
    """`senses`: (part, lemma) -> its senses, the commonest first; `words`, `kinds` of a sense; `irregular` forms."""

    senses: Mapping[Sense, list[Sense]]
    words: Mapping[Sense, list[str]]
    kinds: Mapping[Sense, list[Sense]]
    irregular: Mapping[Sense, list[str]]
    frequency: Mapping[str, int]

    def synonyms(self, lemma: str, part: str) -> list[str]:
        common = self.senses.get((part, lemma), [])[:SENSES]
        found = (word for sense in common for word in self.words[sense] if sense in self._first(part, word, SENSES))
        return [word for word in dict.fromkeys(found) if word != lemma and self._known(word, lemma)]

    def kinds_of(self, lemma: str) -> list[str]:
        """What the noun's commonest sense is a kind of, one step up."""
        above = (kind for sense in self._first("n", lemma, 1) for kind in self.kinds[sense])
        found = (word for kind in above for word in self.words[kind] if kind in self._first("n", word, 1))
        return [w for w in dict.fromkeys(found) if w not in VAGUE and len(w) > 3 and self.frequency.get(w, 0) >= FEWEST]

    def _first(self, part: str, word: str, most: int) -> list[Sense]:
        return self.senses.get((part, word), [])[:most]

    def _known(self, word: str, lemma: str) -> bool:
        seen = self.frequency.get(word, 0)
        return word.isalpha() and seen >= FEWEST and seen * RARER >= self.frequency.get(lemma, 0)


def read_wordnet(folder: Path, frequency: Mapping[str, int]) -> WordNet:
    """The parts of WordNet that are asked for; `frequency`: how often a word was seen in plain text."""
    senses: dict[Sense, list[Sense]] = {}
    words: dict[Sense, list[str]] = {}
    kinds: dict[Sense, list[Sense]] = {}
    irregular: dict[Sense, list[str]] = {}
    for name, part in PARTS.items():
        for fields in _lines(folder / f"data.{name}"):
            words[part, fields[0]], kinds[part, fields[0]] = _synset(fields, part)
        for fields in _lines(folder / f"index.{name}"):
            senses[part, fields[0]] = [(part, place) for place in fields[-int(fields[2]) :]]
        for fields in _lines(folder / f"{name}.exc"):
            irregular.setdefault((part, fields[1]), []).append(fields[0])
    return WordNet(senses, words, kinds, irregular, frequency)


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        wanted = "wanted WordNet's dict folder (Debian: wordnet-base puts it at /usr/share/wordnet)"
        raise FilterError(f"{path}: cannot be read ({error.strerror}); {wanted}; name another folder") from error
    return (line.partition(" | ")[0].split() for line in text.splitlines() if not line.startswith("  "))


def _synset(fields: list[str], part: str) -> tuple[list[str], list[Sense]]:
    """(words, senses above it) of a line of WordNet's data files: see its manual, wndb(5)."""
    count = int(fields[3], 16)
    words = [fields[4 + 2 * n].partition("(")[0].lower() for n in range(count)]
    links = fields[5 + 2 * count :]
    above = [(part, links[4 * n + 1]) for n in range(int(fields[4 + 2 * count])) if links[4 * n] == "@"]
    return words, above


def with_other_words(doc: Any, wordnet: WordNet, most: int, rng: Random, kinds: float = KINDS_SHARE) -> str | None:
    """The text with up to `most` words replaced, nouns in `kinds` of the cases perhaps by what they are a kind of."""
    choices = [(token.i, rng.choice(found)) for token in doc if (found := _others(token, wordnet, kinds, rng))]
    rng.shuffle(choices)
    chosen = dict(choices[:most])
    return "".join(_written(doc, chosen)) if chosen else None


def _others(token: Any, wordnet: WordNet, kinds: float, rng: Random) -> list[str]:
    part, lemma = OF_SPACY.get(token.pos_), token.lemma_.lower()
    around = token.doc[max(0, token.i - 1) : token.i + 2].text
    fixed = lemma in KEPT or not token.is_alpha or "-" in around
    if part is None or fixed or (part == "n" and token.dep_ == "compound"):
        return []
    found = wordnet.synonyms(lemma, part)
    if part == "n" and rng.random() < kinds:
        found = found + wordnet.kinds_of(lemma)
    return [form for word in found if (form := inflected(word, token.tag_, part, wordnet.irregular))]


def _written(doc: Any, chosen: Mapping[int, str]) -> Iterable[str]:
    parts: list[str] = []
    for token in doc:
        word = chosen.get(token.i)
        if word is None:
            parts.append(token.text_with_ws)
            continue
        if token.i and doc[token.i - 1].text.lower() in ("a", "an"):
            article = "an" if word[0] in "aeiou" else "a"
            parts[-1] = (article.capitalize() if parts[-1][0].isupper() else article) + " "
        parts.append((word.capitalize() if token.text[0].isupper() else word) + token.whitespace_)
    return parts


def inflected(word: str, tag: str, part: str, irregular: Mapping[Sense, list[str]]) -> str | None:
    """The form of a lemma for a Penn Treebank tag; None where it is not known which."""
    if tag in ("NN", "VB", "VBP", "JJ", "RB"):
        return word
    if tag in ("NNS", "VBZ"):
        known = irregular.get((part, word), []) if tag == "NNS" else []
        return known[0] if known else _with_s(word)
    if tag == "VBG":
        return _stem(word) + "ing" if not word.endswith("e") or word.endswith("ee") else word[:-1] + "ing"
    if tag in ("VBD", "VBN"):
        known = [form for form in irregular.get((part, word), []) if not form.endswith("ing")]
        return (known[0] if len(set(known)) == 1 else None) if known else _with_ed(word)
    return None


def _with_s(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh)$", word) else "s")


def _with_ed(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ied"
    return word + "d" if word.endswith("e") else _stem(word) + "ed"


def _stem(word: str) -> str:
    """`plan` -> `plann`: a short word doubles its last letter."""
    return word + word[-1] if len(word) <= 4 and _DOUBLED.search(word[-3:]) else word
