"""What steers decoding, token by token, in any engine: bans, forced keywords, and the end of the sentence.

A decoder keeps one `Row` a sequence and calls `steer(logits, rows, vocabulary)` before it samples. Three rules:
newlines, banned words and repeated n-grams of the continuation get no probability; a finished sentence is followed by
the end token; after a stop that only may be an end ("3.", "U.S."), the probability of all tokens that would begin a new
sentence goes to the end token, so the decision is the model's own and costs no look-ahead token.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from pipeline.teacher.decoder import DecoderError, Sampling
from pipeline.teacher.keywords import Keywords
from pipeline.teacher.sentence import Tail, begins_sentence, tail

_UNSURE = (Tail.UNSURE, Tail.AFTER_DIGIT, Tail.AFTER_ABBREVIATION)


class Vocabulary:
    """What steering needs to know of a tokenizer. Built once a worker."""

    def __init__(self, tokenizer: Any, size: int) -> None:
        if tokenizer.eos_token_id is None:
            raise DecoderError(
                f"tokenizer of {tokenizer.name_or_path}: it names no end-of-text token, which the sentence's end "
                "is written with; set `eos_token` in its tokenizer_config.json"
            )
        self.tokenizer = tokenizer
        self.size = size
        self.end = int(tokenizer.eos_token_id)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def continuation(self, ids: Sequence[int]) -> str:
        """The text of a continuation, with the space before its first word, which some tokenizers drop."""
        text = self.decode(ids).rstrip()
        is_word = bool(text) and not text[0].isspace() and text[0] not in ",.;:!?)"
        return f" {text}" if is_word and self.pieces[ids[0]][:1].isspace() else text

    def prompt(self, text: str) -> list[int]:
        """The tokens of a context. One without any begins as the teacher's own texts do."""
        ids = [int(token) for token in self.tokenizer.encode(text)]
        start = self.tokenizer.bos_token_id
        return ids or [self.end if start is None else int(start)]

    def single(self, text: str) -> int:
        """The one token that writes `text`."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        if len(ids) != 1:
            raise DecoderError(
                f"sampling.constraints.logit_bias: {text!r} is {len(ids)} tokens of this teacher; give one token"
            )
        return int(ids[0])

    @cached_property
    def _forms(self) -> dict[tuple[str, ...], tuple[tuple[int, ...], ...]]:
        return {}

    def forms(self, words: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
        """The tokens that write each word, inside a sentence and at its head. Kept: every row asks at every step."""
        if words not in self._forms:
            texts = [form for word in words for form in (word, f" {word}")]
            found = [tuple(self.tokenizer.encode(text, add_special_tokens=False)) for text in texts]
            self._forms[words] = tuple(form for form in found if form)
        return self._forms[words]

    def spellings(self, words: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """The tokens that write each word inside a sentence."""
        return tuple(tuple(self.tokenizer.encode(f" {word}", add_special_tokens=False)) for word in words)

    @cached_property
    def pieces(self) -> list[str]:
        """The text of every token as it stands inside a sentence, with its leading space."""
        marks = {"Ġ": " ", "▁": " ", "Ċ": "\n"}
        spaced = any(token[:1] in marks for token in self.tokenizer.get_vocab())
        texts = self.tokenizer.batch_decode([[i] for i in range(len(self.tokenizer))])
        names = self.tokenizer.convert_ids_to_tokens(list(range(len(self.tokenizer))))
        pieces = [self._spaced(text, str(name), spaced) for text, name in zip(texts, names, strict=True)]
        return (pieces + [""] * self.size)[: self.size]

    @staticmethod
    def _spaced(text: str, name: str, spaced: bool) -> str:
        # decode() drops the leading space of a lone token in some tokenizers; those without marks start words anew
        leads = name[:1] in ("Ġ", "▁") if spaced else True
        return " " + text if leads and not text[:1].isspace() else text

    @cached_property
    def newlines(self) -> torch.Tensor:
        found = [i for i, piece in enumerate(self.pieces) if "\n" in piece or "\r" in piece]
        return torch.tensor(found, dtype=torch.long)  # some vocabularies have none

    @cached_property
    def stops(self) -> frozenset[int]:
        """Tokens after which a sentence may have ended."""
        return frozenset(i for i, piece in enumerate(self.pieces) if any(c in piece for c in ".?!\"')]”’"))

    @cached_property
    def stop_ids(self) -> torch.Tensor:
        """Tokens that would end the sentence (with . ? or !), and the end token itself."""
        return torch.tensor([self.end, *(i for i, piece in enumerate(self.pieces) if any(c in piece for c in ".?!"))])

    @cached_property
    def beginnings(self) -> dict[Tail, torch.Tensor]:
        """For each unsure state, the tokens that would begin a new sentence, the end token among them."""
        return {
            state: torch.tensor(
                [self.end, *(i for i, p in enumerate(self.pieces) if i != self.end and begins_sentence(p, state))]
            )
            for state in _UNSURE
        }


@dataclass
class Row:
    """One sequence being decoded. `ids` is its continuation so far and grows under the decoder's hand."""

    ids: Sequence[int]
    sampling: Sampling
    keywords: Keywords | None = None
    sentences: int = 1  # to be written before the end
    seen: int = 0
    ended: int = 0  # sentences written
    state: Tail = Tail.OPEN
    followers: dict[tuple[int, ...], list[int]] = field(default_factory=dict)

    def observe(self, vocabulary: Vocabulary) -> None:
        """Take in the tokens that came since the last step."""
        for position in range(self.seen, len(self.ids)):
            self._remember(position)
        if len(self.ids) > self.seen and self.sampling.stop_at_sentence:
            self._judge_end(vocabulary)
        self.seen = len(self.ids)
        if self.keywords is not None:
            self.keywords.observe(self.ids)

    def _judge_end(self, vocabulary: Vocabulary) -> None:
        """Set `state` from the newest token, and count the sentence that an earlier unsure stop turned out to end."""
        last = self.ids[-1]
        if self.state in _UNSURE and begins_sentence(vocabulary.pieces[last], self.state):
            self.ended += 1
        self.state = tail(vocabulary.decode(self.ids).lstrip()) if last in vocabulary.stops else Tail.OPEN
        if self.state is Tail.ENDED and self.ended + 1 < self.sentences:
            self.ended, self.state = self.ended + 1, Tail.OPEN

    def _remember(self, position: int) -> None:
        size = self.sampling.no_repeat_ngram
        if size and position + 1 >= size:
            head = tuple(self.ids[position + 1 - size : position])
            self.followers.setdefault(head, []).append(self.ids[position])

    @property
    def repeats(self) -> list[int]:
        """Tokens that would repeat an n-gram of the continuation."""
        size = self.sampling.no_repeat_ngram
        return self.followers.get(tuple(self.ids[len(self.ids) - size + 1 :]), []) if size else []

    def bad_words(self, vocabulary: Vocabulary) -> list[int]:
        """Tokens that would complete a banned word. vLLM's own ban misses a word that is other tokens after a space."""
        forms = vocabulary.forms(self.sampling.constraints.bad_words)
        return [form[-1] for form in forms if tuple(self.ids[len(self.ids) - len(form) + 1 :]) == form[:-1]]

    @property
    def must_go_on(self) -> bool:
        wants = self.keywords is not None and self.keywords.holds_end(len(self.ids), self.sampling.max_tokens)
        return wants or len(self.ids) < max(self.sampling.min_tokens, 1)

    @property
    def may_end(self) -> bool:
        """Whether the next stop would be the last one wanted."""
        return self.ended + 1 >= self.sentences


