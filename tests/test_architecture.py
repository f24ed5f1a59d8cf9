"""The house as docs describe it: which room may see which, one door for each heavy library, small files."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
ROOMS = ("pipeline", "filters", "student")
MAY_SEE = {"pipeline": {"pipeline", "filters", "student"}, "filters": {"filters"}, "student": {"student"}}
DOORS = {
    "ray": {"pipeline/backend.py", "pipeline/rounds/train_together.py"},
    "vllm": {"pipeline/teacher/vllm_decoder.py"},
    "openvino": set(),
    "spacy": {"filters/syntax.py"},
    "huggingface_hub": {"pipeline/hub/publish.py", "filters/models.py", "student/model.py"},
    "duckdb": {"pipeline/round_queries.py"},
    "apted": {"filters/syntax.py"},
}
LATE = {"vllm", "ray", "datasets", "transformers", "sentence_transformers"}
"""Seconds to import: only inside the functions that need them."""
VAGUE = {"utils", "util", "common", "helpers", "helper", "misc", "manager"}
TOP = {
    *("pipeline", "filters", "student", "data", "tests", "docs", "bench"),
    *("Makefile", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"),
    *("requirements-cpu.lock", "requirements-cuda.lock"),
}
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 40


def tracked() -> list[str]:
    """Files that git knows, or would add."""
    listed = ["git", "-C", str(HOUSE), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (HOUSE / name).exists()]


FILES = sorted(path for room in ROOMS for path in (HOUSE / room).rglob("*.py"))
EVERY = [*FILES, *sorted((HOUSE / "tests").rglob("*.py")), *sorted((HOUSE / "bench").rglob("*.py"))]


def name_of(path: Path) -> str:
    return str(path.relative_to(HOUSE))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """The top-level packages that are imported."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    room, seen = name_of(path).partition("/")[0], imported(ast.walk(tree_of(path)))
    assert seen & {*ROOMS, "tests", "bench"} <= MAY_SEE[room]
    for library, doors in DOORS.items():
        assert library not in seen or name_of(path) in doors, f"{library} has its own door"
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree_of(path)))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_libraries_are_imported_late(path: Path) -> None:
    assert not imported(iter(tree_of(path).body)) & LATE


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree_of(path))


def test_no_file_is_named_for_nothing() -> None:
    assert not [name_of(path) for path in EVERY if path.stem in VAGUE]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_FILE
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or node.lineno) - node.lineno < MOST_LINES_OF_A_FUNCTION, node.name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_input_is_not_asserted(path: Path) -> None:
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree_of(path)))


def test_the_top_level() -> None:
    there = {name.partition("/")[0] for name in tracked()}
    assert {name for name in there if not name.startswith(".")} <= TOP
    assert {"pipeline", "filters", "student", "data", "tests", "Makefile", "pyproject.toml", "LICENSE"} <= there


def test_data_and_tests_are_no_packages() -> None:
    assert not [name for name in tracked() if name.startswith(("data/", "tests/")) and name.endswith("__init__.py")]
    assert not [name for name in tracked() if name.startswith("data/") and name.endswith(".py")]
    assert not [name for name in tracked() if name.startswith("data/runs/")]


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (HOUSE / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))


def test_the_door_opens_without_the_heavy_libraries() -> None:
    asked = (
        "import sys, pipeline.__main__, pipeline.stages, pipeline.runner, pipeline.status; "
        f"print(sorted({sorted(LATE)!r} & sys.modules.keys()))"
    ).replace(f"{sorted(LATE)!r}", f"set({sorted(LATE)!r})")
    said = subprocess.run([sys.executable, "-c", asked], cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
