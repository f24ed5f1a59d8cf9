"""SET='key=value key2=value': changes to a recipe from the command line."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.recipe_errors import Problem, problem

_BARE = re.compile(r"[^\s\"'\[\]{}]+")
_CLOSING = {"[": "]", "{": "}"}
_FORM = (
    "wanted key=value, such as sampling.n=32, models.teacher=org/name or, of a table, tasks.summary.panel.asked={}; "
    "quote a value that has spaces"
)


def apply(data: dict[str, Any], overrides: Sequence[str]) -> list[Problem]:
    """Put each `key=value` into `data`; each string may hold several. Returns what could not be read."""
    problems: list[Problem] = []
    for item in (item for override in overrides for item in _items(override)):
        key, equals, text = item.partition("=")
        path = [step.strip() for step in key.split(".")]
        if not equals or not all(path):
            problems.append(problem("SET", f"got {item!r}; {_FORM}"))
            continue
        try:
            _put(data, path, _value(text.strip()))
        except ValueError as error:
            problems.append(problem(key, str(error)))
    return problems


def _items(override: str) -> Iterator[str]:
    """Split at spaces that are in no quotes and no brackets."""
    item, quote = "", ""
    open_brackets: list[str] = []
    for letter in override.strip() + " ":
        if letter.isspace() and not quote and not open_brackets:
            if item:
                yield item
            item = ""
            continue
        if quote:
            quote = "" if letter == quote and not item.endswith("\\") else quote
        elif letter in "\"'":
            quote = letter
        elif letter in _CLOSING:
            open_brackets.append(_CLOSING[letter])
        elif open_brackets and letter == open_brackets[-1]:
            open_brackets.pop()
        item += letter
    if item.strip():  # a quote or bracket was left open: let the value's reader say so
        yield item.strip()


def _value(text: str) -> Any:
    """A TOML value; text that is none and has no quotes or brackets stands for itself."""
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        if _BARE.fullmatch(text):
            return text
        raise ValueError(f"SET got the value {text!r}; {_FORM}") from None
    return read["value"]


def _put(data: dict[str, Any], path: Sequence[str], value: Any) -> None:
    table = data
    for depth, step in enumerate(path[:-1], 1):
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            raise ValueError(f"SET goes into {'.'.join(path[:depth])}, which is a value and no table; drop the rest")
    table[path[-1]] = value
