"""A student of pairs that the user brought: no teacher anywhere."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_student import sentences, shorter, toy_pairs

from pipeline.__main__ import main
from pipeline.shard import read_rows
from pipeline.store import Run
from student.generate import Rewriter

RECIPE = """
seed = 1
[models]
judge = "{judge}"
student = "{student}"
teacher = "/no/such/teacher"
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
below_ratio = 0.97
[tasks.summary.panel.entailment]
min_probability = 0.0
[tasks.paraphrase]
instruction = "paraphrase: "
[tasks.paraphrase.panel.length]
min_ratio = 0.5
[tasks.paraphrase.panel.entailment]
min_probability = 0.0
[student]
epochs = 1
most_steps = 2
batch_tokens = 512
precision = "fp32"
[rounds]
samples = 2
count = 20
[run]
backend = "local"
"""
Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command in this process: its exit code and the last line that it said on stderr."""
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["pipeline", *words])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(str(ended.code or 0))
        said = capfd.readouterr().err
        assert "Traceback" not in said, said
        return code, ([line for line in said.splitlines() if line.strip()] or [""])[-1]

    return run


@pytest.fixture
def recipe(tmp_path: Path, tiny_judge: Path, tiny_student: Path) -> str:
    file = tmp_path / "toy.toml"
    file.write_text(RECIPE.format(judge=tiny_judge, student=tiny_student))
    return str(file)


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    """Summaries alone, under a column that says so."""
    rows = [p for p in toy_pairs(120) if p.task == "summary" and p.source != p.target]
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps({"source": p.source, "target": p.target, "task": p.task}) + "\n" for p in rows))
    return str(file)


def test_one_round_two_rounds_one_task(call: Call, recipe: str, pairs: str, tmp_path: Path) -> None:
    assert call("filter", "--recipe", recipe, "--run", "b", "--pairs", pairs)[0] == 0
    assert call("distill", "--run", "b")[0] == 0
    folder = Run.named("b").stage(1, "student").folder / "model"
    student = Rewriter(folder, threads=1)
    assert list(student.known["tasks"]) == ["summary"]
    code, said = call("filter", "--run", "b")
    assert code == 2 and "no candidates yet: it judges pairs of a file: give PAIRS again" in said
    code, said = call("distill", "--run", "b", "--round", "2")
    assert code == 2 and "its pairs were brought" in said and "SET='rounds.source=sentences.txt'" in said
    (tmp_path / "own.txt").write_text(" ".join(sentences(60, 9)) + "\n")
    code, said = call("distill", "--run", "b", "--round", "2", "--set", "rounds.source=own.txt")
    assert code == 0, said
    written = [r for path in Run.named("b").stage(1, "candidates").tables() for r in read_rows(path).to_pylist()]
    assert {row["mode"] for row in written} == {"summary"} and len(written) == 40
    assert {row["context"] for row in written} <= set(sentences(60, 9))
    assert Run.named("b").stage(2, "student").manifest() is not None
    assert call("status", "--run", "b")[0] == 0
    from student.errors import StudentError

    with pytest.raises(StudentError, match="task 'paraphrase' is not one it learned; it knows summary"):
        student.rewrite("paraphrase", ["A sentence."])


def test_pairs_that_are_not_judged_yet(call: Call, recipe: str) -> None:
    run = Run.named("c")
    (run.stage(0, "pairs").folder).mkdir(parents=True)
    code, said = call("distill", "--recipe", recipe, "--run", "c")
    assert code == 2 and "brought and are not judged yet" in said


def test_pairs_of_which_none_passes(call: Call, recipe: str, tmp_path: Path) -> None:
    rows = [{"source": shorter(text), "target": text, "task": "summary"} for text in sentences(5)]
    (tmp_path / "bad.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    call("filter", "--recipe", recipe, "--run", "d", "--pairs", "bad.jsonl")
    code, said = call("distill", "--run", "d")
    assert code == 2 and "the corpus has no pair to learn from" in said
