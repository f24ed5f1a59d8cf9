"""Commands that README.md and docs/ show are commands that there are, with options that they have."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from pipeline.__main__ import app as pipeline_app
from student.__main__ import app as student_app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
APPS = {"pipeline": pipeline_app, "student": student_app}
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    \S.*\n)+", re.MULTILINE)
SETTINGS = re.compile(r"^([A-Z_]+) \?=", re.MULTILINE)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
FROM_OUTSIDE = {"LICENSE", "TAG", "PRIVATE", "DRY_RUN", "BLOCKLIST", "CONTEXTS"}
"""Settings of make that have no default."""


def lines() -> list[tuple[str, str]]:
    """(page, command) of every line of a code block that calls make, the pipeline or the student."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in [*BLOCK.findall(text), *INDENTED.findall(text)]:
            joined = block.replace("\\\n", " ")
            parts = [part.strip() for line in joined.splitlines() for part in line.split("&&")]
            found += [(page.name, part) for part in parts if wanted(part)]
    return sorted(set(found))


def wanted(line: str) -> bool:
    return line.startswith("make ") or re.match(r"(\S*python) -m (pipeline|student) ", line) is not None


@pytest.mark.parametrize(("page", "line"), lines())
def test_a_shown_command_exists(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        settings = {word.partition("=")[0] for word in words[1:] if "=" in word}
        targets = {word for word in words[1:] if "=" not in word}
        assert targets <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)), page
        assert settings <= {*SETTINGS.findall(MAKEFILE), *FROM_OUTSIDE}, page
        return
    group = typer.main.get_command(APPS[words[2]])
    command = group.commands[words[3]]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    used = {word.partition("=")[0] for word in words[4:] if word.startswith("-")}
    assert used <= known, page


def test_there_are_such_commands() -> None:
    assert len(lines()) > 20
