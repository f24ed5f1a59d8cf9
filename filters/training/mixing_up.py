"""What does not follow from a sentence though its words are there: its parts are mixed up, or a sibling's are put in.

For each rule here there is one in leaving_out.py whose pairs look alike, so that neither the shared words nor the
grammar tells a judge the answer. Siblings continue the same context: what one says of it, another does not.
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from filters.training.hard_pairs import HardPair
from filters.training.leaving_out import ParsedClause, clauses_of, parts_that_must_stay, rest_of
from filters.training.parsed_text import (
    PRONOUNS,
    Tokens,
    capital,
    content,
    inside,
    is_plural,
    names_something,
    phrase,
    root_of,
    sentence,
    subtree,
)

EXCHANGED = set("dobj pobj attr acomp xcomp advcl conj prep amod nsubj nsubjpass relcl ccomp".split())
NOUN_PLACES = {"nsubj", "nsubjpass", "dobj", "pobj", "attr"}
OWNING = {"of", "in", "for", "from", "at"}
NO_OWNED = set(
    "number group majority part rest lot series pair member members most people some many one thousands hundreds "
    "dozens millions kind type".split()
)
SPEAKERS = set(
    "company government president minister police court organization scientist doctor official union mayor spokesman "
    "charity bank leader study report hospital university school team party city council ministry agency judge coach "
    "family farmer teacher worker airline museum researcher".split()
)
SAYINGS = ("said", "says", "believes", "announced")
MOST_WORDS, MOST_CHUNK, MOST_ADDED = 10, 5, 5
SWAPS, SAID_SHARE = 2, 0.3

Bank = Mapping[str, Sequence[str]]
"""What the sentences of a context say, by the place it has in them."""


def mixed_up(doc: Any, rng: random.Random) -> Iterator[HardPair]:
    """More than it says, subjects with others' predicates, owners for what is owned, nouns exchanged, a new speaker."""
    clauses = clauses_of(doc)
    for tokens in parts_that_must_stay(doc):
        yield _wrong(doc.text, sentence(rest_of(doc, tokens)), "widened")
    yield from _crossed(doc.text, clauses)
    yield from _owners(doc.text, clauses)
    yield from _swapped(doc, rng)
    if clauses and rng.random() < SAID_SHARE:
        yield from _said(doc, rng.choice(clauses), rng)


def _wrong(premise: str, hypothesis: str, rule: str) -> HardPair:
    return HardPair(premise, hypothesis, "not_entailment", f"parsed_{rule}")


def _crossed(premise: str, clauses: Sequence[ParsedClause]) -> Iterator[HardPair]:
    """`The mayor, who is ill, met the owner` -> `The owner is ill`."""
    named = [clause for clause in clauses if names_something(clause.subject)]
    for one, other in permutations(named, 2):
        first, second = content(phrase(one.subject)), content(phrase(other.subject))
        unlike = bool(first and second) and not first & second
        if unlike and other.stands_alone() and is_plural(one.subject) == is_plural(other.subject):
            yield _wrong(premise, other.sentence(one.subject), "crossed")


def _owners(premise: str, clauses: Sequence[ParsedClause]) -> Iterator[HardPair]:
    """`The ship's captain was hurt` -> `The ship was hurt`."""
    for clause in clauses:
        for owner in filter(None, (_owner(token, clause.subject) for token in clause.subject)):
            if names_something(owner) and is_plural(owner) == is_plural(clause.subject):
                yield _wrong(premise, clause.sentence(owner), "owner")


def _owner(token: Any, subject: Tokens) -> Tokens | None:
    if token.dep_ == "poss" and token.head in subject and token.pos_ in ("NOUN", "PROPN"):
        return [below for below in subtree(token) if below.dep_ != "case"]
    joint = token.head
    owns = token.dep_ == "pobj" and joint.dep_ == "prep" and joint.text.lower() in OWNING and joint.head in subject
    return subtree(token) if owns and joint.head.text.lower() not in NO_OWNED else None


def _swapped(doc: Any, rng: random.Random) -> Iterator[HardPair]:
    """Two noun phrases of the sentence in each other's places."""
    root, chunks = root_of(doc), _noun_phrases(doc)
    if root is None or len(chunks) < 2:
        return
    for _ in range(SWAPS):
        first, second = (chunks[place] for place in sorted(rng.sample(range(len(chunks)), 2)))
        one, other = first.root, second.root
        both = {one.dep_, other.dep_}
        same = root.lemma_ == "be" and both == {"nsubj", "attr"}  # `a is b` is as good as `b is a`
        alike = content(first.text) & content(second.text) or not content(first.text) or not content(second.text)
        beside = one.head == other.head and len(both) == 1
        if not (alike or same or beside) and one.tag_ == other.tag_:
            yield _wrong(doc.text, _with_swapped(doc, first, second), "swapped")


