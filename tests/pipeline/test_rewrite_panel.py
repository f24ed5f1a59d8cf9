"""`python -m pipeline rewrite`: the run's last student writes, the run's panel chooses; mistakes are one line."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from toy_student import sentences

from pipeline.__main__ import main
from pipeline.recipe import load
from pipeline.store import Run
from student.choice import FIRST, Sought, best_first
from student.controls import Controls
from student.generate import CHOICES, Rewriter
from student.settings import Decoding

PANEL = """
name = "small"
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
below_ratio = 0.8
[tasks.summary.panel.numbers]
"""


@pytest.fixture
def run(own_home: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path / "runs"))
    recipe = tmp_path / "small.toml"
    recipe.write_text(PANEL)
    run = Run.named("small")
    run.write_recipe(load(recipe).to_toml())
    return run


def add_student(run: Run, number: int, model: Path) -> None:
    shutil.copytree(model, run.stage(number, "student").folder / "model")


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["pipeline", "rewrite", "--run", "small", "--threads", "1", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    heard = capsys.readouterr()
    return int(str(ended.value.code or 0)), heard.out, heard.err


def test_the_panel_chooses_among_sixteen(
    run: Run, tiny_student: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_student(run, 1, tiny_student)
    from pipeline.rating import panel_rating

    sources = sentences(3, 4)
    file = run.folder / "in.txt"
    file.write_text("\n".join(sources))
    code, out, err = said(capsys, monkeypatch, "--file", str(file), "--format", "jsonl")
    assert code == 0, err
    student = Rewriter(tiny_student, threads=1, decoding=Decoding(samples=CHOICES))
    rows = student.rewrite("summary", sources)
    texts, everyone = (
        [[each.text for each in row] for row in rows],
        Sought(CHOICES, [[FIRST] * len(row) for row in rows]),
    )
    ratings = panel_rating(load(run.recipe_file))("summary", sources, texts, everyone)
    for source, row, rated, line in zip(sources, rows, ratings, out.splitlines(), strict=True):
        best = best_first(source, row, Controls(), student._common, rated)[0]
        assert json.loads(line) == {"task": "summary", "source": source, "rewrites": [best.text]}


def test_mistakes_are_one_line(
    run: Run, tiny_student: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = said(capsys, monkeypatch, "A sentence.")
    assert code == 2 and "no student yet: run `make distill RUN=small ROUND=1` first" in err
    add_student(run, 2, tiny_student)
    for words, wanted in (
        (["--round", "1", "A."], "no student of round 1: there is 2"),
        (["--task", "headline", "A."], "recipe small has no task headline"),
        (["--task", "paraphrase", "A."], "recipe small has no task paraphrase: it has summary"),
        (["--length", "tiny", "A."], "--length 'tiny': wanted one of"),
        (["--file", "nowhere.txt"], "nowhere.txt: no such file"),
    ):
        code, out, err = said(capsys, monkeypatch, *words)
        assert code == 2 and wanted in err and not out and len(err.splitlines()) == 1, err
