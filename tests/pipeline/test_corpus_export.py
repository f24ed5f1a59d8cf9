"""Exports: nothing lost in any form, the same bytes every time, and nothing that is there is overwritten."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from report_runs import small_run

from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.export import FORMS, write_export
from pipeline.opened_run import open_run
from pipeline.store import Run

ODD = pa.table(
    {
        "pair_id": ["a", "b", "c"],
        "task": ["summary", "paraphrase", "untold"],
        "source": ['He said "no, never",\nand\tleft; =1+1', "Ünïcödé 🐟 \u2028 line", "null"],
        "target": ["", "é", "  blank  "],
        "also_in": pa.array([["x", 'y"z'], [], None], pa.list_(pa.string())),
        "round": pa.array([0, 1, None], pa.int32()),
        "seed": pa.array([2**61 + 1, 0, None], pa.int64()),
        "score": pa.array([0.1, None, 1e-30], pa.float32()),
        "why": ["", None, "None"],
    }
)
INSTRUCTIONS = {"summary": "summarize: ", "paraphrase": "paraphrase: "}


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def as_arrow(rows: Sequence[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist([{name: row[name] for name in ODD.column_names} for row in rows], schema=ODD.schema)


@pytest.mark.parametrize("form", ["jsonl", "chat", "instruction"])
def test_json_lines_lose_nothing(tmp_path: Path, form: str) -> None:
    assert write_export({"train": ODD}, form, tmp_path, INSTRUCTIONS) == {tmp_path / "train.jsonl": 3}
    assert as_arrow(lines(tmp_path / "train.jsonl")).equals(ODD)


def test_csv_loses_nothing_not_even_nulls(tmp_path: Path) -> None:
    write_export({"train": ODD}, "csv", tmp_path / "all.csv", {})
    types = {f.name: pa.string() if pa.types.is_nested(f.type) else f.type for f in ODD.schema}
    nulls = {"null_values": [""], "strings_can_be_null": True, "quoted_strings_can_be_null": False}
    read = pa.csv.read_csv(
        tmp_path / "all.csv",
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(column_types=types, **nulls),
    )
    lists = [None if text is None else json.loads(text) for text in read["also_in"].to_pylist()]
    place = read.column_names.index("also_in")
    assert read.set_column(place, "also_in", pa.array(lists, pa.list_(pa.string()))).equals(ODD)


def test_parquet_keeps_types(tmp_path: Path) -> None:
    write_export({"train": ODD}, "parquet", tmp_path, {})
    assert pq.read_table(tmp_path / "train.parquet").equals(ODD)


def test_what_a_trainer_reads(tmp_path: Path) -> None:
    write_export({"chat": ODD}, "chat", tmp_path, INSTRUCTIONS)
    write_export({"instruction": ODD}, "instruction", tmp_path, INSTRUCTIONS)
    first, second, third = lines(tmp_path / "chat.jsonl")
    assert first["messages"] == [
        {"role": "user", "content": f"summarize: {ODD['source'][0]}"},
        {"role": "assistant", "content": ""},
    ]
    assert second["messages"][0]["content"].startswith("paraphrase: ")  # type: ignore[index]
    assert third["messages"][0]["content"] == "untold: null"  # type: ignore[index]
    told = lines(tmp_path / "instruction.jsonl")[1]
    assert (told["prompt"], told["completion"]) == (f"paraphrase: {ODD['source'][1]}\n", "é")


@pytest.mark.parametrize("form", FORMS)
def test_the_same_bytes_and_no_other_content_overwritten(tmp_path: Path, form: str) -> None:
    tables = {"train": ODD, "test": ODD.slice(0, 1)}
    there = write_export(tables, form, tmp_path / "a", INSTRUCTIONS)
    chunked = {name: pa.concat_tables([rows.slice(i, 1) for i in range(len(rows))]) for name, rows in tables.items()}
    again = write_export(chunked, form, tmp_path / "b", INSTRUCTIONS)
    assert [path.read_bytes() for path in there] == [path.read_bytes() for path in again]
    write_export(tables, form, tmp_path / "a", INSTRUCTIONS)  # equal: left alone
    suffix = FORMS[form][0]
    (tmp_path / "a" / f"train{suffix}").unlink()
    (tmp_path / "a" / f"test{suffix}").write_text("mine")
    with pytest.raises(UserError, match="other content"):
        write_export(tables, form, tmp_path / "a", INSTRUCTIONS)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [f"test{suffix}"]
    assert (tmp_path / "a" / f"test{suffix}").read_text() == "mine"


def test_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="wanted a folder"):
        write_export({"train": ODD}, "jsonl", tmp_path / "file", {})
    with pytest.raises(UserError, match="cannot be written"):
        write_export({"train": ODD}, "jsonl", tmp_path / "file" / "deeper", {})
    worst = ODD.set_column(7, "score", pa.array([math.nan, 0.0, 1.0], pa.float32()))
    with pytest.raises(UserError, match="parquet"):
        write_export({"train": worst}, "jsonl", tmp_path / "x", {})
    assert list((tmp_path / "x").iterdir()) == []
    (tmp_path / "all.csv").mkdir()
    with pytest.raises(UserError, match="other content"):
        write_export({"train": ODD}, "csv", tmp_path / "all.csv", {})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("export"))


def call(run: Run, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(run.folder.parent))
    monkeypatch.setattr("sys.argv", ["pipeline", "export", "--run", run.name, *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", FORMS)
def test_a_run_from_the_command_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    out = tmp_path / f"all{FORMS[form][0]}"
    assert call(run, monkeypatch, "--format", form, "--out", str(out)) == 0
    assert capfd.readouterr().out == f"{out} (36 pairs of round 0)\n"
    assert call(run, monkeypatch, "--format", form, "--out", str(tmp_path / "train"), "--split", "train") == 0
    assert [path.stem for path in (tmp_path / "train").iterdir()] == ["train"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "xml"), "wanted one of jsonl, csv, parquet, chat, instruction"),
        (("--task", "none"), "no pairs of task 'none'; it has the tasks summary and the splits"),
        (("--split", "none"), "no split 'none', wanted one of"),
        (("--round", "3"), "round 3 has no corpus; rounds with one: 0"),
        (("--run", "none"), "not found"),
    ],
)
def test_bad_words_are_one_line(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    assert call(run, monkeypatch, "--out", str(tmp_path / "out"), *words) == 2
    told = capfd.readouterr().err
    assert said in told and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bare = Run(tmp_path / "bare")
    bare.folder.mkdir()
    assert call(bare, monkeypatch, "--out", str(tmp_path / "out")) == 2
    assert "no corpus yet: run `make filter RUN=bare` first" in capfd.readouterr().err


@pytest.mark.slow
def test_datasets_loads_every_form(run: Run, tmp_path: Path) -> None:
    from datasets import load_dataset

    opened = open_run(run.folder)
    tables = {name: opened.corpus(name).arrow() for name in opened.splits()}
    for form, (suffix, _) in FORMS.items():
        write_export(tables, form, tmp_path / form, {"summary": "summarize: "})
        files = {name: str(tmp_path / form / f"{name}{suffix}") for name in tables}
        loaded = load_dataset(suffix[1:].replace("jsonl", "json"), data_files=files, cache_dir=str(tmp_path / "cache"))
        assert {name: rows["target"] for name, rows in loaded.items()} == {
            name: rows["target"].to_pylist() for name, rows in tables.items()
        }
