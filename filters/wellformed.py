"""Is this a sentence worth judging at all: whole, alone, in words, and not copied from its context.

`problem` names what is wrong; the names are public, they are the rows of the funnel. It runs first, on one sentence,
before any pair is formed; the filter asks the same of both sentences of a pair that a user brought.
"""

import re
from collections import Counter
from functools import lru_cache
from typing import ClassVar, Literal, Self, get_args

import nupunkt
import pyarrow as pa
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from rapidfuzz.distance import Indel

from filters.base import Cost, Role, Scorer
from filters.pairwise import at_least, pairwise
from filters.words import FUNCTION_WORDS, stem, words

Problem = Literal[
    "empty", "newline", "not_language", "boilerplate", "lowercase_start", "no_end", "unbalanced", "several_sentences",
    "other_end", "too_short", "too_long", "few_content_words", "repeated", "copied",
]  # fmt: skip
PROBLEMS: tuple[Problem, ...] = get_args(Problem)
ENDS = r"^[.?!]+$"

_MIN_LETTER_SHARE = 0.6
_NEAR_COPY = 0.9
_END = re.compile(r"[.?!]+[\"'”’)\]]*$")
_CUT = re.compile(r"(?:\.\.\.|…)[\"'”’)\]]*$")
_OPENER = re.compile(r"^[\"'“‘(\[]*[^\W_]")
_INNER_END = re.compile(r"[.?!][\"'”’)\]]*\s+[\"'“‘(\[]*[A-Z0-9]")
_INNER_QUESTION = re.compile(r"[?!][\"'”’)\]]*\s+[\"'“‘(\[]*[A-Z]")
_HALF_DAY = re.compile(r"\b[ap]\.m\.", re.IGNORECASE)
_BOILERPLATE = re.compile(
    r"""https?:|www\.|\b\w+\.(?:com|org|net|gov|edu|info)\b|\S@\S|(?<!\w)[@\#]\w|</?\w+[^>]*>|&\w+;|\{\{|\}\}|\[\[|\]\]|```|==
    |[{}|\\^~_]|\w\(\)|=>|::
    |^\s*(?:[-*•·▪>\#]+\s|\(?\d{1,2}[.)]\s|\(?[a-z]\)\s)
    |\((?:reporting|editing|writing|additional\ reporting)\b|\b(?:reporting|editing)\ by\b|all\ rights\ reserved
    |\bcopyright\b|©|\b(?:click|tap)\ (?:here|on)\b|\bsubscrib(?:e|ing)\b|\bsign\ up\b|\bnewsletter\b|\bread\ more\b
    |\bscroll\ down\b|\bcookies?\ policy\b|\bterms\ of\ (?:use|service)\b|\bfollow\ (?:us|me)\b|\bshare\ this\b
    |\bsee\ (?:photo|picture|image|video)s?\b|\((?:photo|image|picture|file)\b|\bphoto\ (?:by|credit)\b|\bas\ an\ ai\b
    |\bthis\ (?:article|story|post)\ (?:was|has|originally|first)\b|\bcomments?\ (?:below|section)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_BRACKETS = {")": "(", "]": "[", "”": "“"}
_WORD_THRICE = re.compile(r"\b(\w+)(?:\W+\1\b){2}", re.IGNORECASE)
_REPEATED_WORDS = 4


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Wellformed:
    """1 where both sentences are whole, single, and of a sensible size; else 0. Text alone, no context.

    Source: Impossible Distillation wants at least 3 characters, no newline and an end in . ? or !; the rest is ours.
    Why: written from what small teachers do wrong. The news recipe asks for more (7 words, 4 content words, none of
    them used more than twice): short sentences are judged badly, and a weak teacher goes round in circles.
    """

    name: ClassVar[str] = "wellformed"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None

    min_words: int = Field(default=6, ge=1)
    max_words: int = Field(default=60, ge=1)
    min_content_words: int = Field(default=3, ge=0)
    ends_in: str = Field(default=".?!", pattern=ENDS)  # "?" keeps questions alone
    max_word_uses: int = Field(default=4, ge=1)  # of one content word: "the bridge is a bridge for the bridge"

    @model_validator(mode="after")
    def _some_length_passes(self) -> Self:
        if self.max_words < self.min_words:
            raise ValueError(
                f"max_words {self.max_words} is under min_words {self.min_words}: nothing would pass; raise it"
            )
        return self

    def open(self, device: str) -> Scorer:
        return pairwise(lambda text: self.problem(text) is None, lambda source, target: float(source and target))

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 1.0)

    def problem(self, text: str, context: str = "") -> Problem | None:
        """What is wrong with one sentence that was written after `context`; None if nothing is."""
        if not text.strip():
            return "empty"
        tokens = words(text)
        mine = _form_problem(text) or self._end_problem(text) or self._size_problem(tokens)
        return mine or _copy_problem(text, tokens, context)

    def _end_problem(self, text: str) -> Problem | None:
        end = _END.search(text.strip())
        return None if end and end.group()[0] in self.ends_in else "other_end"

    def _size_problem(self, tokens: list[str]) -> Problem | None:
        if len(tokens) < self.min_words:
            return "too_short"
        if len(tokens) > self.max_words:
            return "too_long"
        content = Counter(
            stem(token) for token in tokens if token.lower() not in FUNCTION_WORDS and not token.isdigit()
        )
        if len(content) < self.min_content_words:
            return "few_content_words"
        return "repeated" if max(content.values(), default=0) > self.max_word_uses else None


def problem(text: str, context: str = "") -> Problem | None:
    """What is wrong with a sentence, by the default limits."""
    return Wellformed().problem(text, context)


def _form_problem(text: str) -> Problem | None:
    text = text.strip()
    if "\n" in text or "\r" in text:
        return "newline"
    if sum(map(str.isalpha, text)) < _MIN_LETTER_SHARE * sum(map(len, text.split())):
        return "not_language"
    if _BOILERPLATE.search(text):
        return "boilerplate"
    opener = _OPENER.match(text)
    if opener is None or opener.group()[-1].islower():
        return "lowercase_start"
    if not _END.search(text) or _CUT.search(text):
        return "no_end"
    if not _is_balanced(text):
        return "unbalanced"
    return "several_sentences" if _is_several(text) else None


def _copy_problem(text: str, tokens: list[str], context: str) -> Problem | None:
    plain = [token.lower() for token in tokens]
    if _WORD_THRICE.search(text) or _has_repeated_ngram(plain):
        return "repeated"
    return "copied" if context and _is_copied(plain, context) else None


def _is_balanced(text: str) -> bool:
    """Whether every bracket and double quote that opens is closed. An apostrophe is no quote."""
    opened: list[str] = []
    for mark in text:
        if mark in "([“":
            opened.append(mark)
        elif mark in _BRACKETS and (not opened or opened.pop() != _BRACKETS[mark]):
            return False
    return not opened and text.count('"') % 2 == 0


def _is_several(text: str) -> bool:
    """Whether a second sentence begins inside. The splitter is slow, so it is asked only about the suspicious."""
    if _INNER_QUESTION.search(text):
        return True
    text = _HALF_DAY.sub("pm", text)  # the splitter ends a sentence after p.m.
    return bool(_INNER_END.search(text)) and len(_split(text)) > 1


def _has_repeated_ngram(tokens: list[str]) -> bool:
    grams = list(zip(*(tokens[start:] for start in range(_REPEATED_WORDS)), strict=False))
    return len(set(grams)) < len(grams)


def _is_copied(tokens: list[str], context: str) -> bool:
    """Whether the words stand in the context one after the other, or are nearly one of its sentences."""
    whole, sentences = _context_words(context)
    if f" {' '.join(tokens)} " in whole:
        return True
    return any(Indel.normalized_similarity(tokens, sentence) >= _NEAR_COPY for sentence in sentences)


@lru_cache(maxsize=64)
def _context_words(context: str) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """A context as one line of words, and sentence by sentence; kept, for its candidates ask one after the other."""
    sentences = [tuple(token.lower() for token in words(sentence)) for sentence in _split(context)]
    return f" {' '.join(token.lower() for token in words(context))} ", tuple(sentences)


def _split(text: str) -> list[str]:
    return [piece for start, end in nupunkt.sent_spans(text) if (piece := text[start:end].strip())]
