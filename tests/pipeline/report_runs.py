"""Small real runs to look at: brought pairs judged by cheap filters, and everything that later rounds would add."""

import json
import math
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.local_backend import LocalBackend
from pipeline.recipe import load
from pipeline.records import CONTEXT
from pipeline.run_tables import corpus_rows
from pipeline.runner import run_steps
from pipeline.shard import Header, write_shard
from pipeline.stages import brought_steps
from pipeline.store import Run

RECIPE = """
description = "Pairs <b>of our own</b>."
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
below_ratio = 0.9
[tasks.summary.panel.overlap]
max_rouge_l = 0.9
[tasks.summary.panel.numbers]
[run]
backend = "local"
"""
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
SOURCE = "The city council approved the new budget for the {} schools on Monday after a very long debate about it."
TARGETS = (
    "The council approved the new budget for the schools on Monday.",
    "The city council approved a budget of {}.",
    "After a long debate about it the city council approved the new budget for the {} schools.",
    f"The council | approved *the* [budget](http://example.org) {HOSTILE} on Monday.",
)


def small_run(root: Path, name: str = "small") -> Run:
    """A finished round 0 of a dozen sources."""
    root.mkdir(parents=True, exist_ok=True)
    (root / f"{name}.toml").write_text(RECIPE)
    rows = [{"source": SOURCE.format(n + 2), "target": t.format(n + 2)} for n in range(12) for t in TARGETS]
    (root / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe, run = load(root / f"{name}.toml"), Run.named(name, root / "runs")
    with run.locked():
        run.write_recipe(recipe.to_toml())
        run_steps(run, brought_steps(recipe, root / "mine.jsonl"), LocalBackend())
    return run


def full_run(root: Path) -> Run:
    """The small run with contexts, a student's round, an evaluation, an adapter and influences beside it."""
    run = small_run(root, "full")
    kept = corpus_rows(run, 0)
    _contexts(run, sorted(set(kept["context_id"].to_pylist())))
    shutil.copytree(run.folder / "round-0", run.folder / "round-1")
    shutil.rmtree(run.folder / "round-1" / "contexts")
    steps = list(range(100))
    loss = [8 * math.exp(-step / 30) + 2 for step in steps]
    seen = [x if step % 20 == 0 else None for step, x in zip(steps, loss, strict=True)]
    _table(run, "round-1/student/curve.parquet", {"step": steps, "loss": loss, "validation_loss": seen})
    _table(run, "adapter/curve.parquet", {"step": steps, "reward": [step / 100 for step in steps]})
    ids = kept["pair_id"].to_pylist()
    influence = {"pair_id": [*ids, "unknown"], "influence": [i / len(ids) - 0.4 for i in range(len(ids))] + [math.nan]}
    _table(run, "round-1/influence/shard-00000.parquet", influence)
    monitors = {"monitor": ["distinct_1", "acceptance"], "value": [0.2, math.nan], "before": [0.3, None]}
    _table(run, "round-1/monitors/monitors.parquet", {"task": ["summary", "summary"], **monitors})
    scores = {n: {"rouge_l": {"value": v, "low": v - 2, "high": v + 2}} for n, v in (("copy", 40.0), ("<b>ours", 43.0))}
    paired = [{"a": "<b>ours", "b": "copy", "metric": "rouge_l", "difference": 3.0, "low": 0.5, "high": 5.5}]
    results = {"data": "mrpc.jsonl", "task": "paraphrase", "rows": 300, "systems": scores, "paired": paired}
    _json(run, "evaluation/mrpc-paraphrase/results.json", results)
    _json(run, "evaluation/torn/results.json", {"data": "x"})
    return run


def _contexts(run: Run, ids: list[str]) -> None:
    rows = [{"context_id": name, "text": f"Context {i}. {HOSTILE}", "origin": "teacher"} for i, name in enumerate(ids)]
    counts = {"in": len(rows), "out": len(rows)}
    header = Header("contexts", "key", {}, counts=counts)
    write_shard(run.stage(0, "contexts").shard(0), pa.Table.from_pylist(rows, schema=CONTEXT), header)


def _table(run: Run, path: str, columns: dict[str, list[object]]) -> None:
    (run.folder / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), run.folder / path)


def _json(run: Run, path: str, data: object) -> None:
    (run.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (run.folder / path).write_text(json.dumps(data))
