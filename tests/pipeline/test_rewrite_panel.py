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
from student.slips import slips

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
    faults = []
    for source, row, rated, line in zip(sources, rows, ratings, out.splitlines(), strict=True):
        best = best_first(source, row, Controls(), student._common, rated)[0]
        faults.append(rated[row.index(best)].faults + slips(source, best.text, student._common))
        assert json.loads(line) == {
            "task": "summary",
            "source": source,
            "rewrites": [best.text],
            "faults": faults[-1:],
        }
    assert f"{faults.count(0)} of 3 sentences have a rewrite that the panel would keep" in err


@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_what_the_panel_would_drop_is_left_out_and_its_line_stays(
    run: Run, tiny_student: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """A random student's words: made to pass or not by the panel alone."""
    add_student(run, 1, tiny_student)
    monkeypatch.setattr("student.choice.slips", lambda *_: 0)
    file = run.folder / "in.txt"
    sources = sentences(3, 4)
    file.write_text("\n".join(sources))
    words = ("--file", str(file), "--format", form, "--samples", "2")
    for below, passing in ((0.001, 0), (1000.0, 3)):
        run.write_recipe(run.recipe_file.read_text().replace("0.8", str(below), 1))
        code, everything, err = said(capsys, monkeypatch, *words)
        assert code == 0 and f"{passing} of 3 sentences" in err and ("--only-passed" in err) == (passing < 3)
        _, out, err = said(capsys, monkeypatch, *words, "--only-passed")
        assert f"{passing} of 3 sentences" in err and "leaves" not in err
        assert passing == 0 or out == everything
        assert passing or form == "jsonl" or out == "\n" * 6  # as many lines as ever
        rows = [json.loads(line) for line in out.splitlines()] if form == "jsonl" else []
        assert passing or all(row["rewrites"] == row["faults"] == [] for row in rows)
        run.write_recipe(run.recipe_file.read_text().replace(str(below), "0.8", 1))


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
