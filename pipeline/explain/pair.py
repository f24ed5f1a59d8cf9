"""Everything known about one pair: where it came from, what every filter said, what became of it and why."""

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import PipelineError
from pipeline.explain.find import Found, find_pair
from pipeline.explain.group import group
from pipeline.explain.regenerate import Regenerated, Written, regenerate, written
from pipeline.recipe import Recipe, load
from pipeline.run_tables import corpus_rows, stage_rows
from pipeline.serve.audit_marks import marks
from pipeline.shard import read_header
from pipeline.store import Run, code_version
from pipeline.teacher.decoder import Decoder

Told = dict[str, object]
ATTRIBUTES = ("split", "compression_ratio", "compression_bucket", "novelty", "novelty_bucket", "also_in")
WRITTEN = ("candidate_id", "mode", "keywords", "coverage", "seed", "logprob", "tokens", "decoded", "ended")


def explain(run: Run, pair: str, again: bool = False, ask_judge: bool = True, decoder: Decoder | None = None) -> Told:
    """As plain data, without what there is none of. `again`: decode the target anew, with `decoder` or the recipe's.

    `ask_judge`: load the judge where only it can tell which pair stands for which.
    """
    found = find_pair(run, pair)
    row = found.row
    told: Told = {name: row[name] for name in ("pair_id", "task", "source", "target", "verdict")}
    told |= {"run": run.name, "round": found.round, "corpus": _attributes(run, found), "panel": _panel(run, found)}
    told |= {"group": group(run, found) if ask_judge else None}
    told |= _origin(run, found)
    told |= {"influence": _influence(run, str(row["pair_id"])), "audit": _audit(run, found)}
    names = ("round", "context_id", "verdict")
    told |= {"elsewhere": [dict(zip(names, each, strict=True)) for each in found.elsewhere]}
    if again:
        told["regenerated"] = _regenerated(regenerate(run, found, decoder))
    return {name: value for name, value in told.items() if value not in (None, "", [], {})}


def _attributes(run: Run, found: Found) -> Told:
    """What the corpus says of a kept pair."""
    if found.row["verdict"] != "kept":
        return {}
    kept = corpus_rows(run, found.round)
    rows = kept.filter(pc.equal(kept["pair_id"], str(found.row["pair_id"]))).to_pylist()
    return {name: rows[0][name] for name in ATTRIBUTES if rows and rows[0].get(name) not in (None, [])}


def _panel(run: Run, found: Found) -> list[Told]:
    """Filter by filter: the score, the thresholds it was judged by, and the verdict; later changes are told."""
    specs = _judged_by(run, found)
    recipe = _recipe(run)
    task = str(found.row["task"])
    own = recipe.tasks.get(task) if recipe else None
    now = own.panel | own.rewrites if own else {}
    order = [name for name in now if name in specs] + [name for name in specs if name not in now]
    scores = found.row["scores"] if isinstance(found.row["scores"], Mapping) else {}
    rows = []
    for name in order:
        limits = {field: value for field, value in specs[name].items() if _is_limit(field, value)}
        row: Told = {"filter": name, "score": scores.get(name), "thresholds": limits, "verdict": _said(found, name)}
        moved = {field: now[name][field] for field in limits if name in now and now[name].get(field) != limits[field]}
        rows.append(row | ({"recipe_now": moved} if moved else {}))
    return rows


def _said(found: Found, name: str) -> str:
    scores = found.row["scores"] if isinstance(found.row["scores"], Mapping) else {}
    if found.row["dropped_by"] == name:
        return "dropped"
    if found.early:
        return "not kept"
    return "passed" if scores.get(name) is not None else "not asked"


def _judged_by(run: Run, found: Found) -> dict[str, Mapping[str, object]]:
    """A task's filters and their parameters, as the shards name them."""
    specs: dict[str, Mapping[str, object]] = {}
    for files, inner in ((found.files.pairs, "tasks"), (found.files.scores, "")):
        header = read_header(Path(files[max(found.shard, 0)])) if files else None
        said = header.spec if header else {}
        tables = said.get(inner, {}) if inner else said
        own = tables.get(str(found.row["task"]), {}) if isinstance(tables, Mapping) else {}
        specs |= own if isinstance(own, Mapping) else {}
    return specs


def _origin(run: Run, found: Found) -> Told:
    """The context, how source and target were written, and by whom."""
    row = found.row
    told: Told = {"context": _context(run, found)}
    for side in ("source", "target"):
        key = row.get(f"{side}_id")
        for number in (found.round, 0):  # a student's source is a sentence of the teacher's
            candidate = written(run, number, str(key)) if key is not None else None
            if candidate:
                told[f"{side}_written"] = _written(candidate, number)
                break
    if "target_written" in told:
        told["decoder"] = _decoder(run, found)
    elif not found.early:
        told["decoder"] = {"writer": row.get("writer")} if row.get("target_id") else {"brought_by": "the user"}
    return told


def _context(run: Run, found: Found) -> Told:
    """Later rounds have no contexts of their own, but keep the id of the teacher's."""
    key = found.row["context_id"]
    for number in (found.round, 0):
        rows = stage_rows(run, number, "contexts")
        if rows.num_rows and key is not None:
            own = rows.filter(pc.equal(rows["context_id"], str(key))).to_pylist()
            if own:
                return {name: value for name, value in own[0].items() if value not in (None, "")}
    return {"context_id": key} if key is not None else {}


def _written(candidate: Written, number: int) -> Told:
    row = candidate.row
    told: Told = {"by": str(row["writer"])}
    if number:
        told |= {"rewritten_from": row["context"], "student": number}
    return told | {name: row[name] for name in WRITTEN if row.get(name) not in (None, [])}


def _decoder(run: Run, found: Found) -> Told:
    """What the shard says of how it was sampled, and whether other code wrote it."""
    candidate = written(run, found.round, str(found.row["target_id"]))
    said = dict(candidate.header.spec) if candidate else {}
    code = (run.stage(found.round, "candidates").manifest() or {}).get("code")
    told: Told = {name: said[name] for name in ("teacher", "student", "sampling", "decoding", "seed") if name in said}
    return told | ({"code": code, "code_now": code_version()} if code else {})


def _influence(run: Run, key: str) -> list[Told]:
    """What attribution says of it, wherever it was asked."""
    told = []
    for path in sorted([*run.folder.glob("influence/*.parquet"), *run.folder.glob("round-*/influence/*.parquet")]):
        with contextlib.suppress(OSError, pa.ArrowException, KeyError):
            rows = pq.read_table(path, partitioning=None)
            where = path.parent.relative_to(run.folder).as_posix()
            own = rows.filter(pc.equal(rows["pair_id"], key)).to_pylist()
            told += [{"where": where} | {k: _known(v) for k, v in row.items() if k != "pair_id"} for row in own]
    return told


def _known(value: object) -> object:
    """JSON has no word for what is no number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _audit(run: Run, found: Found) -> Told:
    mark = marks(run, found.round).get(str(found.row["pair_id"]))
    return {"said": mark.said, "at": mark.at, "verdict_then": mark.verdict} if mark else {}


def _regenerated(made: Regenerated) -> Told:
    return {"verdict": made.verdict, "why": list(made.why)} | ({"text": made.text} if made.text is not None else {})


def _recipe(run: Run) -> Recipe | None:
    """None where there is no recipe, or one that this code cannot read any more."""
    try:
        return load(run.recipe_file) if run.recipe_file.exists() else None
    except PipelineError:
        return None


def _is_limit(field: str, value: object) -> bool:
    return isinstance(value, int | float) and field not in ("token_budget", "threads")
