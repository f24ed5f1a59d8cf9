"""Pairs that the user brings: read, numbered, judged by the same panel."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_filters import SENTENCES, panels

from filters.wellformed import Wellformed
from pipeline.errors import UserError
from pipeline.pair import cheap_scores
from pipeline.progress import unbalanced
from pipeline.records import pair_id
from pipeline.stage import Batch, Output
from pipeline.user_pairs import BROUGHT, BroughtPairs, brought

TASKS = ("paraphrase", "summary")
LONG, SHORT = SENTENCES[3], SENTENCES[2]
ROWS = [
    {"source": SENTENCES[0], "target": SENTENCES[1], "task": "paraphrase"},
    {"source": LONG, "target": SHORT, "task": "summary"},
    {"source": LONG, "target": SHORT},
    {"source": LONG, "target": None},
    {"source": "Short.", "target": SHORT},
]


def jsonl(folder: Path, rows: list[object] = ROWS) -> Path:
    file = folder / "pairs.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows))
    return file


def parquet(folder: Path, rows: list[dict] = ROWS) -> Path:
    file = folder / "pairs.parquet"
    pq.write_table(pa.Table.from_pylist([{"task": None} | row for row in rows]), file)
    return file


def rows_of(file: Path) -> list[dict]:
    tables = list(brought(file, TASKS))
    assert all(table.schema == BROUGHT for table in tables)
    return [row for table in tables for row in table.to_pylist()]


def judged(file: Path) -> Output:
    (table,) = brought(file, TASKS)
    output = BroughtPairs(panels(), Wellformed()).open()(Batch(0, table))
    assert unbalanced(output.counts) == {}
    assert output.table.schema == cheap_scores(panels())
    return output


@pytest.mark.parametrize("write", [jsonl, parquet])
def test_rows_without_a_task_are_asked_of_all(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    rows = rows_of(write(tmp_path))
    assert [(row["row"], row["task"]) for row in rows] == [
        *((1, "paraphrase"), (2, "summary"), (3, "paraphrase"), (3, "summary")),
        *((4, "paraphrase"), (4, "summary"), (5, "paraphrase"), (5, "summary")),
    ]
    assert rows[4]["target"] is None


@pytest.mark.parametrize("write", [jsonl, parquet])
def test_they_are_judged_by_the_same_panel(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    output = judged(write(tmp_path))
    rows = output.table.to_pylist()
    assert {(row["task"], row["source"], row["target"]) for row in rows} == {
        ("paraphrase", SENTENCES[0], SENTENCES[1]),
        ("summary", LONG, SHORT),
    }
    for row in rows:
        assert row["pair_id"] == pair_id(row["task"], row["source"], row["target"])
        assert (row["writer"], row["round"], row["source_id"]) == ("brought", 0, None)
        assert row["length"] is not None
    assert len({row["context_id"] for row in rows if row["source"] == LONG}) == 1
    assert output.counts["paraphrase/dropped/wellformed"] == 2
    assert output.counts["paraphrase/dropped/length"] == 1
    assert output.aside is not None
    assert all(row["pair_id"] and row["reason"] for row in output.aside.to_pylist())


def test_lines_that_are_none_become_nulls(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    good = json.dumps(ROWS[1]).encode()
    half = b'{"source": "half \\ud800", "target": "b"}'
    file.write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\nnot json\n[1]\n7\n\xff\xfe\n" + half + b"\n" + good)
    rows = rows_of(file)
    assert [row["source"] is None for row in rows if row["task"] == "summary"] == [False, *[True] * 5, False]
    judged(file)


def test_parquet_that_holds_no_utf8(tmp_path: Path) -> None:
    bytes_as_text = pa.StringArray.from_buffers(2, *pa.array([b"\xff\xfe", b"ok"], pa.binary()).buffers()[1:])
    file = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"source": bytes_as_text, "target": ["a", "b"]}), file)
    assert [row["source"] for row in rows_of(file) if row["task"] == "summary"] == [None, "ok"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty"),
        ("\n\n", "JSON object"),
        ("just text", "JSON object"),
        ('{"text": "a"}', "there are text"),
        ('{"source": "a"}\n{"source": "a", "target": "b"}', "there are source"),
        ('{"source": "a", "target": "b", "task": "poems"}', "task 'poems' is not in the recipe"),
        ('{"source": "a", "target": "b", "task": ["summary"]}', "is not in the recipe"),
    ],
)
def test_jsonl_of_no_use(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "pairs.jsonl").write_text(content)
    with pytest.raises(UserError, match=said) as raised:
        rows_of(tmp_path / "pairs.jsonl")
    assert "\n" not in str(raised.value)


def test_files_of_no_use(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        rows_of(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="no such file"):
        rows_of(tmp_path)
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match="not a whole parquet file"):
        rows_of(tmp_path / "torn.parquet")
    (tmp_path / "latin.jsonl").write_bytes('{"source": "é", "target": "à"}'.encode("latin-1"))
    with pytest.raises(UserError, match="JSON object in UTF-8"):
        rows_of(tmp_path / "latin.jsonl")


@pytest.mark.parametrize(
    "columns", [{"text": ["a"]}, {"source": ["a"], "target": [1]}, {"source": [["a"]], "target": ["b"]}]
)
def test_parquet_with_another_schema(tmp_path: Path, columns: dict[str, list]) -> None:
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    with pytest.raises(UserError, match="columns source and target are wanted, both text"):
        rows_of(tmp_path / "p.parquet")


def test_many_rows_come_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.user_pairs.ROWS_PER_SHARD", 7)
    file = parquet(tmp_path, [{"source": f"s{i}", "target": "t", "task": "summary"} for i in range(20)])
    tables = list(brought(file, TASKS))
    assert [table.num_rows for table in tables] == [7, 7, 6]
    assert [row["source"] for table in tables for row in table.to_pylist()] == [f"s{i}" for i in range(20)]
