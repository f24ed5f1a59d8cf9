"""What is wrong with a recipe, said in one line each, all lines at once."""

import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from filters.nli_judge import FRAME
from filters.wellformed import ENDS
from pipeline.errors import UserError

Path = tuple[str, ...]
"""The steps of a key: ("sampling", "top_p") is sampling.top_p."""

NAME = r"^[A-Za-z0-9_.-]*$"
_PATTERNS = {
    NAME: "letters, digits, _ . and -",
    FRAME: "a statement with {} once, where the sentence goes",
    ENDS: "one or more of . ? and !",
}
"""What a text of that pattern is, in words."""
_UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}
_TABLE = {"model_type", "dataclass_type", "dict_type", "model_attributes_type", "dataclass_exact_type"}


class RecipeError(UserError, ValueError):
    """A recipe that cannot be used. `problems` holds one line for each thing that is wrong with it."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.problems = tuple(f"recipe {source}: {problem}" for problem in problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Problem:
    """One thing wrong. `keys` are the dotted keys it is about, the first of them named in the line."""

    keys: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.keys[0]}: {self.text}"

    def touches(self, others: Sequence["Problem"]) -> bool:
        """Whether another problem is about one of the same keys, or about a table around or inside it."""
        theirs = [f"{key}." for other in others for key in other.keys]
        mine = [f"{key}." for key in self.keys]
        return any(one.startswith(other) or other.startswith(one) for one in mine for other in theirs)


def problem(key: str, text: str, *also: str) -> Problem:
    return Problem((key, *also), text)


def unknown(key: str, nearest_key: str) -> Problem:
    return problem(key, f"unknown key; nearest is {nearest_key}")


def explain(error: ErrorDetails, root: Any, within: Path = ()) -> Problem:
    """A pydantic error about `root`, which stands at the key `within`, as a line of ours."""
    path = tuple(str(step) for step in error["loc"] if step != "[key]")
    key = ".".join(within + path) or "the recipe"
    if error["type"] in _UNKNOWN and _has_no_keys(_at(root, path[:-1])):
        table = ".".join((*within, *path[:-1]))
        return problem(key, f"unknown key; {table} has none: write {table}={{}}")
    if error["type"] in _UNKNOWN:
        return unknown(key, ".".join((*within, nearest_key(root, path))))
    if error["type"] in {"missing", "missing_argument"}:
        return problem(key, "is missing; give it a value")
    if error["type"] in _TABLE:
        return problem(key, f"got {_short(error['input'])}; wanted a table")
    if error["type"] == "value_error":
        return problem(key, error["msg"].removeprefix("Value error, "))
    if error["type"] == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return problem(key, f"got {_short(error['input'])}; wanted {_PATTERNS.get(pattern, f'a match of {pattern}')}")
    return problem(key, f"got {_short(error['input'])}; {error['msg'].replace('Input should be', 'wanted')}")


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def nearest(word: str, names: Sequence[str]) -> str:
    """The name most like `word`; there is always one, however far."""
    return max(names, key=lambda name: (_likeness(word, name), name)) if names else word


def nearest_key(root: Any, path: Path) -> str:
    """The dotted key of `root` most like `path`: a sibling if one is close, else any key whose last word is close."""
    parent, last = path[:-1], path[-1]
    sibling = nearest(last, sorted(_children(_at(root, parent))))
    anywhere = max(_keys(root), key=lambda key: (_likeness(last, key[-1]), -len(key)), default=path)
    is_elsewhere = _likeness(last, sibling) < 0.6 and _likeness(last, anywhere[-1]) >= 0.75
    return ".".join(anywhere if is_elsewhere else (*parent, sibling))


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()


def _children(kind: Any) -> dict[str, Any]:
    """Field name -> type, of a pydantic model or a dataclass; empty for anything else."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return {}


def _has_no_keys(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind) and not dataclasses.fields(kind)


def _at(kind: Any, path: Path) -> Any:
    """The type that stands at `path` under `kind`; None where there is none."""
    for step in path:
        kind = get_args(kind)[1] if get_origin(kind) is dict else _children(kind).get(step)
    return kind


def _keys(kind: Any, prefix: Path = ()) -> Iterator[Path]:
    """Every fixed key under `kind`; tables whose names the user chooses are not entered."""
    for name, child in _children(kind).items():
        yield (*prefix, name)
        yield from _keys(child, (*prefix, name))
