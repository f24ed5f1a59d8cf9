"""Plain data as TOML text, and back."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.toml_text import toml_text

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(
        st.characters(exclude_categories=["Cs"]), max_size=20
    ),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    st.dictionaries(
        KEYS, VALUES | st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=2), max_size=3)
    )
)
def test_toml_text_reads_back(data):
    read = tomllib.loads(toml_text(data))
    assert read == data
    assert repr(read) == repr({**_values(data), **_tables(data)})  # types too, and the order within values and tables


def _values(data):
    return {key: value for key, value in data.items() if not isinstance(value, dict)}


def _tables(data):
    return {key: {**_values(v), **_tables(v)} for key, v in data.items() if isinstance(v, dict)}


def test_toml_text_leaves_none_out_and_refuses_what_it_has_no_word_for():
    assert toml_text({"a": None, "b": 1}) == "b = 1\n"
    with pytest.raises(TypeError, match="TOML has no bytes"):
        toml_text({"a": b"x"})
