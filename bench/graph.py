"""The entailment graph against brute force: the same groups, with how few questions to the judge.

    python -m bench.graph --run data/runs/news
    python -m bench.graph --run data/runs/news --contexts 20 --answers /tmp/answers.parquet

Nodes are accepted pairs of real contexts. At a recipe's own thresholds a context has few, so pairs are accepted
here from `--min-entailment` on, both ways where the task asks both ways, among those that the cheap panel let pass.

The oracle asks about every two sources and every two targets of a task in a context, both ways, each ordered pair of
sentences once, and then applies the same rule by plain search in the whole graph. Ours is the selector itself; its
questions are the distinct ordered pairs of sentences that it put to the judge. Prints both rules, stars and components,
what other limits of the cosine would give, and one line of JSON for the rule and the limit of the run's recipe.
`--answers` keeps the judge's answers in a file, so that a second try, or one that was stopped, asks only what is new.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Annotated

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer
from sklearn.metrics import adjusted_rand_score  # type: ignore[import-untyped]

from bench.answers import Answers
from bench.machine import machine, table
from filters.base import FilterError
from filters.duplicates import FORWARD, REVERSE, Duplicates, Encode, graphs_of, strengths
from filters.entailment_graph import EQUAL, SIDES, Node
from filters.models import revision_of
from filters.nli_judge import Ask, Pair, open_judge
from filters.similarity import open_encoder
from pipeline.__main__ import told
from pipeline.errors import UserError
from pipeline.recipe import Recipe, load

DENSE = 20
"""Accepted pairs of one task in one context from which on it counts as dense."""
LIMITS = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
RULES = {1: "stars", 0: "components"}

Vectors = Mapping[str, np.ndarray]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    run: Annotated[Path, typer.Option(help="Folder of a run that has pairs and scores.")] = Path("data/runs/news"),
    contexts: Annotated[int, typer.Option(min=0, help="Contexts at most, in order of their ids; 0: all.")] = 0,
    min_entailment: Annotated[float, typer.Option(min=0, max=1, help="From when on a pair is accepted.")] = 0.5,
    answers: Annotated[Path | None, typer.Option(help="The judge's answers are kept in this file.")] = None,
) -> None:
    """Compare, print the tables, end with one line of JSON."""
    recipe = recipe_of(run)
    print(machine(), flush=True)
    specs = selectors(recipe)
    first = next(iter(specs.values()))
    ask = Answers(
        open_judge(replace(first.judge, threads=first.threads)), answers, revision_of(first.model, first.revision)
    )
    encoder = open_encoder(first.encoder, first.encoder_revision, first.token_budget, first.threads, first.device)
    pairs = chosen(accepted(run / "round-0", specs, ask, min_entailment), contexts)
    bench = Bench(pairs, specs, ask, encoder)
    oracle = {hops: bench.oracle(hops) for hops in RULES}
    rows = [bench.compare(oracle[hops], hops, first.min_cosine).row(RULES[hops]) for hops in RULES]
    print("\n" + table(HEADS, rows))
    curve = [bench.compare(oracle[first.max_hops], first.max_hops, limit).row(f"{limit}") for limit in LIMITS]
    print(f"\n{RULES[first.max_hops]} at other limits of the cosine\n\n" + table(HEADS, curve))
    print(f"\n{bench.facts(min_entailment)}")
    result = bench.compare(oracle[first.max_hops], first.max_hops, first.min_cosine)
    print(json.dumps({**result.figures(), "contexts": len(bench.contexts()), "dense_contexts": bench.dense()}))


def recipe_of(run: Path) -> Recipe:
    """The run's recipe; a run that is not there, or was not filtered yet, is refused before a model loads."""
    for stage in STAGES:
        if not any((run / "round-0" / stage).glob("shard-*")):
            raise UserError(
                f"run {run}: no {stage} in it; wanted the folder of a run that `make filter` has been through; "
                "give it with --run, or run `make run` first"
            )
    return load(str(run / "recipe.toml"), [])


