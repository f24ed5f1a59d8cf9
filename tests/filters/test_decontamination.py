"""Decontamination: near copies of test sentences go, from every kind of file."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters import SELECTORS
from filters.base import FilterError
from filters.decontamination import Decontamination, held_out_sentences

HELD = "The city council approved the new budget for schools and roads on Monday."
TOKENISED = "the city council approved the new budget for schools and roads on monday ."
NEAR = "The town council approved the new budget for schools and roads on Monday."
SHUFFLED = "On Monday the council approved the new city budget for roads and schools."
OTHER = "Heavy rain flooded several streets near the river in the night."
SHORT = "Rain flooded streets near the river."


def kept(file: Path, *pairs: tuple[str | None, str | None], **settings: float) -> list[bool]:
    columns = {name: pa.array([pair[i] for pair in pairs], pa.string()) for i, name in enumerate(("source", "target"))}
    verdict = Decontamination((str(file),), **settings).select(pa.table(columns), pa.table(columns))
    assert verdict.null_count == 0
    return verdict.to_pylist()


def written(folder: Path, name: str) -> Path:
    """The held sentence in a file of this name, among others and deep inside."""
    file = folder / name
    rows = [{"id": 1, "label": None, "text": "Something else."}, {"id": 2, "label": None, "text": f"Before. {HELD}"}]
    text = f"Something else.\n\n{HELD}\n"
    if "jsonl" in name.lower():
        text = "".join(json.dumps({"a": {"b": ["Something else.", row["text"]]}, "n": 1}) + "\n" for row in rows)
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif name.endswith(".gz"):
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["t.txt", "t.txt.gz", "t.jsonl", "t.jsonl.gz", "T.JSONL", "t.parquet"])
def test_every_kind_of_file(tmp_path: Path, name: str) -> None:
    assert kept(written(tmp_path, name), (HELD, SHORT), (OTHER, SHORT)) == [False, True]


@pytest.mark.parametrize("copy", [HELD, TOKENISED, NEAR, SHUFFLED, HELD.upper()])
def test_near_copies_go_by_source_or_target(tmp_path: Path, copy: str) -> None:
    assert kept(written(tmp_path, "t.txt"), (copy, SHORT), (OTHER, copy), (OTHER, SHORT)) == [False, False, True]


def test_the_boundary(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_text("a b c d e f g h i j\n")
    assert kept(file, ("a b c d e f g", "x"), ("a b c d e f", "x")) == [False, True]
    assert kept(file, ("a b c d e f g", "x"), min_jaccard=0.71) == [True]


def test_blanks_and_nulls_stay(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_text("\n  \n...\n")
    assert kept(file, (None, ""), ("...", " "), (OTHER, SHORT)) == [True, True, True]
    assert kept(file) == []


def test_no_test_set_drops_nothing() -> None:
    pairs = pa.table({"source": [HELD], "target": [SHORT]})
    assert Decontamination().select(pairs, pairs).to_pylist() == [True]


def test_a_text_counts_whole_and_by_sentence(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(json.dumps({"text": f"{HELD} {OTHER}"}) + "\n\n")
    assert list(held_out_sentences(str(file))) == [f"{HELD} {OTHER}", HELD, OTHER]


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("t.csv", b"a,b", "wanted a file .txt"),
        ("t.jsonl", b"{", "cannot be read"),
        ("t.parquet", b"x", "cannot be read"),
        ("t.txt", b"\xff\xfe", "cannot be read"),
        ("t.txt.gz", b"plain", "cannot be read"),
        ("t.txt", None, "no such file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, wanted: str) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    for look in (Decontamination((str(file),)).check, lambda: kept(file, (HELD, SHORT))):
        with pytest.raises(FilterError, match=wanted) as raised:
            look()
        assert "\n" not in str(raised.value) and str(file) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content"), [("t.txt", ""), ("t.txt", " \n"), ("t.jsonl", '{"id": 1}\n'), ("t.jsonl", '{"text": " "}\n')]
)
def test_a_test_set_without_a_text_is_refused_before_any_work(tmp_path: Path, name: str, content: str) -> None:
    """It would drop nothing, and nobody would know."""
    (tmp_path / name).write_text(content)
    with pytest.raises(FilterError, match="holds no text"):
        Decontamination((str(tmp_path / name),)).check()
    (tmp_path / name).write_text(f'{content}{{"text": "{HELD}"}}\n')
    Decontamination((str(tmp_path / name),)).check()


def test_it_is_in_the_catalogue() -> None:
    assert SELECTORS["decontamination"] is Decontamination
