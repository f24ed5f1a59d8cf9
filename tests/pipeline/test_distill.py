"""Rounds from end to end: a teacher's corpus, a student, what it writes, the next student."""

import json
import logging
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import Make

from filters.nli_judge import open_judge
from pipeline.__main__ import main
from pipeline.run_tables import stage_rows
from pipeline.shard import read_rows
from pipeline.store import Run
from student.generate import Rewriter
from student.settings import Decoding
from student.train import about

RECIPE = """
seed = 1
[models]
teacher = "{teacher}"
judge = "{judge}"
student = "{student}"
[engine]
decoder = "transformers"
dtype = "float32"
[contexts]
count = 8
max_sentences = 2
[contexts.teacher]
style = "none"
max_tokens = 60
[sampling]
n = 10
max_tokens = 40
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
below_ratio = 0.97
[tasks.summary.panel.entailment]
min_probability = 0.05
[tasks.paraphrase]
instruction = "paraphrase: "
[tasks.paraphrase.panel.length]
min_ratio = 0.7
max_ratio = 1.5
[tasks.paraphrase.panel.entailment]
min_probability = 0.05
[corpus]
splits = {{ train = 0.6, validation = 0.2, test = 0.2 }}
max_pairs_per_context = 12
[student]
epochs = 1
most_steps = 4
batch_tokens = 512
precision = "fp32"
[rounds]
samples = 2
sources_per_context = 3
[run]
backend = "local"
shard_contexts = 4
"""
WRITING = {"candidates", "pairs", "scores", "corpus", "monitors"}
Call = Callable[..., tuple[int, str, str]]


