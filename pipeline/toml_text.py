"""Plain data as TOML text: what a resolved recipe is written with. Python reads TOML and does not write it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LINE = 120


def toml_text(data: Mapping[str, Any]) -> str:
    """TOML that `tomllib` reads back as `data`, its order kept. None is left out: TOML has no word for it."""
    return "\n".join(_table(data, ())).strip() + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping) and value is not None}
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (values or not tables):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in values.items():
        yield f"{_key(key)} = {_value(value, len(key) + 3)}"
    for key, child in tables.items():
        yield from _table(child, (*path, key))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: Any, indent: int = 0) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        items = [_value(item) for item in value]
        line = f"[{', '.join(items)}]"
        return line if len(line) + indent <= _LINE else "[\n" + "".join(f"    {item},\n" for item in items) + "]"
    raise TypeError(f"TOML has no {type(value).__name__}: got {value!r}; wanted text, a number, true, false or a list")


def _string(text: str) -> str:
    """A basic string. JSON's escapes are TOML's, except that TOML wants DEL escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