def selectors(recipe: Recipe) -> dict[str, Duplicates]:
    """The recipe's `duplicates` of each task, by meaning alone: who uses a sentence is another question.

    Tasks of another judge than `models.judge` are left out: one judge's answers are shared between all tasks here.
    """
    every = {task: s for task in recipe.tasks for s in recipe.selectors(task) if isinstance(s, Duplicates)}
    found = {task: spec for task, spec in every.items() if spec.model == recipe.models.judge}
    if not found:
        raise FilterError(
            f"recipe {recipe.name}: no task selects by 'duplicates' with models.judge; wanted one; choose another run"
        )
    print(f"tasks: {', '.join(found)}", flush=True)
    return {task: replace(spec, sentence_once=False) for task, spec in found.items()}


def accepted(folder: Path, specs: Mapping[str, Duplicates], ask: Ask, minimum: float) -> pa.Table:
    """The run's pairs that pass at `minimum`, with both probabilities; a way back that the run left out is asked."""
    pairs, scores = (pa.concat_tables(map(pq.read_table, sorted((folder / s).glob("shard-*")))) for s in STAGES)
    if not pairs["pair_id"].equals(scores["pair_id"]):
        raise FilterError(f"{folder}: pairs and scores are not in the same order; run `make filter` again")
    back = scores[REVERSE] if REVERSE in scores.column_names else pa.nulls(scores.num_rows, pa.float32())
    rows = pairs.select(COLUMNS).append_column(FORWARD, scores[FORWARD]).append_column(REVERSE, back)
    rows = rows.filter(pc.and_(pc.greater_equal(rows[FORWARD], minimum), pc.is_in(rows["task"], pa.array(list(specs)))))
    both = np.array([task not in specs[task].one_way_tasks for task in rows["task"].to_pylist()], dtype=bool)
    missing = np.flatnonzero(both & rows[REVERSE].is_null().to_numpy())
    values = rows[REVERSE].to_numpy().copy()
    texts = rows.take(pa.array(missing)).select(["target", "source"]).to_pydict()
    values[missing] = ask(list(zip(texts["target"], texts["source"], strict=True))) if len(missing) else []
    rows = rows.set_column(rows.column_names.index(REVERSE), REVERSE, pa.array(values, pa.float32(), from_pandas=True))
    return rows.filter(pa.array(~both | (np.nan_to_num(values) >= minimum)))


STAGES = ("pairs", "scores")
COLUMNS = ["pair_id", "task", "source", "target", "context_id"]


def chosen(rows: pa.Table, contexts: int) -> pa.Table:
    """The rows of contexts in which a task has two accepted pairs or more."""
    sizes = rows.group_by(["task", "context_id"]).aggregate([("pair_id", "count")])
    several = sorted(set(sizes.filter(pc.greater(sizes["pair_id_count"], 1))["context_id"].to_pylist()))
    return rows.filter(pc.is_in(rows["context_id"], pa.array(several[: contexts or None], pa.string())))


@dataclass(frozen=True)
class Comparison:
    """What came of one rule at one limit: two lists of heads (see Duplicates.heads), graph by graph, and questions."""

    wanted: Sequence[Sequence[int]]
    found: Sequence[Sequence[int]]
    asked: int
    asked_by_oracle: int

    def rand(self) -> list[float]:
        """The adjusted Rand index of each graph."""
        return [float(adjusted_rand_score(a, b)) for a, b in zip(self.wanted, self.found, strict=True)]

    def pooled(self) -> float:
        """The adjusted Rand index over all nodes of all graphs at once."""
        return float(adjusted_rand_score([h for g in self.wanted for h in g], [h for g in self.found for h in g]))

    def figures(self) -> dict[str, float]:
        """The worse of the two readings of the index."""
        rand = min(float(np.mean(self.rand())), self.pooled())
        return {"adjusted_rand": round(rand, 4), "calls_share": round(self.asked / max(1, self.asked_by_oracle), 4)}

    def row(self, name: str) -> list[object]:
        rand = self.rand()
        kept = [len(set(map(int, np.concatenate(heads)))) for heads in (self.wanted, self.found)]
        share = 100 * self.asked / max(1, self.asked_by_oracle)
        means = [f"{value:.4f}" for value in (np.mean(rand), self.pooled(), min(rand))]
        return [name, self.asked_by_oracle, self.asked, share, *means, sum(r == 1 for r in rand), *kept]


HEADS = (
    *("", "oracle asks", "ours asks", "share %", "Rand, mean", "Rand, pooled", "Rand, worst"),
    *("same graphs", "oracle keeps", "ours keeps"),
)


