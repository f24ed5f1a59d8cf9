"""What a run tells while it goes and when it is done. Whoever shows it (a progress bar, a table) lives elsewhere."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pipeline.plan import Changes
from pipeline.stage import Counts, FoldStage


@dataclass(frozen=True)
class Within:
    """How far a stage of one piece is in itself: steps done of all, at most, and what there is to say of the last."""

    done: int
    total: int
    note: str


@dataclass(frozen=True)
class Tick:
    """Progress of one stage. The first tick carries what was finished before; each later one a shard's own figures,
    so that rows and counts of all ticks add up to those of the stage. `seconds` is wall time of this attempt.
    A tick from `within` a stage of one piece has nothing finished to add."""

    round: int
    stage: str
    done: int
    total: int
    rows: int
    counts: Counts
    seconds: float
    within: Within | None = None


Progress = Callable[[Tick], None]


def silent(_: Tick) -> None:
    """The progress of those who do not look."""


@runtime_checkable
class Telling(Protocol):
    """A fold stage that takes long and can tell how far it is."""

    def telling(self, tell: Callable[[Within], None]) -> FoldStage:
        """The same stage, with someone to tell. What it writes is the same."""


@dataclass(frozen=True)
class StageResult:
    """What a stage came to. `made` and `kept` count shards of this attempt and of earlier ones; `why` says what had
    made shards stale."""

    stage: str
    round: int
    made: int
    kept: int
    rows: int
    counts: Counts
    seconds: float
    why: Changes = ()


def add_counts(many: Iterable[Counts]) -> dict[str, int]:
    """Counts are additive: the stage's are the sum of its shards'."""
    total: Counter[str] = Counter()
    for counts in many:
        total.update(counts)
    return dict(sorted(total.items()))


def unbalanced(counts: Counts) -> dict[str, int]:
    """in - out - sum(dropped) for each funnel in which that is not 0."""
    over: Counter[str] = Counter()
    for name, number in counts.items():
        found = re.fullmatch(r"(?P<task>.+/)?(?P<what>in|out|dropped/[^/]+)", name)
        if found and f"{found['task'] or ''}in" in counts:
            over[(found["task"] or "").rstrip("/")] += number if found["what"] == "in" else -number
    return {prefix: rest for prefix, rest in over.items() if rest}
