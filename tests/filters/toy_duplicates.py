"""Pairs and judges made by hand for `duplicates`, and Algorithm 1 without any saving."""

import random
from collections.abc import Sequence
from itertools import combinations

import networkx as nx
import numpy as np
import pyarrow as pa

from filters.batches import FloatArray
from filters.duplicates import Duplicates, Encode
from filters.nli_judge import Pair

Entails = dict[Pair, float]


class Ask:
    """A judge that reads its answers from a table; what is not in it has probability 0."""

    def __init__(self, table: Entails) -> None:
        self.table = table
        self.calls = 0
        self.asked: list[Pair] = []

    def __call__(self, pairs: Sequence[Pair]) -> FloatArray:
        self.calls += 1
        self.asked += pairs
        return np.array([self.table.get(pair, 0.0) for pair in pairs], np.float32)


Row = tuple[str, str, str, str | None, str, float, float | None]  # pair_id task source context target forward reverse


def tables(rows: Sequence[Row]) -> tuple[pa.Table, pa.Table]:
    ids, tasks, sources, contexts, targets, forward, reverse = (list(c) for c in zip(*rows, strict=True))
    pairs = pa.table(
        {
            "pair_id": ids,
            "task": tasks,
            "source": sources,
            "target": targets,
            "context_id": pa.array(contexts, pa.string()),
        }
    )
    scores = pa.table(
        {"entailment": pa.array(forward, pa.float32()), "reverse_entailment": pa.array(reverse, pa.float32())}
    )
    return pairs, scores


def close(texts: Sequence[str]) -> FloatArray:
    """An encoder to which all sentences are the same: everything may be asked."""
    return np.ones((len(texts), 1), np.float32)


def kept(spec: Duplicates, ask: Ask, rows: Sequence[Row], encode: Encode = close) -> set[str]:
    pairs, scores = tables(rows)
    verdict = spec.select_with(ask, encode, pairs, scores)
    assert len(verdict) == len(rows) and verdict.null_count == 0
    return {row[0] for row, keep in zip(rows, verdict.to_pylist(), strict=True) if keep}


def chance_rows(seed: int) -> tuple[list[Row], Entails]:
    """Two contexts and two tasks over few sentences, and entailment by chance; strengths often tie."""
    rng = random.Random(seed)
    words = [f"s{i}" for i in range(12)]
    density = rng.choice([0.1, 0.4, 0.7])
    table = {(a, b): rng.choice([0.75, 1.0]) if rng.random() < density else 0.74 for a in words for b in words}
    rows: list[Row] = []
    for task in ("summary", "paraphrase"):
        for context in ("c0", "c1"):
            for a, b in rng.sample([(a, b) for a in words for b in words if a != b], 9):
                scores = rng.choice([0.75, 0.875, 1.0]), rng.choice([0.75, 0.875, 1.0])
                rows.append((f"{task}{context}{a}{b}", task, a, context, b, *scores))
    return rows, table


def graph_of(rows: Sequence[Row], table: Entails) -> nx.Graph:
    """Every link, asked without any saving."""

    def mutual(a: str, b: str) -> bool:
        return a == b or min(table[a, b], table[b, a]) >= 0.75

    graph = nx.Graph()
    graph.add_nodes_from(rows)
    graph.add_edges_from((p, q) for p, q in combinations(rows, 2) if mutual(p[2], q[2]) or mutual(p[4], q[4]))
    return graph


def order(row: Row) -> tuple[float, str]:
    return -(row[5] + (row[6] or 0.0) * (row[1] != "summary")), row[0]


def groups(rows: Sequence[Row]) -> list[list[Row]]:
    return [[r for r in rows if (r[1], r[3]) == key] for key in sorted({(r[1], r[3] or "") for r in rows})]


def both_ways(*pairs: Pair) -> Entails:
    return {ordered: 1.0 for a, b in pairs for ordered in ((a, b), (b, a))}


def paraphrase(name: str, source: str, target: str, forward: float = 0.8, reverse: float | None = 0.8) -> Row:
    return (name, "paraphrase", source, "c", target, forward, reverse)
