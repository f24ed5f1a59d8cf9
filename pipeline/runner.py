"""Walk a plan: skip what is finished, make the rest, say what happened. The caller holds the lock of the run."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.backend import Backend, Failed
from pipeline.errors import StageError
from pipeline.fold import run_fold
from pipeline.manifest import entry, manifest
from pipeline.plan import FoldStep, Input, ShardTask, StagePlan, Step, plan_map
from pipeline.progress import Progress, StageResult, Telling, Tick, Within, add_counts, silent
from pipeline.shard import count_rows, fingerprint, read_header
from pipeline.stage import Counts, FoldStage, MapStage
from pipeline.store import Run, StageFolder, now
from pipeline.work import ShardDone, ShardWork

LOG = logging.getLogger(__name__)


def run_map(
    run: Run,
    round_number: int,
    stage: MapStage,
    inputs: Sequence[Input],
    backend: Backend,
    progress: Progress = silent,
) -> StageResult:
    """Make every shard that is missing or stale; finished ones are not touched."""
    folder = run.stage(round_number, stage.name)
    plan = plan_map(run, round_number, stage, inputs)
    report_stale(stage.name, plan)
    for index in plan.extra:
        _retire(folder, stage.name, index)
    begun, todo = time.monotonic(), plan.todo
    if todo:
        folder.note_time(start=now(), shards=len(plan.shards), kept=len(plan.done))
    _make(folder, stage, plan, backend, _Meter(round_number, stage.name, folder, plan, progress))
    after = plan_map(run, round_number, stage, inputs)
    if after.state != "done":
        raise StageError(f"stage {stage.name}: shards changed while it ran: start again")
    _write_manifest(folder, round_number, stage, after, renew=bool(todo or plan.extra))
    rows, counts, seconds = _rows(after), _counts(after), round(time.monotonic() - begun, 3)
    return StageResult(stage.name, round_number, len(todo), len(plan.done), rows, counts, seconds, plan.why)


def report_stale(stage: str, plan: StagePlan) -> None:
    """Never silently: a stale shard is made again, and the log says what had changed."""
    if plan.stale:
        known = sum(shard.task.known is not None for shard in plan.stale)
        LOG.warning(
            "stage %s: %d of %d shards are stale (%s); %d of them hand on what they know",
            *(stage, len(plan.stale), len(plan.shards), "; ".join(plan.why), known),
        )


def _retire(folder: StageFolder, stage: str, index: int) -> None:
    header = read_header(folder.shard(index))
    folder.retire(index, header.key if header else "unknown")
    LOG.warning("stage %s: shard %d is no longer wanted and was moved to %s", stage, index, folder.folder / "stale")


@dataclass
class _Meter:
    """Turns finished shards into ticks and into the record of times."""

    round: int
    stage: str
    folder: StageFolder
    plan: StagePlan
    progress: Progress
    begun: float = field(default_factory=time.monotonic)
    done: int = 0

    def start(self) -> None:
        self.done = len(self.plan.done)
        self._tick(_rows(self.plan), _counts(self.plan))

    def shard(self, made: ShardDone) -> None:
        self.done += 1
        self.folder.note_time(index=made.index, seconds=made.seconds, elapsed=self._elapsed())
        self._tick(made.rows, made.counts)

    def _elapsed(self) -> float:
        return round(time.monotonic() - self.begun, 3)

    def _tick(self, rows: int, counts: Counts) -> None:
        total = len(self.plan.shards)
        self.progress(Tick(self.round, self.stage, self.done, total, rows, counts, self._elapsed()))


def _make(folder: StageFolder, stage: MapStage, plan: StagePlan, backend: Backend, meter: _Meter) -> None:
    """Hand the shards to the backend; failures are told when all others are finished."""
    meter.start()
    if not plan.todo:
        return
    failed: list[Failed[ShardTask]] = backend.map(ShardWork(stage), plan.todo, meter.shard)
    for failure in failed:
        folder.note_failure(failure.task.index, failure.trace)
    if failed:
        first = min(failed, key=lambda failure: failure.task.index)
        raise StageError(
            f"stage {stage.name}, shard {first.task.index}: {first.line} "
            f"({len(failed)} of {len(plan.shards)} shards failed, the others are kept; "
            f"see {folder.folder / 'failures.log'}): mend it and start again"
        )


def _write_manifest(folder: StageFolder, round_number: int, stage: MapStage, plan: StagePlan, renew: bool) -> None:
    """At the end of the stage, unless it is there and nothing was done."""
    key = fingerprint([shard.task.header.key for shard in plan.shards])
    old = folder.manifest()
    if not renew and old is not None and old.get("key") == key:
        return
    entries = [entry(shard.task.path, shard.header, index=shard.task.index) for shard in plan.shards if shard.header]
    more = {"seconds": folder.seconds(), "facts": fingerprint(stage.facts()), "shards": entries, "rows": _rows(plan)}
    folder.write_manifest(manifest(stage, round_number, key, _counts(plan)) | more)


def _rows(plan: StagePlan) -> int:
    return sum(count_rows(shard.task.path) for shard in plan.done)


def _counts(plan: StagePlan) -> dict[str, int]:
    return add_counts(shard.header.counts for shard in plan.done if shard.header)


def run_step(run: Run, step: Step, backend: Backend, progress: Progress = silent) -> StageResult:
    """One step, its inputs read from the stages before it, which must be finished."""
    if isinstance(step, FoldStep):
        inputs = {name: read.inputs(run) for name, read in step.reads.items()}
        return run_fold(run, step.round, _telling(step.round, step.stage, progress), inputs, progress)
    sources = step.reads if isinstance(step.reads, tuple) else step.reads.inputs(run)
    return run_map(run, step.round, step.stage, sources, backend, progress)


def _telling(round_number: int, stage: FoldStage, progress: Progress) -> FoldStage:
    """The stage; if it can tell how far it is, then as ticks."""
    if not isinstance(stage, Telling):
        return stage
    begun = time.monotonic()

    def tell(within: Within) -> None:
        seconds = round(time.monotonic() - begun, 3)
        progress(Tick(round_number, stage.name, 0, 1, 0, {}, seconds, within))

    return stage.telling(tell)


def run_steps(run: Run, steps: Sequence[Step], backend: Backend, progress: Progress = silent) -> list[StageResult]:
    """All steps in order."""
    return [run_step(run, step, backend, progress) for step in steps]
