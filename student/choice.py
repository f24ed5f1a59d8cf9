"""Which of several rewrites of a sentence is taken: what is asked for, the fewest faults, the strongest, the likeliest.

Beams of a small student differ in just the places where it goes wrong, so that the choice among them counts for much
(docs/student.md). Slips can be seen in the text alone; a panel of filters, where there is one, sees the rest.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from student.controls import Controls, length_range, length_ratio, novel_bigrams, novelty_range
from student.slips import repeats, slips


@dataclass(frozen=True)
class Rewrite:
    """One rewrite. `ended`: it came to its end.

    `logprob` is in nats, summed over its tokens, end token included, each among those that were allowed in its place.
    `faults`: the panel's filters that would drop it, slips, and 1 for a word of the prompt's; None: no panel was asked.
    """

    text: str
    logprob: float
    tokens: int
    ended: bool
    faults: int | None = None


@dataclass(frozen=True)
class Rating:
    """What a panel says of a rewrite: how many of its filters would drop it, and how strong it is: more is better."""

    faults: int = 0
    strength: float = 0.0


Place = tuple[bool, float, int]
"""What counts before strength, less is better: a word of the prompt's, the distance from what is asked for, slips."""
FIRST: Place = (False, 0.0, 0)
"""Nothing against it."""


@dataclass(frozen=True)
class Sought:
    """The best `count` of each source's rewrites are wanted, and these are the rewrites' places without a panel's
    faults. The others' ratings need be no more than bounds: no more faults than there are."""

    count: int
    places: Sequence[Sequence[Place]]


Rate = Callable[[str, Sequence[str], Sequence[Sequence[str]], Sought], list[list[Rating]]]
"""A task, sources, the rewrites of each, and which are wanted in; as many ratings out."""

UNRATED = Rating()


def best_first(
    source: str,
    rows: Sequence[Rewrite],
    wanted: Controls,
    common: Set[str] = frozenset(),
    ratings: Sequence[Rating] = (),
    drawn: bool = False,
    front: Set[str] = frozenset(),
) -> list[Rewrite]:
    """Those without a word of the prompt (`front`) come first, for it is new in the wrong way; of these those that lie
    in every bucket asked for, then the nearest; of these the fewest slips and faults; of these the strongest; of these
    the likeliest: beams come so, samples (`drawn`) go by their tokens' mean. What was drawn again comes after all that
    is different."""

    def order(each: tuple[Rewrite, Rating]) -> tuple[bool, float, int, float, float]:
        row, rating = each
        mean = -row.logprob / max(1, row.tokens) if wanted.words or drawn else 0.0
        echo, far, wrong = place(source, row.text, wanted, common, front)
        return echo, far, wrong + rating.faults, -rating.strength, mean

    rated = zip(rows, ratings or [UNRATED] * len(rows), strict=True)
    return _different_first([row for row, _ in sorted(rated, key=order)])


def place(
    source: str, text: str, wanted: Controls, common: Set[str] = frozenset(), front: Set[str] = frozenset()
) -> Place:
    """A rewrite's place before a panel has said anything."""
    return repeats(source, text, front), distance(source, text, wanted), slips(source, text, common)


def _different_first(rows: Sequence[Rewrite]) -> list[Rewrite]:
    """Each text where it comes first, then the repeats."""
    seen: set[str] = set()
    first, again = list[Rewrite](), list[Rewrite]()
    for row in rows:
        (again if row.text in seen else first).append(row)
        seen.add(row.text)
    return [*first, *again]


def distance(source: str, text: str, wanted: Controls) -> float:
    """How far a rewrite is from the buckets asked for: 0 within, else the sum over both measures.

    A blank one is nowhere; one word alone has no bigram, so it is not as new or as copied as anything.
    """
    if not text.strip() or (wanted.novelty and len(text.split()) < 2):
        return float("inf")
    measured = []
    if wanted.length:
        measured.append((length_ratio(source, text), length_range(wanted.length)))
    if wanted.novelty:
        measured.append((novel_bigrams(source, text), novelty_range(wanted.novelty)))
    return sum(max(low - x, 0.0) if x < high else x - high + 1e-6 for x, (low, high) in measured)
