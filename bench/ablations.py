"""`python -m bench.ablations RUN --data rows.jsonl`: what the choices of the rounds are worth, one changed at a time.

    python -m bench.ablations news --data duc2003.jsonl.gz --rows 300 --set 'student.epochs=10'

Each arm is a copy of the run, in a folder that is deleted afterwards, on which the project's own commands work:
`distill --round 2 --set ...`, then `evaluate`. What an arm does not change (round 0, student 1 and what it wrote) is
taken over. The held-out loss is student 2's on the teacher's test pairs, the same ones in every arm, in nats a token.
With `--seeds n` other students are trained from student 1 on: `student.seed` counts from the recipe's own.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer

from bench.machine import machine, table
from pipeline.__main__ import told
from pipeline.recipe import load
from pipeline.store import Run
from student.dataset import Mix, Pair, usable, validation_batches
from student.errors import StudentError
from student.learning import Learner, Rate, Settings
from student.model import load as load_model

ARMS = {
    "strongest, fresh": "rounds.survivor=strongest rounds.start=fresh",
    "least_overlap, fresh": "rounds.survivor=least_overlap rounds.start=fresh",
    "all, fresh": "rounds.survivor=all rounds.start=fresh",
    "strongest, continue": "rounds.survivor=strongest rounds.start=continue",
}
HEADS = ("survivor, start", "pairs", "steps", "held-out loss", "ROUGE-L", "95%")
LEFT_BEHIND = ("round-2", "evaluation", "release", "unfinished", "report.html")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Result:
    """What one arm came to with one seed."""

    arm: str
    seed: int
    pairs: int
    steps: int
    held_out_loss: float
    rouge_l: float
    low: float
    high: float


@dataclass(frozen=True)
class Asked:
    """What every arm is measured on, and changes to the recipe that hold for all."""

    data: Path
    task: str
    rows: int
    changes: tuple[str, ...]


@app.command()
def main(
    run: str,
    data: Annotated[Path, typer.Option(help="Rows of source and references.")],
    task: Annotated[str, typer.Option(help="summary or paraphrase.")] = "summary",
    rows: Annotated[int, typer.Option(min=1, help="Rows of the benchmark.")] = 300,
    seeds: Annotated[int, typer.Option(min=1)] = 1,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Changes to the recipe, for every arm.")] = None,
) -> None:
    """Print a table and, last, one line of JSON."""
    asked, found = Asked(data.resolve(), task, rows, tuple(set_ or ())), Run.existing(run)
    pairs = held_out(found)
    print(machine(), flush=True)
    first = load(found.recipe_file, asked.changes).student.seed
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="bench-ablations-") as root:
        for seed in range(first, first + seeds):
            results += of_seed(found, seed, asked, pairs, Path(root))
    print(f"\n{data.name}, {rows} rows at most; loss on {len(pairs)} held-out pairs; {seeds} seeds\n")
    print(table(HEADS, [_line([each for each in results if each.arm == arm]) for arm in ARMS]), end="\n\n")
    said = {"data": data.name, "task": task, "held_out_pairs": len(pairs), "arms": [asdict(each) for each in results]}
    print(json.dumps(said))


def held_out(run: Run) -> list[Pair]:
    """The teacher's pairs of the test split: no student learned from them or chose its checkpoint by them, unless it
    wrote one itself, from another context, under `rounds.corpora = "last"`."""
    import pyarrow.parquet as pq

    file = run.stage(0, "corpus").folder / "test.parquet"
    table_ = pq.read_table(file).to_pylist() if file.exists() else []
    pairs, _ = usable(table_, list(load(run.recipe_file).tasks))
    if not pairs:
        raise StudentError(f"run {run.name!r}: its round 0 has no test pair to measure on: take a run with more pairs")
    return pairs


def of_seed(run: Run, seed: int, asked: Asked, pairs: Sequence[Pair], root: Path) -> list[Result]:
    """All arms. The first one makes what the seed changes in round 1; the others start from its copy."""
    found, origin = list[Result](), run
    for number, (arm, changes) in enumerate(ARMS.items()):
        place = Run(root / f"arm-{seed}-{number}")
        shutil.copytree(origin.folder, place.folder, ignore=shutil.ignore_patterns(*LEFT_BEHIND, ".lock*"))
        origin = place if number == 0 else origin
        words = [*asked.changes, f"student.seed={seed}", changes]
        command(root, "distill", "--run", place.name, "--round", "2", *(x for word in words for x in ("--set", word)))
        found.append(measured(place, arm, seed, asked, pairs))
        print(f"{arm}, seed {seed}: {json.dumps(asdict(found[-1]))}", file=sys.stderr, flush=True)
    return found


def command(root: Path, *words: str) -> None:
    """One of the project's own, in a process of its own; what it prints goes to stderr."""
    environment = os.environ | {"IMPOSSIBLE_RUNS": str(root)}
    ended = subprocess.run([sys.executable, "-m", "pipeline", *words], env=environment, stdout=sys.stderr)
    if ended.returncode:
        sys.exit(ended.returncode)


def measured(run: Run, arm: str, seed: int, asked: Asked, pairs: Sequence[Pair]) -> Result:
    """Student 2's figures."""
    words = ("--run", run.name, "--data", str(asked.data), "--task", asked.task, "--limit", str(asked.rows))
    command(run.folder.parent, "evaluate", *words, "--rounds", "2", "--no-teacher", "--no-rerank")
    (file,) = run.folder.glob("evaluation/*/results.json")
    rouge = json.loads(file.read_text())["systems"]["student 2"]["rougeL"]
    folder = run.stage(2, "student")
    counts = json.loads((folder.folder / "manifest.json").read_text())["counts"]
    learned = sum(number for name, number in counts.items() if name.startswith("pairs_"))
    loss = loss_of(run, folder.folder / "model", pairs)
    return Result(arm, seed, learned, counts["steps"], loss, rouge["value"], rouge["low"], rouge["high"])


def loss_of(run: Run, model: Path, pairs: Sequence[Pair]) -> float:
    """Nats a target token, by the program that measures it in training."""
    recipe = load(run.recipe_file)
    mix = Mix({name: task.instruction for name, task in recipe.tasks.items()}, 0.0, 0)
    windows = (recipe.student.most_source_tokens, recipe.student.most_target_tokens)
    loaded = load_model(str(model))
    batches = validation_batches(pairs, mix, loaded.tokenizer, windows, recipe.student.device_tokens)
    settings = Settings(Rate(0.0, 0, 1), precision=recipe.student.precision)
    return Learner(loaded.model, settings, model).validation_loss(batches)


def _line(results: Sequence[Result]) -> tuple[str, ...]:
    """Means over seeds; the interval of a single one, else the smallest and largest value."""
    values = [each.rouge_l for each in results]
    low, high = (min(values), max(values)) if len(values) > 1 else (results[0].low, results[0].high)
    return (
        results[0].arm,
        f"{mean(each.pairs for each in results):.0f}",
        f"{mean(each.steps for each in results):.0f}",
        f"{mean(each.held_out_loss for each in results):.3f}",
        f"{mean(values):.2f}",
        f"{low:.2f} to {high:.2f}",
    )


if __name__ == "__main__":
    told(app)