@dataclass(frozen=True)
class Bench:
    """Accepted pairs, and who is asked about them."""

    pairs: pa.Table
    specs: Mapping[str, Duplicates]
    ask: Ask
    encode: Encode

    def graphs(self) -> Iterator[tuple[Duplicates, list[Node]]]:
        """The graphs with anything to decide, with the selector of their task."""
        tasks = self.pairs["task"].to_pylist()
        one_way = next(iter(self.specs.values())).one_way_tasks
        for nodes in graphs_of(self.pairs, strengths(self.pairs, self.pairs, one_way)):
            if len(nodes) > 1:
                yield self.specs[tasks[nodes[0].row]], nodes

    def oracle(self, max_hops: int) -> tuple[list[list[int]], int]:
        """Heads of every graph by brute force, and the number of questions that takes."""
        questions = sorted({q for _, nodes in self.graphs() for q in all_questions(nodes)})
        probability = dict(zip(questions, self.ask(questions), strict=True))
        texts = sorted({text for _, nodes in self.graphs() for node in nodes for text in (node.source, node.target)})
        vectors = dict(zip(texts, self.encode(texts), strict=True))
        found = []
        for spec, nodes in self.graphs():
            limit = np.float32(spec.min_probability)
            links = {pair for pair in all_questions(nodes) if min(probability[pair], probability[pair[::-1]]) >= limit}
            found.append([nodes[place].row for place in by_search(nodes, links, vectors, max_hops)])
        return found, len(questions)

    def compare(self, oracle: tuple[list[list[int]], int], max_hops: int, min_cosine: float) -> Comparison:
        """The selector with this rule and this limit, beside the oracle."""
        asked: set[Pair] = set()

        def counting(questions: Sequence[Pair]) -> np.ndarray:
            asked.update(questions)
            return self.ask(questions)

        heads = list(range(self.pairs.num_rows))
        for task, spec in self.specs.items():
            rows = np.flatnonzero(pc.equal(self.pairs["task"], task).to_numpy())
            part = self.pairs.take(pa.array(rows))
            changed = replace(spec, max_hops=max_hops, min_cosine=min_cosine)
            for row, head in zip(rows.tolist(), changed.heads(counting, self.encode, part, part), strict=True):
                heads[row] = int(rows[head])
        found = [[heads[node.row] for node in nodes] for _, nodes in self.graphs()]
        return Comparison(oracle[0], found, len(asked), oracle[1])

    def contexts(self) -> set[str]:
        return set(self.pairs["context_id"].to_pylist())

    def dense(self) -> int:
        contexts = self.pairs["context_id"].to_pylist()
        return len({contexts[nodes[0].row] for _, nodes in self.graphs() if len(nodes) >= DENSE})

    def facts(self, minimum: float) -> str:
        sizes = [len(nodes) for _, nodes in self.graphs()]
        dense = sum(size >= DENSE for size in sizes)
        return (
            f"{self.pairs.num_rows} pairs accepted from {minimum} on, in {len(self.contexts())} contexts; "
            f"{len(sizes)} graphs of 2 nodes or more, {dense} of {DENSE} or more, the largest {max(sizes)}"
        )


def all_questions(nodes: Sequence[Node]) -> set[Pair]:
    """Every two distinct sources and every two distinct targets, both ways."""
    return {pair for side in SIDES for pair in permutations({node.side(side) for node in nodes}, 2)}


def by_search(nodes: Sequence[Node], links: set[Pair], vectors: Vectors, max_hops: int) -> list[int]:
    """The rule applied to the whole graph: for each node the place of the one that stands for it."""
    nearness = {}
    for a, b in permutations(range(len(nodes)), 2):
        sides = [(nodes[a].side(side), nodes[b].side(side)) for side in SIDES]
        near = [EQUAL if x == y else float(vectors[x] @ vectors[y]) for x, y in sides if x == y or (x, y) in links]
        if near:
            nearness[a, b] = max(near)
    if max_hops == 0:
        graph = nx.Graph(list(nearness))
        graph.add_nodes_from(range(len(nodes)))
        return [min(nx.node_connected_component(graph, place)) for place in range(len(nodes))]
    heads: list[int] = []
    places: list[int] = []
    for place in range(len(nodes)):
        linked = [head for head in heads if (place, head) in nearness]
        heads += [] if linked else [place]
        places.append(min(linked, key=lambda head: (-nearness[place, head], head)) if linked else place)
    return places


if __name__ == "__main__":
    told(app)
