"""Sliders for every threshold of a recipe, and what the funnel would be where they stand. No model is asked."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np

from pipeline.errors import UserError
from pipeline.recipe import load
from pipeline.round_queries import RoundFiles, round_files
from pipeline.span import Span, SpanLevel
from pipeline.store import Run
from pipeline.stored_scores import ROUND
from pipeline.thresholds import thresholds
from pipeline.what_if import WhatIf, check_recipe, wanted_by, what_if
from pipeline.what_if_display import what_if_lines
from pipeline.what_if_filters import Verdicts

STEPS = 100


@dataclass(frozen=True)
class Slider:
    """One threshold: its key in the recipe, where it stands, and how far it may be moved."""

    key: str
    task: str
    filter: str
    field: str
    value: float
    low: float
    high: float
    step: float

    @property
    def places(self) -> int:
        """Decimal places that the steps have."""
        return max(0, -math.floor(math.log10(self.step) + 1e-9))

    def shown(self, value: float) -> str:
        return f"{value:.{self.places}f}"


@dataclass(frozen=True)
class Change:
    """A line of the funnel as it is and as it would be."""

    stage: str
    task: str
    now: Span
    then: Span
    dropped: tuple[tuple[str, Span, Span], ...]

    @property
    def gained(self) -> str:
        """The difference with its sign; two where only bounds are known."""
        least, most = self.then.least - self.now.most, self.then.most - self.now.least
        if not least and not most:
            return "0"
        return f"{least:+,}" if least == most else f"{least:+,} to {most:+,}"


@dataclass(frozen=True)
class Moved:
    changes: tuple[Change, ...]
    lines: tuple[str, ...]  # in words
    command: str  # that would make it so; "" where nothing was moved


@dataclass(frozen=True)
class Present:
    """The funnel as the recipe has it, and its sliders."""

    funnel: tuple[SpanLevel, ...]
    lines: tuple[str, ...]
    sliders: tuple[Slider, ...]


_ONE_AT_A_TIME = Lock()
"""A run of a million pairs takes seconds and memory; a slider that is dragged asks more often than that."""


def present(run: Run) -> Present:
    """UserError where pairs are not judged yet."""
    with _ONE_AT_A_TIME:
        recipe = run.recipe_file.read_text(encoding="utf-8") if run.recipe_file.exists() else ""
        return _present(run, round_files(run, ROUND), recipe)


@lru_cache(maxsize=4)
def _present(run: Run, _files: RoundFiles, _recipe: str) -> Present:
    found = _asked(run, [])
    return Present(found.funnel, tuple(what_if_lines(found)), tuple(_sliders(found.verdicts)))


def move(run: Run, values: Mapping[str, float]) -> Moved:
    """The funnel with some thresholds moved, beside the present one."""
    before = present(run)
    known = {slider.key: slider for slider in before.sliders}
    for key in values.keys() - known.keys():
        raise UserError(f"threshold {key!r}: not one of this recipe: load the page again")
    changes = [f"{key}={known[key].shown(value)}" for key, value in values.items() if not _same(known[key], value)]
    if not changes:
        return Moved(tuple(_changes(before.funnel, before.funnel)), before.lines, "")
    with _ONE_AT_A_TIME:
        then = _asked(run, changes)
    command = f"make filter RUN={run.name} SET={shlex.quote(' '.join(changes))}"
    return Moved(tuple(_changes(before.funnel, then.funnel)), tuple(what_if_lines(then)), command)


def _same(slider: Slider, value: float) -> bool:
    return abs(value - slider.value) < slider.step / 2


def _asked(run: Run, changes: Sequence[str]) -> WhatIf:
    recipe = load(run.recipe_file, changes)
    check_recipe(run, recipe)
    return what_if(run, wanted_by(recipe))


def _sliders(verdicts: Mapping[str, Verdicts]) -> Iterator[Slider]:
    for task, seen in sorted(verdicts.items()):
        for spec in seen.panel:
            column = seen.rows.scores(spec.name)
            scores = column.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
            for field, value in thresholds(spec, column).items():
                low, high, step = _reach(value, scores[np.isfinite(scores)], isinstance(getattr(spec, field), int))
                key = f"tasks.{task}.panel.{spec.name}.{field}"
                yield Slider(key, task, spec.name, field, value, low, high, step)


def _reach(value: float, scores: np.ndarray, whole: bool) -> tuple[float, float, float]:
    """0 to 1 for what lies there; else all scores and the threshold itself, in about a hundred round steps."""
    low, high = (float(edge(scores, initial=value)) for edge in (np.min, np.max))
    if low >= 0 and high <= 1 and not whole:
        return 0.0, 1.0, 0.01
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-6) / STEPS)) if high > low else 0.01
    step = max(1.0, step) if whole else step
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _changes(before: Sequence[SpanLevel], after: Sequence[SpanLevel]) -> Iterator[Change]:
    now = {(level.stage, level.task): level for level in before}
    for level in after:
        was = now[level.stage, level.task]
        if level.task in ("", "candidates"):  # no threshold moves what comes before the pairs
            continue
        none = Span.exactly(0)
        both = [(name, was.dropped.get(name, none), span) for name, span in level.dropped.items()]
        dropped = [entry for entry in both if entry[1] != entry[2]]
        yield Change(level.stage, level.task, was.left, level.left, tuple(dropped))
