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

Row = dict[str, object]

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
        settings = self.settings.spec("count", "text")
        return {"teacher": self.decoder.fingerprint(), "contexts": settings, "seed": self.seed}

    def facts(self) -> Mapping[str, object]:
        return self.spec()

    def open(self) -> StageFunction:
        decode = self.decoder.open()
        return lambda batch: self._write(batch, decode)

    def _write(self, batch: Batch, decode: Decode) -> Output:
        wanted = [int(slot) for slot in batch.table["slot"].to_pylist()]
        known = _known(batch, [self._draft(slot, attempt) for slot in wanted for attempt in range(ATTEMPTS)])
        tried: dict[int, list[_Try]] = {slot: [] for slot in wanted}
        while True:
            made, failed = _settled(known, tried)
            drafts = [self._draft(slot, len(tried[slot])) for slot in failed if len(tried[slot]) < ATTEMPTS]
            if not drafts:
                return _output(made, failed)
            answers = decode([draft.request for draft in drafts], self._sampling())
            for draft, answer in zip(drafts, answers, strict=True):
                tried[draft.slot].append(self._try(draft, answer))

    def _try(self, draft: "_Draft", answer: Sequence[Continuation]) -> "_Try":
        """What came of one draft: the row it would be, and what is wrong with it."""
        text = f"{draft.opening}{answer[0].text}".strip() if answer else ""
        shown = f"{draft.prefix} {text}".strip() if self.settings.teacher.keep_prefix else text
        shown = closed(shown, self.settings.closings, draft.request.seed)
        row = {
            "context_id": context_id(shown),
            "text": shown,
            "sentences": draft.request.sentences,
            "origin": "teacher",
            "prefix": draft.prefix,
            "seed": draft.request.seed,
        }
        return _Try(row, _unfit(answer[0] if answer else None, text))

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


@dataclass(frozen=True)
class _Try:
    row: Row
    reason: str | None


def closed(text: str, closings: Sequence[str], seed: int) -> str:
    """A context with one of the closings behind it, drawn from the seed; unchanged if there are none."""
    return f"{text} {random.Random(seed).choice(closings)}" if closings else text


def _known(batch: Batch, drafts: Sequence[_Draft]) -> dict[int, Row]:
    """Contexts that an earlier version of the shard holds, by slot: the seed says whose they are."""
    if batch.known is None:
        return {}
    slot_of = {draft.request.seed: draft.slot for draft in drafts}
    return {slot_of[row["seed"]]: row for row in batch.known.to_pylist() if row["seed"] in slot_of}


def _settled(known: Mapping[int, Row], tried: Mapping[int, Sequence[_Try]]) -> tuple[dict[int, Row], dict[int, Row]]:
    """Each slot's first fit try that no slot before it has; and for those without one, what came last and why.

    Only slots before it count, so a slot's context stays the same when more are asked for.
    """
    made: dict[int, Row] = {}
    failed: dict[int, Row] = {}
    seen: set[object] = set()
    for slot, tries in tried.items():
        row = known.get(slot)
        for each in tries if row is None else ():
            reason = each.reason or ("duplicate" if each.row["context_id"] in seen else None)
            if reason is None:
                row = each.row
                break
            failed[slot] = {"slot": slot, "prefix": each.row["prefix"], "text": each.row["text"], "reason": reason}
        if row is None:
            failed.setdefault(slot, {})
            continue
        failed.pop(slot, None)
        made[slot] = row
        seen.add(row["context_id"])
    return made, failed


def _output(made: Mapping[int, Row], failed: Mapping[int, Row]) -> Output:
    reasons = Counter(str(row["reason"]) for row in failed.values())
    counts = {"in": len(made) + len(failed), "out": len(made)}
    counts |= {f"dropped/{why}": n for why, n in sorted(reasons.items())}
    aside = pa.Table.from_pylist(list(failed.values())) if failed else None
    return Output(pa.Table.from_pylist(list(made.values()), schema=CONTEXT), counts, aside)


def _unfit(answer: Continuation | None, text: str) -> str | None:
    """Why a continuation is no context: 2305.16635's code asks for 3 characters, no newline and an end in . ? or !"""
    if answer is None:
        return "prefix_too_long"
    if answer.ended != "sentence":
        return "no_end"
    if len(text) < 3 or "\n" in text:
        return "too_short" if len(text) < 3 else "newline"
    return None


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
