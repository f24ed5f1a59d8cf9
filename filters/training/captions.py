"""Captions made shorter or more general: what follows from a picture's description (SNLI's kind of sentence)."""

import re
from collections.abc import Iterable, Iterator

from filters.training.rows import Row
from filters.training.unlabelled import UNKNOWN

_BROADER = (
    "man=person woman=person boy=child girl=child men=people women=people boys=children girls=children dog=animal "
    "cat=animal horse=animal guitar=instrument piano=instrument bike=vehicle car=vehicle soccer=sports beach=shore "
    "street=road running=moving walking=moving"
)
_GENERAL = dict(pair.split("=") for pair in _BROADER.split())
_TAIL = re.compile(r"^(.{12,}?) (with|while|in|on|at|near|as|through|during|next|for) .*$")


def general(text: str) -> str | None:
    """Every word that has a broader one replaced by it; None where none has."""
    words = text.split()
    broader = [_GENERAL.get(word, word) for word in words]
    return " ".join(broader) if broader != words else None


def shorter(text: str) -> str | None:
    """The caption up to its first adverbial; None where it has none."""
    found = _TAIL.match(text)
    return f"{found.group(1)}." if found else None


def caption_pairs(captions: Iterable[str]) -> Iterator[Row]:
    """A caption and what the rules make of it. Usually it follows; the larger judge decides."""
    for caption in captions:
        short = shorter(caption)
        for changed in (general(caption), short, general(short or "")):
            if changed:
                yield Row(caption, changed, UNKNOWN, False, "captions")
