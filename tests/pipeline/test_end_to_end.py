"""Whole runs through the command line's own functions, with tiny teachers and judges."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Make
from toy_stages import files_of

from filters.nli_judge import JudgeSpec, open_judge
from pipeline.__main__ import main
from pipeline.backend import LocalBackend, RayBackend
from pipeline.local_backend import Backend
from pipeline.recipe import load
from pipeline.runner import run_steps
from pipeline.shard import read_rows
from pipeline.stages import filter_steps
from pipeline.store import Run

HOUSE = Path(__file__).parents[2]
Call = Callable[..., str]
TASKS = ("paraphrase", "summary")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    open_judge.cache_clear()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """A command in this process; returns what it printed."""

    def run(*words: str) -> str:
        before, sys.argv = sys.argv, ["pipeline", *words]
        try:
            main()
        except SystemExit as ended:
            assert not ended.code, capsys.readouterr().err
        finally:
            sys.argv = before
        return capsys.readouterr().out

    return run


def small(recipe: str, teacher: Path, judge: Path, student: Path, count: int = 6) -> list[str]:
    """Settings that let tiny models through: their sentences are few, and their judge is random."""
    found, values = load(recipe), {}
    values |= {"models.teacher": teacher, "models.judge": judge, "run.backend": "local", "contexts.count": count}
    values |= {"engine.decoder": "transformers", "engine.dtype": "float32", "run.shard_contexts": 2}
    values |= {"sampling.n": 12, "contexts.max_sentences": 2}
    values |= {"models.student": student, "student.most_steps": 3, "student.precision": "fp32"}
    stages = ("contexts", "candidates", "scores", "rewrites", "student")
    values |= {f"run.resources.{stage}.gpus": 0.0 for stage in stages}
    values |= {f"run.resources.{stage}.threads": 1 for stage in ("contexts", "candidates", "pairs", "scores")}
    for task in TASKS:
        values |= {f"tasks.{task}.judge": judge} if found.tasks[task].judge else {}
        for name in ("entailment", "reverse_entailment"):
            if name in found.tasks[task].panel:
                values[f"tasks.{task}.panel.{name}.min_probability"] = 0.1
        if "similarity" in found.tasks[task].panel:
            values[f"tasks.{task}.panel.similarity.min_cosine"] = 0.2
        if "support" in found.tasks[task].panel:
            values[f"tasks.{task}.panel.support.min_share"] = 0.0
        values[f"tasks.{task}.select.duplicates.min_probability"] = 0.9
    return ["--set", " ".join(f"{name}={value}" for name, value in values.items())]


def corpus(run: Run) -> list[dict]:
    names = [path for path in run.stage(0, "corpus").tables() if path.stem != "left_out"]
    return [row for path in names for row in read_rows(path).to_pylist()]


def made(run: Run) -> dict[str, float]:
    """When each finished shard and split was written."""
    return {str(path.relative_to(run.folder)): path.stat().st_mtime_ns for path in run.folder.rglob("*.parquet")}


def changed(before: dict[str, float], run: Run) -> set[str]:
    """The stages whose files were written since."""
    return {name.split("/")[1] for name, when in made(run).items() if before.get(name) != when}


def loads_with_datasets(run: Run, folder: Path) -> int:
    from datasets import load_dataset

    files = {path.stem: str(path) for path in run.stage(0, "corpus").tables() if path.stem != "left_out"}
    return sum(split.num_rows for split in load_dataset("parquet", data_files=files, cache_dir=str(folder)).values())


def test_the_news_recipe(
    call: Call, tiny_teacher: Make, tiny_judge: Path, tiny_encoder: Path, tiny_t5: Path, tmp_path: Path
) -> None:
    chosen = small("news", tiny_teacher("llama"), tiny_judge, tiny_t5)
    chosen[1] += f" models.encoder={tiny_encoder}"
    call("generate", "--recipe", "news", "--run", "n", *chosen)
    call("filter", "--run", "n")
    run = Run.named("n")
    said = json.loads(call("status", "--run", "n", "--json"))
    check_status(said)
    rows = corpus(run)
    assert len(rows) == sum(said["accepted"].values()) > 0
    assert loads_with_datasets(run, tmp_path / "cache") == len(rows)
    shown = call("show", "--run", "n", "-n", "2", "--seed", "1")
    assert "kept" in shown
    assert "dropped by" in shown or "left out by" in shown

    before = made(run)  # again: nothing is done twice
    call("filter", "--run", "n")
    assert changed(before, run) == set()

    tighter = " ".join(f"tasks.{task}.panel.entailment.min_probability=0.35" for task in TASKS)
    assert not judge_is_loaded(run, tighter)
    call("filter", "--run", "n", "--set", tighter)
    assert changed(before, run) == {"scores", "corpus"}
    before = made(run)
    call("generate", "--run", "n", "--set", "contexts.count=9")
    new = {name for name, when in made(run).items() if before.get(name) != when}
    assert {name.split("/")[1] for name in new} == {"contexts", "candidates"}
    assert not [name for name in new if "shard-00000" in name or "shard-00001" in name]
    state = {stage["name"]: stage["state"] for stage in json.loads(call("status", "--run", "n", "--json"))["stages"]}
    assert (state["candidates"], state["pairs"]) == ("done", "partial")
    call("filter", "--run", "n")
    check_status(json.loads(call("status", "--run", "n", "--json")))


def judge_is_loaded(run: Run, changes: str) -> bool:
    """Whether the stage of scores asks its model anything, once these thresholds are changed."""
    recipe = load(run.recipe_file, [changes])
    open_judge.cache_clear()
    with run.locked():
        results = run_steps(run, filter_steps(recipe)[:2], LocalBackend())
    assert results[1].made > 0
    spec = recipe.panel("summary").filters[-1]
    judge = open_judge(JudgeSpec(spec.model, spec.revision, None, spec.token_budget, spec.threads, "cpu"))
    return judge.asked > 0 or judge._loaded is not None


def check_status(said: dict, students: int = 0) -> None:
    """Every stage that is wanted is there and done, and the funnel balances."""
    assert {"run", "stages", "funnel", "accepted"} <= said.keys()
    wanted = [(0, stage) for stage in ("contexts", "candidates", "pairs", "scores", "corpus")]
    wanted += [(number + 1, "student") for number in range(students)]
    assert [(stage["round"], stage["name"]) for stage in said["stages"]] == wanted
    for stage in said["stages"]:
        assert {"name", "round", "state", "seconds", "counts"} <= stage.keys()
        assert stage["state"] == "done"
        assert stage["seconds"] >= 0
    for level in said["funnel"]:
        assert level["in"] == level["out"] + sum(level["dropped"].values())
    assert set(said["accepted"]) == set(TASKS)


@pytest.mark.parametrize(("recipe", "family"), [("paper-news", "gpt2"), ("paper-biomed", "biogpt")])
def test_the_published_settings(
    call: Call, tiny_teacher: Make, tiny_judge: Path, tiny_t5: Path, recipe: str, family: str
) -> None:
    call("run", "--recipe", recipe, "--run", "p", *small(recipe, tiny_teacher(family), tiny_judge, tiny_t5, count=3))
    check_status(json.loads(call("status", "--run", "p", "--json")), students=1)
    run = Run.named("p")
    assert corpus(run)
    assert (run.stage(1, "student").folder / "model" / "model.safetensors").exists()
    before = made(run)  # again: nothing is done twice
    call("run", "--run", "p")
    assert changed(before, run) == set()


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_pairs_of_the_user(call: Call, tiny_judge: Path, tmp_path: Path, ending: str) -> None:
    rows = [
        {
            "source": "The city council approved the new budget for the schools on Monday after a long debate.",
            "target": "The council approved the new budget for schools.",
        },
        {"source": "Too short.", "target": None},
    ]
    file = tmp_path / f"mine.{ending}"
    if ending == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), file)
    chosen = f"models.judge={tiny_judge} run.backend=local run.resources.scores.gpus=0.0"
    chosen += " tasks.summary.panel.entailment.min_probability=0.1"
    call("filter", "--recipe", "paper-news", "--run", "mine", "--pairs", str(file), "--set", chosen)
    said = json.loads(call("status", "--run", "mine", "--json"))
    assert [stage["name"] for stage in said["stages"]] == ["pairs", "scores", "corpus"]
    assert said["accepted"] == {"summary": 1, "paraphrase": 0}
    shown = call("show", "--run", "mine", "--seed", "1")
    assert "kept" in shown
    assert "dropped by wellformed" in shown


@pytest.fixture
def generated(call: Call, tiny_teacher: Make, tiny_judge: Path, tiny_t5: Path) -> Run:
    chosen = small("paper-news", tiny_teacher("gpt2"), tiny_judge, tiny_t5, count=10)
    call("generate", "--recipe", "paper-news", "--run", "g", *chosen)
    return Run.named("g")


def filtered(generated: Run, name: str, backend: Backend) -> dict[str, bytes]:
    """The files of a run that begins with the same candidates."""
    run, fractions = Run.named(name), [f"run.resources.{stage}.cpus=0.3" for stage in ("pairs", "scores")]
    for stage in ("contexts", "candidates"):
        shutil.copytree(generated.stage(0, stage).folder, run.stage(0, stage).folder)
    with run.locked():
        run_steps(run, filter_steps(load(generated.recipe_file, fractions)), backend)
    assert corpus(run)
    return files_of(run)


@pytest.mark.parametrize("numbers", [(2,), pytest.param((1, 5), marks=pytest.mark.slow)])
def test_workers_and_backends_do_not_show(generated: Run, numbers: tuple[int, ...]) -> None:
    """Ray with 1, 2 and 5 workers and the local backend: the same bytes from the same candidates."""
    wanted = filtered(generated, "local", LocalBackend())
    for workers in numbers:
        with RayBackend(workers=workers) as ray:
            assert filtered(generated, f"ray-{workers}", ray) == wanted


@pytest.mark.slow
def test_killed_in_the_middle(call: Call, tiny_teacher: Make, tiny_judge: Path, tiny_t5: Path, tmp_path: Path) -> None:
    chosen = small("paper-news", tiny_teacher("gpt2"), tiny_judge, tiny_t5, count=24)
    call("run", "--recipe", "paper-news", "--run", "whole", *chosen)
    words = [sys.executable, "-m", "pipeline", "run", "--recipe", "paper-news", "--run", "victim", *chosen]
    environment = os.environ | {"PYTHONPATH": str(HOUSE), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    dice, victim, seen = random.Random(1), Run.named("victim"), 0
    for _ in range(4):
        with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and len(made(victim)) <= seen:
                time.sleep(0.02)
            time.sleep(dice.uniform(0.0, 0.4))
            process.send_signal(signal.SIGKILL)
        seen = len(made(victim))
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole = files_of(Run.named("whole"))
    assert {name: raw for name, raw in files_of(victim).items() if ".lock" not in name} == whole
