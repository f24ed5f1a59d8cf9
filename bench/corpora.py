"""`python -m bench.corpora`: the same student on as many pairs of ours and of sets that people made, on every domain.

    python -m bench.corpora --run news --set wikisplit=wikisplit.jsonl.gz:source:split \
        --set scitldr=scitldr.jsonl.gz:text:summary --data duc2003.jsonl.gz --data gigaword_test.jsonl.gz

A set is a file and its columns of source and target; of a list the first one that is a sentence is taken. Every set
gives as many training pairs as our summaries, drawn once; settings are those of the recipe, control words and broken
sentences off. Each student is asked for summaries of each benchmark and of held-out rows of each corpus: one domain is
its own, the others it has not seen. Rows are scored in the mean of the seeds, so an interval is over rows.
"""

import gzip
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import typer

from bench.machine import machine, table
from pipeline.__main__ import told
from pipeline.errors import UserError
from pipeline.recipe import Recipe, load
from pipeline.records import content_id
from pipeline.store import Run
from student import rouge
from student.benchmark import read_benchmark
from student.bootstrap import RESAMPLES, Array, interval, mean_of, resampled
from student.convention import detect, normaliser, readable
from student.dataset import Pair
from student.generate import Rewriter
from student.model import revision_of
from student.text import clean
from student.train import TrainSpec, train

INSTRUCTION = "summarize: "
OURS = "ours"
HEADS = ("learned from", "measured on", "rows", "ROUGE-1", "ROUGE-2", "ROUGE-L", "words")
AHEAD = ("ours against", "measured on", "whose domain", "ROUGE-L, ahead by", "95% interval", "seeds ahead")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Corpus:
    """Pairs to learn from, to choose the best weights by, and held-out ones."""

    train: Sequence[Pair]
    validation: Sequence[Pair]
    test: Sequence[Pair]


@dataclass(frozen=True)
class Domain:
    """Rows to measure on. `home`: the corpus they were held out from, "" for a benchmark."""

    name: str
    sources: Sequence[str]
    references: Sequence[Sequence[str]]
    home: str = ""


@dataclass(frozen=True)
class Scored:
    """ROUGE-1, -2 and -L F1 with the best reference in percent, [seeds, rows, 3]; words of an output."""

    rouge: Array
    words: float


@app.command()
def main(
    run: Annotated[str, typer.Option()] = "news",
    sets: Annotated[list[str] | None, typer.Option("--set", help="name=FILE:SOURCE:TARGET")] = None,
    data: Annotated[list[Path] | None, typer.Option(help="Rows of source and references.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of each benchmark, and held out of each set.")] = 300,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Of a student that writes.")] = 2,
) -> None:
    """Print both tables. Students are kept beside the run's evaluations: a stopped comparison goes on."""
    found = Run.existing(run)
    recipe, ours = load(found.recipe_file), _ours(found)
    corpora = {OURS: ours} | {name: _drawn(name, pairs, ours, rows) for name, pairs in map(_theirs, sets or [])}
    domains = [_benchmark(path, rows) for path in data or []]
    domains += [_held_out(name, corpus.test) for name, corpus in corpora.items()]
    scores: dict[tuple[str, str], Scored] = {}
    for name, corpus in corpora.items():
        place = found.folder / "evaluation" / "corpora"
        students = [_student(recipe, corpus, place, seed, threads) for seed in range(seeds)]
        scores |= {(name, domain.name): _scored(students, domain) for domain in domains}
        print(f"{name}: {seeds} students measured", file=sys.stderr, flush=True)
    print(machine(), table(HEADS, _means(scores, domains)), table(AHEAD, _ahead(scores, domains)), sep="\n\n")
    print(f"\n{len(ours.train)} training pairs each, {seeds} seeds")


def _ours(run: Run) -> Corpus:
    folder = run.stage(0, "corpus").folder
    return Corpus(*(list(_summaries(folder / f"{split}.parquet")) for split in ("train", "validation", "test")))


