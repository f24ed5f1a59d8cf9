"""The section of a report on scores: how they are spread, where thresholds stand, and what moving them would do."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from filters.base import Filter, FilterError
from pipeline.errors import PipelineError, one_line
from pipeline.recipe import load
from pipeline.report.blocks import Block, Note, Picture, Section, Table, section, short, table
from pipeline.report.figures import FloatArray, distribution
from pipeline.store import Run
from pipeline.stored_scores import ROUND
from pipeline.teacher.decoder import DecoderError
from pipeline.thresholds import fixed, thresholds
from pipeline.what_if import WhatIf, wanted_by, what_if
from pipeline.what_if_filters import Verdicts
from pipeline.yield_curve import Row, curve

Moved = Mapping[str, list[tuple[float, int, int, bool]]]
"""threshold -> (value, kept for sure, kept at most, the recipe's own)."""
Curves = Mapping[tuple[str, str], Moved]
"""By task and filter."""
FEW = 3
"""A filter with fewer different scores is a yes or no: there is no threshold to move and nothing to draw."""


def scores(run: Run) -> Section:
    """Round 0, whose stored scores tell what other thresholds would keep."""
    try:
        found = what_if(run, wanted_by(load(run.recipe_file)))
    except (PipelineError, FilterError, DecoderError) as error:
        return section("scores", "Scores and thresholds", Note(f"Not told: {one_line(error)}.", missing=True))
    curves = _by_threshold(curve(found.verdicts))
    intro = Note(
        f"Round {ROUND}. Above, in each picture, the scores of all pairs past the cheap filters; below, how many pairs "
        "all filters together would keep if that one threshold moved, before the selectors. No model is asked: where a "
        "model was never asked about a pair the table gives a bound."
    )
    pictures = [picture for task, seen in sorted(found.verdicts.items()) for picture in _pictures(task, seen, curves)]
    return section("scores", "Scores and thresholds", intro, *pictures, _flat(found), _what_if(curves))


def _by_threshold(rows: list[Row]) -> Curves:
    curves: dict[tuple[str, str], dict[str, list[tuple[float, int, int, bool]]]] = defaultdict(dict)
    for task, name, threshold, value, kept, _, most, own in rows:
        if isinstance(value, float) and isinstance(kept, int) and isinstance(most, int):
            point = (value, kept, most, bool(own))
            curves[str(task), str(name)].setdefault(str(threshold), []).append(point)
    return curves


def _pictures(task: str, seen: Verdicts, curves: Curves) -> Iterator[Picture]:
    kept = seen.certain()
    for spec in seen.panel:
        column = seen.rows.scores(spec.name)
        there = ~column.is_null().to_numpy(zero_copy_only=False)
        values = column.to_numpy(zero_copy_only=False).astype(np.float64)
        if len(set(values[there].tolist())) >= FEW:
            yield _picture(task, spec, values[there], values[there & kept], curves.get((task, spec.name), {}))


def _picture(
    task: str,
    spec: Filter,
    every: FloatArray,
    kept: FloatArray,
    moved: Moved,
) -> Picture:
    own = {name: value for name, points in moved.items() for value, _, _, current in points if current}
    key = f"scores-{task.encode().hex()}-{spec.name}"
    drawn = {name: [(value, least) for value, least, _, _ in points] for name, points in moved.items()}
    said = ", ".join(f"{name} {short(value)}" for name, value in own.items()) or "no threshold"
    alt = (
        f"Histogram of {len(every):,} {spec.name} scores of {task} pairs, median {np.median(every):.2f}, from "
        f"{every.min():.2f} to {every.max():.2f}; {len(kept):,} pairs are kept. Below, the yield against {said}."
    )
    rows = [(name, value, least, most) for name, points in moved.items() for value, least, most, _ in points]
    twin = table("Pairs kept if this threshold moved", ("threshold", "value", "kept", "at most"), rows)
    return Picture(f"{task}: {spec.name} ({said})", alt, distribution(key, every, kept, own, drawn), twin)


def _flat(found: WhatIf) -> Table | None:
    """The filters that say yes or no, or said the same of all."""
    rows = []
    for task, seen in sorted(found.verdicts.items()):
        for spec in seen.panel:
            values = seen.rows.scores(spec.name).drop_null()
            if len(set(values.to_pylist())) < FEW:
                own = thresholds(spec, values) | fixed(spec)
                said = ", ".join(f"{name} {short(value)}" for name, value in own.items())
                rows.append((task, spec.name, len(values), said, _distinct(values.to_pylist())))
    head = ("task", "filter", "pairs scored", "threshold", "scores")
    return table("Filters without a picture: their scores are the same for all, or two", head, rows) if rows else None


def _distinct(values: list[float]) -> str:
    return ", ".join(f"{short(value)}: {values.count(value):,}" for value in sorted(set(values)))


def _what_if(curves: Curves) -> Block | None:
    """Every threshold of the recipe, moved to either side until the yield is another."""
    rows = [(task, name, *step) for (task, name), moved in curves.items() for step in _steps(moved)]
    head = ("task", "filter", "threshold", "now", "kept", "looser", "kept then", "tighter", "kept so")
    return table("What if: each threshold alone, moved until something changes", head, rows)


def _steps(moved: Moved) -> Iterator[tuple[object, ...]]:
    for threshold, points in moved.items():
        place = next((i for i, point in enumerate(points) if point[3]), None)
        if place is None:
            continue
        now = points[place][1:3]
        lower, higher = reversed(points[:place]), iter(points[place + 1 :])
        beside = [next((point for point in side if point[1:3] != now), None) for side in (lower, higher)]
        if points[0][2] < points[-1][2]:  # the yield rises with the value: the larger one is the looser
            beside.reverse()
        value, kept, _, _ = points[place]
        yield (threshold, short(value), kept, *(x for point in beside for x in _beside(point)))


def _beside(point: tuple[float, int, int, bool] | None) -> tuple[object, object]:
    if point is None:
        return None, None
    value, least, most, _ = point
    return short(value), f"{least:,}" if least == most else f"{least:,} to {most:,}"
