"""What is published of a run: the corpus of one round, whole and unchanged since it was made, and its contexts."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UserError
from pipeline.manifest import sha256
from pipeline.shard import read_header, read_rows
from pipeline.status import run_status
from pipeline.store import Run, StageFolder

SPLITS = ("train", "validation", "test")
LEFT_OUT = "left_out"
OF_THE_TEACHER = "teacher"
"""The origin of contexts that the teacher wrote itself."""


def latest_round(run: Run) -> int:
    """The last round that has a corpus."""
    rounds = [number for number, stage in run.stages() if stage == "corpus" and run.stage(number, stage).manifest()]
    if not rounds:
        raise UserError(f"run {run.name!r}: no corpus yet: run `make filter RUN={run.name}` first")
    return max(rounds)


def corpus(run: Run, round_number: int) -> dict[str, pa.Table]:
    """The kept pairs, split by split; UserError where the round is half done, stale, damaged or empty."""
    folder = run.stage(round_number, "corpus")
    _check_finished(run, round_number)
    check_files(folder, f"run {run.name!r}, round {round_number}")
    paths = {path.stem: path for path in folder.tables() if path.stem != LEFT_OUT}
    ordered = [*(s for s in SPLITS if s in paths), *sorted(s for s in paths if s not in SPLITS)]
    splits = {split: read_rows(paths[split]) for split in ordered}
    splits = {split: rows for split, rows in splits.items() if rows.num_rows}
    if not splits:
        raise UserError(
            f"run {run.name!r}, round {round_number}: its corpus has no pair: loosen a threshold or take more contexts"
        )
    return splits


def _check_finished(run: Run, round_number: int) -> None:
    """Every stage of the round is whole, and the corpus was made from the pairs and scores that are there now."""
    remedy = f"run `make {'distill' if round_number else 'filter'} RUN={run.name}` to its end first"
    where = f"run {run.name!r}, round {round_number}"
    states = {s.stage: s.state for s in run_status(run) if s.round == round_number and s.stage != "student"}
    if "corpus" not in states or not run.recipe_file.is_file():
        raise UserError(f"{where}: no {'recipe.toml' if 'corpus' in states else 'corpus'} yet: {remedy}")
    half = [stage for stage in ("candidates", "pairs", "scores", "corpus") if states.get(stage, "done") != "done"]
    if half:
        raise UserError(f"{where}: half a run: {', '.join(half)} not finished: {remedy}")
    made_from = (run.stage(round_number, "corpus").manifest() or {}).get("inputs")
    if not isinstance(made_from, list) or not set(_contents(run, round_number)) <= set(made_from):
        raise UserError(f"{where}: its corpus is older than its pairs and scores: {remedy}")


def _contents(run: Run, round_number: int) -> list[str]:
    folders = [run.stage(round_number, stage) for stage in ("pairs", "scores")]
    headers = [read_header(path) for folder in folders for path in folder.tables()]
    return [header.content for header in headers if header]


def check_files(folder: StageFolder, where: str) -> None:
    """Every file that the manifest lists is there, byte for byte."""
    manifest = folder.manifest() or {}
    for entry in [*_entries(manifest, "tables"), *_entries(manifest, "files")]:
        path = folder.folder / str(entry["file"])
        if not path.is_file() or sha256(path) != entry["sha256"]:
            problem = "changed since it was made" if path.is_file() else "missing"
            raise UserError(f"{where}: {path.name} of {folder.folder.name} is {problem}: make that stage again")


def _entries(manifest: Mapping[str, object], name: str) -> list[dict[str, Any]]:
    listed = manifest.get(name)
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def contexts(run: Run, round_number: int, pairs: Sequence[pa.Table], upload: bool) -> pa.Table | None:
    """The contexts of these pairs, sorted; the user's own only where `upload` says so. None where there are none."""
    own = run.stage(round_number, "contexts").tables()
    tables = [read_rows(path) for path in own or run.stage(0, "contexts").tables()]
    if not tables:
        return None
    rows = pa.concat_tables(tables)
    if not upload:
        rows = rows.filter(pc.equal(rows["origin"], OF_THE_TEACHER))
    columns = [column for t in pairs for column in (t["context_id"], pc.list_flatten(t["also_in"]))]
    named = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    rows = rows.filter(pc.is_in(rows["context_id"], value_set=pc.unique(named)))
    return rows.sort_by("context_id") if rows.num_rows else None


def users_contexts(run: Run, round_number: int) -> bool:
    """Whether any context behind the round is the user's own text."""
    return any(_from_the_user(run, number) for number in range(round_number + 1))


def users_pairs(run: Run, round_number: int) -> bool:
    """Whether the pairs hold sentences of the user's own: brought as pairs, or given to a student to rewrite."""
    return brought(run) or (round_number > 0 and _from_the_user(run, round_number))


def brought(run: Run) -> bool:
    """Whether the pairs of round 0 are the user's own."""
    spec = (run.stage(0, "pairs").manifest() or {}).get("spec")
    return isinstance(spec, dict) and bool(spec.get("brought"))


def _from_the_user(run: Run, round_number: int) -> bool:
    origins = [read_rows(path)["origin"] for path in run.stage(round_number, "contexts").tables()]
    return any(pc.any(pc.not_equal(origin, OF_THE_TEACHER)).as_py() for origin in origins if len(origin))
