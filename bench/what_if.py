"""How long a dry run takes: thresholds moved on a million stored scores, in the layout of a real run.

    python -m bench.what_if
    python -m bench.what_if --rows 4000000 --seed 7

The scores are drawn from a seed, in a temporary folder; the command is the user's own, from its start to its end,
imports included. The last line is JSON: seconds without the curve, with it, and of processor time.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer

from bench.machine import machine
from filters.base import Filter, judge
from pipeline.__main__ import told
from pipeline.fold import run_fold
from pipeline.pair import tally
from pipeline.plan import Input
from pipeline.recipe import load
from pipeline.records import PAIR
from pipeline.shard import Header, fingerprint, write_shard
from pipeline.stage import Counts, MapStage, ShardWriter
from pipeline.store import ROOT_VARIABLE, Run
from pipeline.what_if import Wanted, wanted_by

ROWS_A_SHARD = 20_000
PAIRS_A_CONTEXT = 20
FORMED_FOR_EACH_KEPT = 100
TIGHTER = "tasks.summary.panel.entailment.min_probability=0.95 tasks.paraphrase.panel.similarity.min_cosine=0.9"

app = typer.Typer(add_completion=False)


@app.command()
def main(
    rows: Annotated[int, typer.Option(min=1, help="Stored scores.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Draws the scores.")] = 0,
) -> None:
    """Draw the scores, then time the dry run."""
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        run = Run.named("drawn", Path(folder))
        store_drawn_scores(run, rows, seed)
        seconds, processor = _timed(folder)
        with_curve, _ = _timed(folder, "--curve", str(Path(folder) / "curve.csv"))
    found = {"rows": rows, "seconds": seconds, "seconds_with_curve": with_curve, "processor_seconds": processor}
    print(json.dumps(found))


def _timed(folder: str, *more: str) -> tuple[float, float]:
    """Wall and processor seconds of one dry run, as the user starts it."""
    words = [sys.executable, "-m", "pipeline", "filter", "--run", "drawn", "--dry-run", "--json", "--set", TIGHTER]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {ROOT_VARIABLE: folder}
    subprocess.run([*words, *more], env=environment, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return round(wall, 2), round(spent, 2)


def store_drawn_scores(run: Run, rows: int, seed: int) -> None:
    """A run of the default recipe with drawn scores: pairs, scores and the corpus, as the stages would leave them."""
    recipe, draw = load("news"), np.random.default_rng(seed)
    wanted = wanted_by(recipe)
    run.write_recipe(recipe.to_toml())
    for index, start in enumerate(range(0, rows, ROWS_A_SHARD)):
        _store_shard(run, wanted, index, min(ROWS_A_SHARD, rows - start), draw)
    reads = {name: [Input.stored(path) for path in run.stage(0, name).tables()] for name in ("pairs", "scores")}
    run_fold(run, 0, StrongestOfContext(wanted.corpus.spec()), reads)


def _store_shard(run: Run, wanted: Wanted, index: int, size: int, draw: np.random.Generator) -> None:
    tasks = list(wanted.pairs.tasks)
    cuts = [size * place // len(tasks) for place in range(len(tasks) + 1)]
    pairs = [_pairs(wanted, task, index, cuts[i + 1] - cuts[i], draw) for i, task in enumerate(tasks)]
    formed = Counter[str]()
    scored = Counter[str]()
    scores = [_scores(wanted, task, rows, scored, draw) for task, rows in zip(tasks, pairs, strict=True)]
    for task, rows in zip(tasks, pairs, strict=True):
        formed.update({f"{task}/in": rows.num_rows * FORMED_FOR_EACH_KEPT, f"{task}/out": rows.num_rows})
        formed[f"{task}/dropped/length"] = rows.num_rows * (FORMED_FOR_EACH_KEPT - 1)
    content = _write(run, wanted.pairs, index, pa.concat_tables(pairs), f"candidates-{index}", formed)
    _write(run, wanted.scores, index, pa.concat_tables(scores), content, scored)


def _write(run: Run, stage: MapStage, index: int, table: pa.Table, read: str, counts: Counts) -> str:
    header = Header(stage.name, f"{stage.name}-{index}", stage.spec(), fingerprint(stage.facts()), (read,))
    path = run.stage(0, stage.name).shard(index)
    return write_shard(path, table, replace(header, counts=dict(sorted(counts.items())))).content


def _pairs(wanted: Wanted, task: str, index: int, size: int, draw: np.random.Generator) -> pa.Table:
    """Pairs that passed the cheap panel, in contexts of their own."""
    contexts = draw.integers(0, max(1, size // PAIRS_A_CONTEXT), size)
    columns: dict[str, object] = {
        "pair_id": pa.array([draw.bytes(16).hex() for _ in range(size)]),
        "task": pa.repeat(task, size),
        "source": pa.array([f"Source sentence number {i} of the shard." for i in range(size)]),
        "target": pa.array([f"Target number {i} of the shard." for i in range(size)]),
        "context_id": pa.array([f"{index:016x}{number:016x}" for number in contexts.tolist()]),
    }
    panel = {spec.name: spec for spec in wanted.pairs.tasks[task].of_cost("cheap")}
    for field in wanted.pairs.writes:
        if field.name in panel:
            columns[field.name] = _passing(panel[field.name], size, draw)
        else:
            columns.setdefault(field.name, pa.nulls(size, field.type))
    return pa.table(columns, schema=wanted.pairs.writes)


def _passing(spec: Filter, size: int, draw: np.random.Generator) -> pa.Array:
    pool = pa.array([1.0, *draw.uniform(0, 1.5, 4000)], pa.float32())
    passing = pool.filter(spec.keep(pool))
    return passing.take(pa.array(draw.integers(0, len(passing), size)))


def _scores(wanted: Wanted, task: str, rows: pa.Table, counts: Counter[str], draw: np.random.Generator) -> pa.Table:
    """The models' scores, each asked only about what is left."""
    panel = [
        (spec, lambda part: pa.array(np.sqrt(draw.uniform(0, 1, part.num_rows)), pa.float32()))
        for spec in wanted.scores.tasks[task].of_cost("model")
    ]
    scores, reasons = judge(rows, panel)
    tally(counts, task, reasons)
    found = {name: rows[name] for name in rows.column_names if name not in PAIR.names or name == "pair_id"}
    found |= {name: scores[name] for name in scores.column_names} | {"dropped_by": reasons}
    schema = wanted.scores.writes
    return pa.table({f.name: found.get(f.name, pa.nulls(rows.num_rows, f.type)) for f in schema}, schema=schema)


