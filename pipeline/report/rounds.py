"""The sections of a report on what comes after the teacher: rounds, students, evaluation, adapter, influence."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.funnel import accepted
from pipeline.report.blocks import Block, Note, Picture, Section, Table, cell, section, table
from pipeline.report.figures import extremes, lines
from pipeline.run_tables import corpus_rows, of_round
from pipeline.status import StageStatus
from pipeline.store import Run

SHOWN = 10
"""Most helpful and most harmful pairs shown."""
COUNTED = "pairs"
"""A monitor that is a count, which the rows above it have already."""
AMOUNTS = (
    "distinct_n and self_bleu change with the amount of text: each round is measured on as much as the smallest round "
    "up to the next one has. Where a later round is the smallest, the columns before it had more."
)
Monitors = dict[tuple[str, str], float]
"""By monitor and task."""


def side_by_side(run: Run, stages: Sequence[StageStatus], rounds: Sequence[int]) -> Section:
    """What each round came to, with its monitors; the students' curves below."""
    if not rounds:
        return section("rounds", "Rounds side by side", Note("No round has begun.", missing=True))
    monitors = _monitors_of(run, rounds)
    columns = {number: _figures(of_round(stages, number)) | _named(monitors.get(number, {})) for number in rounds}
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [(name, *(columns[number].get(name) for number in rounds)) for name in names]
    head = ("", *(f"round {number}" + (" (teacher)" if number == 0 else "") for number in rounds))
    alone = "Only the teacher's round is there: make distill ROUND=1 adds a student's."
    return section(
        "rounds",
        "Rounds side by side",
        Note(alone, missing=True) if len(rounds) == 1 else None,
        table("Counts and monitors of each round", head, rows),
        Note(AMOUNTS) if len(rounds) > 1 else None,
        *_pictures(monitors),
        *(picture for number in rounds for picture in _student(run, number)),
    )


def _figures(stages: Sequence[StageStatus]) -> dict[str, object]:
    """What a round's stages count."""
    rows = {status.stage: status.rows for status in stages}
    kept = accepted(stages)
    figures: dict[str, object] = {"candidates": rows.get("candidates"), "pairs judged": rows.get("scores")}
    figures |= {f"{task} pairs in the corpus": count for task, count in sorted(kept.items())}
    figures["seconds"] = sum(status.seconds for status in stages)
    return figures


def _monitors_of(run: Run, rounds: Sequence[int]) -> dict[int, Monitors]:
    """The monitors of each round by task. The first student's round holds the teacher's too, as what was before."""
    found: dict[int, Monitors] = {}
    for number in rounds:
        table_ = _parquet(run.stage(number, "monitors").folder / "monitors.parquet")
        if table_ is None or not {"task", "monitor", "value", "before"} <= set(table_.column_names):
            continue
        for row in table_.to_pylist():
            key = (str(row["monitor"]), str(row["task"]))
            for place, value in ((number - 1, row["before"]), (number, row["value"])):
                if place in rounds and value is not None and np.isfinite(value):
                    found.setdefault(place, {})[key] = float(value)
    return found


