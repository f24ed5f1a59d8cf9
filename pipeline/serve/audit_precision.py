"""What the marks say: how often each filter was right, and where the judge's threshold might stand."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from filters.base import Panel
from pipeline.evaluation.second_opinion import wilson
from pipeline.round_queries import RoundFiles, Row, ask, quoted, scan
from pipeline.serve.audit_marks import Mark
from pipeline.thresholds import fixed

TARGET = 0.9
ENOUGH = 30
"""From so many marks on the lower bound decides; with fewer it would never reach a target, and the estimate does."""
FEWEST = 5


@dataclass(frozen=True)
class Precision:
    """How often a verdict was right by a person's reading, with its 95% interval.

    `by` "": accepted pairs that are right. Else: of the pairs that this filter dropped, those that are wrong.
    """

    task: str
    by: str
    marks: int
    agree: int

    @property
    def share(self) -> float:
        return self.agree / self.marks

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.agree, self.marks)


@dataclass(frozen=True)
class Suggestion:
    """The lowest threshold of a judge's filter that reaches the target; `value` None where none does.

    Its precision is weighted: marks of accepted pairs and of dropped ones stand for as many pairs as there are of
    each. `marks` is what they are worth as a plain sample.
    """

    task: str
    filter: str
    now: float
    value: float | None
    share: float = 0.0
    low: float = 0.0
    high: float = 0.0
    marks: int = 0

    @property
    def few(self) -> bool:
        return self.marks < ENOUGH

    @property
    def key(self) -> str:
        return f"tasks.{self.task}.panel.{self.filter}.min_probability"


@dataclass(frozen=True)
class Judged:
    """A marked pair with what the run says of it now; `dropped_by` "" for one that passed all filters."""

    mark: Mark
    dropped_by: str
    scores: Mapping[str, float | None]


def judged(files: RoundFiles, marks: Mapping[str, Mark]) -> list[Judged]:
    """Marked pairs as they stand now; those that the run no longer has are left out."""
    now = {str(row["pair_id"]): row for row in (*_examples(files, list(marks)), *_rows(files, list(marks)))}
    found = []
    for key, mark in marks.items():
        if key in now:
            scores = {name: _number(now[key].get(name)) for name in files.names}
            found.append(Judged(mark, str(now[key]["dropped_by"] or ""), scores))
    return found


def precisions(found: Sequence[Judged]) -> list[Precision]:
    """By task: of the accepted, then of what each filter dropped, most marks first."""
    marks = Counter((each.mark.task, each.dropped_by) for each in found)
    agree = Counter(
        (each.mark.task, each.dropped_by) for each in found if (each.mark.said == "right") == (not each.dropped_by)
    )
    order = sorted(marks, key=lambda key: (key[0], bool(key[1]), -marks[key], key[1]))
    return [Precision(task, by, marks[task, by], agree[task, by]) for task, by in order]


def suggestions(
    pairs: Mapping[tuple[str, str], int], found: Sequence[Judged], panels: Mapping[str, Panel], target: float = TARGET
) -> list[Suggestion]:
    """One for each of a task's filters that ask the judge, as if that threshold alone moved. `pairs`: as `sizes`.

    None for one whose scores hang on its threshold (int8): they say nothing of another.
    """
    return [
        _suggestion([each for each in found if each.mark.task == task], pairs, task, name, now, target)
        for task, panel in panels.items()
        for name, now in _judges(panel)
    ]


@lru_cache(maxsize=8)
def sizes(files: RoundFiles) -> dict[tuple[str, str], int]:
    """Judged pairs by task and what dropped them ("" nothing)."""
    if not files.pairs:
        return {}
    question = f"SELECT p.task, coalesce(s.dropped_by, '') AS by, count(*) AS n FROM {files.judged} GROUP BY ALL"
    return {(str(row["task"]), str(row["by"])): int(str(row["n"])) for row in ask(question)}


def _judges(panel: Panel) -> Iterator[tuple[str, float]]:
    for spec in panel:
        now = getattr(spec, "min_probability", None)
        if spec.role == "judge" and isinstance(now, float) and not fixed(spec):
            yield spec.name, now


def _suggestion(
    found: Sequence[Judged], pairs: Mapping[tuple[str, str], int], task: str, name: str, now: float, target: float
) -> Suggestion:
    """Looks at pairs that no other filter dropped."""
    rows = [each for each in found if each.dropped_by in ("", name) and each.scores.get(name) is not None]
    marks = Counter(each.dropped_by for each in rows)
    weighted = [
        (float(each.scores[name] or 0.0), each.mark.said == "right", pairs.get((task, each.dropped_by), 0) / number)
        for each in rows
        if (number := marks[each.dropped_by])
    ]
    for value in sorted({score for score, _, _ in weighted}):
        share, worth = _share([(right, weight) for score, right, weight in weighted if score >= value])
        low, high = wilson(math.floor(share * worth), worth) if worth else (0.0, 1.0)
        if worth >= FEWEST and (low if worth >= ENOUGH else share) >= target:
            return Suggestion(task, name, now, _floored(value), share, low, high, worth)
    return Suggestion(task, name, now, None, marks=len(rows))


def _share(rows: Sequence[tuple[bool, float]]) -> tuple[float, int]:
    """The weighted share of right ones, and how many equally weighted marks would tell as much (Kish)."""
    total, squares = sum(w for _, w in rows), sum(w * w for _, w in rows)
    if not squares:
        return 0.0, 0
    return sum(w for right, w in rows if right) / total, math.floor(total * total / squares + 1e-9)


def _floored(value: float) -> float:
    """Three places, rounded down so that the pair itself still passes."""
    return math.floor(value * 1000) / 1000


def _rows(files: RoundFiles, ids: Sequence[str]) -> list[Row]:
    if not files.pairs or not ids:
        return []
    names = "".join(f", s.{quoted(name)}" for name in files.names)
    marks = ", ".join("?" * len(ids))
    return ask(f"SELECT s.pair_id, s.dropped_by{names} FROM {scan(files.scores)} s WHERE s.pair_id IN ({marks})", ids)


def _examples(files: RoundFiles, ids: Sequence[str]) -> list[Row]:
    if not files.aside or not ids:
        return []
    marks = ", ".join("?" * len(ids))
    return ask(f"SELECT pair_id, reason AS dropped_by FROM {scan(files.aside)} WHERE pair_id IN ({marks})", ids)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, float | int) else None
