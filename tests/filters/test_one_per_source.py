"""One rewrite of a sentence survives: the surest, or the one that shares least."""

import random
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest

from filters import SELECTORS
from filters.base import FilterError
from filters.one_per_source import OnePerSource

Row = dict[str, Any]


def row(
    pair_id: str,
    source: str,
    target: str,
    forward: float | None = 0.5,
    back: float | None = None,
    task: str = "summary",
) -> Row:
    return {"pair_id": pair_id, "task": task, "source": source, "target": target} | {
        "entailment": forward,
        "reverse_entailment": back,
    }


def kept(rows: list[Row], **params: object) -> set[str]:
    schema = pa.schema(
        [(name, pa.string()) for name in ("pair_id", "task", "source", "target")]
        + [(name, pa.float32()) for name in ("entailment", "reverse_entailment")]
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    verdicts = OnePerSource(**params).select(table, table)  # type: ignore[arg-type]
    assert len(verdicts) == len(rows) and verdicts.null_count == 0
    return {row["pair_id"] for row, stays in zip(rows, verdicts.to_pylist(), strict=True) if stays}


def test_the_surest_of_each_source_and_task() -> None:
    rows = [row("a", "S.", "T.", 0.7), row("b", "S.", "U.", 0.9), row("c", "R.", "T.", 0.1)]
    rows += [row("d", "S.", "T.", 0.6, 0.9, "paraphrase"), row("e", "S.", "U.", 0.9, 0.5, "paraphrase")]
    assert kept(rows) == {"b", "c", "d"}  # a paraphrase counts both directions, a summary one
    assert kept(rows, one_way_tasks=("summary", "paraphrase")) == {"b", "c", "e"}


def test_the_surest_and_nearest() -> None:
    """Of targets that are nearly as sure the one that the encoder finds nearer; without an encoder the surest."""
    pairs = pa.table({"pair_id": ["a", "b", "c", "d"], "task": ["summary"] * 4, "source": ["S."] * 3 + ["R."]})
    pairs = pairs.append_column("target", pa.array(["T.", "U.", "V.", "T."]))
    sure = pa.array([0.97, 0.95, None, 0.2], pa.float32())
    near = pa.array([0.60, 0.80, 1.0, None], pa.float32())
    scores = pa.table({"entailment": sure, "similarity": near})
    spec = OnePerSource(by="closest")
    assert spec.select(pairs, scores).to_pylist() == [False, True, False, True]
    assert spec.select(pairs, scores.drop(["similarity"])).to_pylist() == [True, False, False, True]
    assert OnePerSource().select(pairs, scores).to_pylist() == [True, False, False, True]


def test_the_least_overlap() -> None:
    source = "The city council approved the new budget."
    rows = [
        row("a", source, source),
        row("b", source, "The council passed a budget."),
        row("c", source, "Money it is."),
    ]
    assert kept(rows, by="least_overlap") == {"c"}


def test_ties_nulls_and_order() -> None:
    rows = [
        row("b", "S.", "T.", 0.5),
        row("a", "S.", "U.", 0.5),
        row("c", "S.", "V.", None),
        row("d", "R.", "V.", None),
    ]
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        assert kept(rows) == {"a", "d"}  # the smallest id of equals; a null adds nothing, and is all that R. has


def test_more_than_one() -> None:
    rows = [row(str(n), "S.", f"T{n}.", n / 10) for n in range(5)]
    assert kept(rows, most=2) == {"4", "3"} and kept(rows, most=1000) == {"0", "1", "2", "3", "4"}


def test_against_groups_by_hand() -> None:
    draw = random.Random(0)
    rows = [row(str(n), f"S{draw.randrange(9)}", f"T{n}", draw.choice([0.1, 0.5, 0.9])) for n in range(60)]
    groups = defaultdict(list)
    for each in rows:
        groups[each["source"]].append((-each["entailment"], each["pair_id"]))
    assert kept(rows) == {min(group)[1] for group in groups.values()}


def test_nothing_in_nothing_out() -> None:
    assert kept([]) == set() == kept([], by="least_overlap")


def test_it_is_in_the_catalogue_and_needs_scores() -> None:
    assert SELECTORS[OnePerSource.name] is OnePerSource and OnePerSource.within is None
    table = pa.Table.from_pylist([row("a", "S.", "T.")]).drop_columns(["entailment"])
    with pytest.raises(FilterError, match="lack 'entailment'"):
        OnePerSource().select(table, table)
    assert OnePerSource(by="least_overlap").select(table, table).to_pylist() == [True]
    with pytest.raises(ValueError, match="most"):
        OnePerSource(most=0)
