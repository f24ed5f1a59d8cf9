"""docs/filters.md says what is there: the catalogue as it is, and pairs that are judged as the page shows them."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from filters import FILTERS, SELECTORS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "filters.md").read_text(encoding="utf-8")


def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("filters_page", ROOT / ".ci" / "filters_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MADE = made()
WITHOUT_MODEL = sorted(name for name, kind in FILTERS.items() if kind.role in (None, "encoder"))


def test_the_page_is_up_to_date() -> None:
    assert MADE.block() in PAGE, "run: .venv/bin/python .ci/filters_page.py --write"


@pytest.mark.parametrize("name", [*FILTERS, *SELECTORS])
def test_every_one_has_a_kept_and_a_dropped_example(name: str) -> None:
    assert f"### {name}\n" in PAGE
    assert {row["kept"] for row in MADE.of(name)} == {True, False}


@pytest.mark.parametrize("name", WITHOUT_MODEL)
def test_scores_and_verdicts_of_the_examples_hold(name: str) -> None:
    for row in MADE.of(name):
        score, kept = MADE.scored(row)
        assert kept is row["kept"]
        assert score == (None if row["score"] is None else pytest.approx(row["score"], abs=1e-4))


@pytest.mark.parametrize("name", sorted(SELECTORS.keys() - {"duplicates"}))
def test_verdicts_of_the_selectors_hold(name: str, tmp_path: Path) -> None:
    assert MADE.selected(name, tmp_path) == [row["kept"] for row in MADE.of(name)]


def test_an_example_is_of_the_catalogue() -> None:
    assert {row["name"] for row in MADE.examples()} == {*FILTERS, *SELECTORS}
