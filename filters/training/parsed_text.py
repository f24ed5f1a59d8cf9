"""Words of a parsed sentence, and how they become text again. Tokens are spaCy's; nothing here imports it.

Labels are those of spaCy's English pipelines: nsubj, dobj, pobj, conj, relcl, advcl, appos, ...
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

Tokens = Sequence[Any]

SUBJECTS = {"nsubj", "nsubjpass"}
AUXILIARIES = {"aux", "auxpass"}
FINITE = {"VBD", "VBZ", "VBP", "MD"}
PRONOUNS = set("he she it they this that these those there we you i who which both what one".split())
MOST_SUBJECT_WORDS = 12
_EMPTY = set("that this with from have been will were said says they their also into than them".split())
_SPACED_STOP = re.compile(r"\s+([,.;:])")
_STOPS = re.compile(r"([,;:])(?:\s*[,;:])+")


def phrase(tokens: Tokens) -> str:
    """Their text, without the stops at its ends."""
    return " ".join(_run(tokens).split()).strip(" ,.;:")


def sentence(tokens: Tokens) -> str:
    """Their text as a sentence: a capital, one full stop, no comma left over."""
    text = _SPACED_STOP.sub(r"\1", " ".join(_run(tokens).split()))
    text = _STOPS.sub(r"\1", text).strip(" .,;:")
    return f"{capital(text)}."


def _run(tokens: Tokens) -> str:
    """Their text in order; a space where words meet that were apart."""
    parts = [token.text_with_ws for token in tokens]
    for place, (left, right) in enumerate(pairwise(tokens)):
        apart = right.i != left.i + 1 and not left.whitespace_
        if apart and not right.is_punct and not right.text.startswith("'"):
            parts[place] += " "
    return "".join(parts)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def inside(text: str, first: Any) -> str:
    """A phrase as it stands inside a sentence: `first`, its first token, is in lower case unless it is a name."""
    return text if first.pos_ == "PROPN" or first.text == "I" else text[:1].lower() + text[1:]


def subtree(token: Any) -> list[Any]:
    """The token and all that hangs from it, in order."""
    return sorted(token.subtree, key=lambda below: below.i)


def without(tokens: Iterable[Any], dropped: Iterable[Any]) -> list[Any]:
    gone = {token.i for token in dropped}
    return [token for token in tokens if token.i not in gone]


def root_of(doc: Any) -> Any | None:
    """The head of a text of one sentence."""
    roots = [token for token in doc if token.dep_ == "ROOT"]
    return roots[0] if len(roots) == 1 else None


def child(token: Any, labels: set[str]) -> Any | None:
    return next((below for below in token.children if below.dep_ in labels), None)


def is_finite(verb: Any) -> bool:
    """Whether it has a tense, itself or by an auxiliary."""
    auxiliaries = (below for below in verb.children if below.dep_ in AUXILIARIES)
    return verb.tag_ in FINITE or any(below.tag_ in FINITE for below in auxiliaries)


def is_plural(tokens: Tokens) -> bool:
    """Of a noun phrase: its head is a plural, or has a conjunct."""
    own = {token.i for token in tokens}
    head = next((token for token in tokens if token.dep_ == "ROOT" or token.head.i not in own), None)
    return head is not None and (head.tag_ in ("NNS", "NNPS") or child(head, {"conj"}) is not None)


def names_something(tokens: Tokens) -> bool:
    """Whether it can be the subject of a sentence that stands alone: a noun, short, no pronoun first."""
    words = [token.text.lower() for token in tokens if token.is_alpha]
    if not words or words[0] in PRONOUNS or len(tokens) > MOST_SUBJECT_WORDS:
        return False
    return any(token.pos_ in ("NOUN", "PROPN") for token in tokens) and not any(t.text in ",;()" for t in tokens)


def content(text: str) -> set[str]:
    """Its words of more than three letters that say something."""
    return {word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 3} - _EMPTY