@dataclass(frozen=True)
class StrongestOfContext:
    """In the place of the corpus stage, whose selector would ask the judge: the surest pair of each context."""

    name: ClassVar[str] = "corpus"
    said: Mapping[str, object]

    def spec(self) -> Mapping[str, object]:
        return self.said

    def run(self, inputs: Mapping[str, pa.Table], out: ShardWriter) -> Counts:
        accepted = pc.is_null(inputs["scores"]["dropped_by"])
        rows = inputs["pairs"].select(PAIR.names).filter(accepted)
        rows = rows.append_column("entailment", inputs["scores"]["entailment"].filter(accepted))
        rows = rows.sort_by([("task", "ascending"), ("context_id", "ascending"), ("entailment", "descending")])
        groups = pc.binary_join_element_wise(rows["task"], rows["context_id"], "/").combine_chunks()
        coded = groups.dictionary_encode().indices.to_numpy()
        first = np.ones(len(coded), dtype=bool)
        first[1:] = coded[1:] != coded[:-1]
        out.write("train", rows.filter(pa.array(first)))
        rest = rows.filter(pa.array(~first))
        out.write("left_out", rest.append_column("left_out_by", pa.repeat("duplicates", rest.num_rows)))
        return {}


if __name__ == "__main__":
    told(app)
