"""Contexts from the teacher: domain prefixes continued to a few sentences, the prefix then removed.

Source: 2305.16635 v4, contexts (top-p 0.9, temperature 1.0, up to 150 tokens, 1-5 sentences; news behind a dateline).
Contexts from the user's own text are cut in pipeline/windows.py.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from pipeline.recipe_sections import Contexts
from pipeline.records import CONTEXT, context_id, spaced_seed
from pipeline.stage import Batch, Output, Resources, StageFunction
from pipeline.teacher.decoder import Continuation, Decode, Decoder, Request, Sampling

ATTEMPTS = 4
"""How often a slot is tried before it is set aside: each try has its own prefix, length and seed."""

SLOT = pa.schema([("slot", pa.int64())])


def slots(count: int, shard_contexts: int) -> list[pa.Table]:
    """The planned input of the stage: one row a context that is wanted, `shard_contexts` rows a shard."""
    tables = []
    for first in range(0, count, shard_contexts):
        tables.append(pa.table({"slot": list(range(first, min(first + shard_contexts, count)))}, schema=SLOT))
    return tables


@dataclass(frozen=True)
class TeacherContexts:
    """One slot a row in, at most one context a row out."""

    name: ClassVar[str] = "contexts"
    decoder: Decoder
    settings: Contexts
    seed: int
    resources: Resources = field(default_factory=Resources)
    writes: pa.Schema = CONTEXT

    def spec(self) -> Mapping[str, object]:
        settings = self.settings.model_dump(mode="json", exclude={"count", "text"})
        return {"teacher": self.decoder.fingerprint(), "contexts": settings, "seed": self.seed}

    def facts(self) -> Mapping[str, object]:
        return self.spec()

    def open(self) -> StageFunction:
        decode = self.decoder.open()
        return lambda batch: self._write(batch, decode)

    def _write(self, batch: Batch, decode: Decode) -> Output:
        wanted = [int(slot) for slot in batch.table["slot"].to_pylist()]
        made = _known(batch, [self._draft(slot, attempt) for slot in wanted for attempt in range(ATTEMPTS)])
        failed: dict[int, dict[str, object]] = {}
        for attempt in range(ATTEMPTS):
            drafts = [self._draft(slot, attempt) for slot in wanted if slot not in made]
            answers = decode([draft.request for draft in drafts], self._sampling())
            for draft, answer in zip(drafts, answers, strict=True):
                self._take(draft, answer, made, failed)
        rows = [made[slot] for slot in wanted if slot in made]
        aside = [failed[slot] for slot in wanted if slot not in made]
        reasons = Counter(str(row["reason"]) for row in aside)
        counts = {"in": len(wanted), "out": len(rows)} | {f"dropped/{why}": n for why, n in sorted(reasons.items())}
        table = pa.Table.from_pylist(rows, schema=CONTEXT)
        return Output(table, counts, pa.Table.from_pylist(aside) if aside else None)

    def _take(
        self,
        draft: "_Draft",
        answer: Sequence[Continuation],
        made: dict[int, dict[str, object]],
        failed: dict[int, dict[str, object]],
    ) -> None:
        """File one answer: a context, or the reason why it is none."""
        text = f"{draft.opening}{answer[0].text}".strip() if answer else ""
        seen = {row["context_id"] for row in made.values()}
        reason = _unfit(answer[0] if answer else None, text, seen)
        if reason:
            failed[draft.slot] = {"slot": draft.slot, "prefix": draft.prefix, "text": text, "reason": reason}
            return
        shown = f"{draft.prefix} {text}".strip() if self.settings.teacher.keep_prefix else text
        made[draft.slot] = {
            "context_id": context_id(shown),
            "text": shown,
            "sentences": draft.request.sentences,
            "origin": "teacher",
            "prefix": draft.prefix,
            "seed": draft.request.seed,
        }

    def _draft(self, slot: int, attempt: int) -> "_Draft":
        """What slot and attempt ask of the teacher: drawn from a seed of their own, so never from their order."""
        seed = spaced_seed(self.seed, "contexts", slot, attempt)
        draw = random.Random(seed)
        prefix, opening = _prefix(self.settings, draw)
        sentences = draw.randint(self.settings.min_sentences, self.settings.max_sentences)
        text = f"{prefix} {opening}".strip()
        return _Draft(slot, prefix, opening, Request(text, seed, sentences=sentences))

    def _sampling(self) -> Sampling:
        teacher = self.settings.teacher
        return Sampling(n=1, temperature=teacher.temperature, top_p=teacher.top_p, max_tokens=teacher.max_tokens)


@dataclass(frozen=True)
class _Draft:
    slot: int
    prefix: str
    opening: str
    request: Request


def _known(batch: Batch, drafts: Sequence[_Draft]) -> dict[int, dict[str, object]]:
    """Contexts that an earlier version of the shard holds, by slot: the seed says whose they are."""
    if batch.known is None:
        return {}
    slot_of = {draft.request.seed: draft.slot for draft in drafts}
    return {slot_of[row["seed"]]: row for row in batch.known.to_pylist() if row["seed"] in slot_of}


def _unfit(answer: Continuation | None, text: str, seen: set[object]) -> str | None:
    """Why a continuation is no context: 2305.16635's code asks for 3 characters, no newline and an end in . ? or !"""
    if answer is None:
        return "prefix_too_long"
    if answer.ended != "sentence":
        return "no_end"
    if len(text) < 3 or "\n" in text:
        return "too_short" if len(text) < 3 else "newline"
    return "duplicate" if context_id(text) in seen else None


def _prefix(settings: Contexts, draw: random.Random) -> tuple[str, str]:
    """The prefix, removed afterwards, and the opening words, which stay."""
    styles: dict[str, Callable[[Contexts, random.Random], str]] = {"dateline": _dateline, "lines": _line}
    prefix = styles[settings.teacher.style](settings, draw) if settings.teacher.style in styles else ""
    openings = settings.teacher.openings
    return prefix, draw.choice(openings) if openings else ""


def _line(settings: Contexts, draw: random.Random) -> str:
    return draw.choice(settings.teacher.lines)


def _dateline(settings: Contexts, draw: random.Random) -> str:
    """CITY, Country (OUTLET) --, the city or the country sometimes absent."""
    city, _, country = draw.choice(settings.teacher.places).partition(", ")
    omitted, share = draw.random(), settings.teacher.omit_place_share
    place = country if omitted < share else city.upper() if omitted < 2 * share else f"{city.upper()}, {country}"
    return f"{place or city.upper()} ({draw.choice(settings.teacher.outlets)}) --"
