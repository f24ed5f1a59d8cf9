"""A mistake on the command line of a bench is one line that says what to do, and exit code 2: no traceback."""

import runpy
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MISTAKES = [
    ("graph", [], "run data/runs/news: no pairs in it"),
    ("graph", ["--run", "empty"], "run empty: no pairs in it"),
    ("filters", ["--run", "nope"], "run 'nope': not found"),
    ("filters", ["--run", "begun"], "run begun has no candidates"),
    ("readings", ["--recipe", "nope"], "recipe nope: no such recipe"),
    ("run", ["--recipe", "nope"], "recipe nope: no such recipe"),
    ("tuning", ["--recipe", "nope"], "recipe nope: no such recipe"),
    ("judge", ["--pairs", "nope"], "--pairs nope: no such file"),
    ("judge", ["--pairs", "text.md"], "--pairs text.md: "),
    ("judge", ["--pairs", "other.parquet"], "wanted parquet with the columns premise and hypothesis"),
    ("questions", ["--judge", "nope:x"], "model 'nope:x'"),
    ("near_duplicates", ["--only", "10"], "no candidates in data/runs"),
    ("near_duplicates", ["--sizes", "10,many"], "--sizes 10,many: "),
    ("seeds", [], "no run was named"),
]


@pytest.mark.parametrize(("bench", "words", "wanted"), MISTAKES, ids=lambda each: str(each))
def test_a_mistake_is_told_in_one_line(
    bench: str,
    words: list[str],
    wanted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path))
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "recipe.toml").write_text(
        (Path(__file__).parents[1] / "pipeline/recipes/news.toml").read_text()
    )
    (tmp_path / "text.md").write_text("# Not parquet\n")
    pq.write_table(pa.table({"source": ["a"], "target": ["b"]}), tmp_path / "other.parquet")
    monkeypatch.delitem(sys.modules, f"bench.{bench}", raising=False)
    monkeypatch.setattr(sys, "argv", [bench, *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"bench.{bench}", run_name="__main__")
    said = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert ended.value.code == 2
    assert len(said) == 1 and wanted in said[0], said


def test_what_a_process_of_its_own_could_not_do_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from bench import near_duplicates

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with pytest.raises(SystemExit) as ended:
        near_duplicates._in_a_process(10, [])
    said = capfd.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert len(said) == 1 and "no candidates in data/runs" in said[0], said
