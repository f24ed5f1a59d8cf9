"""What the embedded student is pretrained on: broken text in, whole text out. No task pairs.

Two ways to break text. T5's span corruption (1910.10683, 3.1.4: 15% of the tokens, spans of three on average). And
sentence denoising as in unsupervised sentence compression (1809.02669, section 3): words of another sentence are put in
between, neighbours are shuffled, some words are left out; the model writes the sentence as it was. Taking out what
does not belong, and copying the rest, is most of what a summary asks for. In sentences to be denoised some
words are made strange, the same on both sides, for what cannot be known by heart has to be copied.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

DENOISE = "denoise: "
"""Stands before a sentence to be denoised."""


@dataclass(frozen=True)
class Noise:
    """How text is broken. Shares are of tokens (spans) or of words (the rest)."""

    span_share: float = 0.15
    span_length: float = 3.0
    denoise_share: float = 0.8
    """Share of the examples that are denoised sentences; the others have spans taken out."""
    most_added: float = 1.2
    """At most so many words put in, as a share of the sentence's own: it is then less than half of what is read."""
    longest_added: int = 7
    """Longest run of neighbouring words put in."""
    dropped: float = 0.06
    shuffled_share: float = 0.4
    shuffle_reach: int = 3
    untouched_share: float = 0.1
    """Share of the denoised that come as they are: plain copying."""
    lowercase_share: float = 0.12
    strange_share: float = 0.5
    """Share of the examples in which some words are made strange, the same in what is read and what is to be written:
    they cannot be known by heart, only be copied."""
    strange_words: float = 0.2
    """Share of the words of such an example that are."""
    dotted: float = 0.0
    """Share of the strange words that have a period inside or behind: "offi.", "U.S.", "78.1". Not in pretraining."""

    def at(self, level: float) -> "Noise":
        """The same with sentences broken less: a level between 0 and 1 of what is added, left out and shuffled."""
        share = min(1.0, max(0.0, level))
        return replace(
            self,
            most_added=self.most_added * share,
            dropped=self.dropped * share,
            shuffled_share=self.shuffled_share * share,
        )


_LETTERS = re.compile(r"[^\W\d_]{4,}")
_WORD = re.compile(r"[^\W\d_]{4,}|\d+")
_DIGITS = re.compile(r"\d+")
_COMPOUND = re.compile(r"\d+(?:[.,:]\d+)+|[^\W\d_]+\d+|\d+[^\W\d_]+")
_WORD_AND_PERIOD = re.compile(rf"({_WORD.pattern})(\.(?!\w))?")
"""A period that a sentence ends with falls together with that of an abbreviation."""

SpanExample = tuple[list[int], list[int]]
"""Source and target, as token ids."""


def take_spans(ids: Sequence[int], sentinels: Sequence[int], noise: Noise, rng: np.random.Generator) -> SpanExample:
    """Token ids (without the end token) with spans replaced by sentinels, and the spans behind their sentinels."""
    starts, lengths = _spans(len(ids), noise, rng)
    source: list[int] = []
    target: list[int] = []
    place = 0
    for sentinel, start, length in zip(sentinels, starts, lengths, strict=False):
        source += [*ids[place:start], sentinel]
        target += [sentinel, *ids[start : start + length]]
        place = start + length
    return [*source, *ids[place:]], target


