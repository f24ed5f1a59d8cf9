"""What follows from a sentence: less of it. Parts are left out, clauses are taken out, by its dependency parse.

A small judge that has only seen wrong pairs of nearly the same words learns that such words are suspicious. These are
the right pairs beside them. A rule looks for what may go: not under a negation, not what a superlative or a bare
plural hangs on. The parse is a small parser's, so a few in a hundred are wrong or broken.
"""

import random
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from filters.training.hard_pairs import HardPair
from filters.training.parsed_text import (
    AUXILIARIES,
    SUBJECTS,
    Tokens,
    capital,
    child,
    is_finite,
    names_something,
    phrase,
    root_of,
    sentence,
    subtree,
    without,
)

TIME_AND_PLACE = set(
    "in on during after before since until from over through across near around under within throughout following "
    "amid due because despite".split()
)
OF_NOUNS = {"in", "on", "from", "near", "with", "for", "at"}
CONDITIONS = {"if", "unless", "until", "whether"}
FACTIVE = {"while", "although", "though", "because", "after", "as", "since"}
TELLING_ADJECTIVES = set(
    "former alleged potential possible next past recent fake such same other many several few new own".split()
)
COUNTED = set("time year month week day one way people".split())
LIMITED = re.compile(
    r"\b(only|most|least|first|last|\w+est|every|all|no|none|few|never|not|n't|without|if|unless|any|nor|former|may|"
    r"might|could|would|should|can|likely|allegedly|reportedly)\b"
)
"""What a part hangs on that must not go with it: `the largest in the city` is not `the largest`."""
WIDENED = re.compile(r"\b(only|first|last|most|least|\w{3,}est|every|all|no|none|any)\b")
FEWEST_WORDS_LEFT = 4
SINGLES, SEVERAL, MOST_AT_ONCE = 4, 2, 4
FEWEST_PREDICATE_WORDS = 3


class ParsedClause(NamedTuple):
    """A finite clause that the sentence states: its subject, its predicate, and how it hangs there."""

    subject: Tokens
    predicate: Tokens
    label: str

    def stands_alone(self) -> bool:
        return names_something(self.subject) and len(self.predicate) >= FEWEST_PREDICATE_WORDS

    def sentence(self, subject: Tokens | None = None) -> str:
        """As a sentence, of another subject if one is given."""
        return f"{capital(phrase(subject or self.subject))} {phrase(self.predicate)}."


def left_out(doc: Any, rng: random.Random) -> Iterator[HardPair]:
    """The sentence with one part left out, with several, and each clause of it alone."""
    parts = list(parts_that_may_go(doc))
    rng.shuffle(parts)
    for label, tokens in parts[:SINGLES]:
        yield HardPair(doc.text, sentence(rest_of(doc, tokens)), "entailment", f"parsed_no_{label}")
    for _ in range(SEVERAL if len(parts) > 1 else 0):
        chosen = rng.sample(parts, rng.randint(2, min(MOST_AT_ONCE, len(parts))))
        rest = rest_of(doc, [token for _, tokens in chosen for token in tokens])
        if len(rest) > FEWEST_WORDS_LEFT:
            yield HardPair(doc.text, sentence(rest), "entailment", "parsed_no_several")
    clauses = clauses_of(doc)
    for clause in clauses if len(clauses) > 1 else []:
        if clause.stands_alone():
            yield HardPair(doc.text, clause.sentence(), "entailment", f"parsed_clause_{clause.label}")


def parts_that_may_go(doc: Any) -> Iterator[tuple[str, Tokens]]:
    """Each with its relation."""
    for token in doc:
        tokens = subtree(token)
        if len(tokens) < len(doc) - FEWEST_WORDS_LEFT and (rule := _RULES.get(token.dep_)) and rule(token, tokens):
            yield token.dep_, [*tokens, *_conjunction(token)]


def parts_that_must_stay(doc: Any) -> Iterator[Tokens]:
    """Parts without which the sentence says more: a condition, what `the only`, `the largest`, `all` are bound to."""
    for token in doc:
        tokens = subtree(token)
        if len(tokens) < len(doc) - FEWEST_WORDS_LEFT and (_is_condition(token) or _binds(token)):
            yield tokens


def _is_condition(token: Any) -> bool:
    marks = {below.text.lower() for below in token.children if below.dep_ in ("mark", "advmod")}
    return token.dep_ == "advcl" and bool(marks & {"if", "unless"})


def _binds(token: Any) -> bool:
    noun = token.head
    bound = token.dep_ == "relcl" or (token.dep_ == "prep" and token.text.lower() in OF_NOUNS)
    return bound and noun.pos_ == "NOUN" and WIDENED.search(_before(noun)) is not None


def rest_of(doc: Any, dropped: Iterable[Any]) -> Tokens:
    """What is left of the sentence, without the commas around what is not."""
    gone = {token.i for token in dropped}
    rest: list[Any] = []
    for token in doc:
        twice = token.text == "," and rest and rest[-1].text == ","
        if token.i not in gone and not twice:
            rest.append(token)
    return [token for token in rest if token.text != "," or token.i + 1 not in gone]


def _conjunction(token: Any) -> Tokens:
    """The `and` that goes with what it joins."""
    return [below for below in token.head.children if below.dep_ == "cc"] if token.dep_ == "conj" else []


