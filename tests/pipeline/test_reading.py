"""Files of every kind become rows; what is no text is said row by row, what is no source in one line."""

import gzip
import json

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from pipeline.reading import MAX_ROW_BYTES, Row, SourceError, read
from pipeline.windows import Cut, contexts


def rows(source, **options):
    return list(read(str(source), **options))


def fails(source, **options):
    with pytest.raises(SourceError) as caught:
        rows(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(source))
    return message


def test_txt_paragraphs(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffOne line.\r\nStill one.\r\n\r\n\r\nTwo é.\n \nThree.".encode())
    assert rows(path) == [Row(1, "One line. Still one."), Row(5, "Two é."), Row(7, "Three.")]


def test_txt_with_a_bad_byte_goes_on(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"Good one.\n\nBad caf\xe9 one.\n\nGood again.\n")
    assert rows(path) == [
        Row(1, "Good one."),
        Row(3, "Bad caf\\xe9 one.", "not_utf8"),
        Row(5, "Good again."),
    ]


def test_txt_without_blank_lines_is_cut_at_line_ends(tmp_path):
    path = tmp_path / "a.txt"
    lines = [f"Sentence number {i} stands on its own line." for i in range(5000)]
    path.write_text("\n".join(lines))
    found = rows(path)
    assert len(found) > 2
    assert " ".join(row.text for row in found) == " ".join(lines)
    assert [lines[row.number - 1] for row in found] == [row.text[: len(lines[row.number - 1])] for row in found]


@pytest.mark.parametrize("content", [b"", b"\n\n \n"])
def test_empty_txt_has_no_rows(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert rows(path) == []


def test_a_line_too_long_to_hold_is_set_aside(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "One."}\n')
        file.write(b'"' + b"x" * (2 * MAX_ROW_BYTES + 5) + b'"\n')
        file.write(b'{"text": "Two."}')
    assert rows(path) == [Row(1, "One."), Row(2, None, "too_long"), Row(3, "Two.")]


def jsonl(path, lines):
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def test_jsonl_rows_and_their_reasons(tmp_path):
    path = jsonl(
        tmp_path / "a.jsonl",
        [
            {"text": "Good."},
            b"",
            {"text": ""},
            {"text": None},
            {"text": 5},
            {"other": "x"},
            b'{"text": "cut',
            b"[1, 2]",
            b'{"text": "caf\xe9"}',
            b'{"text": "half \\ud83d pair"}',
            {"text": "Zo\u00eb \U0001f600."},
        ],
    )
    assert rows(path) == [
        Row(1, "Good."),
        Row(3, ""),
        Row(4, None, "not_text"),
        Row(5, "5", "not_text"),
        Row(6, None, "not_text"),
        Row(7, '{"text": "cut', "not_json"),
        Row(8, "[1, 2]", "not_json"),
        Row(9, '{"text": "caf\\xe9"}', "not_utf8"),
        Row(10, "half \\ud83d pair", "not_utf8"),
        Row(11, "Zo\u00eb \U0001f600."),
    ]


def test_rows_of_a_file_balance_from_end_to_end(tmp_path):
    path = jsonl(
        tmp_path / "a.jsonl", [{"text": "A good one."}, b"{", {"text": 1}, {"text": ""}, b"\xff", {"text": "no"}]
    )
    found = list(contexts(read(str(path)), str(path), Cut(0)))
    counts = found[0].counts
    assert counts["rows/in"] == 6
    assert counts["rows/out"] == 1
    assert sorted(k for k in counts if k.startswith("rows/dropped")) == [
        "rows/dropped/blank",
        "rows/dropped/not_json",
        "rows/dropped/not_text",
        "rows/dropped/not_utf8",
        "rows/dropped/too_short",
    ]
    assert found[0].aside.filter(pa.compute.field("unit") == "row").num_rows == 5


def test_jsonl_packed_and_another_column(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"body": "Hello there."}\n'))
    assert rows(path, column="body") == [Row(1, "Hello there.")]


def test_a_missing_column_names_those_there_are(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", [{"body": "x", "id": 1}])
    assert "no column 'text'; there are 'body', 'id'" in fails(path)
    table = tmp_path / "a.parquet"
    pq.write_table(pa.table({"body": ["x"], "id": [1]}), table)
    assert "no column 'text'; there are 'body', 'id'" in fails(table)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_missing_file_is_one_line(tmp_path, name):
    assert "no such file" in fails(tmp_path / name)


def test_a_folder_is_one_line(tmp_path):
    (tmp_path / "a.txt").mkdir()
    assert "is a folder" in fails(tmp_path / "a.txt")


def test_an_unknown_format_is_one_line(tmp_path):
    path = tmp_path / "a.doc"
    path.write_text("Hello.")
    assert "no format is known" in fails(path)
    assert rows(path, file_format="txt") == [Row(1, "Hello.")]


def test_broken_files_are_one_line(tmp_path):
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress(b"Hello there.\n" * 1000)[:-20])
    assert "cannot be read" in fails(packed)
    packed.write_bytes(b"not packed at all")
    assert "cannot be read" in fails(packed)
    table = tmp_path / "a.parquet"
    table.write_bytes(b"PAR1 no, not really")
    assert "cannot be read" in fails(table)
    assert "cannot be read" in fails("nowhere://a.txt")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet(tmp_path, kind):
    path = tmp_path / "a.parquet"
    texts = ["One.", None, "", "Zoë."] * 700
    pq.write_table(
        pa.table({"text": pa.array(texts, pa.string()).cast(kind), "n": range(2800)}), path, row_group_size=900
    )
    found = rows(path)
    assert [row.text for row in found] == texts
    assert [row.number for row in found] == list(range(1, 2801))
    assert {row.reason for row in found if row.text is None} == {"not_text"}


def test_parquet_with_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "a.parquet"
    bad = pa.array([b"Good.", b"caf\xe9", b"Good again."], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": bad}), path)
    assert rows(path) == [Row(1, "Good."), Row(2, "caf\\xe9", "not_utf8"), Row(3, "Good again.")]


def test_parquet_column_of_numbers(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [1, 2]}), path)
    assert "holds int64; wanted text" in fails(path)


def test_fsspec_urls(tmp_path):
    with fsspec.open("memory://deep/a.txt", "wb") as file:
        file.write(b"In memory.\n")
    assert rows("memory://deep/a.txt") == [Row(1, "In memory.")]
    with fsspec.open("memory://deep/a.parquet", "wb") as file:
        pq.write_table(pa.table({"text": ["A row."]}), file)
    assert rows("memory://deep/a.parquet") == [Row(1, "A row.")]
    assert "no such file" in fails("memory://deep/b.txt")
    (tmp_path / "b.txt").write_text("On disk.")
    assert rows(f"file://{tmp_path}/b.txt") == [Row(1, "On disk.")]


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    folder = tmp_path / "set"
    folder.mkdir()
    jsonl(folder / "train.jsonl", [{"text": "Train one.", "id": 1}, {"text": None, "id": 2}])
    jsonl(folder / "test.jsonl", [{"text": "Test one.", "id": 3}])
    return folder


def test_datasets_of_a_local_folder(dataset):
    assert rows(f"datasets:{dataset}") == [Row(1, "Train one."), Row(2, None, "not_text")]
    assert rows(f"datasets:{dataset}::test") == [Row(1, "Test one.")]
    assert "no split 'dev'; there are" in fails(f"datasets:{dataset}::dev")
    assert "no column 'body'; there are" in fails(f"datasets:{dataset}", column="body")


def test_datasets_that_cannot_be_loaded_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    assert "datasets cannot load it" in fails(f"datasets:{tmp_path}/none")
    assert "wanted datasets:ID" in fails("datasets:")
    assert "wanted datasets:ID" in fails("datasets:a:b:c:d")


def test_reading_streams(tmp_path):
    """The first row is there although the end of the file is broken."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "One."}\n' * 200_000, compresslevel=0)[:-9])
    stream = read(str(path))
    assert next(stream) == Row(1, "One.")
    with pytest.raises(UserError, match="cannot be read"):
        list(stream)
