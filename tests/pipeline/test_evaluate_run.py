"""The commands `evaluate` and `diversity` on a small run: files, contracts, and mistakes in one line."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import Make, sentence

from pipeline import __main__ as door
from pipeline.commands.evaluate import _rounds
from pipeline.errors import UserError
from pipeline.evaluation.diversity import compare, corpus_texts, named_texts, page, write
from pipeline.evaluation.evaluate import Asked, evaluate_run, faithfulness, student_models
from pipeline.recipe import Recipe, load
from pipeline.shard import Header, write_shard
from pipeline.store import Run
from student.choice import Rate
from student.controls import Controls, read_controls

ROWS = [
    {"source": "The city council approved the new budget after a long debate.", "references": ["Budget approved."]},
    {"source": "", "references": ["x"]},
    {"source": "A local court delayed the sale of the port on Monday.", "references": ["Sale delayed.", "Port waits."]},
]


def shouted(folder: Path, task: str, sources: Sequence[str], wanted: Controls, rate: Rate | None = None) -> list[str]:
    """A student that shouts what it is for, and twice where somebody rates."""
    return [f"{folder.parent.parent.name} {task}: {source.upper()}" * (2 if rate else 1) for source in sources]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_teacher: Make, tiny_encoder: Path) -> Run:
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path / "runs"))
    run = Run.named("small")
    changes = f"models.teacher={tiny_teacher('llama')} models.encoder={tiny_encoder} engine.decoder=transformers"
    run.write_recipe(load("news", [changes, "engine.dtype=float32"]).to_toml())
    return run


@pytest.fixture
def recipe(run: Run) -> Recipe:
    return load(run.recipe_file)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "bench.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


def add_student(run: Run, number: int) -> None:
    folder = run.stage(number, "student").folder / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")


def test_every_system_stands_in_one_table(run: Run, recipe: Recipe, data: Path) -> None:
    add_student(run, 1)
    add_student(run, 2)
    _, folder = evaluate_run(run, recipe, Asked(data, "summary", resamples=50), shouted)
    assert folder == run.folder / "evaluation" / "bench-summary"
    found = json.loads((folder / "results.json").read_text())
    baselines = ["copy", "first 8 words", "first 75 characters"]
    students = ["student 1", "student 1, reranked", "student 2", "student 2, reranked"]
    assert list(found["systems"]) == [*baselines, "teacher, zero-shot", *students]
    assert (found["rows"], found["refused"][0]["line"], found["data"]) == (2, 2, "bench")
    assert found["made"]["run"] == "small" and found["encoder"].endswith("last layer")
    rows = [json.loads(line) for line in (folder / "outputs.jsonl").read_text().splitlines()]
    assert rows[1]["outputs"]["student 2"] == f"round-2 summary: {ROWS[2]['source'].upper()}"
    assert rows[1]["outputs"]["student 1, reranked"] == rows[1]["outputs"]["student 1"] * 2
    assert rows[1]["references"] == ["Sale delayed.", "Port waits."]
    assert "| student 2 |" in (folder / "results.md").read_text()


def test_a_second_time_gives_the_same_and_asks_no_teacher(
    run: Run, recipe: Recipe, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(data, "paraphrase", resamples=50)
    _, folder = evaluate_run(run, recipe, asked)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("pipeline.teacher.transformers_decoder.TransformersDecoder.open", lambda self: 1 / 0)
    evaluate_run(run, recipe, asked)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_another_file_of_the_same_name_takes_no_ones_place(
    run: Run, recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    asked = Asked(data, "summary", teacher=False, resamples=10)
    _, folder = evaluate_run(run, recipe, asked)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = tmp_path / "elsewhere" / data.name
    other.parent.mkdir()
    other.write_text(json.dumps({"source": "The port is closed today.", "reference": "Port closed."}) + "\n")
    found, place = evaluate_run(run, recipe, replace(asked, data=other))
    assert place.name == f"{folder.name}-{found.benchmark.digest()[:8]}"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert evaluate_run(run, recipe, asked)[1] == folder
    page = (place / "results.md").read_text()
    differences = page[page.index("first 75 characters - ") :].splitlines()
    assert differences and not any("**" in line for line in differences)  # one row: no interval is clear of 0


def test_a_place_that_cannot_be_written_is_told_before_the_work(run: Run, recipe: Recipe, data: Path) -> None:
    add_student(run, 1)
    run.folder.mkdir(exist_ok=True)
    (run.folder / "evaluation").write_text("")
    with pytest.raises(UserError, match=r"evaluation.*cannot be made: .*: move what is in its way"):
        evaluate_run(run, recipe, Asked(data, "summary"), lambda *_: pytest.fail("a student was asked"))


def test_rounds_limit_and_no_teacher(run: Run, recipe: Recipe, data: Path) -> None:
    add_student(run, 1)
    add_student(run, 3)
    asked = Asked(data, "summary", rounds=(3,), limit=1, teacher=False, rerank=False, resamples=10)
    found, folder = evaluate_run(run, recipe, asked, shouted)
    assert list(found.systems)[3:] == ["student 3"] and folder.name == "bench-summary-first-1"
    assert not (run.folder / "evaluation" / "teacher.parquet").exists()


def test_students_are_also_asked_for_something(run: Run, recipe: Recipe, data: Path) -> None:
    add_student(run, 1)
    about = run.stage(1, "student").folder / "model" / "student.json"
    about.write_text('{"controls": false, "tasks": {}}')
    asked = Asked(data, "summary", teacher=False, resamples=10, controls=(read_controls("short+mixed"),))
    with pytest.raises(UserError, match="CONTROLS: student 1 learned no control words"):
        evaluate_run(run, recipe, asked)
    about.write_text('{"controls": true, "tasks": {}}')
    heard = []

    def listening(folder: Path, task: str, sources: Sequence[str], wanted: Controls, rate: Rate | None) -> list[str]:
        heard.append((wanted, rate is None))
        return list(sources)

    found, _ = evaluate_run(run, recipe, asked, listening)
    assert list(found.systems)[3:] == [
        "student 1",
        "student 1, reranked",
        "student 1, short, mixed",
        "student 1, short, mixed, reranked",
    ]
    short = Controls("short", "mixed")
    assert heard == [(Controls(), True), (Controls(), False), (short, True), (short, False)]


def test_half_made_students_do_not_count(run: Run) -> None:
    run.stage(1, "student").folder.mkdir(parents=True)
    assert student_models(run) == {}
    with pytest.raises(UserError, match=r"no student of round 1: there is none: run `make distill RUN=small ROUND=1`"):
        student_models(run, [1])


@pytest.mark.parametrize("task", ["translate", ""])
def test_tasks_that_are_none(run: Run, recipe: Recipe, data: Path, task: str) -> None:
    with pytest.raises(UserError, match="wanted summary or paraphrase"):
        evaluate_run(run, recipe, Asked(data, task))


def test_a_tasks_own_judge_is_no_referee(run: Run, recipe: Recipe, data: Path) -> None:
    with pytest.raises(UserError, match="it chose the pairs of summary: give another"):
        evaluate_run(run, recipe, Asked(data, "summary", judge=recipe.models.judge))


def test_another_judge_measures_faithfulness(tiny_judge: Path) -> None:
    one_way, both_ways = (faithfulness(str(tiny_judge), task) for task in ("summary", "paraphrase"))
    forward, back = one_way(["a b c", "x"], ["c b", " "]), one_way(["c b", "x"], ["a b c", ""])
    assert forward[1] is None and 0 < (forward[0] or 0) < 1
    assert both_ways(["a b c"], ["c b"]) == [min(forward[0] or 0, back[0] or 0)]


@pytest.mark.parametrize(("text", "wanted"), [("", ()), ("2", (2,)), ("1, 2,1", (1, 2))])
def test_rounds_as_they_are_written(text: str, wanted: tuple[int, ...]) -> None:
    assert _rounds(text) == wanted


@pytest.mark.parametrize("text", ["0", "one", "1-2", "-1"])
def test_rounds_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="wanted numbers from 1"):
        _rounds(text)


def test_the_command_says_mistakes_in_one_line(
    run: Run,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = ["evaluate", "--run", "small", "--task", "summary", "--no-teacher", "--data"]
    for file, code in ((str(data), 0), ("none.jsonl", 2)):
        monkeypatch.setattr("sys.argv", ["pipeline", *words, file])
        with pytest.raises(SystemExit) as ended:
            door.main()
        assert (ended.value.code or 0) == code
    said = capsys.readouterr()
    assert said.err == "none.jsonl: no such file: give a file of .jsonl, .jsonl.gz, .parquet\n"
    assert caplog.text.count("no student yet, so none is in the table: make distill RUN=small ROUND=1") == 1
    assert "first 75 characters" in said.out and "written to" in said.out


def corpus(run: Run, rows: int) -> None:
    import random

    draw = random.Random(0)
    pairs = [{"task": "summary", "source": sentence(draw), "target": sentence(draw)} for _ in range(rows)]
    for part, name in ((pairs[::2], "train"), (pairs[1::2], "test"), (pairs, "left_out")):
        folder = run.stage(0, "corpus").folder
        write_shard(folder / f"{name}.parquet", pa.Table.from_pylist(part), Header("corpus", "k", {}))


def test_a_corpus_beside_other_sets(run: Run, tmp_path: Path) -> None:
    corpus(run, 60)
    other = tmp_path / "other:set.jsonl"
    other.write_text("".join(json.dumps({"text": [f"word{i} word{i + 1}", f"more {i}"]}) + "\n" for i in range(400)))
    found = compare(run, 0, [str(other), f"{other}:text"], seed=0)
    assert list(found.measures) == ["ours, summary, source", "ours, summary, target", "other:set", "other:set, text"]
    assert found.measures["ours, summary, source"]["texts"] == 60
    assert found.measures["other:set"]["distinct_1"] > found.measures["ours, summary, source"]["distinct_1"]
    assert write(run, found).read_text() == page(found)
    data = json.loads((run.folder / "evaluation" / "diversity.json").read_text())
    assert data["words"] == found.size and data["sets"]["other:set"] == data["sets"]["other:set, text"]


def test_two_sets_of_one_name(run: Run, tmp_path: Path) -> None:
    corpus(run, 60)
    paths = [tmp_path / folder / "x.jsonl" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_text('{"text": "A word."}\n')
    with pytest.raises(UserError, match="several sets are called 'x'"):
        compare(run, 0, list(map(str, paths)), seed=0)


def test_diversity_of_nothing(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no corpus in round 2"):
        corpus_texts(run, 2)
    with pytest.raises(UserError, match=r"--against .*none.jsonl: no such file"):
        named_texts(f"{tmp_path}/none.jsonl")
