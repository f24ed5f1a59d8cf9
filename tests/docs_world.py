"""A reader's folder: what the pages tell to do is done here, as it stands there, with tiny models and little of all."""

import ast
import gzip
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from docs_blocks import ROOT, Block, expanded, reason_not_to_run
from toy_student import sentences, shorter

from pipeline import __main__ as pipeline_door
from pipeline.opened_run import open_run
from pipeline.recipe import load
from student import __main__ as student_door

DOORS = {"pipeline": pipeline_door, "student": student_door}
STANDS_FOR = {"eS": "e0", "student.seed=S": "student.seed=0"}
"""Words in capitals of which a page says what is to be put there."""
SMALL = {
    "run.backend": "local",
    "run.shard_contexts": 2,
    "engine.decoder": "transformers",
    "engine.dtype": "float32",
    "contexts.count": 6,
    "contexts.max_sentences": 2,
    "sampling.n": 12,
    "student.most_steps": 3,
    "student.precision": "fp32",
    "student.batch_tokens": 512,
    "student.rehearsal_share": 0,
    "rounds.samples": 2,
    "rounds.temperature": 0.7,
    "rounds.drop_slips": "false",  # a random student writes nothing else
    "rounds.sources_per_context": 2,
    **{f"run.resources.{stage}.threads": 1 for stage in ("contexts", "candidates", "pairs", "scores", "rewrites")},
    **{f"run.resources.{stage}.gpus": 0.0 for stage in ("contexts", "candidates", "scores", "rewrites", "student")},
}
PASSED = {
    "entailment": ("min_probability", 0.1),
    "reverse_entailment": ("min_probability", 0.1),
    "similarity": ("min_cosine", 0.2),
    "support": ("min_share", 0.0),
    "seams": ("max_surprise", 10_000),
    "fragments": ("max_awaited", 1.0),
}
"""Thresholds that a random judge's pairs and an untaught student's rewrites pass."""


class World:
    """The folder, which is the current one, the tiny models by role, and a judge that is in no recipe."""

    def __init__(self, folder: Path, models: Mapping[str, Path], outsider: Path) -> None:
        self.folder, self.models, self.outsider = folder, models, outsider
        _write_texts(folder)
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def do(self, block: Block) -> None:
        """All that a block says."""
        if block.language == "python":
            self._snippet(block)
        elif block.language == "toml":
            self._recipe(block)
        for command in block.commands():
            if not reason_not_to_run(command):
                for words in expanded(_filled(command)):
                    self._call(words, block.place)

    def _snippet(self, block: Block) -> None:
        """As in a notebook: what an expression gives is shown, and so computed."""
        for part in ast.parse(block.text).body:
            code = ast.unparse(part)
            if isinstance(part, ast.Expr):
                assert repr(eval(code, self.names)), block.place
            else:
                exec(code, self.names)

    def _recipe(self, block: Block) -> None:
        """A recipe loads, and lies under the name that its first line gives."""
        name = re.match(r"# (\S+\.toml)\n", block.text)
        if name is None:
            raise AssertionError(f"{block.place}: its first line names its file: # NAME.toml")
        (self.folder / name[1]).write_text(block.text, encoding="utf-8")
        load(name[1])

    def _call(self, words: list[str], place: str) -> None:
        if words[0] in ("mkdir", "cp"):
            subprocess.run([_found(word) for word in words], check=True)
            return
        if words[0] != ".venv/bin/python" or words[1] != "-m" or words[2] not in DOORS:
            raise AssertionError(f"{place}: no test knows how to run {shlex.join(words)}")
        door, rest = words[2], words[3:]
        if rest[0] == "serve":
            self._serve(rest)
            return
        code = _called(door, [*rest, *self._more(door, rest)])
        assert code == 0, f"{place}: {shlex.join(words)} ended with {code}"

    def _more(self, door: str, words: list[str]) -> list[str]:
        """Options that make a command small; they come last, and so win over those shown."""
        command = typer.main.get_command(DOORS[door].app).commands[words[0]]  # type: ignore[attr-defined]
        known = {option for parameter in command.params for option in parameter.opts}
        if "--set" in known:
            return ["--set", self._changes(_after("--recipe", words), _after("--run", words))]
        if words[0] == "explain":
            return ["--pair", open_run(_after("--run", words)).corpus().pandas()["pair_id"][0]]
        if words[0] == "evaluate":
            return ["--judge", str(self.outsider)]
        return ["--judge", str(self.outsider), "--threads", "1"] if words[0] == "second-opinion" else []

    def _changes(self, recipe: str, run: str) -> str:
        own = self.folder / "data" / "runs" / run / "recipe.toml"
        tasks = load(recipe or (own if run and own.exists() else "news")).tasks
        values = SMALL | {f"models.{role}": place for role, place in self.models.items()}
        for task, of in tasks.items():
            values |= {f"tasks.{task}.judge": self.models["judge"]} if of.judge else {}
            for kind, tables in (("panel", of.panel), ("rewrites", of.rewrites)):
                for name in PASSED.keys() & tables:
                    key, value = PASSED[name]
                    values[f"tasks.{task}.{kind}.{name}.{key}"] = value
            values |= {f"tasks.{task}.select.duplicates.min_probability": 0.9} if "duplicates" in of.select else {}
        return " ".join(f"{name}={value}" for name, value in values.items())

    def _serve(self, words: list[str]) -> None:
        """Started on a port that is free, its first page fetched, stopped as with Ctrl-C."""
        command = [sys.executable, "-m", "pipeline", *words, "--port", "0"]
        with subprocess.Popen(
            command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            try:
                assert address is not None
                with urllib.request.urlopen(address[0], timeout=60) as page:
                    assert page.status == 200
            finally:
                server.send_signal(signal.SIGINT)


def _filled(command: str) -> str:
    for name, value in STANDS_FOR.items():
        command = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z0-9])", value, command)
    return command


def _found(word: str) -> str:
    """A file of the project, where the folder has none of that name."""
    return str(ROOT / word) if (ROOT / word).is_file() and not Path(word).exists() else word


def _after(option: str, words: list[str]) -> str:
    return words[words.index(option) + 1] if option in words else ""


def _called(door: str, words: list[str]) -> int:
    """The exit code of a command in this process."""
    before, sys.argv = sys.argv, [door, *words]
    try:
        DOORS[door].main()
    except SystemExit as ended:
        return int(str(ended.code or 0))
    finally:
        sys.argv = before
    return 0


def _write_texts(folder: Path) -> None:
    """The files that pages take as given, under the names that they give them."""
    texts = sentences(60)
    rows = [{"source": text, "references": [shorter(text)]} for text in texts[:4]]
    pairs = [{"source": text, "target": shorter(text)} for text in texts[:40] if text != shorter(text)]
    _write_rows(folder / "articles.jsonl", [{"body": " ".join(texts[i : i + 4])} for i in range(0, 40, 4)])
    _write_rows(folder / "news.jsonl", [{"text": text} for text in texts])
    (folder / "data" / "runs").mkdir(parents=True, exist_ok=True)
    for name in ("my_pairs.jsonl", "data/runs/pairs.jsonl"):
        _write_rows(folder / name, pairs)
    for name in ("rows.jsonl", "duc2003.jsonl.gz", "gigaword_test.jsonl.gz", "quora_test.jsonl.gz"):
        _write_rows(folder / name, rows)
    (folder / "sentences.txt").write_text("\n".join(texts[:3]) + "\n", encoding="utf-8")


def _write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    raw = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(raw) if file.suffix == ".gz" else raw)
