"""Benchmarks as they come: compressed, with other column names, with rows that cannot be used."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from student.benchmark import Refused, read_benchmark, read_texts, stem
from student.errors import StudentError

ROWS = [
    {"id": "1", "source": "A long  sentence.", "references": ["Short.", "Brief."]},
    {"id": "2", "source": "Ein schöner Satz – 日本語。", "references": ["Schön."]},
]


def written(path: Path, rows: list[object]) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["set.jsonl", "set.jsonl.gz"])
def test_rows_are_read_in_order_with_all_their_references(tmp_path: Path, name: str) -> None:
    found = read_benchmark(written(tmp_path / name, ROWS))
    assert found.name == "set" == stem(Path("x") / name)
    assert found.sources == ("A long sentence.", "Ein schöner Satz – 日本語。")
    assert found.references == (("Short.", "Brief."), ("Schön.",))
    assert found.refused == () and len(found) == 2


def test_parquet_is_read_as_jsonl_is(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    assert read_benchmark(path) == read_benchmark(written(tmp_path / "set.jsonl", ROWS))


@pytest.mark.parametrize(
    "row",
    [
        {"document": "One.", "summary": "Two."},
        {"text": "One.", "target": "Two."},
        {"sentence1": "One.", "sentence2": "Two."},
        {"question1": "One.", "question2": "Two."},
        {"text": "other", "source": "One.", "reference": ["Two."], "summary": "other"},
    ],
)
def test_other_names_of_columns(tmp_path: Path, row: dict[str, object]) -> None:
    found = read_benchmark(written(tmp_path / "a.jsonl", [row]))
    assert (found.sources, found.references) == (("One.",), (("Two.",),))


def test_bad_rows_are_refused_with_their_line_and_counted(tmp_path: Path) -> None:
    rows: list[object] = [
        ROWS[0],
        "{not json",
        "",
        "[1, 2]",
        {"source": " ", "references": ["x"]},
        {"source": None, "references": ["x"]},
        {"source": 7, "references": ["x"]},
        {"source": "x", "references": []},
        {"source": "x", "references": ["", None, 3]},
        {"source": "x"},
        '{"source": "\\ud800", "references": ["x"]}',
        {"source": ["x"], "references": ["x"]},
        {"source": "kept", "references": ["", "one", None]},
    ]
    found = read_benchmark(written(tmp_path / "a.jsonl", rows))
    assert found.sources == ("A long sentence.", "kept") and found.references[1] == ("one",)
    assert found.refused == (
        Refused(2, "is not a JSON object in UTF-8"),
        Refused(4, "is not a JSON object in UTF-8"),
        Refused(5, "source is blank"),
        Refused(6, "source is missing"),
        Refused(7, "source is a int, wanted text"),
        Refused(8, "references is a list without text"),
        Refused(9, "references is a list without text"),
        Refused(10, "references is missing"),
        Refused(11, "source is no valid text"),
        Refused(12, "source is a list without text"),
    )


def test_a_limit_counts_usable_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [ROWS[0], {"source": "", "references": ["x"]}, ROWS[1], "{broken"])
    found = read_benchmark(path, 2)
    assert len(found) == 2 and [row.line for row in found.refused] == [2]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b"nothing\n", "no line is a JSON object"),
        ("a.jsonl", b'{"source": "x", "label": 1}\n', "no column for references: it has source, label"),
        ("a.jsonl", b'{"a": "x", "references": ["y"]}\n', "no column for source"),
        ("a.jsonl", b'{"source": "", "references": ["y"]}\n', "all 1 rows were refused, line 1: source is blank"),
        ("a.jsonl.gz", gzip.compress(b"x" * 4000)[:20], "compression is damaged"),
        ("a.jsonl.gz", b"plain", "compression is damaged"),
        ("a.parquet", b"PAR1", "not a whole parquet file"),
        ("a.csv", b"x", "wanted a name ending in"),
    ],
)
def test_files_that_are_none_are_told_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(StudentError, match=said) as error:
        read_benchmark(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="no such file"):
        read_benchmark(tmp_path / "none.jsonl")


def test_the_digest_is_of_the_texts(tmp_path: Path) -> None:
    one, same = (read_benchmark(written(tmp_path / name, ROWS)) for name in ("a.jsonl", "b.jsonl.gz"))
    other = read_benchmark(written(tmp_path / "c.jsonl", ROWS[::-1]))
    assert one.digest() == same.digest() != other.digest()


def test_texts_of_one_column(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path / "a.jsonl", [{"text": ["One.", "Two."], "split": "Three."}, {"text": None}, "{"])
    assert read_texts(path) == ["One.", "Two."]
    assert "2 of 3 rows have no text there" in caplog.text
    assert read_texts(path, "split") == ["Three."]
    with pytest.raises(StudentError, match="no text in column none"):
        read_texts(path, "none")
