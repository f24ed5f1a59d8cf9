"""What a second judge says of a small run: who is asked, what is written, what it comes to."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.nli_judge import JudgeSpec, NliJudge
from pipeline import __main__ as door
from pipeline.errors import UserError
from pipeline.evaluation.second_opinion import (
    OPINION,
    Asking,
    agreements,
    lines,
    pairs_to_ask,
    second_opinion,
    second_opinion_block,
    wilson,
)
from pipeline.local_backend import LocalBackend
from pipeline.recipe import load
from pipeline.run_tables import corpus_rows, judged_rows
from pipeline.runner import run_steps
from pipeline.stages import brought_steps
from pipeline.store import Run

RECIPE = """
description = "A judge that knows nothing, at a threshold in the middle of what it says."
[models]
judge = "{judge}"
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
[tasks.summary.panel.entailment]
min_probability = {summary}
[tasks.paraphrase]
instruction = "paraphrase: "
strength = "sum"
[tasks.paraphrase.panel.entailment]
min_probability = {paraphrase}
[run]
backend = "local"
"""
SOURCE = "The council of town {} approved the new budget for all its schools on Monday after a long debate."
TARGET = {
    "summary": "The council of town {} approved the budget on Monday.",
    "paraphrase": "After debating for long, the council of town {} approved its budget on Monday.",
}


@pytest.fixture(scope="module")
def judged(tiny_judge: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Twelve pairs of each task, half of them accepted by a random judge."""
    root = tmp_path_factory.mktemp("second")
    rows = [
        {"task": task, "source": SOURCE.format(n), "target": text.format(n)}
        for task, text in TARGET.items()
        for n in range(12)
    ]
    (root / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ask = NliJudge(JudgeSpec(str(tiny_judge), threads=1))
    said = {task: sorted(ask([(r["source"], r["target"]) for r in rows if r["task"] == task])) for task in TARGET}
    middle = {task: float(found[5] + found[6]) / 2 for task, found in said.items()}
    (root / "small.toml").write_text(RECIPE.format(judge=tiny_judge, **middle))
    recipe, run = load(root / "small.toml"), Run.named("small", root / "runs")
    with run.locked():
        run.write_recipe(recipe.to_toml())
        run_steps(run, brought_steps(recipe, root / "mine.jsonl"), LocalBackend())
    return run


@pytest.fixture(scope="module")
def other(tiny_judge: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Another judge: the same one with its labels in another order."""
    folder = shutil.copytree(tiny_judge, tmp_path_factory.mktemp("other") / "judge")
    config = json.loads((folder / "config.json").read_text())
    labels = {"0": "entailment", "1": "neutral", "2": "contradiction"}
    config |= {"id2label": labels, "label2id": {label: int(place) for place, label in labels.items()}}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.fixture
def run(judged: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path))
    return Run(shutil.copytree(judged.folder, tmp_path / "small"))


def file_of(run: Run) -> Path:
    return run.folder / "round-0" / "second-opinion.parquet"


def test_every_accepted_pair_is_asked_about_and_some_rejected_ones(run: Run, other: str) -> None:
    found = second_opinion(run, 0, Asking(other, rejected=4, threads=1))
    rows = pq.read_table(file_of(run))
    assert rows.schema.remove_metadata() == OPINION
    accepted = {row["pair_id"] for row in rows.to_pylist() if row["verdict"] == "accepted"}
    assert accepted == set(corpus_rows(run, 0)["pair_id"].to_pylist()) and len(accepted) == 12
    dropped = {row["pair_id"] for row in judged_rows(run, 0).to_pylist() if row["dropped_by"]}
    rejected = [row for row in rows.to_pylist() if row["verdict"] == "rejected"]
    assert {row["pair_id"] for row in rejected} <= dropped and len(rejected) == 8
    assert [(a.task, a.verdict, a.pairs) for a in found.rows] == [
        ("paraphrase", "accepted", 6),
        ("paraphrase", "rejected", 4),
        ("summary", "accepted", 6),
        ("summary", "rejected", 4),
    ]
    assert not found.stale and second_opinion_block(run, 0) == found


def test_the_answers_are_those_of_the_second_judge_both_ways_where_the_task_needs_both(run: Run, other: str) -> None:
    second_opinion(run, 0, Asking(other, threads=1))
    texts = {row["pair_id"]: (row["source"], row["target"]) for row in judged_rows(run, 0).to_pylist()}
    ask = NliJudge(JudgeSpec(other, threads=1))
    for row in pq.read_table(file_of(run)).to_pylist():
        source, target = texts[row["pair_id"]]
        assert row["forward"] == ask([(source, target)])[0]
        assert row["reverse"] == (ask([(target, source)])[0] if row["task"] == "paraphrase" else None)


def test_the_draw_follows_the_seed_alone(run: Run, other: str) -> None:
    first, again, others = (
        pairs_to_ask(run, 0, Asking(other, rejected=3, seed=seed))["pair_id"].to_pylist() for seed in (0, 0, 1)
    )
    assert first == again != others
    assert not pairs_to_ask(run, 0, Asking(other, rejected=0))["verdict"].to_pylist().count("rejected")


def test_the_same_question_is_not_asked_twice(run: Run, other: str) -> None:
    first = second_opinion(run, 0, Asking(other, threads=1))
    before = (file_of(run).stat().st_mtime_ns, file_of(run).read_bytes())
    assert second_opinion(run, 0, Asking(other, threads=1)) == first
    assert (file_of(run).stat().st_mtime_ns, file_of(run).read_bytes()) == before
    file_of(run).unlink()
    second_opinion(run, 0, Asking(other, threads=1))
    assert file_of(run).read_bytes() == before[1]  # and asked anew, it is the same file
    second_opinion(run, 0, Asking(other, rejected=1, threads=1))
    assert file_of(run).read_bytes() != before[1]
    assert [path.name for path in file_of(run).parent.iterdir() if path.name.startswith(".")] == []


def test_an_opinion_of_another_corpus_is_stale(run: Run, other: str) -> None:
    second_opinion(run, 0, Asking(other, threads=1))
    corpus = run.stage(0, "corpus")
    path = max(corpus.tables(), key=lambda each: pq.read_metadata(each).num_rows)
    pq.write_table(pq.read_table(path, partitioning=None).slice(1), path)
    found = second_opinion_block(run, 0)
    assert found is not None and found.stale and "changed since" in lines(found)[0]
    assert not second_opinion(run, 0, Asking(other, threads=1)).stale


def test_nothing_is_said_where_nobody_was_asked(run: Run) -> None:
    assert second_opinion_block(run, 0) is None
    assert second_opinion_block(run, 3) is None
    file_of(run).write_bytes(b"torn")
    assert second_opinion_block(run, 0) is None


def test_agreement_by_hand() -> None:
    rows = [
        ("a", "summary", "accepted", 0.5, None),  # at the threshold: holds
        ("b", "summary", "accepted", 0.49, None),
        ("c", "summary", "accepted", None, None),  # could not be judged
        ("d", "summary", "rejected", 0.9, None),  # it would have been accepted
        ("e", "paraphrase", "accepted", 0.9, 0.8),
        ("f", "paraphrase", "accepted", 0.9, 0.1),  # one direction is not enough
        ("g", "paraphrase", "rejected", 0.1, 0.9),
    ]
    table = pa.Table.from_pylist([dict(zip(OPINION.names, row, strict=True)) for row in rows], schema=OPINION)
    found = {(a.task, a.verdict): (a.agrees, a.pairs) for a in agreements(table, {})}
    assert found == {
        ("paraphrase", "accepted"): (1, 2),
        ("paraphrase", "rejected"): (1, 1),
        ("summary", "accepted"): (1, 3),
        ("summary", "rejected"): (0, 1),
    }
    assert list(agreements(OPINION.empty_table(), {})) == []


def test_wilsons_interval() -> None:
    low, high = wilson(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert wilson(0, 5)[0] == 0 and wilson(5, 5)[1] == 1


def test_a_judge_that_chose_the_corpus_is_refused(run: Run, tiny_judge: Path) -> None:
    with pytest.raises(UserError, match="it chose the pairs of"):
        second_opinion(run, 0, Asking(str(tiny_judge)))
    assert not file_of(run).exists()


@pytest.mark.parametrize(("number", "wanted"), [(0, "make filter RUN=empty"), (2, "make distill RUN=empty ROUND=3")])
def test_a_round_without_a_corpus_is_one_line(run: Run, other: str, number: int, wanted: str) -> None:
    empty = Run(run.folder.parent / "empty")
    empty.write_recipe(run.recipe_file.read_text())
    with pytest.raises(UserError, match=wanted) as caught:
        second_opinion(empty, number, Asking(other))
    assert "\n" not in str(caught.value)


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["pipeline", "second-opinion", *words])
    with pytest.raises(SystemExit) as ended:
        door.main()
    assert ended.value.code == 0


def test_the_command(run: Run, other: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--run", "small", "--judge", other, "--rejected", "4", "--threads", "1")
    command(monkeypatch, *asked)
    said = capsys.readouterr().out
    assert "round 0" in said and "of 6 accepted pairs the same" in said
    command(monkeypatch, *asked, "--json")
    data = json.loads(capsys.readouterr().out)
    assert {row["verdict"] for row in data["rows"]} == {"accepted", "rejected"} and data["threshold"] == 0.5
