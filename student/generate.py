"""A student writes: sources in, as many rewrites of each as asked for, batched by length.

Two engines for the same weights: CTranslate2, faster on processors, and transformers, for GPUs. Beams look for the
likeliest; samples are drawn at a temperature from the nucleus. Which of several is taken: student/choice.py.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from student.batches import fill
from student.choice import Place, Rate, Rating, Rewrite, Sought, best_first, place
from student.controls import Controls
from student.dataset import prompt
from student.errors import StudentError
from student.model import revision_of
from student.settings import Decoding
from student.slips import echoes, whole_words
from student.spelling import respelled
from student.train import about

LOG = logging.getLogger(__name__)
Engine = Literal["auto", "ctranslate2", "transformers"]


Write = Callable[[Sequence[str], Decoding, int], list[list[Rewrite]]]
"""Prompts, how, and a seed in; the rewrites of each prompt out, in order."""


@dataclass(frozen=True)
class Writer:
    """A model that writes; `open()` loads it."""

    model: str
    revision: str = ""
    engine: Engine = "auto"
    threads: int = 2
    device: str = "cpu"

    def fingerprint(self) -> str:
        """What decides its words, apart from how it is asked: weights and engine."""
        return f"{revision_of(self.model, self.revision)}:{self.chosen}"

    @property
    def chosen(self) -> str:
        """CTranslate2 was measured faster on processors (docs/bench.md); transformers on a GPU."""
        if self.engine != "auto":
            return self.engine
        return "transformers" if self.device.startswith("cuda") else "ctranslate2"

    def open(self) -> Write:
        if self.chosen == "transformers":
            from student.transformers_engine import opened

            return opened(self.model, self.revision, self.device).write
        from student import ctranslate2_engine

        return ctranslate2_engine.opened(self.model, self.revision, self.threads, self.device).write


def batched(sizes: Sequence[int], budget: int) -> Iterable[list[int]]:
    """Row numbers in batches, long ones first, so that the largest batch fails at once if it does."""
    order = sorted(range(len(sizes)), key=lambda row: sizes[row])
    return reversed(fill(order, sizes, budget))


def coded(texts: Sequence[str], tokenizer: Any, most: int) -> list[list[int]]:
    """Token ids with their end token; too long ones are cut, and a warning says how many."""
    ids = tokenizer(list(texts), verbose=False).input_ids if texts else []
    long = sum(len(row) > most for row in ids)
    if long:
        LOG.warning("%d of %d sources are longer than %d tokens and lose their end", long, len(ids), most)
    return [row if len(row) <= most else [*row[: most - 1], tokenizer.eos_token_id] for row in ids]


def batch_seed(seed: int, prompts: Sequence[str]) -> int:
    """A batch's seed from its content, below 2**31."""
    digest = hashlib.blake2b(str(seed).encode(), digest_size=8)
    for text in prompts:
        digest.update(text.encode() + b"\0")
    return int.from_bytes(digest.digest()[:4], "big") >> 1


def _rated(
    rate: Rate,
    task: str,
    sources: Sequence[str],
    found: Sequence[Sequence[Rewrite]],
    of: Callable[[str, str], Place],
    count: int,
) -> list[list[Rating]]:
    """A panel's ratings, as far as they decide which `count` of each source's rewrites are the best."""
    texts = [[row.text for row in rows] for rows in found]
    places = [[of(source, text) for text in row] for source, row in zip(sources, texts, strict=True)]
    return rate(task, sources, texts, Sought(count, places))


def _with_faults(
    source: str,
    best: Sequence[Rewrite],
    rows: Sequence[Rewrite],
    ratings: Sequence[Rating],
    of: Callable[[str, str], Place],
) -> list[Rewrite]:
    """The chosen of a source's rewrites, each with all that is against it."""
    rated = {row.text: rating.faults for row, rating in zip(rows, ratings, strict=True)}
    places = [of(source, row.text) for row in best]
    return [
        replace(row, faults=int(echo) + slips + rated[row.text])
        for row, (echo, _, slips) in zip(best, places, strict=True)
    ]


CHOICES = 16
"""Candidates of which one is taken, where something is asked for or a panel rates them (docs/student.md)."""


@dataclass
class Rewriter:
    """A trained student, ready to rewrite for the tasks that it knows."""

    folder: Path
    engine: Engine = "auto"
    threads: int = 2
    device: str = "cpu"
    decoding: Decoding = field(default_factory=Decoding)

    def __post_init__(self) -> None:
        self.known: dict[str, Any] = about(self.folder)
        self._write: Write | None = None

    def instruction(self, task: str) -> str:
        tasks: dict[str, str] = self.known["tasks"]
        if task not in tasks:
            raise StudentError(f"{self.folder}: task {task!r} is not one it learned; it knows {', '.join(tasks)}")
        return tasks[task]

    def rewrite(
        self,
        task: str,
        sources: Sequence[str],
        controls: Controls | None = None,
        seed: int = 0,
        rate: Rate | None = None,
    ) -> list[list[Rewrite]]:
        """The rewrites of each source, best first (student/choice.py); samples that nothing is asked of as they were
        drawn. Misspelt words are mended before anything is chosen (student/spelling.py)."""
        wanted = controls or Controls()
        instruction = self.instruction(task)
        if wanted.words and not self.known.get("controls"):
            raise StudentError(f"{self.folder}: it learned no control words; leave --length and --novelty out")
        if self._write is None:
            self._write = Writer(str(self.folder), "", self.engine, self.threads, self.device).open()
        kept, drawn = self.decoding.samples, self.decoding.temperature > 0
        chosen = bool(wanted.words) or rate is not None
        asked = max(kept, CHOICES if chosen else 1 if drawn else self.decoding.beams)
        prompts = [prompt(instruction, source, wanted) for source in sources]
        found = self._write(prompts, replace(self.decoding, samples=asked), seed)
        if self.decoding.respell:
            found = [self._respelled(source, rows) for source, rows in zip(sources, found, strict=True)]
        if drawn and not chosen:
            return found
        front = echoes(prompt(instruction, "", wanted))
        of = partial(place, wanted=wanted, common=self._common, front=front)
        ratings = _rated(rate, task, sources, found, of, kept) if rate else [[] for _ in found]
        order = partial(best_first, wanted=wanted, common=self._common, drawn=drawn, front=front)
        ranked = zip(sources, found, ratings, strict=True)
        best = [order(source, rows, ratings=rated)[:kept] for source, rows, rated in ranked]
        if rate is None:
            return best
        return [_with_faults(*each, of) for each in zip(sources, best, found, ratings, strict=True)]

    def _respelled(self, source: str, rows: Sequence[Rewrite]) -> list[Rewrite]:
        return [replace(row, text=respelled(source, row.text, self._common)) for row in rows]

    @cached_property
    def _common(self) -> frozenset[str]:
        from transformers import AutoTokenizer

        return whole_words(AutoTokenizer.from_pretrained(self.folder))
