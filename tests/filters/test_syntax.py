"""Syntax: trees, the distance against a recursion written from its definition, and life without a parser."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import without_parser
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from filters import syntax
from filters.base import FilterError
from filters.models import EMBEDDED_PARSER, revision_of
from filters.syntax import Syntax, Tree, distance, open_parser, size

ROOT = Path(__file__).resolve().parents[2]
needs_parser = pytest.mark.skipif(bool(without_parser()), reason=without_parser())


def rows(*pairs: tuple[str | None, str | None]) -> pa.Table:
    columns = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table(dict(zip(("source", "target"), (pa.array(c, pa.string()) for c in columns), strict=True)))


def test_without_the_parser_the_error_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "NEEDED", ("spacy", "no_such_tree_package"))
    open_parser.cache_clear()
    with pytest.raises(FilterError, match=r"pip install -e '\.\[parser\]'") as caught:
        Syntax().open("cpu")
    open_parser.cache_clear()
    assert "no_such_tree_package" in str(caught.value) and "\n" not in str(caught.value)


def test_without_its_package_the_embedded_parser_is_missed_before_a_model_loads() -> None:
    """A plan asks for the version of every model. Run aside, where no package of the parser can be found."""
    code = (
        "import importlib.util as u, sys; real = u.find_spec; "
        "u.find_spec = lambda name, *a: None if name.startswith(('spacy', 'apted', 'en_core')) else real(name, *a)\n"
        "from filters.models import revision_of, EMBEDDED_PARSER\n"
        "try: revision_of(EMBEDDED_PARSER)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "print(sorted({'spacy', 'transformers'} & sys.modules.keys()))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    first, loaded = said.splitlines()
    assert first.startswith("FilterError embedded:en-core-web-sm") and ".[parser]" in first
    assert loaded == "[]"


def test_the_catalogue_does_not_import_the_parser() -> None:
    code = "import sys, filters; print({'spacy', 'apted'} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"


def test_the_threshold_passes_itself_and_bad_parameters_are_refused() -> None:
    scores = pa.array([0.19, 0.2, 1.0, None], pa.float32())
    assert Syntax().keep(scores).to_pylist() == [False, True, True, False]
    with pytest.raises(ValidationError):
        Syntax(min_distance=1.2)
    with pytest.raises(ValidationError):
        Syntax(min_edits=12)


LABELS = st.sampled_from(["ROOT", "nsubj", "dobj", "prep"])
TREES = st.recursive(
    LABELS.map(lambda label: (label,)),
    lambda child: st.builds(lambda label, children: (label, *children), LABELS, st.lists(child, max_size=3)),
    max_leaves=5,
)


@cache
def edits(left: tuple[Tree, ...], right: tuple[Tree, ...]) -> int:
    """The edit distance of two forests by its definition: delete, insert or match the root of the last tree."""
    if not left or not right:
        return sum(map(size, left + right))
    (a, *below_a), (b, *below_b) = left[-1], right[-1]
    return min(
        edits((*left[:-1], *below_a), right) + 1,
        edits(left, (*right[:-1], *below_b)) + 1,
        edits(left[:-1], right[:-1]) + edits(tuple(below_a), tuple(below_b)) + (a != b),
    )


@needs_parser
@settings(max_examples=60, deadline=None)
@given(TREES, TREES)
def test_the_distance_is_that_of_its_definition(left: Tree, right: Tree) -> None:
    d = edits((left,), (right,))
    assert distance(left, right) == pytest.approx(2 * d / (size(left) + size(right) + d))
    assert distance(left, right) == distance(right, left)
    assert 0 <= distance(left, right) <= 1


@needs_parser
@settings(max_examples=40, deadline=None)
@given(TREES, TREES, TREES)
def test_the_distance_is_a_metric(a: Tree, b: Tree, c: Tree) -> None:
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12


@needs_parser
def test_a_tree_has_the_relations_and_no_punctuation() -> None:
    read = open_parser(EMBEDDED_PARSER)
    wanted = ("ROOT", ("nsubj", ("det",)), ("dobj", ("det",)))
    assert read("The police closed the bridge.") == wanted
    assert read('"The police closed the bridge!"') == wanted
    several = read("Snow fell. The police closed the bridge.")
    assert several is not None and several[0] == "" and len(several) == 3
    assert read("...") is None and read(" ") is None
    assert read("word " * 129) is None and read("Dogs bark.") is not None


@needs_parser
def test_each_sentence_is_parsed_once_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    load = syntax._load

    def counting(folder: Path, unused: tuple[str, ...]):
        parser = load(folder, unused)
        return lambda text: parsed.append(text) or parser(text)

    monkeypatch.setattr(syntax, "_load", counting)
    open_parser.cache_clear()
    scorer = Syntax().open("cpu")
    table = rows(("Dogs bark.", "Cats sleep."), ("Cats sleep.", "Dogs bark."), ("Dogs bark.", "Dogs bark."))
    there, back, same = scorer(table).to_pylist()
    assert there == back and same == 0
    assert scorer(table).to_pylist() == [there, back, same]
    assert sorted(parsed) == ["Cats sleep.", "Dogs bark."]
    open_parser.cache_clear()


@needs_parser
def test_the_parser_has_a_version_and_must_be_a_parser(tmp_path: Path) -> None:
    import spacy

    assert len(revision_of(EMBEDDED_PARSER)) == 32
    with pytest.raises(FilterError, match="folder of a spaCy pipeline"):
        Syntax(model="org/name").open("cpu")
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(FilterError, match="marks no heads"):
        Syntax(model=str(tmp_path / "blank")).open("cpu")(rows(("Dogs bark.", "Cats sleep.")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FilterError, match="spaCy cannot load it"):
        Syntax(model=str(tmp_path / "empty")).open("cpu")(rows(("Dogs bark.", "Cats sleep.")))
