"""Names fit to be published: a model, file or address without what is private about where it lies."""

import re
import tomllib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.toml_text import toml_text

_PATH = re.compile(r"(~|\.{0,2})/")
_ADDRESS = re.compile(r"(?P<scheme>[\w+.-]+://)(?:[^/@]*@)?(?P<place>[^?#]*)")


def public_name(reference: str) -> str:
    """A folder or file as `local:` and its last part; an address without user, password and query."""
    address = _ADDRESS.match(reference)
    if address:
        return f"{address['scheme']}{address['place']}"
    if _PATH.match(reference):
        return f"local:{reference.rstrip('/').rpartition('/')[2]}"
    return reference


def public_writer(writer: str) -> str:
    """The fingerprint of a decoder, MODEL@REVISION/..., its model by its public name."""
    model, at, rest = writer.rpartition("@")
    return f"{public_name(model)}@{rest}" if at else public_name(writer)


def with_public_writers(rows: pa.Table) -> pa.Table:
    """The rows; their writers by public names."""
    kinds = rows["writer"].combine_chunks().dictionary_encode()
    names = pa.array([kind and public_writer(kind) for kind in kinds.dictionary.to_pylist()], pa.string())
    column = pc.take(names, kinds.indices)
    return rows.set_column(rows.column_names.index("writer"), rows.schema.field("writer"), column)


def public_recipe(text: str) -> str:
    """A recipe's TOML with every path and address in it by its public name."""
    return toml_text(_public(tomllib.loads(text)))


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _public(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_public(each) for each in value]
    return public_name(value) if isinstance(value, str) else value
