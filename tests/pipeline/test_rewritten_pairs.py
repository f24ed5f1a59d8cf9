"""Rewrites to pairs: every rewrite ends in one state, and the sums balance."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from toy_filters import panels

from filters.wellformed import Wellformed
from pipeline.progress import unbalanced
from pipeline.records import CANDIDATE, PAIR, pair_id
from pipeline.rounds.rewritten_pairs import EXAMPLES, RewrittenPairs
from pipeline.stage import Batch, Output
from pipeline.work import check_output

SOURCE = "The city council approved the new budget for the schools on Monday after a long debate about costs."
SHORT = "The city council approved the new budget for schools."
STAGE = RewrittenPairs(panels(), Wellformed())


def row(
    text: str, task: str = "summary", source: str = SOURCE, ended: str = "sentence", number: int = 0
) -> dict[str, Any]:
    return {
        "candidate_id": f"{task}-{number}-{len(text)}",
        "context_id": "c",
        "context": source,
        "text": text,
        "mode": task,
        "keywords": [],
        "source_id": "sentence",
        "logprob": -1.5,
        "ended": ended,
        "seed": 7,
        "writer": "student 1: k",
        "round": 1,
    }


def made(rows: list[dict[str, Any]], stage: RewrittenPairs = STAGE) -> Output:
    output = stage.open()(Batch(0, pa.Table.from_pylist(rows, schema=CANDIDATE)))
    check_output(stage, output)
    assert unbalanced(output.counts) == {}
    return output


def test_every_rewrite_ends_in_one_state() -> None:
    rows = [
        row(SHORT),
        row(SHORT, number=1),
        row(f" {SOURCE}  ".replace("new budget", "new  budget"), number=2),
        row("The city council approved the new budget for", ended="length", number=3),
        row("", number=4),
        row("no beginning and", number=5),
        row("The council approved.", number=6),
        row(SOURCE.replace("long", "short"), number=7),  # as long as the source: no summary
        row(SHORT, "paraphrase"),  # another task is another pair; here it is too short
        row(SHORT, "headline"),  # a task that the recipe does not have
    ]
    output = made(rows)
    counts = dict(output.counts)
    assert counts["candidates/in"] == 9 and counts["candidates/out"] == 3
    dropped = {name.rpartition("/")[2]: n for name, n in counts.items() if name.startswith("candidates/dropped/")}
    assert dropped.pop("duplicate") == dropped.pop("copy") == dropped.pop("truncated") == dropped.pop("empty") == 1
    assert sum(dropped.values()) == 2
    assert (counts["summary/in"], counts["summary/out"], counts["summary/dropped/length"]) == (2, 1, 1)
    assert (counts["paraphrase/in"], counts["paraphrase/out"]) == (1, 0)
    assert output.aside is not None
    assert {(each["task"], each["reason"]) for each in output.aside.to_pylist()} == {
        ("summary", "length"),
        ("paraphrase", "length"),
    }


def test_a_pair_says_where_it_comes_from() -> None:
    (found,) = made([row(SHORT)]).table.to_pylist()
    assert {name: found[name] for name in PAIR.names} == {
        "pair_id": pair_id("summary", SOURCE, SHORT),
        "task": "summary",
        "source": SOURCE,
        "target": SHORT,
        "context_id": "c",
        "source_id": "sentence",
        "target_id": f"summary-0-{len(SHORT)}",
        "round": 1,
        "writer": "student 1: k",
        "seed": 7,
        "logprob": -1.5,
    }
    assert 0 < found["length"] < 0.8


def test_the_same_words_for_another_source_are_another_pair() -> None:
    other = SOURCE.replace("Monday", "Friday")
    assert made([row(SHORT), row(SHORT, source=other, number=1)]).table.num_rows == 2


def test_only_a_few_of_the_dropped_are_kept_for_a_look() -> None:
    rows = [row(SOURCE.replace("new", f"n{n}w"), number=n) for n in range(EXAMPLES + 5)]
    output = made(rows)
    assert output.counts["summary/dropped/length"] == EXAMPLES + 5
    assert output.aside is not None and output.aside.num_rows == EXAMPLES


def test_nothing() -> None:
    output = made([])
    assert output.table.num_rows == 0 and output.aside is None and set(output.counts.values()) <= {0}


def test_slips_are_dropped_where_asked(tiny_t5: Path) -> None:
    rows = [
        row(SHORT),
        row(SHORT.replace("budget", "budgetday"), number=1),
        row("A council met met on Monday.", number=2),
    ]
    strict = RewrittenPairs(panels(), Wellformed(), tiny_t5)
    counts = made(rows, strict).counts
    assert (counts["candidates/dropped/slip"], counts["candidates/out"]) == (2, 1)
    assert "candidates/dropped/slip" not in made(rows).counts
    assert strict.spec() != STAGE.spec() == RewrittenPairs(panels(), Wellformed()).spec()


def test_the_dear_filters_are_no_business_of_this_stage() -> None:
    strict = RewrittenPairs(panels(min_probability=0.99), Wellformed())
    assert strict.spec() == STAGE.spec() != RewrittenPairs(panels(), Wellformed(min_words=9)).spec()
    assert RewrittenPairs(panels(max_rouge_l=0.5), Wellformed()).spec() != STAGE.spec()
