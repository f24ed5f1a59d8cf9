"""`python -m student rewrite`: sentences in from anywhere, rewrites out; every mistake is one line and exit code 2."""

import gzip
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_student import sentences

from student.__main__ import main

pytestmark = pytest.mark.usefixtures("own_home")
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command in this process: exit code, stdout, stderr."""

    def run(*words: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["student", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(str(ended.code or 0))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def ask(call: Call, tiny_student: Path) -> Call:
    return lambda *words, **more: call("rewrite", "--model", str(tiny_student), "--threads", "1", *words, **more)


def test_a_sentence_a_file_and_standard_input_say_the_same(ask: Call, tmp_path: Path) -> None:
    texts = sentences(3, 4)
    alone = [ask(text)[1].strip() for text in texts]
    assert all(alone)
    file = tmp_path / "in.txt"
    file.write_bytes(("\ufeff" + "\n".join(texts)).encode())  # a byte order mark, no end of the last line
    assert ask("--file", str(file)) == (0, "\n".join(alone) + "\n", "")
    assert ask(stdin="".join(f"  {text}\r\n" for text in texts).encode())[:2] == (0, "\n".join(alone) + "\n")
    rows = tmp_path / "in.jsonl"
    rows.write_text("".join(json.dumps({"source": text, "id": 1}) + "\n" for text in texts))
    code, out, _ = ask("--file", str(rows), "--format", "jsonl")
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"task": "summary", "source": text, "rewrites": [made]} for text, made in zip(texts, alone, strict=True)
    ]


def test_packed_files_upper_case_names_and_marks_of_byte_order(ask: Call, tmp_path: Path) -> None:
    texts = sentences(2, 4)
    rows = "".join(json.dumps({"source": text}) + "\n" for text in texts)
    (tmp_path / "ROWS.JSONL").write_text(rows)
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt") as packed:
        packed.write(rows)
    wanted = ask(stdin="\n".join(texts).encode())
    assert wanted[0] == 0 and wanted[1]
    (tmp_path / "ROWS2.JSONL.GZ").write_bytes((tmp_path / "rows.jsonl.gz").read_bytes())
    for name in ("ROWS.JSONL", "rows.jsonl.gz", "ROWS2.JSONL.GZ"):
        assert ask("--file", str(tmp_path / name)) == wanted
    assert ask(stdin=("\ufeff" + "\n".join(texts)).encode()) == wanted
    assert ask(stdin="\n".join(f"\x1b{text}\x07" for text in texts).encode()) == wanted


def test_no_standard_input(ask: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("io.TextIOWrapper", lambda *_, **__: None)
    code, out, error = ask()
    assert (code, out) == (2, "") and "standard input: it is closed" in error


def test_another_task_samples_and_a_length(ask: Call) -> None:
    text = sentences(1, 4)[0]
    drawn = ["--samples", "3", "--temperature", "1", "--seed", "2"]
    code, out, _ = ask(text, "--task", "paraphrase", *drawn)
    assert code == 0 and len(out.splitlines()) == 3
    assert ask(text, "--task", "paraphrase", *drawn)[1] == out
    code, out, _ = ask(text, "--length", "short", "--novelty", "copied", "--format", "jsonl")
    assert code == 0 and len(json.loads(out)["rewrites"]) == 1


def test_spelling_is_left_alone_when_asked(ask: Call) -> None:
    drawn = ["--samples", "3", "--temperature", "1", "--seed", "1"]
    lines = "".join(f"{text}\n" for text in sentences(6, 3)).encode()
    mended, plain = ask(*drawn, stdin=lines)[1], ask(*drawn, "--no-respell", stdin=lines)[1]
    assert mended != plain and mended.count("\n") == plain.count("\n") == 18


def test_no_sentence_at_all_is_no_rewrite(ask: Call) -> None:
    assert ask(stdin=b"") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["A.", "--task", "headline"], "task 'headline' is not one it learned; it knows paraphrase, summary"),
        (["A.", "--length", "tiny"], "--length 'tiny': wanted one of shortest, short, medium, long, full"),
        (["A.", "--novelty", "new"], "--novelty 'new': wanted one of copied, mixed, rewritten"),
        (["   "], "sentence, line 1: it is blank"),
        ([""], "sentence, line 1: it is blank"),
        (["A \udcff b."], "sentence, line 1: not UTF-8"),
        (["A.", "--file", "none.txt"], "a sentence and --file none.txt: wanted one of the two"),
        (["A.", "--device", "gpu"], "--device 'gpu': wanted cpu, cuda or cuda:N"),
        (["A.", "--device", ""], "--device '': wanted cpu, cuda or cuda:N"),
        (["A.", "--device", "cuda:77"], "GPUs here; leave --device out"),
        (["--file", "none.txt"], "none.txt: no such file"),
        (["--file", "."], ".: no such file"),
    ],
)
def test_mistakes_in_what_is_asked(ask: Call, words: list[str], said: str) -> None:
    code, out, error = ask(*words)
    assert (code, out) == (2, "") and said in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"One.\n\nTwo.\n", "a.txt, line 2: it is blank"),
        ("a.txt", b"One.\nTwo.\n" + "é".encode("latin-1"), "a.txt, line 3: not UTF-8"),
        ("a.jsonl", b'{"source": "A \\ud800 b."}\n', "a.jsonl, line 1: its text has half of a surrogate pair"),
        ("a.CSV", b"source\nOne.\n", "a.CSV: its lines are no sentences"),
        ("a.parquet", b"PAR1", "a.parquet: its lines are no sentences"),
        ("a.jsonl.zst", b"", "a.jsonl.zst: its lines are no sentences"),
        ("a.txt.gz", b"One.\n", "a.txt.gz: it cannot be read ("),
        ("a.txt", b"One.\n" * 3000 + b"\n", "a.txt, line 3001: it is blank"),
        ("a.jsonl", b'{"source": "A."}\n{"source": null}\n', "a.jsonl, line 2: wanted a JSON object with text"),
        ("a.jsonl", b'{"text": "A."}\n', "a.jsonl, line 1: wanted a JSON object"),
        ("a.jsonl", b"[1]\n", "a.jsonl, line 1: wanted a JSON object"),
        ("a.jsonl", b"{torn\n", "a.jsonl, line 1: wanted a JSON object"),
        ("a.jsonl", b'{"source": " "}\n', "a.jsonl, line 1: it is blank"),
    ],
)
def test_mistakes_in_a_file(ask: Call, tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    code, out, error = ask("--file", str(tmp_path / name))
    assert (code, out) == (2, "") and said in error and error.count("\n") == 1


def test_mistakes_on_standard_input(ask: Call) -> None:
    for stdin, said in ((b"One.\n\n", "standard input, line 2: it is blank"), (b"\xff\xfe", "line 1: not UTF-8")):
        code, _, error = ask(stdin=stdin)
        assert code == 2 and said in error and error.count("\n") == 1


def test_a_student_that_is_not_whole(call: Call, tmp_path: Path, tiny_student: Path) -> None:
    for number, (name, content, said) in enumerate(
        (
            ("student.json", "{}", "it names no tasks"),
            ("student.json", "[]", "it names no tasks"),
            ("tokenizer*", None, "wanted its tokenizer files"),
        )
    ):
        folder = tmp_path / str(number)
        shutil.copytree(tiny_student, folder)
        for file in folder.glob(name):
            file.unlink() if content is None else file.write_text(content)
        code, out, error = call("rewrite", "A.", "--model", str(folder))
        assert (code, out) == (2, "") and said in error and error.count("\n") == 1, name


def test_a_folder_without_a_student(call: Call, tmp_path: Path, tiny_t5: Path) -> None:
    for folder in (tmp_path / "none", tmp_path, tiny_t5):  # the last is a T5, but learned nothing
        code, out, error = call("rewrite", "A.", "--model", str(folder))
        assert (code, out) == (2, "") and "wanted the folder of a trained student" in error and error.count("\n") == 1
