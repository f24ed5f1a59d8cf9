"""Every bad input at the command line: one clear line on stderr, exit code 2, no traceback, nothing lost."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Make

from pipeline.__main__ import main
from pipeline.store import Run

HOUSE = Path(__file__).parents[2]
Said = Callable[..., str]

PLAIN = """
seed = 1
[models]
teacher = "{teacher}"
[engine]
decoder = "transformers"
dtype = "float32"
[contexts]
count = 2
max_sentences = 1
[contexts.teacher]
max_tokens = 60
[sampling]
n = 4
max_tokens = 40
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
below_ratio = 0.8
[run]
backend = "local"
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def recipe(tmp_path: Path, tiny_teacher: Make) -> Path:
    file = tmp_path / "plain.toml"
    file.write_text(PLAIN.format(teacher=tiny_teacher("llama")))
    return file


def call(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The command in this process: its exit code and what it said on stderr."""
    capfd.readouterr()
    before, sys.argv = sys.argv, ["pipeline", *words]
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = int(str(ended.code or 0))
    finally:
        sys.argv = before
    return code, capfd.readouterr().err


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Said:
    def check(*words: str, lines: int = 1, work_began: bool = False) -> str:
        code, said = call(capfd, *words)
        assert code == 2, said
        assert "Traceback" not in said
        rows = [line for line in said.splitlines() if line.strip()]
        if work_began:  # a banner and bars come before
            assert sum("rows/s" not in row and "━" not in row and not row.startswith("run /") for row in rows[-1:]) == 1
            return rows[-1]
        assert len(rows) == lines, said
        return said

    return check


def test_run_names(refused: Said) -> None:
    for name in ("a/b", "../up", "/abs", ".hidden", "x" * 101):
        assert "wanted up to 100 letters" in refused("generate", "--run", name)
    assert "not found" in refused("status", "--run", "none-such")
    assert "not found" in refused("show", "--run", "none-such")
    assert "no candidates yet" in refused("filter", "--run", "none-such")


def test_recipes(refused: Said, recipe: Path, tmp_path: Path) -> None:
    assert "nearest is news" in refused("generate", "--recipe", "newz", "--run", "r")
    assert "no such file" in refused("generate", "--recipe", "no/such.toml", "--run", "r")
    said = refused("generate", "--recipe", str(recipe), "--run", "r", "--set", "sampling.temprature=1")
    assert "unknown key; nearest is sampling.temperature" in said
    many = "sampling.n=one contexts.count=-1 nonsense models.teacher=a?b"
    assert "SET" in refused("generate", "--recipe", str(recipe), "--run", "r", "--set", many, lines=4)
    (tmp_path / "latin.toml").write_bytes('name = "é"'.encode("latin-1"))
    assert "not UTF-8" in refused("generate", "--recipe", "latin.toml", "--run", "r")
    (tmp_path / "torn.toml").write_text("[sampling")
    assert "is not TOML" in refused("generate", "--recipe", "./torn.toml", "--run", "r")
    assert not (tmp_path / "runs").exists()  # nothing was begun


def test_teachers(refused: Said, recipe: Path, tiny_teacher: Make, tmp_path: Path) -> None:
    words = ("generate", "--recipe", str(recipe), "--run", "r", "--set")
    auto = "engine.decoder=auto"
    assert "no such folder" in refused(*words, f"models.teacher=/no/such/folder {auto}")
    assert "the hub has no such model" in refused(*words, f"models.teacher=nobody/none-such {auto}")
    assert "no embedded teacher" in refused(*words, "models.teacher=embedded:gpt5")
    (tmp_path / "bare").mkdir()
    assert "no weights" in refused(*words, "models.teacher=./bare")
    deaf = tiny_teacher("llama", steps=0, end=None)
    assert "no end-of-text token" in refused(*words, f"models.teacher={deaf}", work_began=True)


def test_a_context_that_no_window_holds(refused: Said, recipe: Path, tmp_path: Path) -> None:
    words = ("generate", "--recipe", str(recipe), "--run")
    said = refused(*words, "a", "--set", "engine.max_context_tokens=50", work_began=True)
    assert "max_tokens 60 leaves no room" in said
    (tmp_path / "long.txt").write_text("The council " + "and the council " * 80 + "met.\n")
    narrow = "contexts.source=./long.txt engine.max_context_tokens=80"
    said = refused(*words, "b", "--set", narrow, work_began=True)
    assert "stage candidates kept nothing (1 context_too_long)" in said


def test_the_users_text(refused: Said, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin.txt").write_bytes("Écoutez le conseil.".encode("latin-1"))
    (tmp_path / "rows.jsonl").write_text('{"body": "Some text."}\n')
    pq.write_table(pa.table({"body": ["Some text."], "text": [1]}), tmp_path / "rows.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")

    def source(name: str, more: str = "") -> str:
        return refused("generate", "--recipe", str(recipe), "--run", "t", "--set", f"contexts.source={name} {more}")

    assert "no such file" in source("./missing.txt")
    assert "it is empty" in source("./empty.txt")
    assert "not_utf8" in source("./latin.txt")
    assert "no column 'text'; there are 'body'" in source("./rows.jsonl")
    assert "holds int64; wanted text" in source("./rows.parquet")
    assert "no column 'story'" in source("./rows.parquet", "contexts.text.column=story")
    assert "cannot be read" in source("./torn.parquet")
    assert "is a folder" in source("./", "contexts.text.format=txt")


def test_the_users_pairs(refused: Said, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "text.jsonl").write_text("no json")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "other.parquet")

    def pairs(name: str) -> str:
        return refused("filter", "--recipe", str(recipe), "--run", "p", "--pairs", name)

    assert "no such file" in pairs("missing.jsonl")
    assert "it is empty" in pairs("empty.jsonl")
    assert "JSON object" in pairs("text.jsonl")
    assert "columns source and target are wanted" in pairs("other.parquet")
    assert not (tmp_path / "runs" / "p").exists()


def test_judges(refused: Said, recipe: Path, tmp_path: Path, tiny_teacher: Make) -> None:
    pair = {"source": "The council approved the new budget on Monday after a debate.", "target": "x"}
    (tmp_path / "p.jsonl").write_text(json.dumps(pair))
    words = ("filter", "--recipe", str(recipe), "--run", "p", "--pairs", "p.jsonl", "--set")
    judge = "tasks.summary.panel.entailment.min_probability=0.5 models.judge="
    assert "there is no folder" in refused(*words, f"{judge}/no/such/judge", work_began=True)


def test_two_processes_on_one_run(refused: Said, recipe: Path, tmp_path: Path) -> None:
    run = Run.named("busy", tmp_path / "runs")
    with run.locked():
        said = refused("generate", "--recipe", str(recipe), "--run", "busy")
    assert f"process {os.getpid()}" in said


def test_nothing_is_lost(capfd: pytest.CaptureFixture[str], refused: Said, recipe: Path, tmp_path: Path) -> None:
    """A mistake on a finished run leaves every file of it as it is."""
    assert call(capfd, "run", "--recipe", str(recipe), "--run", "good")[0] in (0, 2)  # 2: no pair to show
    folder = tmp_path / "runs" / "good"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any("candidates" in str(path) for path in before)
    refused("generate", "--run", "good", "--set", "sampling.nn=3")
    refused("generate", "--run", "good", "--set", "models.teacher=/no/such engine.decoder=auto")
    refused("filter", "--run", "good", "--pairs", "missing.jsonl")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("words", [["generate", "--recipe", "newz"], ["status", "--run", "a/b"]])
def test_a_true_process(words: list[str], tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(HOUSE), "IMPOSSIBLE_RUNS": str(tmp_path)}
    asked = [sys.executable, "-m", "pipeline", *words]
    done = subprocess.run(asked, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_gpu_that_is_not_there(refused: Said, recipe: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    said = refused("generate", "--recipe", str(recipe), "--set", "run.resources.candidates.gpus=0.5")
    assert "no CUDA device here" in said
    assert "run.resources.candidates.gpus=0" in said
