"""One pair kept for each meaning within a context (Impossible Distillation, Algorithm 1), by mutual entailment.

Nodes are the accepted pairs of one task in one context. Two are linked where their sources entail each other, or
their targets do. The paper links on one-way entailment and keeps one pair of each connected component; chains of
near meanings then merge pairs that have nothing in common. Here links are mutual, and the strongest pair not yet
spoken for takes with it the pairs within `max_hops` links of it: with 1, every pair left out is linked to the one
that stands for it. So a group is at most 2 * max_hops links across. 0 means no limit: connected components.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import FilterError, Role
from filters.models import EMBEDDED_JUDGE
from filters.nli_judge import TOKEN_BUDGET, Ask, JudgeSpec, Pair, open_judge

FORWARD, REVERSE = "entailment", "reverse_entailment"

Result = TypeVar("Result")
Asking = Generator[list[Pair], list[bool], Result]
"""Work that stops to ask: yields (premise, hypothesis) pairs, is sent whether each entails, returns its result."""


class Node(NamedTuple):
    """An accepted pair; `row` is its place in the table, `strength` what makes it the one to keep."""

    row: int
    pair_id: str
    source: str
    target: str
    strength: float


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Duplicates:
    """Keeps the strongest pair of each meaning: the largest forward probability, or, where the task asked both ways,
    the largest sum of both (`one_way_tasks`: the forward one alone counts). Ties go to the smallest pair_id.

    `sentence_once`: a sentence of a context is also used by one kept pair of a task at most.
    A pair without a context has no siblings and is kept.
    """

    name: ClassVar[str] = "duplicates"
    within: ClassVar[Literal["context_id"] | None] = "context_id"
    role: ClassVar[Role | None] = "judge"

    model: str = EMBEDDED_JUDGE
    revision: str = ""
    min_probability: float = Field(default=0.75, ge=0, le=1)
    max_hops: int = Field(default=1, ge=0)
    sentence_once: bool = False
    one_way_tasks: tuple[str, ...] = ("summary",)
    entailment_label: str | None = None
    token_budget: int = Field(default=TOKEN_BUDGET, ge=1, le=1 << 20)
    threads: int = Field(default=2, ge=1, le=256)
    device: str = "cpu"

    def select(self, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        spec = JudgeSpec(self.model, self.revision, self.entailment_label, self.token_budget, self.threads, self.device)
        return self.select_with(open_judge(spec), pairs, scores)

    def select_with(self, ask: Ask, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        """`select`, with the judge handed in."""
        groups = _groups(pairs, strengths(pairs, scores, self.one_way_tasks))
        asking = [representatives(nodes, self.max_hops, self.sentence_once) for nodes in groups.values()]
        kept = pc.is_null(pairs.column("context_id")).to_numpy().copy()
        for nodes in answer_together(asking, ask, self.min_probability):
            kept[[node.row for node in nodes]] = True
        return pa.array(kept, pa.bool_())


def strengths(pairs: pa.Table, scores: pa.Table, one_way_tasks: Sequence[str]) -> list[float]:
    """What each pair is kept for. A direction that was not asked (null, or no such column) adds nothing."""
    if FORWARD not in scores.column_names:
        raise FilterError(
            f"selector duplicates: the scores {scores.column_names} lack {FORWARD!r}, by which it chooses; "
            f"put the filter {FORWARD!r} into the task's panel"
        )
    total = pc.fill_null(scores.column(FORWARD).cast(pa.float64()), 0.0)
    if REVERSE in scores.column_names:
        one_way = pc.is_in(pairs.column("task"), pa.array(one_way_tasks, pa.string()))
        reverse = pc.fill_null(scores.column(REVERSE).cast(pa.float64()), 0.0)
        total = pc.add(total, pc.if_else(one_way, 0.0, reverse))
    values: list[float] = total.to_pylist()
    return values


def _groups(pairs: pa.Table, strength: Sequence[float]) -> Mapping[tuple[str, str], list[Node]]:
    """The pairs of each task in each context, strongest first."""
    columns = [pairs.column(name).to_pylist() for name in ("task", "context_id", "pair_id", "source", "target")]
    groups: dict[tuple[str, str], list[Node]] = {}
    for row, (task, context, pair, source, target) in enumerate(zip(*columns, strict=True)):
        if context is not None:
            groups.setdefault((task, context), []).append(Node(row, pair, source, target, strength[row]))
    for nodes in groups.values():
        nodes.sort(key=lambda node: (-node.strength, node.pair_id))
    return groups


def representatives(nodes: Sequence[Node], max_hops: int, sentence_once: bool = False) -> Asking[list[Node]]:
    """The pairs that are kept of `nodes`, which come strongest first."""
    kept: list[Node] = []
    left = list(nodes)
    used: set[str] = set()
    while left:
        first, left = left[0], left[1:]
        kept.append(first)
        left = yield from _without_neighbours(first, left, max_hops)
        if sentence_once:
            used |= {first.source, first.target}
            left = [node for node in left if used.isdisjoint((node.source, node.target))]
    return kept


def _without_neighbours(first: Node, left: list[Node], max_hops: int) -> Asking[list[Node]]:
    """`left` without the nodes that are within `max_hops` links of `first`, going through nodes of `left`."""
    edge, hops = [first], 0
    while edge and left and (hops < max_hops or max_hops == 0):
        questions = [(near, far) for near in edge for far in left]
        linked = yield from _linked(questions)
        reached = {far.row for (_, far), is_linked in zip(questions, linked, strict=True) if is_linked}
        edge = [node for node in left if node.row in reached]
        left = [node for node in left if node.row not in reached]
        hops += 1
    return left


def _linked(questions: Sequence[tuple[Node, Node]]) -> Asking[list[bool]]:
    """Whether two pairs mean the same: by an equal sentence, else by their sources, else by their targets."""
    linked = [p.source == q.source or p.target == q.target for p, q in questions]
    for sentence in ("source", "target"):
        rest = [i for i, is_linked in enumerate(linked) if not is_linked]
        texts = [(getattr(p, sentence), getattr(q, sentence)) for p, q in (questions[i] for i in rest)]
        for i, is_linked in zip(rest, (yield from _mutual(texts)), strict=True):
            linked[i] = is_linked
    return linked


def _mutual(texts: Sequence[Pair]) -> Asking[list[bool]]:
    """Whether two sentences entail each other. The way back is asked only where the way there holds."""
    there = yield from _holds(texts)
    back = yield from _holds([(b, a) for a, b in texts if there[a, b]])
    return [there[a, b] and back[b, a] for a, b in texts]


def _holds(questions: Iterable[Pair]) -> Asking[dict[Pair, bool]]:
    distinct = list(dict.fromkeys(questions))
    answers = (yield distinct) if distinct else []
    return dict(zip(distinct, answers, strict=True))


def answer_together(asking: Iterable[Asking[Result]], ask: Ask, min_probability: float) -> list[Result]:
    """Run them side by side, so that one call to the judge answers the questions of all; results come as they end."""
    results: list[Result] = []
    waiting = _advance([(work, None) for work in asking], results)
    while waiting:
        questions = [question for _, asked in waiting for question in asked]
        answers = (np.asarray(ask(questions), np.float32) >= np.float32(min_probability)).tolist()
        ends = np.cumsum([len(asked) for _, asked in waiting]).tolist()
        replies = [answers[end - len(asked) : end] for (_, asked), end in zip(waiting, ends, strict=True)]
        waiting = _advance([(work, reply) for (work, _), reply in zip(waiting, replies, strict=True)], results)
    return results


def _advance(
    turns: Iterable[tuple[Asking[Result], list[bool] | None]], results: list[Result]
) -> list[tuple[Asking[Result], list[Pair]]]:
    """Send each its answers; gather what the unfinished ask next, and the results of the finished."""
    waiting = []
    for work, reply in turns:
        try:
            waiting.append((work, next(work) if reply is None else work.send(reply)))
        except StopIteration as done:
            results.append(done.value)
    return waiting
