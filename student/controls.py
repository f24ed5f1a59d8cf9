"""Control over length and abstractiveness: plain words in front of the input, one for each bucket asked for.

Length is len(target) / len(source) in characters, as in Referee (2210.13800, section 2.3); abstractiveness is the share
of the target's bigrams that the source does not have. No word asks for nothing.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from student.errors import StudentError

LENGTHS = ("shortest", "short", "medium", "long", "full")
LENGTH_EDGES = (0.45, 0.55, 0.65, 0.8)
NOVELTIES = ("copied", "mixed", "rewritten")
NOVELTY_EDGES = (0.1, 0.4)


@dataclass(frozen=True)
class Controls:
    """What is asked of a rewrite; "" asks for nothing."""

    length: str = ""
    novelty: str = ""

    @property
    def words(self) -> str:
        """What stands in front of the instruction, a space behind each word."""
        return "".join(f"{word} " for word in (self.length, self.novelty) if word)


def read_controls(text: str) -> Controls:
    """`short`, `rewritten`, or `short+rewritten`; StudentError for anything else."""
    words = [word.strip() for word in text.split("+")]
    lengths, novelties = ([word for word in words if word in known] for known in (LENGTHS, NOVELTIES))
    if len(lengths) + len(novelties) < len(words) or len(lengths) > 1 or len(novelties) > 1:
        known = f"one of {', '.join(LENGTHS)}, one of {', '.join(NOVELTIES)}, or both with a + between"
        raise StudentError(f"control words {text!r}: wanted {known}")
    return Controls("".join(lengths), "".join(novelties))


def length_ratio(source: str, target: str) -> float:
    """Characters of the target for one of the source."""
    return len(target) / max(1, len(source))


def length_bucket(source: str, target: str) -> str:
    return LENGTHS[bisect_right(LENGTH_EDGES, length_ratio(source, target))]


def length_range(length: str) -> tuple[float, float]:
    """The bucket's smallest ratio, and the one that is too large."""
    return _range(LENGTHS, LENGTH_EDGES, length)


def novelty_range(novelty: str) -> tuple[float, float]:
    """The bucket's smallest share of new bigrams, and the one that is too large."""
    return _range(NOVELTIES, NOVELTY_EDGES, novelty)


def _range(names: Sequence[str], inner: Sequence[float], name: str) -> tuple[float, float]:
    edges = (0.0, *inner, float("inf"))
    place = names.index(name)
    return edges[place], edges[place + 1]


def novel_bigrams(source: str, target: str) -> float:
    """Share of the target's bigrams (lowercase words) that the source does not have; 0 where there are none."""
    have, wanted = set(_bigrams(source)), _bigrams(target)
    return sum(pair not in have for pair in wanted) / len(wanted) if wanted else 0.0


def _bigrams(text: str) -> list[tuple[str, str]]:
    words = [word.strip(".,;:!?\"'()").lower() for word in text.split()]
    return list(pairwise(words))


def novelty_bucket(source: str, target: str) -> str:
    return NOVELTIES[bisect_right(NOVELTY_EDGES, novel_bigrams(source, target))]


def controls_of(source: str, target: str) -> Controls:
    """The buckets that a pair lies in."""
    return Controls(length_bucket(source, target), novelty_bucket(source, target))


def balanced(keys: Sequence[tuple[str, Controls]], count: int, rng: np.random.Generator) -> list[int]:
    """`count` places drawn so that every length of a task comes equally often, and every novelty within it.

    `keys`: task and buckets of each pair. Rare classes are repeated: what the corpus has little of is what
    a control word would otherwise never learn.
    """
    lengths = Counter((task, c.length) for task, c in keys)
    both = Counter((task, c) for task, c in keys)
    novelties = Counter((task, c.length) for task, c in both)
    tasks = Counter(task for task, _ in keys)
    buckets = Counter(task for task, _ in lengths)
    weights = np.array(
        [tasks[task] / buckets[task] / novelties[(task, c.length)] / both[(task, c)] for task, c in keys]
    )
    drawn: list[int] = rng.choice(len(keys), size=count, p=weights / weights.sum()).tolist()
    return drawn


def drop_some(controls: Controls, rng: np.random.Generator) -> Controls:
    """Length alone, novelty alone, or both, equally often."""
    kind = int(rng.integers(3))
    return Controls(controls.length if kind != 1 else "", controls.novelty if kind != 0 else "")
