"""`python -m filters.training` tells bad input in one line, before any model is loaded."""

import gzip
from pathlib import Path

import pytest

from filters.training import __main__ as commands
from filters.training import build

ROW = '{"premise": "p", "hypothesis": "h", "label": "neutral"}\n'
READING = (
    '{"task": "summary", "source": "a b", "target": "a", "context_id": "c", "weight": 1.0, "forward": true, '
    '"reverse": true, "broken": false}\n'
)


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(commands, "open_judge", lambda spec: pytest.fail("a judge was loaded"))
    monkeypatch.setattr(commands, "unpack_mpnet", lambda cache: tmp_path)
    monkeypatch.setattr(build, "check_layers", lambda base: None)
    monkeypatch.setattr(build, "open_documents", lambda: lambda texts: pytest.fail("parsed"))


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """The only line that is said, by a command that ends as it should."""
    monkeypatch.setattr("sys.argv", ["filters.training", *words])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and len(lines) == 1 and lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no reading in it"),
        (b"\n\n", "no reading in it"),
        (READING.encode() + b"{", ":2: not a reading"),
        (b"[1]\n", ":1: not a reading"),
        (READING.replace("forward", "onward").encode(), ":1: not a reading ('forward')"),
        (READING.replace("summary", "sumary").encode(), ":1: not a reading (task is 'sumary')"),
        (READING.replace('"a b"', "3").encode(), ":1: not a reading (source is 3)"),
        (READING.replace("1.0", "null").encode(), ":1: not a reading (weight is None)"),
        (READING.replace("1.0", "NaN").encode(), ":1: not a reading (weight is nan)"),
        (READING.replace("1.0", '"x"').encode(), ":1: not a reading (weight is 'x')"),
        (READING.replace("1.0", "0").encode(), ":1: not a reading (weight is 0)"),
        (READING.replace('"broken": false', '"broken": "no"').encode(), ":1: not a reading (broken is 'no')"),
        (READING.encode() + b"\xff\n", ":2: cannot be read from here on"),
    ],
)
def test_readings_that_are_none(tmp_path: Path, capsys, monkeypatch, content: bytes, said: str) -> None:
    (tmp_path / "good.jsonl").write_text(READING)
    (tmp_path / "x.jsonl").write_bytes(content)
    words = [word for name in ("good", "x") for word in ("--readings", str(tmp_path / f"{name}.jsonl"))]
    line = told(capsys, monkeypatch, "calibrate", *words)
    assert f"x.jsonl{said}" in line.replace("x.jsonl: no", "x.jsonlno") and "wanted" in line


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", b"\xff\xfe\x00\n", ":1: cannot be read from here on"),
        ("x.jsonl", ROW.encode() + b'{"premise": null, "hypothesis": "h", "label": "neutral"}', ":2: not a labelled"),
        ("x.jsonl", ROW.replace("}", ', "origin": null}').encode(), ":1: not a labelled pair (origin is None)"),
        ("x.jsonl.gz", gzip.compress(ROW.encode())[:30], ":1: cannot be read from here on"),
        ("x.jsonl.gz", ROW.encode(), ":1: cannot be read from here on"),
        ("x.jsonl", ROW.encode(), ": no row to ask about"),
        ("x.jsonl", b"", ": no row to ask about"),
    ],
)
def test_labelled_rows_that_are_none(tmp_path: Path, capsys, monkeypatch, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    line = told(capsys, monkeypatch, "evaluate", "--rows", str(tmp_path / name))
    assert f"{name}{said}" in line and "wanted" in line


def sources(tmp_path: Path, labelled: str, text: str) -> list[str]:
    (tmp_path / "labelled.jsonl").write_text(labelled)
    (tmp_path / "plain.txt").write_text(text)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "shard-00000.parquet").write_bytes(b"")
    names = {"labelled": "labelled.jsonl", "text": "plain.txt", "candidates": "run", "work": "work"}
    return [word for name, path in names.items() for word in (f"--{name}", str(tmp_path / path))]


def test_text_that_is_no_json(tmp_path: Path, capsys, monkeypatch) -> None:
    words = sources(tmp_path, ROW, '{"text": "One line that is right."}\nAnd one that is not.\n')
    line = told(capsys, monkeypatch, "judge", *words)
    assert "plain.txt:2: no JSON" in line and "wanted a file of JSON lines" in line
    (tmp_path / "plain.txt").write_text('{"text": "One line that is right."}\nAnother that is not.\n')
    assert "plain.txt:2: no JSON" in told(
        capsys, monkeypatch, "judge", *words
    )  # not that the folder is of another make


def test_a_bad_labelled_line_comes_before_bad_text(tmp_path: Path, capsys, monkeypatch) -> None:
    words = sources(tmp_path, ROW + "{}\n", "no JSON")
    assert "labelled.jsonl:2: not a labelled pair" in told(capsys, monkeypatch, "judge", *words)


def test_a_made_judge_is_said_to_be_no_second_opinion(tmp_path: Path, capsys, monkeypatch) -> None:
    words = sources(tmp_path, ROW, "")
    monkeypatch.setattr(commands, "build", lambda sources, work: work / "small" / "model")
    monkeypatch.setattr(commands, "export", lambda trained, out, window: None)
    monkeypatch.setattr("sys.argv", ["filters.training", "judge", *words])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    said = " ".join(capsys.readouterr().out.split())
    assert not ended.value.code and "has learned from the larger judge's answers" in said
    assert "second-opinion" in said and "no longer independent" in said and "--judge" in said