def _adverbial_clause(token: Any, tokens: Tokens) -> bool:
    marks = {below.text.lower() for below in token.children if below.dep_ in ("mark", "advmod")}
    return token.head.dep_ in ("ROOT", "conj") and not marks & CONDITIONS


def _relative_clause(token: Any, tokens: Tokens) -> bool:
    noun = token.head
    bare = noun.tag_ == "NNS" and child(noun, {"det"}) is None
    return (not bare or _after_comma(tokens)) and not LIMITED.search(_before(noun))


def _apposition(token: Any, tokens: Tokens) -> bool:
    after = tokens[-1].i + 1
    return _after_comma(tokens) and after < len(token.doc) and str(token.doc[after]) in ",."


def _preposition(token: Any, tokens: Tokens) -> bool:
    word, head = token.text.lower(), token.head
    if head.pos_ in ("VERB", "AUX"):
        return word in TIME_AND_PLACE and not _is_negated(token)
    before = _before(head)
    widened = head.dep_ == "attr" and "the" in before.split()
    specified = child(head, {"det", "poss"}) is not None
    return head.pos_ == "NOUN" and word in OF_NOUNS and specified and not widened and not LIMITED.search(before)


def _time(token: Any, tokens: Tokens) -> bool:
    return token.head.pos_ == "VERB" and not _is_negated(token)


def _adjective(token: Any, tokens: Tokens) -> bool:
    word, noun = token.text.lower(), token.head
    around = token.doc[max(0, token.i - 1) : token.i + 2].text
    plain = token.is_alpha and "-" not in around and not LIMITED.search(word) and word not in TELLING_ADJECTIVES
    return plain and noun.pos_ == "NOUN" and noun.dep_ != "npadvmod" and noun.lemma_.lower() not in COUNTED


def _conjunct(token: Any, tokens: Tokens) -> bool:
    words = {below.text.lower() for below in _conjunction(token)}
    if token.head.dep_ == "ROOT":
        return token.pos_ in ("VERB", "AUX") and bool(words & {"and", "but"})
    alone = sum(below.dep_ == "conj" for below in token.head.children) == 1
    nouns = token.pos_ == "NOUN" and token.head.pos_ == "NOUN" and token.head.dep_ in ("dobj", "pobj", "attr")
    return nouns and alone and "and" in words


_RULES = {
    "advcl": _adverbial_clause,
    "relcl": _relative_clause,
    "appos": _apposition,
    "prep": _preposition,
    "agent": lambda token, tokens: True,
    "npadvmod": _time,
    "amod": _adjective,
    "conj": _conjunct,
}


def _before(noun: Any) -> str:
    return " ".join(below.text.lower() for below in noun.children if below.i < noun.i)


def _after_comma(tokens: Tokens) -> bool:
    return tokens[0].i > 0 and str(tokens[0].doc[tokens[0].i - 1]) == ","


def _is_negated(token: Any) -> bool:
    return any(child(above, {"neg"}) is not None for above in (token, *token.ancestors))


def clauses_of(doc: Any) -> list[ParsedClause]:
    """The finite clauses that the sentence states: its own, joined ones, relative ones, those with a factive mark."""
    if root_of(doc) is None:
        return []
    verbs = [token for token in doc if token.pos_ in ("VERB", "AUX")]
    return [clause for verb in verbs if (clause := _clause(verb)) is not None]


def _clause(verb: Any) -> ParsedClause | None:
    subject = child(verb, SUBJECTS)
    if verb.dep_ == "conj" and verb.head.dep_ in ("ROOT", "conj") and subject is None:
        return _sharing_clause(verb)
    if subject is None or not is_finite(verb):
        return None
    if verb.dep_ == "relcl":
        if subject.text.lower() not in ("who", "which", "that"):
            return None
        noun = [token for token in without(subtree(verb.head), verb.subtree) if token.text != ","]
        return ParsedClause(noun, _predicate(verb), "relcl")
    stated = verb.dep_ == "ROOT" or (verb.dep_ == "conj" and verb.head.dep_ in ("ROOT", "conj"))
    marks = {below.text.lower() for below in verb.children if below.dep_ == "mark"}
    if stated or (verb.dep_ == "advcl" and marks and marks <= FACTIVE):
        return ParsedClause(subtree(subject), _predicate(verb), verb.dep_)
    return None


def _sharing_clause(verb: Any) -> ParsedClause | None:
    """`was tried and [was] freed`: the subject, and where it needs one the auxiliary, is the first verb's."""
    head = verb.head
    while child(head, SUBJECTS) is None and head.dep_ == "conj":
        head = head.head
    subject = child(head, SUBJECTS)
    borrowed = [] if is_finite(verb) else [below for below in head.children if below.dep_ in AUXILIARIES]
    if subject is None or not (is_finite(verb) or (borrowed and verb.tag_ == head.tag_)):
        return None
    return ParsedClause(subtree(subject), borrowed + _predicate(verb), "conj")


def _predicate(verb: Any) -> list[Any]:
    """The clause without its subject, marks, joints and joined clauses."""
    gone = {*SUBJECTS, "mark", "cc", "expl", "conj"}
    dropped = [b for b in verb.children if b.dep_ in gone or (b.dep_ == "advcl" and b.i < verb.i)]
    stops = [b for b in verb.children if b.dep_ == "punct" and b.text != ","]
    return without(subtree(verb), [*stops, *(token for below in dropped for token in below.subtree)])
