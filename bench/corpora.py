"""`python -m bench.corpora`: the same student on as many pairs of ours and of sets that people made.

    python -m bench.corpora --run news --set wikisplit=wikisplit.jsonl.gz:source:split \
        --set scitldr=scitldr.jsonl.gz:text:summary --data duc2003.jsonl.gz --data gigaword_test.jsonl.gz

A set is a file and its columns of source and target; of a list the first one that is a sentence is taken. Every set
gives as many training pairs as our summaries, drawn by a seed; settings are those of the recipe, control words off.
Each student is asked for summaries of each benchmark. Figures are means over `--seeds` without intervals: this is
a look, `make evaluate` measures.
"""

import gzip
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import pyarrow.parquet as pq
import typer
from rouge_score.rouge_scorer import RougeScorer

from bench.machine import machine, table
from pipeline.recipe import load
from pipeline.store import Run
from student.benchmark import read_benchmark
from student.convention import detect, normaliser, readable
from student.dataset import Pair
from student.generate import Rewriter
from student.text import clean
from student.train import TrainSpec, train

INSTRUCTION = "summarize: "
HEADS = ("learned from", "benchmark", "ROUGE-1", "ROUGE-2", "ROUGE-L", "words")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    run: Annotated[str, typer.Option()] = "news",
    sets: Annotated[list[str] | None, typer.Option("--set", help="name=FILE:SOURCE:TARGET")] = None,
    data: Annotated[list[Path] | None, typer.Option(help="Rows of source and references.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of each benchmark.")] = 300,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Print the table."""
    found = Run.existing(run)
    ours = {split: list(_ours(found, split)) for split in ("train", "validation")}
    corpora = {"ours": ours} | {name: _split(name, pairs, ours) for name, pairs in map(_theirs, sets or [])}
    lines = []
    for name, corpus in corpora.items():
        scores: dict[str, list[tuple[float, ...]]] = {}
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                student = _train(load(found.recipe_file), corpus, Path(folder), seed)
                for file in data or []:
                    scores.setdefault(file.name, []).append(_scores(student, file, rows))
        lines += [
            (name, file, *(f"{mean(column):.1f}" for column in zip(*each, strict=True)))
            for file, each in scores.items()
        ]
    print(machine(), table(HEADS, lines), f"{len(ours['train'])} training pairs each", sep="\n\n")


def _ours(run: Run, split: str) -> Iterator[Pair]:
    for row in pq.read_table(run.stage(0, "corpus").folder / f"{split}.parquet").to_pylist():
        if row["task"] == "summary":
            yield Pair("summary", row["source"], row["target"])


def _theirs(asked: str) -> tuple[str, list[Pair]]:
    name, _, place = asked.partition("=")
    path, source, target = place.rsplit(":", 2)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        sides = [(_first(row.get(source)), _first(row.get(target))) for row in map(json.loads, lines)]
    return name, [Pair("summary", x, y) for x, y in sides if x and y and x != y]


def _first(value: Any) -> str | None:
    """The first usable sentence of a text or of a list."""
    texts = value if isinstance(value, list) else [value]
    return next((found for text in texts if text and (found := clean(str(text)))), None)


def _split(name: str, pairs: list[Pair], ours: dict[str, list[Pair]]) -> dict[str, list[Pair]]:
    """As many pairs as ours, drawn once."""
    learned, measured = len(ours["train"]), len(ours["validation"])
    if len(pairs) < learned + measured:
        sys.exit(
            f"--set {name}: {len(pairs)} pairs, wanted {learned + measured}: look at its columns, or take another set"
        )
    drawn = random.Random(1).sample(pairs, learned + measured)
    return {"train": drawn[:learned], "validation": drawn[learned:]}


def _train(recipe: Any, corpus: dict[str, list[Pair]], folder: Path, seed: int) -> Rewriter:
    settings = replace(recipe.student, controls_share=0.0)
    spec = TrainSpec(recipe.models.student, {"summary": INSTRUCTION}, "", settings, 1 + 1000 * seed)
    train(spec, corpus["train"], corpus["validation"], folder / "model", folder / "work")
    return Rewriter(folder / "model")


def _scores(student: Rewriter, file: Path, rows: int) -> tuple[float, ...]:
    """ROUGE F1 with the best reference, and words."""
    benchmark = read_benchmark(file, rows)
    convention = detect(benchmark.sources, [text for texts in benchmark.references for text in texts])
    normalise = normaliser(convention)
    sources = [readable(text, convention) for text in benchmark.sources]
    written = [normalise(found[0].text) for found in student.rewrite("summary", sources)]
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    kinds: dict[str, list[float]] = {}
    for text, references in zip(written, benchmark.references, strict=True):
        best = scorer.score_multi([normalise(each) for each in references], text)
        for kind, score in best.items():
            kinds.setdefault(kind, []).append(100 * score.fmeasure)
    return (*(mean(values) for values in kinds.values()), mean(len(text.split()) for text in written))


if __name__ == "__main__":
    app()
