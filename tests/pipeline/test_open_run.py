"""A run in a notebook: everything that is finished, as Arrow, pandas or `datasets`, and clear words where it is not."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from report_runs import RECIPE, full_run

import pipeline
from pipeline.errors import UserError
from pipeline.opened_run import OpenedRun, Rows, open_run
from pipeline.store import Run


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenedRun:
    return open_run(full_run(tmp_path_factory.mktemp("opened")).folder)


def test_everything_of_a_run(opened: OpenedRun) -> None:
    assert opened.name == "full"
    assert opened.rounds == [0, 1]
    assert len(opened.contexts()) == 12
    assert len(opened.candidates()) == 0
    assert len(opened.pairs()) == len(opened.scores()) == len(opened.corpus()) == 36
    assert len(opened.left_out()) == 0
    assert set(opened.examples_dropped_early().arrow()["reason"].to_pylist()) == {"wellformed"}
    assert {"source", "length", "numbers", "dropped_by"} <= set(opened.pairs().arrow().column_names)
    assert sum(len(opened.corpus(split)) for split in opened.splits()) == 36
    assert len(opened.corpus(task="paraphrase")) == 0
    assert len(opened.corpus(round_number=1)) == 36
    assert opened.recipe["tasks"]["summary"]["instruction"] in RECIPE


def test_the_funnel_is_a_table(opened: OpenedRun) -> None:
    rows = opened.funnel().arrow().to_pylist()
    assert [row["stage"] for row in rows if row["round"] == 0] == ["contexts", "pairs", "scores", "corpus"]
    pairs = next(row for row in rows if row["stage"] == "pairs")
    assert pairs["in"] == pairs["out"] + sum(each["rows"] for each in pairs["dropped"])


def test_three_forms_of_the_same_rows(opened: OpenedRun) -> None:
    rows = opened.corpus()
    frame = rows.pandas()
    assert list(frame["pair_id"]) == rows.arrow()["pair_id"].to_pylist()
    assert pa.table(rows).equals(rows.arrow())  # what takes Arrow streams takes the rows
    assert repr(rows).startswith("Rows(36 rows: pair_id, task,")
    dataset = rows.dataset()
    assert dataset.num_rows == 36
    assert dataset[0]["target"] == rows.arrow()["target"][0].as_py()
    assert len(Rows(rows.arrow().slice(0, 0)).dataset()) == 0


def test_duckdb_reads_the_rows(opened: OpenedRun) -> None:
    duckdb = pytest.importorskip("duckdb")

    corpus = opened.corpus().arrow()
    assert corpus.num_rows == 36
    assert duckdb.sql("select count(*) from corpus where task = 'summary'").fetchall() == [(36,)]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda run: run.corpus("dev"), "no split 'dev', wanted one of"),
        (lambda run: run.corpus(round_number=7), "no round 7, wanted one of 0, 1"),
        (lambda run: run.pairs(7), "no round 7"),
        (lambda run: open_run("no-such-run"), "not found"),
        (lambda run: open_run(Path("/no/such/folder")), "no such folder"),
        (lambda run: open_run("../escape"), "no such folder"),
    ],
)
def test_what_is_not_there(opened: OpenedRun, ask: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        ask(opened)  # type: ignore[operator]


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    (tmp_path / "begun" / "round-0" / "pairs").mkdir(parents=True)
    begun = OpenedRun(Run(tmp_path / "begun"))
    assert [len(rows) for rows in (begun.contexts(), begun.pairs(), begun.corpus(), begun.left_out())] == [0, 0, 0, 0]
    assert begun.splits() == []
    with pytest.raises(UserError, match="recipe cannot be read"):
        _ = begun.recipe


def test_the_short_name_stays_a_function_and_costs_nothing() -> None:
    from pipeline import open_run as again

    assert again is open_run is pipeline.open_run
    with pytest.raises(AttributeError, match="no attribute 'close_run'"):
        pipeline.close_run  # type: ignore[attr-defined]  # noqa: B018
    asked = "import sys, pipeline; print('pyarrow' in sys.modules, pipeline.open_run.__name__, 'torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False", "open_run", "False"]
