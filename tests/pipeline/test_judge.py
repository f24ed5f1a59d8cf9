"""Pairs to scores: what is asked, what is remembered, what never passes."""

from pathlib import Path

import pyarrow as pa
import pytest
from test_pair import candidates
from toy_filters import asked, chance, panels

from filters import FILTERS
from filters.base import Panel
from filters.wellformed import Wellformed
from pipeline.judge import JudgePairs
from pipeline.pair import FormPairs
from pipeline.progress import unbalanced
from pipeline.shard import fingerprint
from pipeline.stage import Batch, Output


@pytest.fixture(scope="module")
def pairs() -> pa.Table:
    return FormPairs(panels(), Wellformed()).open()(Batch(0, candidates())).table


def judged(
    pairs: pa.Table, diary: Path | str = "", min_probability: float = 0.5, known: pa.Table | None = None
) -> Output:
    return JudgePairs(panels(diary, min_probability)).open()(Batch(0, pairs, known))


def test_rows_stand_in_the_order_of_the_pairs(pairs: pa.Table) -> None:
    output = judged(pairs)
    assert output.table["pair_id"].equals(pairs["pair_id"])
    assert output.table.schema == JudgePairs(panels()).writes
    assert output.table["length"].equals(pairs["length"])
    assert output.table["overlap"].equals(pairs["overlap"])


def test_scores_are_kept_for_rejected_pairs_too(pairs: pa.Table) -> None:
    for pair, row in zip(pairs.to_pylist(), judged(pairs).table.to_pylist(), strict=True):
        if "river" in pair["source"]:
            assert (row["entailment"], row["dropped_by"]) == (None, "entailment")  # null never passes
        else:
            assert row["entailment"] == pytest.approx(chance(pair["source"], pair["target"]))
            assert (row["dropped_by"] is None) is (row["entailment"] >= 0.5)


def test_the_funnel_balances(pairs: pa.Table) -> None:
    output = judged(pairs)
    assert unbalanced(output.counts) == {}
    assert output.counts["paraphrase/in"] + output.counts["summary/in"] == pairs.num_rows
    assert output.counts["paraphrase/out"] + output.counts["summary/out"] == output.table["dropped_by"].null_count


@pytest.mark.parametrize(("before", "after"), [(0.3, 0.9), (0.9, 0.3), (0.5, 0.5), (0.5, 1.0)])
def test_a_new_threshold_asks_nothing_that_was_answered(
    pairs: pa.Table, tmp_path: Path, before: float, after: float
) -> None:
    known = judged(pairs, min_probability=before).table
    diary = tmp_path / "diary"
    output = judged(pairs, diary, after, known)
    assert all("river" in line.split(" | ")[0] for line in asked(diary))  # only what had no answer
    assert output.table.equals(judged(pairs, min_probability=after).table)
    assert output.counts == judged(pairs, min_probability=after).counts


def test_new_pairs_are_asked_and_no_others(pairs: pa.Table, tmp_path: Path) -> None:
    """A cheap threshold that loosens lets pairs in that the judge had not seen."""
    tight = FormPairs(panels(max_rouge_l=0.5), Wellformed()).open()(Batch(0, candidates())).table
    assert tight.num_rows < pairs.num_rows
    known = JudgePairs(panels(max_rouge_l=0.5)).open()(Batch(0, tight)).table
    diary = tmp_path / "diary"
    output = judged(pairs, diary, known=known)
    seen = {(row["source"], row["target"]) for row in tight.to_pylist()}
    new = [row for row in pairs.to_pylist() if row["pair_id"] not in set(tight["pair_id"].to_pylist())]
    wanted = {f"{row['source']} | {row['target']}" for row in new}
    unanswered = {f"{x} | {y}" for x, y in seen if "river" in x}
    assert wanted <= set(asked(diary)) <= wanted | unanswered
    assert output.table.equals(judged(pairs).table)


def test_facts_are_the_models_and_no_thresholds() -> None:
    loose, tight = JudgePairs(panels(min_probability=0.1)), JudgePairs(panels(min_probability=0.9))
    assert fingerprint(loose.facts()) == fingerprint(tight.facts())
    assert fingerprint(loose.spec()) != fingerprint(tight.spec())
    assert fingerprint(JudgePairs(panels("another")).facts()) != fingerprint(loose.facts())


def test_the_order_of_filters_is_part_of_what_a_shard_is_made_with() -> None:
    """The first that drops a pair is counted for it, and those behind it are not asked."""
    filters = panels()["paraphrase"].filters
    one, other = ({"summary": Panel(found)} for found in (filters, filters[::-1]))
    for stage in (JudgePairs, lambda tasks: FormPairs(tasks, Wellformed())):
        orders = [stage(tasks).spec()["order"] for tasks in (one, other)]
        assert orders[0] == {"summary": orders[1]["summary"][::-1]}
    assert len(orders[0]["summary"]) > 1
    assert fingerprint(JudgePairs(one).facts()) == fingerprint(JudgePairs(other).facts())


THRESHOLD = {
    "syntax": ("min_distance", 0.5),
    "fluency": ("max_rise", 1.0),
    "seams": ("max_surprise", 8.0),
    "fragments": ("max_awaited", 0.5),
    "screen": ("min_probability", 0.5),
    "entailment": ("min_probability", 0.5),
    "reverse_entailment": ("min_probability", 0.5),
}


def test_every_threshold_of_a_model_is_told_from_what_decides_its_score() -> None:
    """So that moving one asks no model again. A new filter of a model is missed here until it is named."""
    models = {name: kind for name, kind in FILTERS.items() if kind.cost == "model"}
    assert models.keys() == THRESHOLD.keys()
    for name, kind in models.items():
        field, other = THRESHOLD[name]
        before, after = (JudgePairs({"summary": Panel((kind(**given),))}) for given in ({}, {field: other}))
        assert before.thresholds() == after.thresholds() == {f"summary.{name}.{field}"}
        if name == "syntax":  # its facts need the parser, which is an extra
            continue
        assert fingerprint(before.facts()) == fingerprint(after.facts())
        assert fingerprint(before.spec()) != fingerprint(after.spec())


def test_no_pairs(pairs: pa.Table) -> None:
    output = judged(pairs.slice(0, 0))
    assert output.table.num_rows == 0
    assert output.table.schema == JudgePairs(panels()).writes
    assert unbalanced(output.counts) == {}


def test_a_shard_of_one_task(pairs: pa.Table) -> None:
    only = pairs.filter(pa.array([task == "summary" for task in pairs["task"].to_pylist()]))
    assert judged(only).table["pair_id"].equals(only["pair_id"])
