"""The funnel of a whole run, and what `show` finds in it: a run of all stages without a model."""

from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console
from toy_filters import SENTENCES, panels

from filters.wellformed import Wellformed
from pipeline import display
from pipeline.assemble import Assemble
from pipeline.backend import LocalBackend
from pipeline.contexts import TeacherContexts, slots
from pipeline.funnel import Level, accepted, levels, report
from pipeline.judge import JudgePairs
from pipeline.overgenerate import Overgenerate
from pipeline.pair import FormPairs
from pipeline.plan import FoldStep, Input, MapStep, Read, Step
from pipeline.recipe_sections import Contexts, Corpus, Modes
from pipeline.runner import run_steps
from pipeline.shard import read_rows
from pipeline.show import sample
from pipeline.status import StageStatus, run_status
from pipeline.store import Run
from pipeline.teacher.decoder import Sampling
from pipeline.teacher.echo import EchoDecoder

ORDER = ("contexts", "candidates", "pairs", "scores", "corpus")


def steps(diary: Path | str = "", min_probability: float = 0.5) -> list[Step]:
    echo = EchoDecoder(SENTENCES)
    tasks = panels(diary, min_probability)
    modes = Modes.model_validate({"sequential": {"sources": 1, "samples": 2}})
    planned = tuple(Input.planned(table) for table in slots(8, 3))
    return [
        MapStep(0, TeacherContexts(echo, Contexts(count=8, max_sentences=2), 1), planned),
        MapStep(0, Overgenerate(echo, Sampling(n=16), modes, Wellformed(), 1), Read(0, "contexts")),
        MapStep(0, FormPairs(tasks, Wellformed()), Read(0, "candidates")),
        MapStep(0, JudgePairs(tasks), Read(0, "pairs")),
        FoldStep(
            *(0, Assemble(dict.fromkeys(tasks, ()), Corpus())),
            {name: Read(0, name) for name in ("pairs", "scores")},
        ),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.named("echo", tmp_path_factory.mktemp("runs"))
    with run.locked():
        run_steps(run, steps(), LocalBackend())
    return run


@pytest.fixture
def stages(run: Run) -> list[StageStatus]:
    return sorted(run_status(run, steps()), key=lambda status: ORDER.index(status.stage))


def test_every_level_balances(stages: list[StageStatus]) -> None:
    found = levels(stages)
    assert {level.stage for level in found} == set(ORDER)
    for level in found:
        assert level.entered == level.left + sum(level.dropped.values()), level


def test_one_stage_hands_on_what_the_next_takes_in(stages: list[StageStatus]) -> None:
    found = {(level.stage, level.task): level for level in levels(stages)}
    assert found["contexts", ""].left == found["candidates", ""].entered
    for task in ("summary", "paraphrase"):
        assert found["pairs", task].left == found["scores", task].entered
        assert found["scores", task].left == found["corpus", task].entered
        assert accepted(stages)[task] == found["corpus", task].left > 0


def test_reasons_are_those_on_disk(run: Run, stages: list[StageStatus]) -> None:
    found = {(level.stage, level.task): level for level in levels(stages)}
    scores = [row for path in run.stage(0, "scores").tables() for row in read_rows(path).to_pylist()]
    dropped = Counter(row["dropped_by"] for row in scores if row["dropped_by"])
    assert dropped == Counter(found["scores", "summary"].dropped) + Counter(found["scores", "paraphrase"].dropped)
    candidates = sum(read_rows(path).num_rows for path in run.stage(0, "candidates").tables())
    assert found["pairs", "candidates"].entered == candidates


def test_report(stages: list[StageStatus]) -> None:
    said = report("echo", stages)
    assert said["run"] == "echo"
    assert [stage["name"] for stage in said["stages"]] == list(ORDER)  # type: ignore[attr-defined]
    for stage in said["stages"]:  # type: ignore[attr-defined]
        assert {"name", "round", "state", "seconds", "counts"} <= stage.keys()
        assert stage["state"] == "done"
    for level in said["funnel"]:  # type: ignore[attr-defined]
        assert {"round", "stage", "task", "in", "out", "dropped"} == level.keys()
        assert level["in"] == level["out"] + sum(level["dropped"].values())
    assert set(said["accepted"]) == {"summary", "paraphrase"}  # type: ignore[call-overload]


def test_accepted_is_known_before_there_is_a_corpus(stages: list[StageStatus]) -> None:
    assert accepted(stages[:4]) == {"summary": 0, "paraphrase": 0}
    assert accepted([]) == {}


def test_a_level_tells_its_biggest_reason_first() -> None:
    level = Level("pairs", "summary", 9, 2, {"b": 1, "a": 1, "c": 5})
    assert list(level.data()["dropped"]) == ["c", "a", "b"]  # type: ignore[call-overload]


def test_tables_and_lines(stages: list[StageStatus]) -> None:
    console = Console(record=True, width=200, quiet=False, file=Path("/dev/null").open("w"))  # noqa: SIM115
    console.print(display.stages_table(stages), display.funnel_table(stages))
    said = console.export_text()
    assert all(name in said for name in ORDER)
    assert "truncated" in said
    line = display.summary(stages)
    assert line.startswith("accepted: ")
    assert "tokens decoded" in line
    assert "keywords found" in line


def test_another_threshold_asks_only_what_was_not_asked(run: Run, tmp_path: Path) -> None:
    """From candidates on nothing is decoded again, and a judge that answered is not asked."""
    before = {stage: [p.read_bytes() for p in run.stage(0, stage).tables()] for stage in ORDER[:3]}
    with run.locked():
        results = run_steps(run, steps(min_probability=0.8), LocalBackend())
    assert [result.made for result in results[:3]] == [0, 0, 0]
    assert (results[3].made, results[4].made) == (3, 1)
    assert any("min_probability: 0.5 -> 0.8" in why for why in results[3].why)
    assert {stage: [p.read_bytes() for p in run.stage(0, stage).tables()] for stage in ORDER[:3]} == before
    with run.locked():
        results = run_steps(run, steps(), LocalBackend())
        again = run_steps(run, steps(), LocalBackend())
    assert [result.made for result in again] == [0] * 5


def test_show(run: Run) -> None:
    shown = sample(run, 4, seed=3)
    assert shown == sample(run, 4, seed=3)
    assert shown != sample(run, 4, seed=4)
    assert [verdict for verdict, _ in shown[:4]] == ["kept"] * 4
    assert len(shown) == 8
    assert all(verdict.startswith(("dropped by ", "left out by ")) for verdict, _ in shown[4:])


def test_show_has_every_kind_of_rejection(run: Run) -> None:
    verdicts = {verdict for verdict, _ in sample(run, 10_000, seed=1)}
    assert {
        "kept",
        "dropped by length",
        "dropped by entailment",
        "left out by repeat",
    } <= verdicts


def test_a_shown_pair(run: Run) -> None:
    for verdict, row in sample(run, 10_000, seed=1):
        said = display.pair_lines(row, verdict).plain
        assert said.startswith(f"{verdict} {row['task']} {row['pair_id']}\n")
        assert str(row["source"]) in said
        assert str(row["target"]) in said
    markup = {"task": "summary", "pair_id": "x", "source": "[red]not markup[/red]", "target": "b", "entailment": 0.5}
    assert "[red]not markup[/red]" in display.pair_lines(markup, "kept").plain
    assert "entailment 0.50" in display.pair_lines(markup, "kept").plain


def test_show_of_a_run_without_pairs(tmp_path: Path) -> None:
    assert sample(Run.named("none", tmp_path), 3, seed=1) == []
