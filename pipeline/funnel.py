"""The funnel: for every stage and task, how many came in, how many went out, and what dropped the rest."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.status import StageStatus

_KEY = re.compile(r"(?:(?P<task>[^/]+)/)?(?P<what>in|out|dropped/(?P<reason>[^/]+))")


@dataclass
class Level:
    """One line of the funnel. `entered == left + sum(dropped.values())`."""

    stage: str
    task: str  # "" where a stage does not count tasks apart
    entered: int = 0
    left: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    round: int = 0

    def data(self) -> dict[str, object]:
        return {
            "round": self.round,
            "stage": self.stage,
            "task": self.task,
            "in": self.entered,
            "out": self.left,
            "dropped": dict(sorted(self.dropped.items(), key=lambda item: (-item[1], item[0]))),
        }


def levels(stages: Iterable[StageStatus]) -> list[Level]:
    """The funnel of a run, stage by stage in the order they come."""
    return [level for status in stages for level in _of_stage(status)]


def _of_stage(status: StageStatus) -> list[Level]:
    found: dict[str, Level] = {}
    for name, number in status.counts.items():
        key = _KEY.fullmatch(name)
        if key is None:
            continue
        level = found.setdefault(key["task"] or "", Level(status.stage, key["task"] or "", round=status.round))
        if key["reason"]:
            level.dropped[key["reason"]] = number
        elif key["what"] == "in":
            level.entered = number
        else:
            level.left = number
    return list(found.values())


def accepted(stages: Iterable[StageStatus]) -> dict[str, int]:
    """Pairs in the corpus, by task, of the last round that has one; 0 for every task until there is a corpus."""
    tasks: dict[str, int] = {}
    for level in sorted(levels(stages), key=lambda level: level.round):
        if level.stage in ("pairs", "scores") and level.task not in ("", "candidates"):
            tasks.setdefault(level.task, 0)
        if level.stage == "corpus" and level.task:
            tasks[level.task] = level.left
    return tasks


def report(run: str, stages: list[StageStatus]) -> dict[str, object]:
    """What `status --json` prints."""
    return {
        "run": run,
        "stages": [
            {
                "name": status.stage,
                "round": status.round,
                "state": status.state,
                "seconds": status.seconds,
                "rows": status.rows,
                "counts": status.counts,
                "why": list(status.why),
            }
            for status in stages
        ],
        "funnel": [level.data() for level in levels(stages)],
        "accepted": accepted(stages),
    }
