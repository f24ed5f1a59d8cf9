"""`filter --dry-run` as it is typed: the funnel that the real run has, a curve, nothing written, one line a mistake."""

import csv
import json
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main

RECIPE = """
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
below_ratio = 0.9
[tasks.summary.panel.overlap]
max_rouge_l = 0.9
[tasks.summary.panel.numbers]
[run]
backend = "local"
"""
SOURCE = "The city council approved the new budget for the {} schools on Monday after a very long debate about it."
TARGETS = (
    "The council approved the new budget for the schools on Monday.",
    "The city council approved a budget of {}.",
    "After a long debate about it the city council approved the new budget for the {} schools.",
)


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """A run of the user's pairs under a recipe without a model; the words that filter it again."""
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.toml").write_text(RECIPE)
    rows = [{"source": SOURCE.format(n), "target": target.format(n)} for n in range(12) for target in TARGETS]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["filter", "--recipe", "plain.toml", "--run", "mine", "--pairs", "mine.jsonl"]
    assert call(*words) == 0
    capfd.readouterr()
    return words


def call(*words: str) -> int:
    before, sys.argv = sys.argv, ["pipeline", *words]
    try:
        main()
    except SystemExit as ended:
        return int(str(ended.code or 0))
    finally:
        sys.argv = before
    return 0


def test_the_command(brought: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder, tighter = tmp_path / "runs" / "mine", "tasks.summary.panel.length.below_ratio=0.7"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    dry = ["filter", "--run", "mine", "--dry-run", "--set", tighter]
    assert call(*dry, "--json", "--curve", str(tmp_path / "c" / "curve.csv")) == 0
    said = json.loads(capfd.readouterr().out)
    assert call(*dry) == 0
    assert "no filter would ask a model about a new pair" in capfd.readouterr().out
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert call(*brought, "--set", tighter) == 0
    capfd.readouterr()
    assert call("status", "--run", "mine", "--json") == 0
    real = json.loads(capfd.readouterr().out)
    after = [level for level in real["funnel"] if level["stage"] != "pairs"]
    assert [level for level in said["funnel"] if level["stage"] != "pairs"] == after
    assert said["accepted"] == real["accepted"]
    assert 0 < said["accepted"]["summary"] < 36
    with (tmp_path / "c" / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["filter"] for row in rows} == {"length", "overlap", "numbers"}
    assert {int(row["kept"]) for row in rows if row["current"] == "1"} == {said["kept_by_filters"]["summary"]}


def test_the_command_refuses_in_one_line(brought: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words, wanted_word in [
        (["--dry-run", "--set", "tasks.summary.panel.length.below=0.7"], "nearest is"),
        (["--dry-run", "--set", "models.judge=org/another"], "models.judge"),
        (["--dry-run", "--set", "tasks.summary.judge=org/another"], "tasks.summary.judge"),
        (["--dry-run", "--set", "models.teacher=gpt2"], "models.teacher"),
        (["--dry-run", "--set", "tasks.summary.panel.numbers.both_ways=true"], "numbers.both_ways: false -> true"),
        (["--dry-run", "--pairs", "mine.jsonl"], "--pairs"),
        (["--curve", "c.csv"], "--dry-run"),
        (["--dry-run", "--curve", str(tmp_path / "plain.toml" / "c.csv")], "cannot be written"),
    ]:
        assert call("filter", "--run", "mine", *words) == 2
        said = capfd.readouterr().err
        assert wanted_word in said
        assert len(said.splitlines()) == 1
    assert call("filter", "--run", "none-such", "--dry-run") == 2
    assert "not found" in capfd.readouterr().err
