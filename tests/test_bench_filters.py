"""The ladder from the published procedure to ours: where it begins, where it ends, and what single repairs do."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from bench import published
from bench.accepted import OurFilters
from bench.filters import check_end
from bench.ladder import Rung, as_published, climb, repairs, report
from bench.procedure import Components, Procedure, Rows, Walk, first_of_repeats, form_pairs, table_of
from bench.published import Pair, diverse
from pipeline.recipe import Recipe, load
from pipeline.records import CANDIDATE

CONTEXT = "The old harbour was busy. It rained all week."
SENTENCES = (
    "The city council approved the new school budget on Monday.",
    "The new school budget was approved by the city council on Monday.",
    "On Monday the city council gave its approval to the new budget for schools.",
    "The city council approved the new school budget on Monday after a long debate about the cost of repairs.",
    "The mayor said that the old bridge would be closed for repairs until the spring because of rust.",
    "The old bridge will be closed for repairs until spring, the mayor said.",
    "The mayor said that the old bridge would be closed for repairs.",
    "The old harbour was busy.",
)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """The default recipe, each model on one thread: tests share the machine."""
    found = [(task, name) for task, section in load("news").tasks.items() for name in section.panel]
    threads = [f"tasks.{t}.panel.{n}.threads=1" for t, n in found if n == "similarity" or "entailment" in n]
    return load("news", [*threads, *(f"tasks.{task}.select.duplicates.threads=1" for task, _ in found)])


@pytest.fixture(scope="module")
def candidates() -> pa.Table:
    """Two contexts that share sentences, one candidate that never ended, one twice."""
    rows = []
    for context, texts in (("c0", SENTENCES), ("c1", (*SENTENCES[2:7], SENTENCES[3], "The mayor was about to"))):
        for number, text in enumerate(texts):
            ended = "sentence" if text.endswith(".") else "length"
            row = {"candidate_id": f"{context}-{number}", "context_id": context, "context": CONTEXT, "text": text}
            rows.append({**row, "mode": "parallel", "keywords": [], "ended": ended, "seed": 1, "round": 0})
    return pa.Table.from_pylist(rows, CANDIDATE)


@pytest.fixture(scope="module")
def contexts(candidates: pa.Table) -> dict[str, Rows]:
    rows = candidates.to_pylist()
    return {name: [row for row in rows if row["context_id"] == name] for name in ("c0", "c1")}


@pytest.fixture(scope="module")
def ladder(recipe: Recipe, contexts: dict[str, Rows]) -> list[Rung]:
    judge = published.UnsortedJudge(recipe.models.judge, threads=1)
    return climb(recipe, contexts, as_published(recipe, contexts, judge))


def test_the_judges_runner_and_the_order_of_filters_change_no_verdict(ladder: list[Rung]) -> None:
    assert ladder[0].accepted == ladder[1].accepted == ladder[2].accepted != frozenset()
    assert ladder[2].questions < ladder[1].questions == 8 * 7 + 5 * 4


def test_the_end_is_what_the_pipeline_accepts(ladder: list[Rung], recipe: Recipe, candidates: pa.Table) -> None:
    pairs = OurFilters(recipe)(candidates).pairs
    names = ("context_id", "task", "source", "target")
    pipeline = frozenset(zip(*(pairs[name].to_pylist() for name in names), strict=True))
    assert pipeline
    check_end(ladder[-1].accepted, pipeline)
    with pytest.raises(SystemExit, match="1 pairs only on the ladder, 0 only"):
        check_end(pipeline | {("c", "summary", "x", "y")}, pipeline)


def test_every_repair_is_named_once(ladder: list[Rung], recipe: Recipe) -> None:
    names = [rung.repair for rung in ladder]
    assert len(set(names)) == len(names)
    for name in {*recipe.tasks["summary"].panel, *recipe.tasks["paraphrase"].panel} - {"length", "overlap", "numbers"}:
        wanted = "threshold" if "entailment" in name else f"filter {name}"
        assert any(wanted in title for title in names)


def test_the_table_balances(ladder: list[Rung]) -> None:
    lines = report(ladder, ["paraphrase", "summary"]).splitlines()[2:]
    cells = [[int(cell) for cell in line.split("|")[2:-1]] for line in lines]
    for before, after in pairwise(cells):
        for start in (0, 3):
            assert before[start + 2] + after[start] - after[start + 1] == after[start + 2]


def test_a_recipe_equal_to_what_is_published_changes_nothing_by_filters(contexts: dict[str, Rows]) -> None:
    plain = load("paper-news", ["models.judge=embedded:nli-minilm"])
    titles = [title for title, _ in repairs(plain, Walk(contexts))]
    assert not [title for title in titles if title in ("filter length", "filter overlap")]


def test_pairs_in_one_order_and_in_both() -> None:
    one, both = (form_pairs("summary", "c", ["a", "b", "c"], orders) for orders in (False, True))
    forward = [("a", "b"), ("a", "c"), ("b", "c")]
    found = [list(zip(t["source"].to_pylist(), t["target"].to_pylist(), strict=True)) for t in (one, both)]
    assert found[0] == forward
    assert set(found[1]) == {*forward, *((b, a) for a, b in forward)}
    assert form_pairs("summary", "c", ["a"], True).num_rows == 0


def test_a_repeat_stays_in_the_smallest_context() -> None:
    rows = pa.concat_tables(form_pairs("summary", context, ["a", "b"], False) for context in ("d", "c"))
    assert first_of_repeats(rows).to_pylist() == [False, True]


@pytest.mark.parametrize("seed", range(10))
def test_components_equal_the_published_ones(seed: int) -> None:
    draw = np.random.default_rng(seed)
    sentences = list("abcdefgh")
    known = {(i, j): float(draw.choice([0.1, 0.75, 0.8, 0.9])) for i in range(8) for j in range(8) if i != j}
    nodes = sorted({(i, j) for i, j in known if i < j and draw.random() < 0.3})
    pairs = table_of([(sentences[i], sentences[j]) for i, j in nodes])
    for name, value in (("context_id", "c"), ("task", "summary"), ("pair_id", "p")):
        pairs = pairs.append_column(name, pa.array([value] * len(nodes), pa.string()))

    def ask(asked: Sequence[Pair]) -> list[float]:
        return [known[sentences.index(a), sentences.index(b)] for a, b in asked]

    kept = Components(ask).select(pairs, pairs).to_pylist()
    assert {node for node, stays in zip(nodes, kept, strict=True) if stays} == set(diverse(nodes, known))


def test_a_changed_filter_keeps_its_place_and_other_tasks_their_own() -> None:
    check, other = published.PublishedTask(True), object()
    now = Procedure(lambda rows: [], {"a": {}, "b": {"x": other}}, {"a": {"x": check}, "b": {}}, {})  # type: ignore[dict-item]
    assert now.with_filters("x", {"a": other}).last == {"a": {"x": other}, "b": {}}  # type: ignore[dict-item]
    assert now.with_filters("x", {"b": None}).panels == {"a": {}, "b": {}}
    assert now.selectors_last().panels == {"a": {"x": check}, "b": {"x": other}}
