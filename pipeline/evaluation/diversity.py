"""How varied a run's corpus is beside other sets of text, all cut to the same number of words."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.shard import read_rows, write_atomically
from pipeline.store import Run
from student.benchmark import read_texts, stem
from student.diversity import SELF_BLEU_SAMPLE, diversity, words
from student.errors import StudentError

SIDES = ("source", "target")
COLUMNS = {
    "distinct_1": "distinct 1-grams",
    "distinct_2": "distinct 2-grams",
    "mtld": "MTLD",
    "msttr": "MSTTR",
    "entropy_1": "entropy, 1-grams",
    "entropy_2": "entropy, 2-grams",
    "entropy_3": "entropy, 3-grams",
    "self_bleu": "self-BLEU",
}
PLACES = {"mtld": 1, "msttr": 1, "self_bleu": 1}


@dataclass(frozen=True)
class Varied:
    """The measures of each set of texts, at `size` words; `texts` and `length` (mean words a text) are of the whole."""

    run: str
    size: int
    seed: int
    measures: dict[str, dict[str, float]]


def compare(run: Run, round_number: int, against: Sequence[str], seed: int) -> Varied:
    """Both sides of every task of a round's corpus, and the sets named by `against` (FILE or FILE:column)."""
    named = [named_texts(each) for each in against]
    if twice := [name for name, count in Counter(name for name, _ in named).items() if count > 1]:
        raise UserError(f"--against: several sets are called {twice[0]!r}: rename a file, each needs a name of its own")
    sets = corpus_texts(run, round_number) | dict(named)
    found, size = diversity(sets, seed)
    whole = {name: {"texts": float(len(texts)), "length": _mean_length(texts)} for name, texts in sets.items()}
    return Varied(run.name, size, seed, {name: whole[name] | found[name] for name in sets})


def corpus_texts(run: Run, round_number: int) -> dict[str, list[str]]:
    """The sources and targets of every task."""
    tables = [path for path in run.stage(round_number, "corpus").tables() if path.stem != "left_out"]
    rows = [row for path in tables for row in read_rows(path).select(["task", *SIDES]).to_pylist()]
    if not rows:
        raise UserError(f"run {run.name!r}: no corpus in round {round_number}: run `make filter RUN={run.name}` first")
    tasks = sorted({row["task"] for row in rows})
    return {f"ours, {task}, {side}": [r[side] for r in rows if r["task"] == task] for task in tasks for side in SIDES}


def named_texts(asked: str) -> tuple[str, list[str]]:
    """Name and texts of `FILE` or `FILE:column`."""
    file, column = asked, ""
    if not Path(asked).is_file():
        file, _, column = asked.rpartition(":")
    try:
        texts = read_texts(Path(file or asked), column)
    except StudentError as error:
        raise UserError(f"--against {error}") from error
    return f"{stem(Path(file))}{f', {column}' if column else ''}", texts


def _mean_length(texts: Sequence[str]) -> float:
    return sum(len(words(text)) for text in texts) / max(len(texts), 1)


def page(found: Varied) -> str:
    """The table as markdown."""
    rows = [["set", "texts", "words a text", *COLUMNS.values()]]
    for name, measures in found.measures.items():
        cells = [_shown(measures[column], PLACES.get(column, 2)) for column in COLUMNS]
        rows.append([name, f"{measures['texts']:,.0f}", f"{measures['length']:.1f}", *cells])
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    note = (
        f"Every set cut to {found.size:,} words, texts in a random order (seed {found.seed}); self-BLEU among up to "
        f"{SELF_BLEU_SAMPLE} texts, as many of each set: lower is more varied; it depends on length too. Else "
        "higher is more varied. A set that is too small has no numbers."
    )
    return "\n".join([f"# Diversity of {found.run}", "", note, "", head, "|" + "---|" * len(rows[0]), *body]) + "\n"


def _shown(value: float, places: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{places}f}"


def write(run: Run, found: Varied) -> Path:
    """diversity.json and diversity.md in the run's evaluation folder; returns the markdown's path."""
    folder = run.folder / "evaluation"
    sets = {
        name: {measure: None if math.isnan(value) else round(value, 6) for measure, value in measures.items()}
        for name, measures in found.measures.items()
    }
    data = {"run": found.run, "words": found.size, "seed": found.seed, "sets": sets}
    write_atomically(folder / "diversity.json", (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomically(folder / "diversity.md", page(found).encode())
    return folder / "diversity.md"
