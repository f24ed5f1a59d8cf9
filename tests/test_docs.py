"""What README.md and docs/ show is there: every block is known, every command and option exists, made pages are fresh.

That the blocks work is tested by tests/pipeline/test_docs_commands.py, which runs them.
"""

import importlib.util
import json
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
import typer
from docs_blocks import COMMAND, NOT_RUN, PAGES, ROOT, Block, blocks, expanded, inline, reason_not_to_run

from pipeline.__main__ import app as pipeline_app
from student.__main__ import app as student_app

APPS = {"pipeline": pipeline_app, "student": student_app}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EVERY = [block for page in PAGES for block in blocks(page)]
SHOWN = sorted({(block.page, command) for block in EVERY for command in block.commands()})
SAID = sorted({(page.name, command) for page in PAGES for command in inline(page)} - set(SHOWN))


@pytest.mark.parametrize("block", EVERY, ids=lambda block: block.place)
def test_a_block_is_known_for_what_it_is(block: Block) -> None:
    """Code that is run, commands that are run or excused, or what came out: nothing else passes unseen."""
    if block.language == "json":
        assert [json.loads(line) for line in block.text.splitlines()]
    elif block.language:
        assert block.language in ("python", "toml"), "commands stand in blocks without a language"
    elif not block.is_output:
        strange = [command for command in block.commands() if not COMMAND.match(command)]
        assert block.commands() and not strange, "no command that is known: name it in docs_blocks.py"


@pytest.mark.parametrize(("page", "command"), [*SHOWN, *SAID], ids=lambda text: str(text))
def test_a_command_exists(page: str, command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        settings = {word.partition("=")[0] for word in words[1:] if "=" in word}
        assert settings <= set(re.findall(r"(?:\$\(|origin )([A-Z_]+)\)", MAKEFILE)), page
    for each in expanded(command):
        check_program(each)


def check_program(words: list[str]) -> None:
    """A module with its options, or a file."""
    program, rest = Path(words[0]).name, words[1:]
    if program == "python" and rest[0] == "-m":
        check_module(rest[1], rest[2:])
    elif program in ("python", "bash"):
        assert (ROOT / rest[0]).is_file(), rest[0]
    else:
        assert program in ("pytest", "ruff", "mypy", "rm", "find", "awk", "echo", "mkdir", "cp"), program


def check_module(name: str, words: list[str]) -> None:
    used = {word.partition("=")[0] for word in words if word.startswith("-")}
    if name not in APPS:
        place = ROOT / f"{name.replace('.', '/')}.py"
        assert name == "pytest" or place.exists() or (place.with_suffix("") / "__main__.py").exists(), name
        text = place.read_text(encoding="utf-8") if place.exists() else ""
        assert not text or all(option in text or option[2:].replace("-", "_") in text for option in used), name
        return
    commands: dict[str, Any] = typer.main.get_command(APPS[name]).commands  # type: ignore[attr-defined]
    if words:
        known = {option for parameter in commands[words[0]].params for option in of(parameter)}
        assert used <= known, name


def of(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def test_few_commands_are_excused_and_each_excuse_is_needed() -> None:
    shown = [command for _, command in SHOWN]
    assert [pattern for pattern in NOT_RUN if not any(re.match(pattern, command) for command in shown)] == []
    ours = [command for command in shown if re.search(r"-m (pipeline|student) ", command)]
    assert ours and not [command for command in ours if reason_not_to_run(command)]


def test_the_filter_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class of docs/filters.md scores and keeps what its table says."""
    code, table = (block.text for block in EVERY if block.page == "filters.md" and block.language == "python")
    written = ModuleType("calm")
    monkeypatch.setitem(sys.modules, "calm", written)
    exec(code, written.__dict__)
    rows: dict[str, Any] = {}
    vars(written)["Table"] = lambda spec, **columns: rows.update(columns, spec=spec)
    eval(f"{{{table}}}", written.__dict__)
    spec = rows["spec"]
    for kind in ("kept", "dropped", "unicode", "boundary"):
        for source, target, wanted in rows[kind]:
            scores = spec.open("cpu")(pa.table({"source": [source], "target": [target]}))
            assert scores.to_pylist() == [wanted]
            assert kind == "boundary" or spec.keep(scores).to_pylist() == [kind != "dropped"]


def script(name: str) -> Any:
    """A page's maker of .ci/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_up_to_date() -> None:
    made = script("commands_page").page()
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == made, (
        "run: .venv/bin/python .ci/commands_page.py --write"
    )


def test_the_reference_of_recipes_is_up_to_date_and_says_what_each_key_is() -> None:
    made = script("recipes_page")
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert made.block() in page, "run: .venv/bin/python .ci/recipes_page.py --write"
    found = list(made.sections(made.Recipe, "", ""))
    assert [row[0] for _, _, rows in found for row in rows if not row[3]] == []


def test_every_page_is_linked() -> None:
    """A page that nothing leads to is not found."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [page.name for page in PAGES[1:] if f"{page.name})" not in text and f"{page.name}#" not in text] == []
