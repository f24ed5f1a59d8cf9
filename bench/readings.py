"""What a recipe's panel makes of pairs that were read: precision and recall behind each of its models.

    python -m bench.readings [--recipe news] [--set KEY=VALUE ...]

The read pairs passed the cheap filters of their run, so only the filters with a model are asked, in the recipe's order.
The last line is JSON: of each task, over all readings together.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.machine import machine
from filters.base import Filter, Panel, judge
from filters.batches import FloatArray
from filters.training.evaluate import Measured, measured, precision_at, recall_at
from pipeline.__main__ import told
from pipeline.recipe import load

FOLDER = Path(__file__).parent.parent / "data" / "readings"
READINGS = ("news.jsonl", "news-2.jsonl")
Row = Mapping[str, object]


def main() -> None:
    """Print a table for each task and file, and one for all together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="news")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    recipe = load(given.recipe, given.set)
    print(machine())
    found = {task: _told(task, recipe.panel(task).of_cost("model")) for task in recipe.tasks}
    print(json.dumps(found))


def _told(task: str, panel: Panel) -> dict[str, float]:
    parts = [_rows(FOLDER / name, task) for name in READINGS]
    dropped = [stages_of(part, panel) for part in parts]
    labels, weights = [[right(row) for row in part] for part in parts], [weights_of(part) for part in parts]
    print(f"\n{task}: {', '.join(f'{spec.name} {threshold(spec)}' for spec in panel)}\n")
    print("| readings | behind | pairs | kept | precision | recall |\n|---|---|---:|---:|---:|---:|")
    for name, *one in zip(READINGS, dropped, labels, weights, strict=True):
        _table(name, panel, *one)  # type: ignore[arg-type]
    together = [np.concatenate(columns) for columns in (dropped, labels, weights)]
    precision, recall = _table("together", panel, *together)
    return {"precision": round(precision.value, 3), "recall": round(recall.value, 3)}


def _rows(path: Path, task: str) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["task"] == task]


def right(row: Row) -> bool:
    """Whether the readers would have the pair in the task's corpus."""
    return bool(row["forward"] and (row["reverse"] or row["task"] == "summary") and not row["broken"])


def weights_of(rows: Sequence[Row]) -> FloatArray:
    """The pairs of its run that each stands for, with a mean of 1, so that every reading counts by its rows."""
    weights = np.array([row["weight"] for row in rows], np.float32)
    return weights / weights.mean()


def threshold(spec: Filter) -> str:
    names = ("min_probability", "min_share", "min_cosine", "max_surprise", "max_rise", "max_awaited", "min_distance")
    return next((f"{getattr(spec, name):g}" for name in names if hasattr(spec, name)), "")


def stages_of(rows: Sequence[Row], panel: Panel) -> np.ndarray:
    """For each row the place of the filter that drops it; as many as there are filters where none does."""
    table = pa.table({name: [row[name] for row in rows] for name in ("source", "target")})
    _, reasons = judge(table, [(spec, spec.open("cpu")) for spec in panel])
    places = {name: place for place, name in enumerate(panel.names)}
    return np.array([places.get(reason, len(places)) for reason in reasons.to_pylist()])


def _table(
    name: str, panel: Panel, dropped: np.ndarray, labels: Sequence[bool], weights: FloatArray
) -> tuple[Measured, Measured]:
    """A line behind each filter; the figures of the last."""
    for place, spec in enumerate(panel):
        kept = (dropped > place).astype(np.float32)
        precision, recall = (
            measured(statistic(0.5), kept, labels, weights)  # type: ignore[arg-type]
            for statistic in (precision_at, recall_at)
        )
        print(f"| {name} | {spec.name} | {len(kept)} | {int(kept.sum())} | {precision} | {recall} |")
    return precision, recall


if __name__ == "__main__":
    told(main)
