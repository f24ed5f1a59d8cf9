"""`python -m bench.copied_words OUTPUTS...`: are names and rare words spelled as in the source?

OUTPUTS: `outputs.jsonl` of evaluations. Of the words in a student's outputs that its vocabulary has not as one piece,
so that they must be copied piece by piece, the share that the source has. Without respelling it is what the weights
can do; with it, what a user reads. A rare word that is right without being the source's counts as wrong.
"""

import json
from collections.abc import Set
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.machine import table
from pipeline.__main__ import told
from student.model import EMBEDDED, locate
from student.slips import whole_words, words_of

STUDENTS = "student "


def main(
    outputs: Annotated[list[Path], typer.Argument(help="outputs.jsonl of evaluations.", exists=True, dir_okay=False)],
    model: Annotated[str, typer.Option(help="Whose vocabulary says what is rare.")] = EMBEDDED,
) -> None:
    """Print the table."""
    from transformers import AutoTokenizer

    known = whole_words(AutoTokenizer.from_pretrained(locate(model).name))
    found = [line for path in outputs for line in _lines(path, known)]
    print(table(("evaluation", "system", "rare words", "as in the source"), found))


def _lines(path: Path, known: Set[str]) -> list[tuple[Any, ...]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    names = [name for name in rows[0]["outputs"] if name.startswith(STUDENTS)] if rows else []
    found = []
    for name in names:
        right = [hit for row in rows for hit in copied(row["source"], row["outputs"][name], known)]
        share = f"{sum(right) / len(right):.3f}" if right else "-"
        found.append((path.parent.name, name, len(right), share))
    return found


def copied(source: str, text: str, known: Set[str]) -> list[bool]:
    """For every rare word of the text whether the source has it; figures are left out."""
    own = set(words_of(source))
    return [word in own for word in words_of(text) if word not in known and not word[0].isdigit()]


if __name__ == "__main__":
    told(lambda: typer.run(main))
