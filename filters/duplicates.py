"""One pair kept for each meaning within a context (Impossible Distillation, Algorithm 1), by mutual entailment.

The paper links on one-way entailment and keeps one pair of each connected component; chains of near meanings then merge
pairs that have nothing in common. Here links are mutual, and with `max_hops` 1 every pair left out is linked to the
one that stands for it, so no group is more than two links across. How links are found: filters/entailment_graph.py.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import FilterError, Role
from filters.batches import FloatArray, of_worker
from filters.entailment_graph import Asking, Neighbours, Node, answer_together, components, stars
from filters.models import EMBEDDED_ENCODER, EMBEDDED_JUDGE
from filters.nli_back_ends import JudgeBackEnd
from filters.nli_judge import FRAME, TOKEN_BUDGET, Ask, JudgeSpec, open_judge
from filters.similarity import open_encoder

Encode = Callable[[Sequence[str]], FloatArray]
"""Sentences in, (n, width) vectors of length 1 out."""

FORWARD, REVERSE = "entailment", "reverse_entailment"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Duplicates:
    """Keeps the strongest pair of each meaning: the largest forward probability, or, where the task asked both ways,
    the largest sum of both (`one_way_tasks`: the forward one alone counts). Ties go to the smallest pair_id.

    `max_hops`: 1: a pair left out is linked to the one that stands for it; 0: connected components, however long.
    `min_cosine`: sentences further apart are taken for different without asking the judge. Nearly none of them would
    entail each other: the default is measured, see docs/bench.md. -1 asks about all.
    `sentence_once`: a sentence of a context is also used by one kept pair of a task at most.
    A pair without a context has no siblings and is kept.

    Source: Impossible Distillation, Algorithm 1, with mutual entailment for one-way, and no chains.
    Why: 0.75 is the published threshold; one hop, so that every pair left out is linked to the one that stands for it.
    """

    name: ClassVar[str] = "duplicates"
    within: ClassVar[Literal["context_id"] | None] = "context_id"
    role: ClassVar[Role | None] = "judge"

    model: str = EMBEDDED_JUDGE
    revision: str = ""
    encoder: str = EMBEDDED_ENCODER
    encoder_revision: str = ""
    min_probability: float = Field(default=0.75, ge=0, le=1)
    max_hops: int = Field(default=1, ge=0, le=1)
    min_cosine: float = Field(default=0.7, ge=-1, le=1)
    sentence_once: bool = False
    one_way_tasks: tuple[str, ...] = ("summary",)
    entailment_label: str | None = None
    token_budget: int = Field(default=TOKEN_BUDGET, ge=1, le=1 << 20)
    threads: int = Field(default=0, ge=0, le=256)  # 0: those of the worker
    device: str = "cpu"
    back_end: JudgeBackEnd = "auto"
    frame: str = Field(default="", pattern=FRAME)  # as in entailment

    @property
    def judge(self) -> JudgeSpec:
        """Whom the graph's edges are asked of."""
        own = (self.model, self.revision, self.entailment_label, self.token_budget, of_worker(self.threads))
        return JudgeSpec(*own, self.device, self.back_end, self.frame)

    def select(self, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        threads = of_worker(self.threads)
        encoder = open_encoder(self.encoder, self.encoder_revision, self.token_budget, threads, self.device)
        return self.select_with(open_judge(self.judge).at(self.min_probability), encoder, pairs, scores)

    def select_with(self, ask: Ask, encode: Encode, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        """`select`, with the judge and the encoder handed in."""
        heads = self.heads(ask, encode, pairs, scores)
        return pa.array([row == head for row, head in enumerate(heads)], pa.bool_())

    def heads(self, ask: Ask, encode: Encode, pairs: pa.Table, scores: pa.Table) -> list[int]:
        """For each row the row that stands for it; a kept one stands for itself."""
        graphs = graphs_of(pairs, strengths(pairs, scores, self.one_way_tasks))
        heads = list(range(pairs.num_rows))
        asking = [self._groups(nodes, near) for nodes, near in zip(graphs, self._near(graphs, encode), strict=True)]
        for nodes, places in zip(graphs, answer_together(asking, ask, self.min_probability), strict=True):
            for node, place in zip(nodes, places, strict=True):
                heads[node.row] = nodes[place].row
        return heads

    def _groups(self, nodes: Sequence[Node], near: Neighbours) -> Asking[list[int]]:
        return (stars if self.max_hops else components)(nodes, near, self.sentence_once)

    def _near(self, graphs: Sequence[Sequence[Node]], encode: Encode) -> list[Neighbours]:
        """The vectors of each graph's sentences; a pair that is alone in its graph needs none."""
        texts = dict.fromkeys(
            t for nodes in graphs if len(nodes) > 1 for node in nodes for t in (node.source, node.target)
        )
        vectors = dict(zip(texts, encode(list(texts)), strict=True)) if texts else {}
        return [Neighbours(vectors, self.min_cosine) for _ in graphs]


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


def graphs_of(pairs: pa.Table, strength: Sequence[float]) -> list[list[Node]]:
    """The pairs of each task in each context, strongest first; a pair without a context is in none."""
    columns = [pairs.column(name).to_pylist() for name in ("task", "context_id", "pair_id", "source", "target")]
    graphs: dict[tuple[str, str], list[Node]] = {}
    for row, (task, context, pair, source, target) in enumerate(zip(*columns, strict=True)):
        if context is not None:
            graphs.setdefault((task, context), []).append(Node(row, pair, source, target, strength[row]))
    return [sorted(nodes, key=lambda node: (-node.strength, node.pair_id)) for nodes in graphs.values()]
