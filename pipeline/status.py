"""How far a run is, stage by stage. Reads headers, manifests and times; takes no lock, changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.fold import manifest_counts
from pipeline.plan import Changes, FoldStep, Input, MapStep, Read, State, Step, fold_header, plan_fold, plan_map
from pipeline.progress import add_counts
from pipeline.shard import count_rows, read_header
from pipeline.store import Run, StageFolder


@dataclass(frozen=True)
class StageStatus:
    """One stage of one round. `shards` are finished or stale ones on disk, `planned` those wanted (None: not known).

    `why` says what changed since a stale stage was made.
    """

    round: int
    stage: str
    state: State
    shards: int
    planned: int | None
    rows: int
    counts: dict[str, int]
    seconds: float
    why: Changes = ()


def run_status(run: Run, steps: Sequence[Step] | None = None) -> list[StageStatus]:
    """The stages of a run: as the recipe has them where `steps` are given, else as the disk has them.

    Only with steps can a stage be known to be stale.
    """
    if steps is None:
        return [_on_disk(run, round_number, stage) for round_number, stage in run.stages()]
    return list(_as_planned(run, steps))


def _on_disk(run: Run, round_number: int, stage: str) -> StageStatus:
    folder = run.stage(round_number, stage)
    files = [path for path in folder.tables() if read_header(path)]
    planned = folder.planned()
    whole = planned in (None, len(files)) and _listed_keys(folder) == [h.key for h in map(read_header, files) if h]
    state: State = "done" if whole else "partial" if files else "missing"
    return _status(folder, round_number, stage, state, files, planned)


def _listed_keys(folder: StageFolder) -> list[str] | None:
    """The keys of the parquet files that the manifest lists, in order; None without a manifest."""
    manifest = folder.manifest()
    if manifest is None:
        return None
    listed = manifest.get("shards", manifest.get("tables", []))
    return [str(entry["key"]) for entry in listed] if isinstance(listed, list) else []


def _as_planned(run: Run, steps: Sequence[Step]) -> Iterator[StageStatus]:
    """Stage by stage: what reads a stage that is not done cannot be done, what reads a stale one is stale."""
    states: dict[tuple[int, str], State] = {}
    for step in steps:
        sources = [states.get((read.round, read.stage), "missing") for read in _reads(step)]
        status = _map_status(run, step, sources) if isinstance(step, MapStep) else _fold_status(run, step, sources)
        states[(step.round, step.stage.name)] = status.state
        yield status


def _reads(step: Step) -> list[Read]:
    if isinstance(step, FoldStep):
        return list(step.reads.values())
    return [] if isinstance(step.reads, tuple) else [step.reads]


def _map_status(run: Run, step: MapStep, sources: Sequence[State]) -> StageStatus:
    folder = run.stage(step.round, step.stage.name)
    files = [path for path in folder.shards().values() if read_header(path)]
    if any(state in ("missing", "partial") for state in sources):
        # Input shards may be missing in between, so places cannot be compared yet.
        return _status(folder, step.round, step.stage.name, "partial" if files else "missing", files, None)
    inputs = step.reads if isinstance(step.reads, tuple) else step.reads.inputs(run)
    plan = plan_map(run, step.round, step.stage, inputs)
    state: State = plan.state
    if "stale" in sources and files:
        state = "stale"
    why = plan.why or (("its input is stale",) if state == "stale" else ())
    return _status(folder, step.round, step.stage.name, state, files, len(plan.shards), why)


def _fold_status(run: Run, step: FoldStep, sources: Sequence[State]) -> StageStatus:
    folder = run.stage(step.round, step.stage.name)
    files = folder.tables()
    if any(state != "done" for state in sources):
        state: State = "stale" if folder.manifest() else "missing"
        return _status(folder, step.round, step.stage.name, state, files, None, ("its input is not finished",))
    inputs: dict[str, list[Input]] = {name: read.inputs(run) for name, read in step.reads.items()}
    state, why = plan_fold(folder, fold_header(step.stage, inputs))
    return _status(folder, step.round, step.stage.name, state, files, len(files) or None, why)


def _status(
    folder: StageFolder,
    round_number: int,
    stage: str,
    state: State,
    files: Sequence[Path],
    planned: int | None,
    why: Changes = (),
) -> StageStatus:
    headers = [header for header in map(read_header, files) if header]
    manifest = folder.manifest() or {}
    counts = add_counts(header.counts for header in headers) or manifest_counts(manifest)
    rows = sum(count_rows(path) for path in files)
    seconds = folder.seconds() or float(str(manifest.get("seconds", 0.0)))
    return StageStatus(round_number, stage, state, len(files), planned, rows, counts, seconds, why)
