"""Run a fold stage: all its files appear at once, by one rename, or not at all."""

import contextlib
import logging
import shutil
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.errors import PipelineError, StageError, one_line
from pipeline.manifest import entry, manifest, sha256
from pipeline.plan import Input, fold_header, plan_fold
from pipeline.progress import Progress, StageResult, Tick, silent, unbalanced
from pipeline.shard import Header, count_rows, read_header, sync, temporary_beside, write_shard
from pipeline.stage import FoldStage
from pipeline.store import Run, StageFolder
from pipeline.work import clear_errors

LOG = logging.getLogger(__name__)


def run_fold(
    run: Run,
    round_number: int,
    stage: FoldStage,
    inputs: Mapping[str, Sequence[Input]],
    progress: Progress = silent,
) -> StageResult:
    """Run a fold stage in this process unless it is done. All its files appear at once, by one rename."""
    folder = run.stage(round_number, stage.name)
    header = fold_header(stage, inputs)
    state, why = plan_fold(folder, header)
    begun = time.monotonic()
    progress(Tick(round_number, stage.name, int(state == "done"), 1, 0, {}, 0.0))
    if state == "stale":
        LOG.warning("stage %s is stale: %s", stage.name, "; ".join(why))
    if state != "done":
        _fold(folder, round_number, stage, inputs, header)
    listed = folder.manifest() or {}
    rows, counts = int(str(listed["rows"])), manifest_counts(listed)
    seconds, made = round(time.monotonic() - begun, 3), int(state != "done")
    if made:
        progress(Tick(round_number, stage.name, 1, 1, rows, counts, seconds))
    return StageResult(stage.name, round_number, made, 1 - made, rows, counts, seconds, why)


def manifest_counts(listed: Mapping[str, object]) -> dict[str, int]:
    counts = listed.get("counts")
    return {str(name): int(number) for name, number in counts.items()} if isinstance(counts, dict) else {}


@dataclass(frozen=True)
class FolderWriter:
    """The writer that a fold stage is given: everything lands in a temporary folder until the stage is done."""

    folder: Path
    header: Header
    unfinished: Path

    def write(self, name: str, table: pa.Table) -> None:
        write_shard(self._place(f"{name}.parquet"), table, self.header)

    def directory(self, name: str) -> Path:
        """For what is not a table (weights, a tokenizer): an empty folder of that name."""
        place = self._place(name)
        place.mkdir(parents=True)
        return place

    def file(self, name: str) -> Path:
        """For one plain file."""
        return self._place(name)

    def work(self) -> Path:
        """For checkpoints: outside of the temporary folder, so that they outlive a kill."""
        self.unfinished.mkdir(parents=True, exist_ok=True)
        return self.unfinished

    def _place(self, name: str) -> Path:
        if Path(name).name != name or name.startswith(".") or (self.folder / name).exists():
            raise ValueError(f"{name!r}: wanted the plain name of a file that was not written before")
        return self.folder / name


def _fold(
    folder: StageFolder, round_number: int, stage: FoldStage, inputs: Mapping[str, Sequence[Input]], header: Header
) -> None:
    begun = time.monotonic()
    aside = temporary_beside(folder.folder)
    try:
        aside.mkdir(parents=True)
        tables = {name: pa.concat_tables([source.load() for source in sources]) for name, sources in inputs.items()}
        with clear_errors(folder.folder):
            unfinished = _unfinished(folder, round_number, header)
            counts = stage.run(tables, FolderWriter(aside, header, unfinished))
            for prefix, missing in unbalanced(counts).items():
                raise ValueError(
                    f"the funnel {prefix or 'of all rows'} does not balance: in - out - dropped = {missing}"
                )
            spent = {"seconds": round(time.monotonic() - begun, 3), "inputs": list(header.inputs)}
            listed = manifest(stage, round_number, header.key, counts) | spent | _listing(aside)
            StageFolder(aside).write_manifest(listed)
            _swap(aside, folder.folder)
            _forget(unfinished)
    except (PipelineError, KeyboardInterrupt):
        raise
    except Exception as error:
        folder.folder.mkdir(parents=True, exist_ok=True)
        folder.note_failure(0, traceback.format_exc())
        raise StageError(f"stage {stage.name}: {one_line(error)} (see {folder.folder / 'failures.log'})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unfinished(folder: StageFolder, round_number: int, header: Header) -> Path:
    """Where checkpoints of this very work lie, beside the rounds: other inputs or settings have another place."""
    return folder.folder.parent.parent / "unfinished" / f"{round_number}-{header.stage}-{header.key[:16]}"


def _forget(unfinished: Path) -> None:
    """Drop the stage's checkpoints, those of other settings too: what they were for is made."""
    for path in unfinished.parent.glob(f"{unfinished.name.rpartition('-')[0]}-*"):
        shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):  # the last one takes the folder with it
        unfinished.parent.rmdir()


def _listing(folder: Path) -> dict[str, object]:
    """What a fold stage wrote: its tables, and the plain files of its folders."""
    headers = {path: read_header(path) for path in StageFolder(folder).tables()}
    tables = [entry(path, header) for path, header in headers.items() if header]
    others = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in headers]
    files = [{"file": str(path.relative_to(folder)), "sha256": sha256(path)} for path in others]
    return {"tables": tables, "files": files, "rows": sum(count_rows(path) for path in headers)}


def _swap(new: Path, place: Path) -> None:
    """Put a finished folder in its place. A kill between the two renames leaves the stage missing, never mixed."""
    for path in [*new.rglob("*"), new]:
        sync(path)
    old = temporary_beside(place)
    if place.exists():
        place.replace(old)
    new.replace(place)
    sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)