def command(*words: str) -> int:
    """The command in this process; its exit code."""
    before, sys.argv = sys.argv, ["pipeline", *words]
    try:
        main()
    except SystemExit as ended:
        return int(str(ended.code or 0))
    finally:
        sys.argv = before
    return 0


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Make, tiny_judge: Path, tiny_student: Path
) -> Iterator[Path]:
    """A run that ended with student 2, begun from nothing by one command."""
    place = tmp_path_factory.mktemp("distill")
    recipe = place / "toy.toml"
    recipe.write_text(RECIPE.format(teacher=tiny_teacher("llama"), judge=tiny_judge, student=tiny_student))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPOSSIBLE_RUNS", str(place))
        patch.setenv("IMPOSSIBLE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        torch.set_num_threads(1)
        assert command("distill", "--round", "2", "--recipe", str(recipe), "--run", "r") == 0
        yield place / "r"
        open_judge.cache_clear()


@pytest.fixture
def run(finished: Path, tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A copy of it to do with as one likes."""
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path / "r")
    return Run.named("r")


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    def work(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = command(*words)
        said = capfd.readouterr()
        return code, said.out, said.err

    return work


@pytest.fixture
def refused(call: Call) -> Callable[..., str]:
    """The last line that a refused command said."""

    def check(*words: str) -> str:
        code, _, said = call(*words)
        assert code == 2 and "Traceback" not in said, said
        return said.rstrip().splitlines()[-1]

    return check


def made(run: Run) -> dict[str, int]:
    """When each table and each weight was written."""
    files = [*run.folder.glob("round-*/*/*.parquet"), *run.folder.glob("round-*/*/model/*")]
    return {str(path.relative_to(run.folder)): path.stat().st_mtime_ns for path in files}


def changed(before: dict[str, int], run: Run) -> set[tuple[int, str]]:
    """The stages whose files were written since."""
    names = [name.split("/") for name, when in made(run).items() if before.get(name) != when]
    return {(int(parts[0].removeprefix("round-")), parts[1]) for parts in names}


def test_two_rounds(run: Run, call: Call) -> None:
    said = json.loads(call("status", "--run", "r", "--json")[1])
    assert [(stage["round"], stage["name"]) for stage in said["stages"]] == [
        *[(0, name) for name in ("contexts", "candidates", "pairs", "scores", "corpus")],
        *[(1, name) for name in ("student", "candidates", "pairs", "scores", "corpus", "monitors")],
        (2, "student"),
    ]
    assert {stage["state"] for stage in said["stages"]} == {"done"}
    assert {level["in"] - level["out"] - sum(level["dropped"].values()) for level in said["funnel"]} == {0}
    assert {level["round"] for level in said["funnel"]} >= {0, 1}
    for number in (1, 2):
        folder = run.stage(number, "student").folder
        assert {"curve.parquet", "curve.csv", "curve.svg", "manifest.json", "model"} <= {
            p.name for p in folder.iterdir()
        }
        assert about(folder / "model")["tasks"] == {"summary": "summarize: ", "paraphrase": "paraphrase: "}
        curve = read_rows(folder / "curve.parquet")
        assert curve["step"].to_pylist() == [1, 2, 3, 4]
    assert not [*run.folder.glob("unfinished/*")]


def test_pairs_of_a_round_are_shown(run: Run, call: Call, refused: Callable[..., str]) -> None:
    wrote = set(stage_rows(run, 1, "pairs")["pair_id"].to_pylist())
    code, said, _ = call("show", "--run", "r", "--round", "1", "-n", "99")
    judged = [line.split()[-1] for line in said.splitlines() if line.startswith(("kept", "dropped by", "left out by"))]
    assert code == 0 and wrote & set(judged)
    assert "round 2 has no pairs" in refused("show", "--run", "r", "--round", "2")


def test_what_a_student_wrote_keeps_its_context_and_split(run: Run) -> None:
    rounds = [
        {
            name: read_rows(run.stage(r, "corpus").folder / f"{name}.parquet")
            for name in ("train", "validation", "test")
            if (run.stage(r, "corpus").folder / f"{name}.parquet").exists()
        }
        for r in (0, 1)
    ]
    assert {r for table in rounds[1].values() for r in table["round"].to_pylist()} == {1}
    places = {c: name for name, table in rounds[0].items() for c in table["context_id"].to_pylist()}
    for name, table in rounds[1].items():
        assert all(places.get(context, name) == name for context in table["context_id"].to_pylist())
        sources = list(zip(table["task"].to_pylist(), table["source"].to_pylist(), strict=True))
        assert len(set(sources)) == len(sources)  # one survivor a source


def test_again_does_nothing(run: Run, call: Call) -> None:
    before = made(run)
    assert call("distill", "--round", "2", "--run", "r")[0] == 0
    assert call("distill", "--round", "1", "--run", "r")[0] == 0
    assert changed(before, run) == set()


def test_a_changed_setting_of_the_student(run: Run, call: Call, caplog: pytest.LogCaptureFixture) -> None:
    before = made(run)
    with caplog.at_level(logging.WARNING):
        assert call("distill", "--round", "2", "--run", "r", "--set", "student.most_steps=3")[0] == 0
    assert changed(before, run) == {(1, "student"), *((1, name) for name in WRITING), (2, "student")}
    assert "stage student is stale: training.most_steps: 4 -> 3" in caplog.text
    before = made(run)
    assert call("distill", "--round", "2", "--run", "r", "--set", "student.device_tokens=256")[0] == 0
    assert changed(before, run) == set()  # memory alone


@pytest.mark.slow
@pytest.mark.parametrize(
    "option", ["survivor=closest", "survivor=least_overlap", "survivor=all", "corpora=last", "start=continue"]
)
def test_options_of_the_rounds(run: Run, call: Call, option: str) -> None:
    before = made(run)
    assert call("distill", "--round", "2", "--run", "r", "--set", f"rounds.{option}")[0] == 0
    after = changed(before, run)
    assert (2, "student") in after or option in ("survivor=least_overlap", "survivor=closest")
    assert after <= {(1, "corpus"), (1, "monitors"), (2, "student")}
    if option == "survivor=closest":
        spec = json.dumps((run.stage(1, "corpus").manifest() or {})["spec"])
        assert '"closest"' in spec and (1, "corpus") in after
    if option == "start=continue":
        spec = (run.stage(2, "student").manifest() or {})["spec"]
        assert isinstance(spec, dict) and spec["base"] == "student 1"


@pytest.mark.slow
def test_a_round_of_beams(run: Run, call: Call) -> None:
    """Nothing is drawn: as many beams as samples, different ones of each sentence."""
    changes = "rounds.temperature=0 rounds.samples=3"
    assert call("distill", "--round", "2", "--run", "r", "--set", changes)[0] == 0
    rows = stage_rows(run, 1, "candidates").to_pylist()
    groups = defaultdict(list)
    for row in rows:
        groups[row["source_id"], row["mode"]].append(row["text"])
    student = Rewriter(run.stage(1, "student").folder / "model", threads=1, decoding=Decoding(samples=3, beams=3))
    sources = {row["source_id"]: row["context"] for row in rows}
    for (source, task), texts in groups.items():
        (beams,) = student.rewrite(task, [sources[source]])
        assert sorted(texts) == sorted(each.text for each in beams)
    assert len(groups) > 3


@pytest.mark.slow
def test_going_on_from_a_student_that_changed(run: Run, call: Call) -> None:
    """Even where the changed student happens to write the same corpus, student 2 begins from its new weights."""
    assert call("distill", "--round", "2", "--run", "r", "--set", "rounds.start=continue")[0] == 0
    weights = [(run.stage(2, "student").manifest() or {})["spec"]["weights"]]  # type: ignore[index]
    assert call("distill", "--round", "2", "--run", "r", "--set", "student.most_steps=3")[0] == 0
    weights.append((run.stage(2, "student").manifest() or {})["spec"]["weights"])  # type: ignore[index]
    assert weights[0] != weights[1]


def test_a_round_of_one_task_with_a_filter_of_its_own(run: Run, call: Call) -> None:
    own = "rounds.tasks=['paraphrase'] tasks.paraphrase.rewrites.overlap={}"
    assert call("distill", "--round", "2", "--run", "r", "--set", own)[0] == 0
    assert ["overlap" in stage_rows(run, number, "pairs").column_names for number in (0, 1)] == [False, True]
    assert set(stage_rows(run, 1, "candidates")["mode"].to_pylist()) == {"paraphrase"}
    assert set(read_rows(run.stage(1, "monitors").tables()[0])["task"].to_pylist()) == {"paraphrase"}


def test_hardly_accepted_rounds_stop(run: Run, refused: Callable[..., str]) -> None:
    before = made(run)
    said = refused("distill", "--round", "2", "--run", "r", "--set", "rounds.min_acceptance=1")
    assert "acceptance is" in said and "below rounds.min_acceptance 1" in said
    assert changed(before, run) == set()  # nothing is lost


def test_an_empty_corpus_is_one_line(run: Run, refused: Callable[..., str]) -> None:
    none = "tasks.summary.panel.entailment.min_probability=1 tasks.paraphrase.panel.entailment.min_probability=1"
    assert "the corpus has no pair to learn from" in refused("distill", "--run", "r", "--set", none)


def test_mistakes_before_any_work(run: Run, refused: Callable[..., str], tmp_path: Path) -> None:
    before = made(run)
    words = ("distill", "--round", "2", "--run", "r", "--set")
    assert "wanted a folder with a config.json" in refused(*words, f"models.student={tmp_path}")
    assert "no such embedded model" in refused(*words, "models.student=embedded:t6")
    assert "none.txt" in refused(*words, "rounds.source=none.txt")
    assert "rounds.samples" in refused(*words, "rounds.samples=0")
    assert changed(before, run) == set()


def test_a_survivor_by_a_score_that_the_panel_lacks(run: Run, refused: Callable[..., str]) -> None:
    text = run.recipe_file.read_text()
    head, _, rest = text.partition("[tasks.summary.panel.entailment]")
    assert rest
    file = run.folder.parent / "bare.toml"
    file.write_text(head + rest[rest.index("\n[") :])
    said = refused("distill", "--round", "2", "--run", "r", "--recipe", str(file))
    assert "goes by the filter entailment, which task summary has not" in said


def test_splits_without_one_to_learn_from(run: Run, refused: Callable[..., str]) -> None:
    file = run.folder.parent / "named.toml"
    file.write_text(run.recipe_file.read_text().replace("train = 0.6", "fit = 0.6"))
    said = refused("distill", "--run", "r", "--recipe", str(file))
    assert "corpus.splits are fit, " in said and "the one named train" in said
