"""A folder says what it was made with, and is not used for anything else."""

import json
from pathlib import Path

import pytest

from filters.base import FilterError
from filters.training.made_with import MARK, claim


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text("one\n")
    return tmp_path / "rows.jsonl"


def begun(folder: Path, rows: Path) -> Path:
    claim(folder, {"rate": 0.1, "layers": (1, 2)}, {"rows": [rows]})
    (folder / "log.csv").write_text("1\n")
    return folder


def test_the_same_again_is_let_in(tmp_path: Path, rows: Path) -> None:
    folder = begun(tmp_path / "work", rows)
    before = (folder / MARK).read_bytes()
    assert (begun(folder, rows) / MARK).read_bytes() == before


@pytest.mark.parametrize(
    ("rate", "layers", "text", "said"),
    [
        (0.2, (1, 2), "one\n", "(rate)"),
        (0.1, (1,), "one\n", "(layers)"),
        (0.1, (1, 2), "two\n", "(rows)"),
        (0.2, (1, 2), "two\n", "(rate, rows)"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, rows: Path, rate: float, layers: tuple[int], text: str, said: str):
    folder = begun(tmp_path / "work", rows)
    rows.write_text(text)
    with pytest.raises(FilterError) as error:
        claim(folder, {"rate": rate, "layers": layers}, {"rows": [rows]})
    assert str(error.value) == f"{folder}: made with other settings {said}; remove it or give another --work"


def test_a_setting_that_was_not_there_before_is_named(tmp_path: Path, rows: Path) -> None:
    with pytest.raises(FilterError, match=r"\(seed\)"):
        claim(begun(tmp_path / "work", rows), {"rate": 0.1, "layers": (1, 2), "seed": 0}, {"rows": [rows]})


def test_files_count_by_content_and_order(tmp_path: Path, rows: Path) -> None:
    other, moved = tmp_path / "other", tmp_path / "moved"
    other.write_text("two\n")
    moved.write_text("one\n")
    claim(tmp_path / "work", {}, {"rows": [rows, other]})
    (tmp_path / "work" / "made").write_text("")
    claim(tmp_path / "work", {}, {"rows": [moved, other]})
    with pytest.raises(FilterError, match=r"\(rows\)"):
        claim(tmp_path / "work", {}, {"rows": [other, rows]})


@pytest.mark.parametrize("mark", [None, "", "[1]", "f3a9", '{"rate": 0.1'])
def test_a_folder_of_unknown_make_is_refused(tmp_path: Path, rows: Path, mark: str | None) -> None:
    folder = begun(tmp_path / "work", rows)
    (folder / MARK).unlink() if mark is None else (folder / MARK).write_text(mark)
    with pytest.raises(FilterError, match=r"made with settings that it does not tell; remove it or give another"):
        begun(folder, rows)


def test_a_folder_in_which_nothing_was_made_may_be_begun_anew(tmp_path: Path, rows: Path) -> None:
    """A first call that ends on a bad line of text leaves its mark; the line is then mended."""
    claim(tmp_path / "work", {"rate": 0.1}, {"rows": [rows]})
    (tmp_path / "work" / "parsed.aside").write_text("half")
    rows.write_text("mended\n")
    claim(tmp_path / "work", {"rate": 0.1}, {"rows": [rows]})
    assert json.loads((tmp_path / "work" / MARK).read_text())["rate"] == 0.1
    (tmp_path / "work" / "parsed.jsonl").write_text("")
    claim(tmp_path / "work", {"rate": 0.1}, {"rows": [rows]})
