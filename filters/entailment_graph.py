"""Which accepted pairs of a context mean the same, found with few questions to the judge.

Nodes are accepted pairs; two are linked where their sources, or their targets, are equal or entail each other. Only
near neighbours are asked about (cosine of the sentences), the nearest first, and what is settled is not asked again.

Two rules say what a group is. `components`: all that hang together by links (Impossible Distillation, Algorithm 1).
`stars`: the strongest pair, and pairs that are linked to that very pair. So a star is at most two links across, and no
two pairs that stand for their stars are linked. Either gives what asking about everything would give, but for links
between sentences whose cosine is under the limit.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from filters.batches import FloatArray
from filters.nli_judge import Ask, Pair

EQUAL = 2.0
"""Stands for the cosine of a sentence with itself: above all cosines, whatever rounding does to those near 1."""

Side = Literal["source", "target"]
SIDES: tuple[Side, ...] = ("source", "target")

Result = TypeVar("Result")
Asking = Generator[Pair, bool, Result]
"""Work that stops to ask: yields a (premise, hypothesis), is sent whether it holds, returns its result."""


class Node(NamedTuple):
    """An accepted pair; `row` is its place in the table, `strength` what makes it the one to keep."""

    row: int
    pair_id: str
    source: str
    target: str
    strength: float

    def side(self, side: Side) -> str:
        return self.source if side == "source" else self.target

    def shares_a_sentence(self, other: "Node") -> bool:
        """Whether any sentence of one is in the other, in whatever place."""
        return not {self.source, self.target}.isdisjoint((other.source, other.target))


@dataclass(frozen=True)
class Neighbours:
    """What may be linked, how close it is, and what the judge said so far. One for each graph."""

    vectors: Mapping[str, FloatArray]  # of length 1
    min_cosine: float
    answers: dict[Pair, bool] = field(default_factory=dict)

    def cosine(self, a: str, b: str) -> float:
        """Of two sentences; equal ones come before any others."""
        return EQUAL if a == b else float(self.vectors[a] @ self.vectors[b])

    def linked(self, a: str, b: str) -> Asking[bool]:
        """Whether two sentences entail each other. The longer one says more, as a rule: that the shorter one entails
        it is the rarer case, and if it does not, the other way need not be asked."""
        short, long = sorted((a, b), key=lambda text: (len(text), text))
        return a == b or ((yield from self._holds(short, long)) and (yield from self._holds(long, short)))

    def _holds(self, premise: str, hypothesis: str) -> Asking[bool]:
        if (premise, hypothesis) not in self.answers:
            self.answers[premise, hypothesis] = yield premise, hypothesis
        return self.answers[premise, hypothesis]


def stars(nodes: Sequence[Node], near: Neighbours, sentence_once: bool = False) -> Asking[list[int]]:
    """For each of `nodes`, which come strongest first, the place of the node that stands for it.

    That is the nearest of the linked nodes that stand for themselves; equally near ones: the strongest.
    With `sentence_once` a node also yields to any such node that it shares a sentence with.
    """
    chosen: list[int] = []
    heads: list[int] = []
    for place, node in enumerate(nodes):
        head = next((h for h in heads if sentence_once and node.shares_a_sentence(nodes[h])), None)
        if head is None:
            head = yield from _nearest_linked(node, nodes, heads, near)
        if head is None:
            heads.append(place)
        chosen.append(place if head is None else head)
    return chosen


def _nearest_linked(node: Node, nodes: Sequence[Node], heads: Sequence[int], near: Neighbours) -> Asking[int | None]:
    """The place among `heads` of the nearest that is linked to `node`."""
    found = [(near.cosine(node.side(s), nodes[h].side(s)), s, h) for s in SIDES for h in heads]
    for _, side, head in sorted((f for f in found if f[0] >= near.min_cosine), key=lambda f: (-f[0], f[2])):
        if (yield from near.linked(node.side(side), nodes[head].side(side))):
            return head
    return None


def components(nodes: Sequence[Node], near: Neighbours, sentence_once: bool = False) -> Asking[list[int]]:
    """As `stars`, for groups that hang together by links: the strongest stands for all.

    With `sentence_once` it is the strongest whose sentences no stronger group uses; a group without one is left out:
    its nodes go to the node that took their sentence.
    """
    groups = Groups(len(nodes))
    ends = [_join_equal(nodes, side, groups) for side in SIDES]
    pairs = [(near.cosine(a, b), a, b, end) for end in ends for a, b in combinations(sorted(end), 2)]
    for cosine, a, b, end in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if cosine < near.min_cosine:
            break
        if groups.of(end[a]) != groups.of(end[b]) and (yield from near.linked(a, b)):
            groups.join(end[a], end[b])
    return _heads(nodes, [groups.of(place) for place in range(len(nodes))], sentence_once)


def _join_equal(nodes: Sequence[Node], side: Side, groups: "Groups") -> dict[str, int]:
    """Join nodes that have the same sentence; return each sentence with one node that has it."""
    first: dict[str, int] = {}
    for place, node in enumerate(nodes):
        groups.join(first.setdefault(node.side(side), place), place)
    return first


def _heads(nodes: Sequence[Node], groups: Sequence[int], sentence_once: bool) -> list[int]:
    """The place of the node that stands for each; `nodes` come strongest first."""
    heads: dict[int, int] = {}
    for place, node in enumerate(nodes):
        taken = sentence_once and any(node.shares_a_sentence(nodes[h]) for h in heads.values())
        if groups[place] not in heads and not taken:
            heads[groups[place]] = place
    return [heads[group] if group in heads else _taker(nodes, place, heads) for place, group in enumerate(groups)]


def _taker(nodes: Sequence[Node], place: int, heads: Mapping[int, int]) -> int:
    return next(head for head in heads.values() if nodes[place].shares_a_sentence(nodes[head]))


class Groups:
    """Disjoint sets of the numbers below `size` (union-find). A set is named by its smallest number."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def of(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = item = self._parent[self._parent[item]]
        return item

    def join(self, a: int, b: int) -> None:
        first, second = sorted((self.of(a), self.of(b)))
        self._parent[second] = first


def answer_together(asking: Iterable[Asking[Result]], ask: Ask, min_probability: float) -> list[Result]:
    """Run them side by side, so that one call to the judge answers a question of each; results in the order given."""
    results: dict[int, Result] = {}
    turns: list[tuple[int, Asking[Result], bool | None]] = [(i, work, None) for i, work in enumerate(asking)]
    while waiting := _advance(turns, results):
        answers = np.asarray(ask([question for _, _, question in waiting]), np.float32) >= np.float32(min_probability)
        turns = [(i, work, bool(holds)) for (i, work, _), holds in zip(waiting, answers, strict=True)]
    return [results[i] for i in sorted(results)]


def _advance(
    turns: Iterable[tuple[int, Asking[Result], bool | None]], results: dict[int, Result]
) -> list[tuple[int, Asking[Result], Pair]]:
    """Send each its answer; gather what the unfinished ask next, and the results of the finished."""
    waiting = []
    for i, work, holds in turns:
        try:
            waiting.append((i, work, next(work) if holds is None else work.send(holds)))
        except StopIteration as done:
            results[i] = done.value
    return waiting
