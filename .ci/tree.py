"""Prints the tree of the project, one line a file: the first sentence of each module's docstring.

`python .ci/tree.py --write` puts it into README.md between its markers; a test checks that it stands there.
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    *("filters", "filters/training", "pipeline", "pipeline/commands", "pipeline/rounds", "pipeline/evaluation"),
    *("pipeline/explain", "pipeline/hub", "pipeline/report", "pipeline/serve", "pipeline/teacher", "student", "bench"),
)
OTHERS = {
    "pipeline/recipes/": "the shipped recipes, TOML",
    "data/models/": "embedded models with their cards; data/runs/ holds runs and is not in git",
    "tests/": "one test file a module, in the same rooms; test_architecture.py keeps the house in order",
    "docs/": "tutorial, filters, student, results, scale, faq, ...; bench.md, figures; lab-book.md, what was tried",
    ".ci/": "setup, lock files' making, and what every change must pass",
}
BEGIN, END = "<!-- tree: made by .ci/tree.py -->", "<!-- end of tree -->"


def first_sentence(path: Path) -> str:
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
    return re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0].rstrip(".")


def lines() -> list[str]:
    found = []
    for room in ROOMS:
        found.append(f"{room}/")
        for path in sorted((ROOT / room).glob("*.py")):
            found.append(f"  {path.name:<24}{first_sentence(path)}")
    return found + [f"{name:<26}{what}" for name, what in OTHERS.items()]


def block() -> str:
    return "\n".join([BEGIN, "```", *lines(), "```", END])


def main() -> None:
    if "--write" not in sys.argv:
        print(block())
        return
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(text[: text.index(BEGIN)] + block() + text[text.index(END) + len(END) :], encoding="utf-8")


if __name__ == "__main__":
    main()
