"""`make bench-filters`: our filters against the procedure as published, on the same candidates.

    python -m bench.filters --run news
    python -m bench.filters --run news --contexts 12

Prints the time of both, the ladder of repairs between them, and one line of JSON. Both sides get the same candidates of
a run; loading and warming up are in no figure. It stops with an error if the ladder does not end at what the pipeline
accepts.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations
from typing import Annotated

import pyarrow as pa
import typer

from bench import published
from bench.accepted import OurFilters, Turn
from bench.ladder import as_published, climb, judge_of, one_judge, report
from bench.machine import machine, table
from bench.procedure import Key, Rows, table_of
from filters.nli_judge import open_judge
from filters.similarity import open_encoder
from pipeline.__main__ import told
from pipeline.errors import UserError
from pipeline.recipe import Recipe, load
from pipeline.shard import read_rows
from pipeline.store import Run

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Sample:
    """Candidates that are compared, and those of one more context for warming up."""

    compared: pa.Table
    warm_up: pa.Table

    @property
    def contexts(self) -> dict[str, Rows]:
        return _by_context(self.compared)


@dataclass(frozen=True)
class Arm:
    """One side: what it accepted, the seconds that it took, and the questions that its panels put to the judge."""

    accepted: frozenset[Key]
    seconds: float
    questions: int


@app.command()
def main(
    run: Annotated[str, typer.Option(help="A run with candidates, in data/runs.")] = "news",
    contexts: Annotated[int, typer.Option(min=1, help="Contexts that are compared; the first of the run.")] = 2,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Changes to its recipe: 'key=value ...'.")] = None,
) -> None:
    """Measure both, climb from the one to the other, end with one line of JSON."""
    found = Run.existing(run)
    recipe = one_judge(load(found.recipe_file, set_ or []))
    if recipe.corpus.max_pairs_per_context:
        raise UserError(
            "bench: the ladder knows no cap on a context's pairs; add --set 'corpus.max_pairs_per_context=0'"
        )
    sample = draw(found, contexts)
    print(machine(), f"run {run}, recipe {recipe.name} ({recipe.fingerprint()[:8]}), {contexts} contexts", sep="\n")
    first = ours(recipe, sample)
    theirs = as_it_was(recipe, sample)
    second = ours(recipe, sample)
    slower = max(first, second, key=lambda arm: arm.seconds)
    _say("filtering the same candidates", _times({"ours": first, "ours, again": second, "as published": theirs}))
    rungs = climb(recipe, sample.contexts, theirs.accepted)
    _say("from the published procedure to ours, one repair at a time", report(rungs, list(recipe.tasks)))
    check_end(rungs[-1].accepted, first.accepted)
    figures = {
        "speedup_vs_published": round(theirs.seconds / slower.seconds, 2),
        "accepted_ours": len(first.accepted),
        "accepted_published": len(theirs.accepted),
    }
    print(f"\n{json.dumps(figures)}")


def draw(run: Run, contexts: int) -> Sample:
    """The first contexts of a run, and one more."""
    tables = []
    for path in run.stage(0, "candidates").tables():
        tables.append(read_rows(path))
        if sum(len(set(part["context_id"].to_pylist())) for part in tables) > contexts:
            break
    if not tables:
        raise UserError(f"bench: run {run.name} has no candidates: run `make generate RUN={run.name}` first")
    rows = pa.concat_tables(tables)
    ids = list(dict.fromkeys(rows["context_id"].to_pylist()))
    if len(ids) <= contexts:
        raise UserError(
            f"bench: run {run.name} has {len(ids)} contexts; ask for fewer than that, one is for warming up"
        )
    return Sample(_of(rows, set(ids[:contexts])), _of(rows, {ids[contexts]}))


def _of(rows: pa.Table, ids: set[str]) -> pa.Table:
    return rows.filter(pa.array([context in ids for context in rows["context_id"].to_pylist()], pa.bool_()))


def _by_context(rows: pa.Table) -> dict[str, Rows]:
    found: dict[str, list[Mapping[str, object]]] = {}
    for row in rows.select(["context_id", "context", "text", "ended"]).to_pylist():
        found.setdefault(row["context_id"], []).append(row)
    return dict(found)


def ours(recipe: Recipe, sample: Sample) -> Arm:
    """The pipeline's stages from candidates to corpus. They remember nothing of an earlier turn but the weights."""
    open_judge.cache_clear()
    open_encoder.cache_clear()
    stages = OurFilters(recipe)
    stages(sample.warm_up)
    _load_models(recipe, sample.warm_up["text"].to_pylist())
    turn: Turn = stages(sample.compared)
    keys = zip(*(turn.pairs[name].to_pylist() for name in ("context_id", "task", "source", "target")), strict=True)
    return Arm(frozenset(keys), 60 * turn.minutes, turn.questions)


def _load_models(recipe: Recipe, texts: Sequence[str]) -> None:
    """Models load at their first question, and nothing of a context for warming up may have come that far."""
    pairs = table_of(list(permutations([text for text in texts if text][:4], 2)))
    for spec in (spec for task in recipe.tasks for spec in recipe.panel(task)):
        spec.open("cpu")(pairs)


def as_it_was(recipe: Recipe, sample: Sample) -> Arm:
    """The published procedure; its judge has seen one batch before."""
    spec = judge_of(recipe)
    judge = published.UnsortedJudge(spec.model, spec.revision, spec.entailment_label, spec.threads)
    warm = list(islice(dict.fromkeys(sample.warm_up["text"].to_pylist()), published.BATCH))
    judge([(text, text) for text in warm if text])
    questions = 0

    def ask(pairs: Sequence[published.Pair]) -> list[float]:
        nonlocal questions
        questions += len(pairs)
        return judge(pairs)

    started = time.perf_counter()
    accepted = as_published(recipe, sample.contexts, ask)
    return Arm(accepted, time.perf_counter() - started, questions)


def check_end(ladder: frozenset[Key], pipeline: frozenset[Key]) -> None:
    """The ladder has to end where the pipeline stands, else a difference has no name."""
    if ladder != pipeline:
        raise SystemExit(
            f"bench: the ladder's end and the pipeline differ: {len(ladder - pipeline)} pairs only on the ladder, "
            f"{len(pipeline - ladder)} only in the pipeline; a repair is missing in bench/ladder.py"
        )


def _times(arms: Mapping[str, Arm]) -> str:
    rows = [(name, arm.seconds, arm.questions, len(arm.accepted)) for name, arm in arms.items()]
    return table(("arm", "seconds", "questions to the judge", "accepted"), rows)


def _say(title: str, text: str) -> None:
    print(f"\n{title}\n\n{text}", flush=True)


if __name__ == "__main__":
    told(app)
