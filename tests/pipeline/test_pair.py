"""Candidates to pairs: both orders, both tasks, a funnel that balances, examples of what was dropped."""

from itertools import permutations
from typing import Any

import pyarrow as pa
from toy_filters import SENTENCES, panels

from filters.wellformed import Wellformed
from pipeline.overgenerate import Overgenerate
from pipeline.pair import DROPPED, FormPairs, cheap_scores
from pipeline.progress import unbalanced
from pipeline.recipe_sections import Modes
from pipeline.records import CANDIDATE, CONTEXT, context_id, pair_id
from pipeline.stage import Batch
from pipeline.teacher.decoder import Sampling
from pipeline.teacher.echo import EchoDecoder


def candidates(number: int = 3, n: int = 30) -> pa.Table:
    texts = [f"Context number {i} is about a town." for i in range(number)]
    rows = [{"context_id": context_id(text), "text": text, "sentences": 1, "origin": "teacher"} for text in texts]
    stage = Overgenerate(EchoDecoder(SENTENCES), Sampling(n=n), Modes(), Wellformed(), 1)
    return stage.open()(Batch(0, pa.Table.from_pylist(rows, schema=CONTEXT))).table


def usable(rows: list[dict]) -> list[str]:
    """By hand: ended, well formed, once."""
    texts = [row["text"] for row in rows if row["ended"] == "sentence"]
    return [text for text in dict.fromkeys(texts) if Wellformed().problem(text, rows[0]["context"]) is None]


def test_equals_every_ordered_pair_by_hand() -> None:
    table, stage = candidates(), FormPairs(panels(), Wellformed())
    output = stage.open()(Batch(0, table))
    found = {(row["task"], row["context_id"], row["source"], row["target"]) for row in output.table.to_pylist()}
    wanted = set()
    for context in table["context_id"].unique().to_pylist():
        rows = [row for row in table.to_pylist() if row["context_id"] == context]
        for x, y in permutations(usable(rows), 2):
            scored = {"source": [x], "target": [y]}
            for task, panel in panels().items():
                cheap = panel.of_cost("cheap")
                if all(f.keep(f.open("cpu")(pa.table(scored))).to_pylist() == [True] for f in cheap):
                    wanted.add((task, context, x, y))
    assert found == wanted
    assert len(found) == output.table.num_rows > 20


def test_rows() -> None:
    table, stage = candidates(), FormPairs(panels(), Wellformed())
    output = stage.open()(Batch(0, table))
    assert output.table.schema == stage.writes == cheap_scores(panels())
    by_id = {row["candidate_id"]: row for row in table.to_pylist()}
    for row in output.table.to_pylist():
        assert row["pair_id"] == pair_id(row["task"], row["source"], row["target"])
        target = by_id[row["target_id"]]
        assert (by_id[row["source_id"]]["text"], target["text"]) == (row["source"], row["target"])
        assert (row["seed"], row["logprob"]) == (target["seed"], target["logprob"])
        assert row["source"] != row["target"]
        assert row["length"] is not None
        assert (row["overlap"] is None) is (row["task"] == "summary")  # that task does not ask it


def test_both_orders_are_tried() -> None:
    rows = FormPairs(panels(), Wellformed()).open()(Batch(0, candidates())).table.to_pylist()
    pairs = {(row["source"], row["target"]) for row in rows if row["task"] == "paraphrase"}
    assert any((y, x) in pairs for x, y in pairs)
    assert any((y, x) not in pairs for x, y in pairs)  # the length band is not symmetric


def test_the_funnel_balances() -> None:
    table = candidates()
    output = FormPairs(panels(), Wellformed()).open()(Batch(0, table))
    counts = output.counts
    assert unbalanced(counts) == {}
    assert counts["candidates/in"] == table.num_rows
    assert counts["candidates/dropped/truncated"] == sum(row["ended"] == "length" for row in table.to_pylist())
    assert counts["candidates/dropped/duplicate"] > 0
    assert counts["candidates/dropped/too_short"] > 0
    contexts = [
        [r for r in table.to_pylist() if r["context_id"] == c] for c in table["context_id"].unique().to_pylist()
    ]
    ordered = sum(len(usable(rows)) * (len(usable(rows)) - 1) for rows in contexts)
    assert counts["paraphrase/in"] == counts["summary/in"] == ordered
    assert counts["paraphrase/out"] + counts["summary/out"] == output.table.num_rows


def test_examples_of_the_dropped() -> None:
    stage = FormPairs(panels(), Wellformed(), examples=2)
    output = stage.open()(Batch(0, candidates()))
    assert output.aside is not None
    assert output.aside.column_names == [*DROPPED.names, "score"]
    kept = set(output.table["pair_id"].to_pylist())
    groups: dict[tuple[str, str, str], int] = {}
    for row in output.aside.to_pylist():
        assert row["pair_id"] not in kept
        key = (row["context_id"], row["task"], row["reason"])
        groups[key] = groups.get(key, 0) + 1
        assert f"{row['task']}/dropped/{row['reason']}" in output.counts
        assert row["score"] == _said(row)
    assert set(groups.values()) <= {1, 2}
    none = FormPairs(panels(), Wellformed(), examples=0).open()(Batch(0, candidates()))
    assert none.aside is None
    assert none.counts == output.counts


def _said(row: dict[str, Any]) -> float | None:
    """What the filter that dropped a pair says of it when it is asked alone."""
    (spec,) = [spec for spec in panels()[row["task"]] if spec.name == row["reason"]]
    answer: float | None = spec.open("cpu")(pa.table({side: [row[side]] for side in ("source", "target")}))[0].as_py()
    return answer


def test_a_context_depends_on_itself_alone() -> None:
    table, stage = candidates(), FormPairs(panels(), Wellformed())
    whole = stage.open()(Batch(0, table)).table
    parts = [stage.open()(Batch(i, table.slice(30 * i, 30))).table for i in range(3)]
    assert whole.equals(pa.concat_tables(parts))
    assert whole.equals(stage.open()(Batch(0, table)).table)


def test_none_one_and_only_bad_candidates() -> None:
    stage = FormPairs(panels(), Wellformed())
    empty = stage.open()(Batch(0, CANDIDATE.empty_table()))
    assert (empty.table.num_rows, dict(empty.counts), empty.aside) == (0, {}, None)
    one = stage.open()(Batch(0, candidates(1, n=1)))
    assert one.table.num_rows == 0
    assert unbalanced(one.counts) == {}
    bad = pa.Table.from_pylist([r | {"ended": "length"} for r in candidates(1).to_pylist()], schema=CANDIDATE)
    output = stage.open()(Batch(0, bad))
    assert output.counts["candidates/dropped/truncated"] == 30
    assert output.counts["summary/in"] == 0
    assert output.table.schema == stage.writes


def test_a_machine_does_not_show_in_the_spec() -> None:
    assert FormPairs(panels(), Wellformed(), device="cuda").spec() == FormPairs(panels(), Wellformed()).spec()
    assert FormPairs(panels(max_rouge_l=0.5), Wellformed()).spec() != FormPairs(panels(), Wellformed()).spec()
    assert FormPairs(panels(min_probability=0.9), Wellformed()).spec() == FormPairs(panels(), Wellformed()).spec()