def _summaries(path: Path) -> Iterator[Pair]:
    for row in pq.read_table(path).to_pylist():
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


def _drawn(name: str, pairs: list[Pair], ours: Corpus, rows: int) -> Corpus:
    """As many pairs to learn from as ours, and `rows` held out; drawn once."""
    learned, measured = len(ours.train), len(ours.train) + len(ours.validation)
    if len(pairs) < measured + rows:
        raise UserError(
            f"--set {name}: {len(pairs)} pairs, wanted {measured + rows}: look at its columns, or take another set"
        )
    drawn = random.Random(1).sample(pairs, measured + rows)
    seen = {pair.source for pair in drawn[:measured]}
    return Corpus(drawn[:learned], drawn[learned:measured], [p for p in drawn[measured:] if p.source not in seen])


def _benchmark(path: Path, rows: int) -> Domain:
    found = read_benchmark(path, rows)
    return Domain(found.name, found.sources, found.references)


def _held_out(name: str, pairs: Sequence[Pair]) -> Domain:
    return Domain(f"{name}, held out", [p.source for p in pairs], [[p.target] for p in pairs], name)


def _student(recipe: Recipe, corpus: Corpus, place: Path, seed: int, threads: int) -> Rewriter:
    """Trained unless it is there: its folder is named after what it learns from, and how."""
    settings = replace(recipe.student, controls_share=0.0)
    spec = TrainSpec(recipe.models.student, {"summary": INSTRUCTION}, "", settings, 1 + 1000 * seed)
    learned = [f"{pair.source}\n{pair.target}" for pair in (*corpus.train, *corpus.validation)]
    folder = place / content_id(repr(spec), revision_of(spec.base, spec.revision), *learned)
    if not (folder / "model" / "config.json").is_file():
        train(spec, list(corpus.train), list(corpus.validation), folder / "model", folder / "work")
    return Rewriter(folder / "model", threads=threads)


def _scored(students: Sequence[Rewriter], domain: Domain) -> Scored:
    convention = detect(domain.sources, [text for texts in domain.references for text in texts])
    normalise = normaliser(convention)
    sources = [readable(text, convention) for text in domain.sources]
    references = [[normalise(text) for text in wanted] for wanted in domain.references]
    written = [[normalise(found[0].text) for found in student.rewrite("summary", sources)] for student in students]
    words = np.mean([len(text.split()) for texts in written for text in texts])
    return Scored(np.stack([rouge.f1(texts, references) for texts in written]), float(words))


def _means(scores: Mapping[tuple[str, str], Scored], domains: Sequence[Domain]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for (name, domain), found in scores.items():
        own = " (its own)" if domain in {each.name for each in domains if each.home == name} else ""
        cells = (f"{value:.1f}" for value in (*found.rouge.mean(axis=(0, 1)), found.words))
        rows.append((name, domain + own, found.rouge.shape[1], *cells))
    return rows


def _ahead(scores: Mapping[tuple[str, str], Scored], domains: Sequence[Domain]) -> list[tuple[object, ...]]:
    """ROUGE-L of ours less that of each set, row by row in the mean of the seeds."""
    rows: list[tuple[object, ...]] = []
    for name in dict.fromkeys(name for name, _ in scores if name != OURS):
        for domain in domains:
            by_seed = scores[OURS, domain.name].rouge[..., -1] - scores[name, domain.name].rouge[..., -1]
            low, high = interval(resampled([mean_of(by_seed.mean(axis=0))], RESAMPLES, 0)[0])
            ahead = f"{int((by_seed.mean(axis=1) > 0).sum())} of {len(by_seed)}"
            whose = {"": "neither", OURS: "ours"}.get(domain.home, "theirs" if domain.home == name else "neither")
            rows.append((name, domain.name, whose, f"{by_seed.mean():+.1f}", f"{low:.1f} to {high:.1f}", ahead))
    return rows


if __name__ == "__main__":
    told(app)
