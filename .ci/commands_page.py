"""Writes docs/commands.md: every target of make, and every command with its options, as the program itself has them.

`python .ci/commands_page.py --write`; a test checks that the page is up to date.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.__main__ import app as pipeline_app  # noqa: E402
from student.__main__ import app as student_app  # noqa: E402

PAGE = ROOT / "docs" / "commands.md"
HEAD = """# Commands

Made from the program by `.ci/commands_page.py`: do not edit. `make` sets everything up and then calls the pipeline;
what it has no setting for, the pipeline's own options do. An error that you can mend is one line and exit code 2 (an
option that is not known or out of its range, a framed line behind the usage); after
Ctrl-C the code is 130.
"""
TARGET = re.compile(r"^([a-z-]+):.*## (.*)$", re.MULTILINE)
SETTING = re.compile(r"^([A-Z_]+) \?= ?(.*)$", re.MULTILINE)
NOT_SETTINGS = {"PYTHON"}
NAMES = {str: "text", int: "whole number", float: "number", bool: "", Path: "path"}


def make_targets() -> Iterator[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    yield from ("## make", "", "| | |", "|---|---|")
    for name, what in TARGET.findall(text):
        yield f"| `make {name}` | {cell(what)} |"
    settings = [f"`{name}={value}`" for name, value in SETTING.findall(text) if name not in NOT_SETTINGS]
    yield from ("", f"Settings and their defaults: {', '.join(settings)}.", "")


def commands(title: str, app: typer.Typer) -> Iterator[str]:
    """Each command of an app: its help, its words, its options."""
    group: Any = typer.main.get_command(app)
    yield from (f"## python -m {title}", "")
    for (name, command), known in zip(group.commands.items(), app.registered_commands, strict=True):
        hints = get_type_hints(known.callback, include_extras=True)
        words = [word(parameter) for parameter in command.params if parameter.param_type_name == "argument"]
        usage = " ".join([f"python -m {title} {name}", *words, "[OPTIONS]"])
        yield from (f"### {title} {name}", "", cell(command.help or ""), "", f"`.venv/bin/{usage}`", "")
        yield from ("| option | takes | default | |", "|---|---|---|---|")
        yield from (f"| {' | '.join(row(parameter, hints[parameter.name]))} |" for parameter in command.params)
        yield ""


def word(parameter: Any) -> str:
    """An argument as a usage line has it."""
    shape = parameter.metavar or parameter.name.upper()
    return shape if parameter.required else f"[{shape}]"


def row(parameter: Any, hint: Any) -> tuple[str, str, str, str]:
    is_option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else [word(parameter)]
    default = "required" if parameter.required else shown(parameter.default)
    return ", ".join(f"`{name}`" for name in names), takes(hint), default, cell(parameter.help or "")


def takes(hint: Any) -> str:
    """What a value may be; nothing for a switch."""
    kind, info = get_args(hint)[:2]
    if get_origin(kind) in (Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    name = NAMES[get_args(kind)[0] if get_origin(kind) is list else kind]
    bounds = [f"from {info.min}" if info.min is not None else "", f"to {info.max}" if info.max is not None else ""]
    return " ".join(part for part in (name, *bounds, "(may be repeated)" if get_origin(kind) is list else "") if part)


def shown(default: object) -> str:
    if default is None or default is False or default == "":
        return ""
    return "on" if default is True else f"`{default}`"


def cell(text: str) -> str:
    """One line that a table can hold."""
    return " ".join(text.split()).replace("|", "\\|")


def page() -> str:
    apps = (("pipeline", pipeline_app), ("student", student_app))
    lines = [HEAD, *make_targets(), *(line for name, app in apps for line in commands(name, app))]
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> None:
    if "--write" not in sys.argv:
        print(page())
        return
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
