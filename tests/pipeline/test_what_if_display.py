"""What a dry run says of selectors: which would run again, and how much they could ask the judge."""

from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pytest
from toy_what_if import Wanted, refilter, wanted

from filters.decontamination import Decontamination
from filters.duplicates import Duplicates
from pipeline.assemble import Assemble
from pipeline.recipe_sections import Corpus
from pipeline.store import Run
from pipeline.stored_scores import StoredScores
from pipeline.what_if import WhatIf, what_if
from pipeline.what_if_display import what_if_lines
from pipeline.what_if_selectors import graph_questions


@pytest.fixture(scope="module")
def stored_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.named("r", tmp_path_factory.mktemp("runs"))
    refilter(run, wanted(copies=0.5))
    return run


def said(found: WhatIf, task: str = "summary") -> str:
    return "\n".join(line for line in what_if_lines(found) if line.startswith(task))


def alone(stages: Wanted, *selectors: object) -> Wanted:
    return Wanted(stages.pairs, stages.scores, Assemble(dict.fromkeys(stages.scores.tasks, selectors), Corpus()))  # type: ignore[arg-type]


def test_where_all_is_stored_nothing_runs_again(stored_run: Run) -> None:
    assert said(what_if(stored_run, wanted(copies=0.5))) == ""


def test_a_selector_that_asks_no_judge_is_not_said_to_ask_one(stored_run: Run) -> None:
    only = next(s for s in wanted(copies=0.9).corpus.selectors["summary"] if s.name == "near_duplicates")
    line = said(what_if(stored_run, alone(wanted(), only)))
    assert "near_duplicates would have to run again: of" in line and "question" not in line


def test_the_graphs_questions_are_bounded_context_by_context(stored_run: Run) -> None:
    found = what_if(stored_run, wanted(copies=0.5, max_hops=0))
    rows, kept = found.verdicts["summary"].rows, found.verdicts["summary"].certain()
    contexts = [c for c, stays in zip(rows.columns["context_id"].to_pylist(), kept, strict=True) if stays]
    bound = sum(4 for a, b in combinations(contexts, 2) if a == b)  # two sources and two targets, both ways
    assert f"(duplicates with {bound:,} questions at most)" in said(found)


def test_where_pairs_come_that_were_never_seen_nothing_bounds_the_questions(stored_run: Run) -> None:
    line = said(what_if(stored_run, wanted(copies=0.5, below=2.0)))
    assert "duplicates, near_duplicates would have to run again" in line
    assert "duplicates with a number of questions that nothing bounds" in line


def test_a_selector_with_nothing_to_do_drops_nothing(stored_run: Run) -> None:
    idle = what_if(stored_run, alone(wanted(), Duplicates(), Decontamination()))
    without = what_if(stored_run, alone(wanted(), Duplicates()))
    assert "decontamination" not in said(idle)
    assert idle.level("corpus", "summary").dropped["decontamination"].exact
    assert idle.accepted == without.accepted


def test_pairs_without_a_context_ask_nothing() -> None:
    contexts = pa.array(["a", "a", None, None, None], pa.string())
    rows = StoredScores(pa.table({"pair_id": list("vwxyz"), "context_id": contexts}))
    assert graph_questions(rows, pa.array([True] * 5).to_numpy(zero_copy_only=False)) == 4


def test_no_line_contradicts_another(stored_run: Run, tmp_path: Path) -> None:
    lines = list(what_if_lines(what_if(stored_run, wanted(copies=0.5, max_hops=0))))
    assert any("questions at most" in line for line in lines)
    assert not any("no new pair" in line for line in lines)
