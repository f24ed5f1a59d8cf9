"""Labelled pairs for training a judge: read, held out by premise, drawn by origin.

A row is one JSON object a line: `premise`, `hypothesis`, `origin`, and either `label` (entailment, neutral,
contradiction, or not_entailment where a set does not tell the last two apart) or `probabilities`, three numbers
in that order, as a larger judge gave them.
"""

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TextIO, cast

import numpy as np

from filters.base import FilterError

LABELS = ("entailment", "neutral", "contradiction")
EITHER = "not_entailment"
HELD_OUT_IN = 20
"""One premise in this many is never trained on; the rows of a premise stay together."""
BOTH_WAYS = ("own_swap", "own_order", "own_opposite", "own_tense")
"""How the origins of pairs begin that hard_pairs.py writes both ways round."""

Target = tuple[float, float, float]


class Row(NamedTuple):
    """`target` holds a probability for each of LABELS; `merged`: the last two are one class (not_entailment)."""

    premise: str
    hypothesis: str
    target: Target
    merged: bool
    origin: str


def open_text(path: Path) -> TextIO:
    """A text file, or one packed by gzip."""
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8"))
    return path.open(encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    """The rows of a .jsonl or .jsonl.gz file. A bad line is an error that names it."""
    with open_text(path) as lines:
        return [_row(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _row(line: str, where: str) -> Row:
    try:
        given = json.loads(line)
        target, merged = _target(given)
        return Row(given["premise"], given["hypothesis"], target, merged, given.get("origin", ""))
    except (ValueError, KeyError, TypeError) as error:
        raise FilterError(
            f"{where}: not a labelled pair ({error}); wanted premise, hypothesis, and a label of {(*LABELS, EITHER)} "
            "or three probabilities; mend or remove the line"
        ) from error


def _target(given: Mapping[str, object]) -> tuple[Target, bool]:
    if "probabilities" in given:
        first, second, third = (float(value) for value in given["probabilities"])  # type: ignore[attr-defined]
        return (first, second, third), False
    if given["label"] == EITHER:
        return (0.0, 1.0, 0.0), True
    place = LABELS.index(str(given["label"]))
    return (float(place == 0), float(place == 1), float(place == 2)), False


def is_held_out(row: Row) -> bool:
    """Whether the row belongs to the test part; decided by its premise alone.

    A pair that stands in its set the other way round too belongs to one part with that: the smaller of the two
    sentences decides. The committed judges were trained before that, and have learned from most such pairs.
    """
    deciding = min(row.premise, row.hypothesis) if row.origin.startswith(BOTH_WAYS) else row.premise
    digest = hashlib.blake2b(deciding.casefold().encode(), digest_size=8).digest()
    return int.from_bytes(digest) % HELD_OUT_IN == 0


def draw(rows: Iterable[Row], passes: Mapping[str, float], seed: int) -> list[Row]:
    """As many copies of the rows of each origin as `passes` says (`*` for the others), shuffled.

    1.5 takes every row once and half of them, chosen by `seed`, once more.
    """
    by_origin: dict[str, list[Row]] = {}
    for row in rows:
        by_origin.setdefault(row.origin, []).append(row)
    rng = np.random.default_rng(seed)
    drawn = [row for origin in sorted(by_origin) for row in _times(by_origin[origin], _passes(passes, origin), rng)]
    return [drawn[place] for place in rng.permutation(len(drawn))]


def _passes(passes: Mapping[str, float], origin: str) -> float:
    return passes.get(origin, passes.get("*", 1.0))


def _times(rows: list[Row], passes: float, rng: np.random.Generator) -> Iterator[Row]:
    whole, part = divmod(passes, 1)
    yield from rows * int(whole)
    yield from (rows[place] for place in rng.permutation(len(rows))[: round(part * len(rows))])


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """Rows by origin, for a card."""
    return dict(sorted(Counter(row.origin for row in rows).items()))
