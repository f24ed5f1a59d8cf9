"""Right and wrong pairs that look alike, of the sentences of a context: what a judge of siblings learns from.

Of each sentence: less of it (right), it mixed up (wrong), and both again with a sibling's phrase (wrong). In half of
all targets words are replaced by others that mean the same, right or wrong as they are; in some a form by a weaker one.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from filters.training.hard_pairs import HardPair, unhedged
from filters.training.leaving_out import left_out
from filters.training.mixing_up import Bank, added, bank_of, exchanged, mixed_up
from filters.training.parsed_text import content
from filters.training.synonyms import WordNet, with_other_words

Read = Callable[[Iterable[str]], Iterator[Any]]
"""Texts in, parsed documents out."""

SENTENCES_A_CONTEXT = 40
LESS_OF_A_SENTENCE = 3
ADDED_SHARE = 0.5
OTHER_WORDS_SHARE, WEAKER_SHARE = 0.5, 0.15
FEWEST_WORDS, MOST_WORDS = 4, 45
WEAKER = tuple(
    (re.compile(rf"\b{old}\b"), new)
    for old, new in (
        ("will be", "is expected to be"), ("will be", "is set to be"), (r"was (\w+ed)", r"was being \1"),
        (r"were (\w+ed)", r"were being \1"), (r"has (\w+ed)", r"has also \1"), (r"is (\w+ing)", r"is now \1"),
        ("was also", "was"), ("is now", "is"), ("said that", "has said that"),
    )
)  # fmt: skip
"""Forms that say no more than what they stand for; the other way round is a hard pair (`own_unhedged`)."""


def parsed_pairs(
    contexts: Mapping[str, Sequence[str]], read: Read, wordnet: WordNet | None, seed: int
) -> Iterator[HardPair]:
    """The pairs of the sentences of each context, shuffled within it, each once. Without WordNet no other words."""
    for context in sorted(contexts):
        rng = random.Random(f"{seed} {context}")
        docs = list(read(contexts[context][:SENTENCES_A_CONTEXT]))
        bank = bank_of(docs)
        pairs = [pair for doc in docs for pair in _of_sentence(doc, bank, read, rng)]
        pairs += _whole_sentences(docs, wordnet, rng)
        varied = _varied(pairs, read, wordnet, rng)
        found = {(p.premise, p.hypothesis): p for p in varied if _is_usable(p)}
        yield from rng.sample(list(found.values()), len(found))


def _is_usable(pair: HardPair) -> bool:
    return pair.premise != pair.hypothesis and FEWEST_WORDS <= len(pair.hypothesis.split()) <= MOST_WORDS


def _of_sentence(doc: Any, bank: Bank, read: Read, rng: random.Random) -> Iterator[HardPair]:
    less = list(left_out(doc, rng))
    yield from less
    yield from mixed_up(doc, rng)
    for text in exchanged(doc, bank, doc.text, 1, rng):
        yield HardPair(doc.text, text, "not_entailment", "parsed_exchanged")
    shorter = [pair.hypothesis for pair in rng.sample(less, min(LESS_OF_A_SENTENCE, len(less)))]
    if firmer := unhedged(doc.text):
        yield HardPair(doc.text, firmer, "not_entailment", "parsed_firmer")
    for short in read(shorter):
        if firmer := unhedged(short.text):
            yield HardPair(doc.text, firmer, "not_entailment", "parsed_firmer_in_less")
        for text in exchanged(short, bank, doc.text, 1, rng):
            if not content(text) <= content(short.text):
                yield HardPair(doc.text, text, "not_entailment", "parsed_exchanged_in_less")
        more = added(short, bank, rng) if rng.random() < ADDED_SHARE else None
        if more:
            yield HardPair(doc.text, more, "not_entailment", "parsed_added_to_less")


def _whole_sentences(docs: Sequence[Any], wordnet: WordNet | None, rng: random.Random) -> Iterator[HardPair]:
    """Sentences with other words of the same meaning, both ways."""
    if wordnet is None:
        return
    for doc in docs:
        if rng.random() < OTHER_WORDS_SHARE and (text := with_other_words(doc, wordnet, rng.randint(1, 3), rng, 0)):
            yield HardPair(doc.text, text, "entailment", "parsed_synonyms")
            yield HardPair(text, doc.text, "entailment", "parsed_synonyms")


def _varied(pairs: Sequence[HardPair], read: Read, wordnet: WordNet | None, rng: random.Random) -> Iterator[HardPair]:
    """The pairs, half of them with other words in the target, some with weaker forms."""
    for pair, doc in zip(pairs, read([pair.hypothesis for pair in pairs]), strict=True):
        text = pair.hypothesis
        if wordnet and pair.origin != "parsed_synonyms" and rng.random() < OTHER_WORDS_SHARE:
            text = with_other_words(doc, wordnet, rng.choice((1, 1, 2)), rng) or text
        if rng.random() < WEAKER_SHARE:
            text = weaker(text, rng) if "firmer" not in pair.origin else text
        yield HardPair(pair.premise, text, pair.label, pair.origin)


def weaker(text: str, rng: random.Random) -> str:
    """The text with one form in the place of another that says no more; as it is where there is none."""
    fit = [(pattern, new) for pattern, new in WEAKER if pattern.search(text)]
    if not fit:
        return text
    pattern, new = rng.choice(fit)
    return pattern.sub(new, text, count=1)