def steer(logits: torch.Tensor, rows: Iterable[tuple[int, Row]], vocabulary: Vocabulary) -> torch.Tensor:
    """Change `logits` [rows, vocabulary] in place; `rows` are (index into logits, row), observed here."""
    rows = list(rows)
    banned: list[tuple[int, int]] = []
    no_newline: list[int] = []
    for index, row in rows:
        row.observe(vocabulary)
        banned += [(index, token) for token in (*row.repeats, *row.bad_words(vocabulary))]
        if row.sampling.ban_newline:
            no_newline.append(index)
    _ban(logits, banned)
    if no_newline:
        logits[torch.tensor(no_newline)[:, None], vocabulary.newlines[None, :].to(logits.device)] = -torch.inf
    for index, row in rows:
        _end_or_go_on(logits[index], row, vocabulary)
    return logits


def _ban(logits: torch.Tensor, banned: list[tuple[int, int]]) -> None:
    if banned:
        where = torch.tensor(banned, device=logits.device)
        logits[where[:, 0], where[:, 1]] = -torch.inf


def _end_or_go_on(logits: torch.Tensor, row: Row, vocabulary: Vocabulary) -> None:
    """One row of logits [vocabulary]: keywords, forbidden ends, the forced end, the merged end."""
    if row.state is Tail.ENDED:
        logits.fill_(-torch.inf)
        logits[vocabulary.end] = 0.0
        return
    if row.keywords is not None:
        row.keywords.push(logits)
    if row.must_go_on:
        logits[vocabulary.stop_ids.to(logits.device)] = -torch.inf
    elif row.state is not Tail.OPEN and row.may_end:
        _merge_ends(logits, vocabulary.beginnings[row.state], vocabulary.end, row.sampling.temperature)


def _merge_ends(logits: torch.Tensor, beginnings: torch.Tensor, end: int, temperature: float) -> None:
    """Give the end token the probability, at this temperature, of every token that would begin a sentence."""
    ids, scale = beginnings.to(logits.device), max(temperature, 1e-5)
    mass = scale * torch.logsumexp(logits[ids] / scale, dim=0)
    logits[ids] = -torch.inf
    logits[end] = mass
