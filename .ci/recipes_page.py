"""Writes the reference of docs/recipes.md: every section and key of a recipe, with type, default and meaning.

`python .ci/recipes_page.py --write` puts it between its markers; a test checks that it is up to date. All comes from
the recipe's own classes.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from filters import FILTERS, SELECTORS  # noqa: E402
from pipeline.recipe import Recipe  # noqa: E402
from pipeline.recipe_sections import Stages, Task  # noqa: E402

PAGE = ROOT / "docs" / "recipes.md"
BEGIN, END = "<!-- reference: made by .ci/recipes_page.py -->", "<!-- end of the reference -->"
NAMES = {"str": "text", "int": "whole number", "float": "number", "bool": "true, false"}
SIGNS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
Row = tuple[str, str, str, str]


def sections(kind: Any, path: str, what: str) -> Iterator[tuple[str, str, list[Row]]]:
    """(path, what it is, its keys) of a class of the recipe and of all below it, in their order."""
    rows, below = [], []
    for name, field in fields(kind).items():
        here = f"{path}.{name}" if path else name
        said = " ".join((field.description or "").split())
        if fields(field.annotation) and field.annotation is not Stages:
            below.append((field.annotation, here, said))
        elif here not in ("tasks", "candidates", "run.resources"):
            rows.append((name, takes(field), default(field), said))
    if rows:
        yield path, what, rows
    for each in below:
        yield from sections(*each)


def fields(kind: Any) -> dict[str, Any]:
    """The keys of a section; empty for what is no section."""
    found = getattr(kind, "__pydantic_fields__", {})
    return dict(found)


def takes(field: Any) -> str:
    """A key's type and bounds."""
    bounds = [
        f"{words} {number(getattr(rule, sign))}"
        for rule in field.metadata
        for sign, words in SIGNS.items()
        if hasattr(rule, sign)
    ]
    return ", ".join([typed(field.annotation), *bounds])


def typed(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(typed(part) for part in parts if part is not NoneType)
    if origin is tuple:
        return f"list of {typed(parts[0])}s"
    if origin is dict:
        return "table"
    return NAMES[kind.__name__]


def default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value in (None, "", (), {}) or value is PydanticUndefined:
        return ""
    if isinstance(value, tuple) and len(value) > 9:
        return f"{len(value)} of our own, such as `{plain(value[0])}`"
    return f"`{plain(value)}`"


def number(bound: float) -> str:
    return f"2^{int(bound).bit_length() - 1}" if bound > 10**9 else f"{bound:g}"


def plain(value: Any) -> str:
    """As it would stand in a recipe."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {plain(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def written(title: str, what: str, rows: list[Row]) -> list[str]:
    lines = [f"### {title}", "", what, ""]
    if rows:
        lines += ["| key | takes | default | |", "|---|---|---|---|"]
        lines += [f"| `{name}` | {kind} | {value} | {said} |" for name, kind, value, said in rows]
        lines.append("")
    return lines


def tasks() -> list[str]:
    """The sections that a recipe names itself."""
    every = {name: (name, takes(field), default(field), field.description) for name, field in fields(Task).items()}
    rows = [row for name, row in every.items() if name not in ("panel", "rewrites", "select")]
    filters, selectors = (", ".join(f"[{name}](filters.md#{name})" for name in of) for of in (FILTERS, SELECTORS))
    lines = written("[tasks.NAME]", " ".join((Task.__doc__ or "").split()), rows)
    lines += written("[tasks.NAME.panel.FILTER]", f"{every['panel'][3]} {filters}.", [])
    lines += written("[tasks.NAME.rewrites.FILTER]", every["rewrites"][3], [])
    lines += written("[tasks.NAME.select.SELECTOR]", f"{every['select'][3]} {selectors}.", [])
    wellformed = fields(Recipe)["candidates"].description
    return lines + written("[candidates]", f"{wellformed} See [wellformed](filters.md#wellformed).", [])


def resources() -> list[str]:
    stages = fields(Stages)
    kind = next(iter(stages.values())).annotation
    what = [" ".join((kind.__doc__ or "").split()), "STAGE is one of these."]
    what += [f"`{name}`: {field.description}" for name, field in stages.items()]
    rows = [(name, takes(field), default(field), field.description) for name, field in fields(kind).items()]
    return written("[run.resources.STAGE]", " ".join(what), rows)


def block() -> str:
    lines = [BEGIN, "", "## Every section and key", ""]
    for path, what, rows in sections(Recipe, "", "Before the first section."):
        lines += written(f"[{path}]" if path else "At the top", what, rows)
    return "\n".join([*lines, *tasks(), *resources(), END])


def main() -> None:
    if "--write" not in sys.argv:
        print(block())
        return
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text[: text.index(BEGIN)] + block() + text[text.index(END) + len(END) :], encoding="utf-8")


if __name__ == "__main__":
    main()