def _noun_phrases(doc: Any) -> list[Any]:
    return [
        chunk
        for chunk in doc.noun_chunks
        if chunk.root.pos_ in ("NOUN", "PROPN")
        and chunk.root.dep_ in NOUN_PLACES
        and len(chunk) <= MOST_CHUNK
        and chunk[0].text.lower() not in PRONOUNS
    ]


def _with_swapped(doc: Any, first: Any, second: Any) -> str:
    one, other = first.text, second.text
    if first.start == 0:
        one, other = inside(one, first[0]), capital(other)
    between = doc[first.end : second.start].text_with_ws
    before, after = doc[: first.start].text_with_ws, doc[second.end :].text
    return f"{before}{other}{first[-1].whitespace_}{between}{one}{second[-1].whitespace_}{after}"


def _said(doc: Any, clause: ParsedClause, rng: random.Random) -> Iterator[HardPair]:
    """What the sentence states, in the mouth of somebody who stands in it."""
    subject = phrase(clause.subject)
    speakers = [chunk for chunk in _noun_phrases(doc) if chunk.root.lemma_.lower() in SPEAKERS]
    others = [chunk.text for chunk in speakers if not content(chunk.text) & content(subject)]
    if others and clause.stands_alone():
        told = f"{inside(subject, clause.subject[0])} {phrase(clause.predicate)}"
        yield _wrong(doc.text, f"{capital(rng.choice(others))} {rng.choice(SAYINGS)} that {told}.", "said")


def bank_of(docs: Iterable[Any]) -> dict[str, list[str]]:
    """The phrases of a context's sentences, by place."""
    bank: dict[str, list[str]] = {}
    for doc in docs:
        for place, tokens in _places(doc):
            bank.setdefault(place, []).append(phrase(tokens))
    return bank


def _places(doc: Any) -> Iterator[tuple[str, Tokens]]:
    """What may be exchanged for another context's sentence's: a whole subtree without a stop at its end."""
    for token in doc:
        tokens = subtree(token)
        whole = tokens[-1].i - tokens[0].i + 1 == len(tokens) <= MOST_WORDS
        edges = tokens[0].is_punct or tokens[-1].is_punct or (tokens[0].i > 0 and doc[tokens[0].i - 1].text == "-")
        if token.dep_ in EXCHANGED and whole and not edges:
            yield _place(token), tokens


def _place(token: Any) -> str:
    """Relation and form; what a preposition governs goes to the same preposition."""
    joint = {"pobj": token.head.text.lower(), "prep": token.text.lower()}.get(token.dep_, "")
    return f"{token.dep_}/{joint}/{token.tag_}"


def exchanged(doc: Any, bank: Bank, known: str, most: int, rng: random.Random) -> Iterator[str]:
    """The sentence with a phrase of a sibling in the place of its own; `known`: what must not hold it already."""
    places, made = list(_places(doc)), 0
    rng.shuffle(places)
    for place, tokens in places:
        own, there = content(phrase(tokens)), content(known)
        others = [p for p in bank.get(place, ()) if content(p) and not content(p) & own and not content(p) <= there]
        if made < most and own and others:
            made += 1
            yield _with_phrase(doc, tokens, rng.choice(others))


def _with_phrase(doc: Any, tokens: Tokens, other: str) -> str:
    start, end = tokens[0].i, tokens[-1].i + 1
    text = doc[:start].text_with_ws + (capital(other) if start == 0 else other) + tokens[-1].whitespace_
    return re.sub(r"\s+([.,])", r"\1", text + doc[end:].text).rstrip(". ") + "."


def added(doc: Any, bank: Bank, rng: random.Random) -> str | None:
    """The sentence with `and` and a noun of a sibling's after one of its own."""
    nouns = [token for token in doc if token.dep_ in ("dobj", "pobj", "attr") and token.pos_ == "NOUN"]
    if not nouns:
        return None
    noun = rng.choice(nouns)
    found = (p for place in bank if place.startswith(noun.dep_) and place.endswith(noun.tag_) for p in bank[place])
    fit = [p for p in found if len(p.split()) <= MOST_ADDED and content(p) and not content(p) & content(doc.text)]
    if not fit:
        return None
    head, tail = doc[: noun.i + 1].text, doc[noun.i + 1 :].text
    text = f"{head} and {rng.choice(fit)} {tail}"
    return re.sub(r"\s+([.,])", r"\1", text).strip()
