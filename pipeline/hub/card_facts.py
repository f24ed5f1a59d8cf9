"""What a card tells of a release in figures: rows, lengths, scores, diversity, the funnel, models and thresholds."""

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from filters.overlap import rouge_words
from pipeline.errors import UserError
from pipeline.funnel import Level, levels
from pipeline.hub.public_names import public_name, public_writer
from pipeline.records import PAIR
from pipeline.shard import read_rows
from pipeline.status import run_status
from pipeline.store import Run

QUANTILES = (0.1, 0.5, 0.9)
MOST_TARGETS = 100_000
"""Distinct words are counted among so many targets: their share falls with the length of the text."""
BESIDE_SCORES = frozenset(
    {*PAIR.names, "also_in", "split", "compression_ratio", "compression_bucket", "novelty", "novelty_bucket"}
)
"""Columns of a corpus that are no filter's score."""

Json = dict[str, Any]


def score_names(rows: pa.Table) -> list[str]:
    return [name for name in rows.column_names if name not in BESIDE_SCORES]


def statistics(rows: pa.Table) -> Json:
    """One task's pairs in figures: counts, lengths in characters, diversity of the targets."""
    targets = rows["target"].slice(0, MOST_TARGETS).to_pylist()  # rows come by id, and ids are hashes
    figures = {
        "source characters": _quantiles(pc.utf8_length(rows["source"])),
        "target characters": _quantiles(pc.utf8_length(rows["target"])),
        "compression ratio (characters)": _quantiles(rows["compression_ratio"]),
        "novelty (share of new word pairs)": _quantiles(rows["novelty"]),
    }
    return {
        "rows": rows.num_rows,
        "contexts": pc.count_distinct(rows["context_id"]).as_py(),
        "sources": pc.count_distinct(rows["source"]).as_py(),
        "figures": {name: found for name, found in figures.items() if found},
        "targets": len(targets),
        "distinct_1": distinct(targets, 1),
        "distinct_2": distinct(targets, 2),
    }


def distinct(texts: list[str], n: int) -> float:
    """Share of different n-grams among all n-grams of the texts; 0 where there is none."""
    grams = [gram for text in texts for gram in _ngrams(rouge_words(text), n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def _ngrams(words: list[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(itertools.islice(words, start, None) for start in range(n)), strict=False)


def score_quantiles(rows: pa.Table) -> list[Json]:
    """For each score of a task that differs between pairs: how many pairs have one, and its quantiles."""
    found = [(name, rows[name].drop_null()) for name in score_names(rows)]
    return [{"name": n, "asked": len(had), "quantiles": _quantiles(had)} for n, had in found if _differs(had)]


def score_constants(rows: pa.Table) -> list[Json]:
    """The scores that are the same for all pairs that have one: those of rules, which say 1 or drop the pair."""
    found = [(name, rows[name].drop_null()) for name in score_names(rows)]
    return [{"name": name, "value": had[0].as_py()} for name, had in found if len(had) and not _differs(had)]


def _differs(column: pa.ChunkedArray) -> bool:
    ends = pc.min_max(column)
    return bool(len(column)) and ends["min"] != ends["max"]


def _quantiles(column: pa.ChunkedArray) -> list[float]:
    had = column.drop_null()
    return pc.quantile(had, q=list(QUANTILES)).to_pylist() if len(had) else []


def funnel(run: Run, round_number: int) -> list[Level]:
    """The funnel of one round, in the order that data takes."""
    order = ("contexts", "candidates", "pairs", "scores", "corpus")
    stages = [status for status in run_status(run) if status.round == round_number and status.stage in order]
    return [level for level in levels(sorted(stages, key=lambda s: order.index(s.stage))) if level.entered]


def models(run: Run, round_number: int) -> list[tuple[str, str]]:
    """(model, revision) of everything that a model did in this round and in round 0, as the manifests say."""
    found: set[tuple[str, str]] = set()
    for number, stage in run.stages():
        manifest = run.stage(number, stage).manifest() if number in (0, round_number) else None
        found |= set(_models_of((manifest or {}).get("spec")))
    return sorted(found)


def _models_of(spec: object) -> Iterator[tuple[str, str]]:
    if not isinstance(spec, dict):
        return
    for name, revision in (("model", "revision"), ("encoder", "encoder_revision")):
        if isinstance(spec.get(name), str) and isinstance(spec.get(revision), str):
            yield public_name(spec[name]), spec[revision]
    if isinstance(spec.get("teacher"), str):
        model, _, rest = public_writer(spec["teacher"]).rpartition("@")
        yield model, rest
    for child in spec.values():
        yield from _models_of(child)


def code_versions(run: Run, round_number: int) -> dict[str, str]:
    """The code that each stage of the round was made with."""
    stages = [stage for number, stage in run.stages() if number == round_number]
    manifests = {stage: run.stage(round_number, stage).manifest() for stage in stages}
    return {stage: str(manifest["code"]) for stage, manifest in manifests.items() if manifest and "code" in manifest}


def year(run: Run, round_number: int, stage: str) -> str:
    """When a stage was finished, by its manifest: a card must not depend on today."""
    return str((run.stage(round_number, stage).manifest() or {}).get("finished", ""))[:4]


def monitors(run: Run, round_number: int) -> list[tuple[str, str, float]]:
    """(task, monitor, value) of what was watched while the student's round was made; empty for the teacher's."""
    rows = [row for path in run.stage(round_number, "monitors").tables() for row in read_rows(path).to_pylist()]
    told = [row for row in rows if row["value"] is not None and math.isfinite(row["value"])]
    return [(row["task"], row["monitor"], row["value"]) for row in told]


def evaluations(run: Run) -> list[Json]:
    """Every benchmark's results of the run."""
    return [found for path in sorted((run.folder / "evaluation").glob("*/results.json")) if (found := _json(path))]


def _json(path: Path) -> Json:
    """A JSON object; empty where there is no such file."""
    try:
        read = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON: make it again, or remove it") from error
    return read if isinstance(read, dict) else {}
