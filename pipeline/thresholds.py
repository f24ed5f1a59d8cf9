"""Thresholds of a filter, told by what they do: moving one changes verdicts on given scores, and no score."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from filters.base import Filter

PLACES = np.linspace(-1, 2, 61, dtype=np.float32)
"""Scores to try a filter on: most lie in 0..1, a cosine in -1..1, a ratio may be larger."""


def moved(spec: Filter, field: str, value: object) -> Filter | None:
    """The filter with one parameter changed; None where it cannot have that value."""
    try:
        changed: Filter = dataclasses.replace(spec, **{field: value})  # type: ignore[type-var]
    except (ValidationError, TypeError):
        return None
    return changed


def former(spec: Filter, params: Mapping[str, object]) -> Filter:
    """The filter as a finished shard names its parameters."""
    made: Filter = TypeAdapter(type(spec)).validate_json(json.dumps(params))
    return made


def probes(*specs: Filter) -> pa.Array:
    """Scores at which filters that differ in thresholds alone differ in verdicts: at every parameter, and beside it."""
    values = [v for spec in specs for v in _parameters(spec).values() if _is_number(v)]
    at = np.array(values, dtype=np.float32)
    beside = [np.nextafter(at, np.float32(side)) for side in (-np.inf, np.inf)]
    return pa.array(np.unique(np.concatenate([PLACES, at, *beside])), pa.float32())


def loosened(old: Filter, new: Filter) -> bool:
    """Whether some score passes now that did not."""
    return _passes_only(new, old)


def tightened(old: Filter, new: Filter) -> bool:
    """Whether some score passed that does not now."""
    return _passes_only(old, new)


def _passes_only(one: Filter, other: Filter) -> bool:
    scores = probes(one, other)
    mine, theirs = (spec.keep(scores).to_numpy(zero_copy_only=False) for spec in (one, other))
    return bool((mine & ~theirs).any())


def is_threshold(spec: Filter, field: str, *values: object) -> bool:
    """Whether moving the field to some of `values` moves verdicts, and no score."""
    if field in fixed(spec):
        return False
    changed = [moved(spec, field, value) for value in values]
    return any(other is not None and (loosened(spec, other) or tightened(spec, other)) for other in changed)


def not_thresholds(old: Filter, new: Filter, ignored: tuple[str, ...] = ()) -> Iterator[str]:
    """The parameters in which two filters differ and that are no thresholds."""
    before, after = _parameters(old), _parameters(new)
    for field in before:
        if before[field] != after[field] and field not in ignored:
            numbers = all(value is None or _is_number(value) for value in (before[field], after[field]))
            if not numbers or not (is_threshold(new, field, before[field]) or is_threshold(old, field, after[field])):
                yield field


def thresholds(spec: Filter, scores: pa.Array) -> dict[str, float]:
    """The thresholds that a filter has set, and their values. `scores` are ones it has given."""
    seen = scores.drop_null().to_numpy()
    seen = seen[np.isfinite(seen)]
    tries = [0.25, 0.75, *(np.quantile(seen, (0.0, 0.5, 1.0)).tolist() if len(seen) else [])]
    numbers = {field: v for field, v in _parameters(spec).items() if _is_number(v)}
    return {field: float(v) for field, v in numbers.items() if is_threshold(spec, field, *tries, *_whole(v, tries))}


def fixed(spec: Filter) -> dict[str, float]:
    """The thresholds on which a filter's scores hang too, and their values: stored scores are for these alone."""
    return {field: float(getattr(spec, field)) for field in getattr(spec, "scored_by", ())}


def _whole(own: float, tries: Sequence[float]) -> list[int]:
    """What a field that takes whole numbers alone is tried with: its neighbours, and what lies next to the others."""
    if not isinstance(own, int):
        return []
    return [own - 1, own + 1, *map(round, tries)]


def _parameters(spec: Filter) -> dict[str, Any]:
    return {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
