"""Labelled pairs for training a judge: read, held out by premise, drawn by origin.

A row is one JSON object a line: `premise`, `hypothesis`, `origin`, and either `label` (entailment, neutral,
contradiction, or not_entailment where a set does not tell the last two apart) or `probabilities`, three numbers
in that order, as a larger judge gave them.
"""

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np

from filters.base import FilterError

LABELS = ("entailment", "neutral", "contradiction")
EITHER = "not_entailment"
HELD_OUT_IN = 20
"""One premise in this many is never trained on; the rows of a premise stay together (but see `is_held_out`)."""
BOTH_WAYS = ("own_swap", "own_order", "own_opposite", "own_tense", "parsed_synonyms")
"""How the origins of pairs begin that hard_pairs.py and parsed_pairs.py write both ways round; of recombination.py,
leaving_out.py and mixing_up.py none does."""

Target = tuple[float, float, float]


class Row(NamedTuple):
    """`target` holds a probability for each of LABELS; `merged`: the last two are one class (not_entailment)."""

    premise: str
    hypothesis: str
    target: Target
    merged: bool
    origin: str


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """(`file:number`, line) of each line that is not blank, packed by gzip or not. What is no text is an error."""
    number = 1
    try:
        with _opened(path) as lines:
            for number, line in enumerate(lines, 1):
                if text := line.decode("utf-8").strip():
                    yield f"{path}:{number}", text
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FilterError(
            f"{path}:{number}: cannot be read from here on ({error}); wanted UTF-8 text, plain or as a whole .gz file; "
            "give another file"
        ) from error


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def read_rows(path: Path) -> list[Row]:
    """The rows of a .jsonl or .jsonl.gz file. A bad line is an error that names it."""
    return [_row(line, where) for where, line in lines_of(path)]


def _row(line: str, where: str) -> Row:
    try:
        given = json.loads(line)
        target, merged = _target(given)
        row = Row(given["premise"], given["hypothesis"], target, merged, given.get("origin", ""))
        for name in ("premise", "hypothesis", "origin"):
            if not isinstance(getattr(row, name), str):
                raise TypeError(f"{name} is {getattr(row, name)!r}")
        return row
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
    """Whether the row belongs to the test part; of a labelled set decided by its premise alone, as the committed judges
    were trained and the figures on their cards measured.

    A pair by rule that is written the other way round too (BOTH_WAYS) is of one part with that: the smaller of the two
    sentences decides, or nearly every held-out one would have its mirror among those trained on. The committed judges
    were trained before that, with a split of these pairs too by premise, and have learned from most of their mirrors.
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
