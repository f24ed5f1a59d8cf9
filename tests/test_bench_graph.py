"""The oracle of the entailment graph agrees with the selector when everything may be asked; answers outlive a run."""

import random
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bench.answers import Answers
from bench.graph import Bench, all_questions, chosen
from filters.base import FilterError
from filters.batches import FloatArray
from filters.duplicates import Duplicates
from filters.entailment_graph import Node
from filters.nli_judge import Pair

WORDS = [f"s{i}" for i in range(10)]


def spread(texts: Sequence[str]) -> FloatArray:
    """Vectors of length 1, a little apart from each other, by the sentence's number."""
    angles = np.array([int(text[1:]) for text in texts], np.float32) / 9
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def bench(seed: int) -> Bench:
    rng = random.Random(seed)
    table = {pair: float(rng.random() < 0.5) for pair in permutations(WORDS, 2)}
    rows = [
        {"pair_id": f"{c}{a}{b}", "task": "summary", "source": a, "target": b, "context_id": c, "entailment": p}
        for c in ("c0", "c1")
        for a, b in rng.sample(list(table), 12)
        for p in (rng.choice([0.75, 0.9]),)
    ]

    def ask(pairs: Sequence[Pair]) -> FloatArray:
        return np.array([table[pair] for pair in pairs], np.float32)

    return Bench(pa.Table.from_pylist(rows), {"summary": Duplicates()}, ask, spread)


@pytest.mark.parametrize("hops", [0, 1])
@pytest.mark.parametrize("seed", range(10))
def test_where_all_may_be_asked_the_groups_are_the_oracles_for_fewer_questions(hops: int, seed: int) -> None:
    made = bench(seed)
    result = made.compare(made.oracle(hops), hops, -1)
    assert result.found == result.wanted
    assert result.figures()["adjusted_rand"] == 1 and result.asked < result.asked_by_oracle


def test_a_limit_of_the_cosine_can_be_seen_in_the_figures() -> None:
    made = bench(0)
    result = made.compare(made.oracle(0), 0, 1.0)
    assert result.asked == 0 and result.figures()["adjusted_rand"] < 1


def test_the_oracle_asks_every_two_sentences_of_a_side_both_ways_once() -> None:
    nodes = [Node(i, str(i), *texts, 0.9) for i, texts in enumerate([("a", "x"), ("b", "x"), ("a", "y")])]
    assert all_questions(nodes) == {("a", "b"), ("b", "a"), ("x", "y"), ("y", "x")}


def test_contexts_with_one_pair_a_task_are_left_out() -> None:
    rows = pa.table({"pair_id": list("1234"), "task": list("sspp"), "context_id": ["b", "b", "a", "c"]})
    assert chosen(rows, 0)["pair_id"].to_pylist() == ["1", "2"]


def test_answers_outlive_a_run_and_another_judges_are_refused(tmp_path: Path) -> None:
    asked: list[Pair] = []

    def ask(pairs: Sequence[Pair]) -> FloatArray:
        asked.extend(pairs)
        return np.full(len(pairs), 0.1, np.float32)

    file = tmp_path / "answers.parquet"
    first = Answers(ask, file, "r1")([("a", "b"), ("é", "b"), ("a", "b")])
    again = Answers(ask, file, "r1")([("é", "b"), ("b", "a")])
    assert asked == [("a", "b"), ("é", "b"), ("b", "a")]
    assert first.tolist()[1] == again.tolist()[0] == float(np.float32(0.1))
    with pytest.raises(FilterError, match="another judge"):
        Answers(ask, file, "r2")
    assert Answers(ask, None, "r2")([("a", "b")]).tolist() == first.tolist()[:1]
