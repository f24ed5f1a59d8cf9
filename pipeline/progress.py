"""What a run tells while it goes and when it is done. Whoever shows it (a progress bar, a table) lives elsewhere."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.plan import Changes
from pipeline.stage import Counts


@dataclass(frozen=True)
class Tick:
    """Progress of one stage. The first tick carries what was finished before; each later one a shard's own figures,
    so that rows and counts of all ticks add up to those of the stage. `seconds` is wall time of this attempt."""

    round: int
    stage: str
    done: int
    total: int
    rows: int
    counts: Counts
    seconds: float


Progress = Callable[[Tick], None]


def silent(_: Tick) -> None:
    """The progress of those who do not look."""


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