def _spans(size: int, noise: Noise, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Starts and lengths of spans that do not touch: the taken and the kept are each cut at random places."""
    taken = min(max(round(size * noise.span_share), 1), size - 1)
    count = min(max(round(taken / noise.span_length), 1), taken, size - taken)
    lengths = _cut(taken, count, rng)
    gaps = _cut(size - taken, count, rng)
    starts = np.cumsum(gaps) + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return starts.tolist(), lengths.tolist()


def _cut(size: int, parts: int, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """`parts` positive lengths that sum to `size`."""
    places = np.sort(rng.choice(size - 1, parts - 1, replace=False)) + 1 if parts > 1 else np.empty(0, np.int64)
    return np.diff(np.concatenate([[0], places, [size]])).astype(np.int64)


def make_strange(text: str, other: str, noise: Noise, rng: np.random.Generator) -> str:
    """The sentence with some of its words replaced by words and figures that nobody has seen."""
    if rng.random() >= noise.strange_share:
        return text
    others = _LETTERS.findall(other) or ["word"]

    def replaced(match: re.Match[str]) -> str:
        return _strange(match[0], others, noise, rng) if rng.random() < noise.strange_words else match[0]

    return _WORD.sub(replaced, text)


def strange_pair(source: str, target: str, other: str, noise: Noise, rng: np.random.Generator) -> tuple[str, str]:
    """A pair with some words that both have replaced, the same in both: what a student learns to copy, not to know."""
    if rng.random() >= noise.strange_share:
        return source, target
    others = _LETTERS.findall(other) or ["word"]
    shared = sorted(set(_WORD.findall(source)) & set(_WORD.findall(target)))
    plain, parts = replace(noise, dotted=0.0), _parts(f"{source} {target}")
    chosen = [word for word in shared if rng.random() < noise.strange_words]
    new = {word: _strange(word, others, plain if word in parts else noise, rng) for word in chosen}
    return _replaced(source, new), _replaced(target, new)


def _parts(text: str) -> set[str]:
    """Digits that are not a figure by themselves: of "8,000", "10:30", "21st"."""
    return {digits for figure in _COMPOUND.findall(text) for digits in _DIGITS.findall(figure)}


def _replaced(text: str, new: Mapping[str, str]) -> str:
    def one(match: re.Match[str]) -> str:
        made, period = new.get(match[1], match[1]), match[2] or ""
        return made if made.endswith(".") else made + period

    return _WORD_AND_PERIOD.sub(one, text)


def _strange(word: str, others: Sequence[str], noise: Noise, rng: np.random.Generator) -> str:
    made = _figures(word, rng) if word[0].isdigit() else _blend(word, others[int(rng.integers(len(others)))], rng)
    return _dotted(made, rng) if noise.dotted and rng.random() < noise.dotted else made


def _dotted(word: str, rng: np.random.Generator) -> str:
    """A decimal, initials or an abbreviation: their period ends no sentence."""
    if word[0].isdigit():
        return f"{word}.{rng.integers(10)}"
    if rng.random() < 0.4:
        return "".join(f"{letter}." for letter in word[: int(rng.integers(2, 4))].upper())
    return f"{word[: int(rng.integers(2, 5))]}."


def _blend(word: str, other: str, rng: np.random.Generator) -> str:
    """The beginning of one word and the end of the other, at times reversed; a first capital, or all, are kept."""
    cut = int(rng.integers(1, len(word)))
    ending = other[int(rng.integers(0, len(other) - 1)) :].lower()
    made = word[:cut].lower() + (ending[::-1] if rng.random() < 0.3 else ending)
    return made.upper() if word.isupper() else made.capitalize() if word[0].isupper() else made


def _figures(word: str, rng: np.random.Generator) -> str:
    """As many digits, others; the first stays, so that a year stays one and no number begins with 0."""
    return word[0] + "".join(str(int(rng.integers(10))) for _ in word[1:])


def break_sentence(text: str, other: str, noise: Noise, rng: np.random.Generator) -> str:
    """The sentence with words of another put in, some left out and neighbours swapped; or as it is."""
    if rng.random() < noise.untouched_share:
        return text
    words = text.split()
    kept = [word for word in words if rng.random() >= noise.dropped] or words
    if rng.random() < noise.shuffled_share:
        order = np.argsort(np.arange(len(kept)) + rng.uniform(0, noise.shuffle_reach, len(kept)), kind="stable")
        kept = [kept[place] for place in order]
    added = round(len(words) * rng.uniform(0, noise.most_added))
    return " ".join(_put_in(kept, other.split(), added, noise.longest_added, rng))


def _put_in(words: list[str], others: list[str], count: int, longest: int, rng: np.random.Generator) -> list[str]:
    """Runs of neighbouring words of another sentence, `count` words in all, at random places."""
    out = list(words)
    while count > 0 and others:
        length = min(int(rng.integers(1, longest + 1)), count, len(others))
        start = int(rng.integers(0, len(others) - length + 1))
        place = int(rng.integers(0, len(out) + 1))
        out[place:place] = others[start : start + length]
        count -= length
    return out
