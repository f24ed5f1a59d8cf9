"""The section of a report on how well the students do: every benchmark's table, intervals and paired differences."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.report.blocks import Block, Note, Picture, Section, cell, section, table
from pipeline.report.figures import intervals
from pipeline.report.rounds import read_json
from pipeline.store import Run

DRAWN = ("rougeL", "bleu", "ibleu", "bert_ibleu", "bertscore", "compression", "novel_2")
"""Metrics that have a picture; where there are none of these, the first ones. The table has them all."""


def evaluation(run: Run) -> Section:
    """One part for each results.json; one that cannot be read is named."""
    paths = sorted(run.folder.glob("evaluation/*/results.json"))
    blocks = [block for path in paths for block in _benchmark(path)]
    none = Note("No student has been evaluated yet.", missing=True)
    return section("evaluation", "Evaluation", *(blocks or [none]))


def _benchmark(path: Path) -> Iterator[Block]:
    data = read_json(path)
    systems = data.get("systems") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(systems, dict) or not systems:
        yield Note(f"{path.parent.name}: its results.json has no systems.", missing=True)
        return
    about = f"{data.get('data', path.parent.name)} ({data.get('task', 'no task')}, {cell(data.get('rows'))} rows)"
    metrics = list(dict.fromkeys(name for scores in systems.values() for name in scores))
    rows = [(metric, *(_interval(scores.get(metric)) for scores in systems.values())) for metric in metrics]
    yield table(f"{about}: value and interval", ("metric", *systems), rows)
    for metric in [name for name in DRAWN if name in metrics] or metrics[:4]:
        yield from _picture(path.parent.name, about, metric, systems)
    paired = data.get("paired")
    if isinstance(paired, list) and paired:
        head = ("metric", "a", "b", "a minus b")
        body = [(p.get("metric"), p.get("a"), p.get("b"), _interval(p, "difference")) for p in paired]
        yield table(f"{about}: paired differences", head, body)


def _picture(name: str, about: str, metric: str, systems: Mapping[str, object]) -> Iterator[Picture]:
    found = {system: _three(scores.get(metric)) for system, scores in systems.items() if isinstance(scores, dict)}
    rows = [(system, *three) for system, three in found.items() if three]
    if len(rows) > 1:
        best = max(rows, key=lambda row: row[1])
        alt = f"Dots with intervals of {metric}, {len(rows)} systems. Highest: {best[0]}, {cell(best[1])}."
        key = f"evaluation-{name.encode().hex()}-{metric.encode().hex()}"
        yield Picture(f"{about}: {metric}", alt, intervals(key, rows, metric))


def _three(score: object, name: str = "value") -> tuple[float, float, float] | None:
    if not isinstance(score, dict) or not isinstance(score.get(name), int | float):
        return None
    value = float(score[name])
    low, high = (score.get(side) for side in ("low", "high"))
    return value, *(float(x) if isinstance(x, int | float) else value for x in (low, high))  # type: ignore[return-value]


def _interval(score: object, name: str = "value") -> str | None:
    three = _three(score, name)
    if three is None:
        return None
    value, low, high = three
    return cell(value) if low == high else f"{cell(value)} ({cell(low)} to {cell(high)})"