def read_json(path: Path) -> object:
    """The content of a JSON file, None where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_bytes())
    return None


def _named(monitors: Monitors) -> dict[str, object]:
    return {f"{name}, {task}": value for (name, task), value in monitors.items() if name != COUNTED}


def _pictures(monitors: Mapping[int, Monitors]) -> Iterator[Picture]:
    """A picture for each monitor that two rounds have, a curve a task."""
    keys = dict.fromkeys(key for number in sorted(monitors) for key in monitors[number])
    for name in dict.fromkeys(name for name, _ in keys if name != COUNTED):
        curves: dict[str, list[tuple[float, float]]] = {}
        for task in (task for other, task in keys if other == name):
            points = [(float(r), monitors[r][name, task]) for r in sorted(monitors) if (name, task) in monitors[r]]
            curves |= {task: points} if len(points) > 1 else {}
        if curves:
            said = "; ".join(f"{task}: {', '.join(cell(value) for _, value in p)}" for task, p in curves.items())
            svg = lines(f"monitor-{name.encode().hex()}", curves, "round", name)
            yield Picture(f"{name} by round", f"Line chart of {name} round by round. {said}.", svg)


def _student(run: Run, number: int) -> Iterator[Picture]:
    path = run.folder / f"round-{number}" / "student" / "curve.parquet"
    yield from _curve(path, f"student-{number}", f"Loss of student {number}", ("loss", "validation_loss"))


def _curve(path: Path, key: str, title: str, names: Sequence[str]) -> Iterator[Picture]:
    """The named columns of a curve over its steps; nothing where the file is not there or has none of them."""
    rows = _parquet(path)
    if rows is None or "step" not in rows.column_names:
        return
    steps = rows["step"].to_pylist()
    curves: dict[str, list[tuple[float, float]]] = {}
    for name in names:
        values = rows[name].to_pylist() if name in rows.column_names else []
        points = [(s, v) for s, v in zip(steps, values, strict=False) if v is not None and np.isfinite(v)]
        curves |= {name: points} if points else {}
    if curves:
        said = "; ".join(f"{name} from {cell(p[0][1])} to {cell(p[-1][1])}" for name, p in curves.items())
        every = [(name, *point) for name, points in curves.items() for point in _thinned(points)]
        twin = table(f"{title}, some of its points", ("curve", "step", "value"), every)
        yield Picture(title, f"Line chart over training steps: {said}.", lines(key, curves, "step"), twin)


def _thinned(points: Sequence[tuple[float, float]], most: int = 12) -> list[tuple[float, float]]:
    places = np.unique(np.linspace(0, len(points) - 1, most).round().astype(int))
    return [points[int(place)] for place in places]


def _parquet(path: Path) -> pa.Table | None:
    with contextlib.suppress(OSError, pa.ArrowException):
        return pq.read_table(path, partitioning=None)
    return None


def adapter(run: Run) -> Section | None:
    """The curves of an adapter's training, where there is one: every column of numbers but the step."""
    pictures: list[Block] = []
    for path in sorted([*run.folder.glob("adapter/curve.parquet"), *run.folder.glob("round-*/adapter/curve.parquet")]):
        rows = _parquet(path)
        where = path.parent.relative_to(run.folder).as_posix()
        for field in rows.schema if rows is not None else ():
            if pa.types.is_floating(field.type):
                key = f"{where.replace('/', '-')}-{field.name.encode().hex()}"
                pictures += _curve(path, key, f"{where}: {field.name}", (field.name,))
    return section("adapter", "Adapter", *pictures) if pictures else None


def influence(run: Run) -> Section | None:
    """The pairs that help and harm most, where influences were computed."""
    blocks: list[Block] = []
    for path in sorted([*run.folder.glob("influence/*.parquet"), *run.folder.glob("round-*/influence/*.parquet")]):
        rows = _parquet(path)
        if rows is None or not {"pair_id", "influence"} <= set(rows.column_names):
            continue
        values = rows["influence"].cast(pa.float64())
        rows = rows.select(["pair_id"]).append_column("influence", values).filter(pc.is_finite(values))
        if rows.num_rows:
            blocks += _influences(run, path.relative_to(run.folder).as_posix(), rows)
    return section("influence", "Influence", *blocks) if blocks else None


def _influences(run: Run, where: str, rows: pa.Table) -> Iterator[Block]:
    values = rows["influence"].to_numpy()
    harm = int((values < 0).sum())
    alt = f"Histogram of the influences of {len(values):,} pairs: {harm:,} harm, {len(values) - harm:,} help."
    yield Picture(f"Influence of each pair ({where})", alt, extremes(f"influence-{where.encode().hex()}", values))
    ordered = rows.sort_by([("influence", "ascending"), ("pair_id", "ascending")])
    yield _extreme(run, "The most harmful pairs", ordered.slice(0, SHOWN).to_pylist())
    best = ordered.slice(max(ordered.num_rows - SHOWN, 0)).to_pylist()[::-1]
    yield _extreme(run, "The most helpful pairs", best)


def _extreme(run: Run, caption: str, rows: Sequence[Mapping[str, object]]) -> Table:
    wanted = pa.array([str(row["pair_id"]) for row in rows], pa.string())
    texts: dict[object, Mapping[str, object]] = {}
    for number in sorted({number for number, stage in run.stages() if stage == "corpus"}):
        found = corpus_rows(run, number)
        texts |= {row["pair_id"]: row for row in found.filter(pc.is_in(found["pair_id"], wanted)).to_pylist()}
    body = []
    for row in rows:
        pair = texts.get(row["pair_id"], {})
        body.append((row["influence"], pair.get("task"), pair.get("source"), pair.get("target"), row["pair_id"]))
    return table(caption, ("influence", "task", "source", "target", "pair"), body)
