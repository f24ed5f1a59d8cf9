"""A student trained by several workers at once, with Ray Train: one process a GPU, or a few on processors.

Each worker takes its share of a step's micro-batches (student/learning.py), so the step is the same as on one device,
to rounding and dropout masks. The second file that knows Ray: Ray Train brings its own workers, which no pool of
backend.py can be.
"""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import StageError, one_line
from pipeline.rounds.train_student import silent
from pipeline.stage import Resources
from student.dataset import Pair
from student.errors import NoNumberError, StudentError
from student.learning import Point
from student.train import Trained, TrainSpec, train

RESULT = "together.json"
REFUSED = "refused"
STEPS = "steps.jsonl"
"""What the first worker tells whoever waits in this process, a line a step."""
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Together:
    """What every worker is sent; the folders are on a file system that all of them see."""

    spec: TrainSpec
    pairs: Sequence[Pair]
    validation: Sequence[Pair]
    place: Path
    work: Path
    threads: int
    rehearsed: Sequence[str] = ()


def train_together(task: Together, needs: Resources, tell: Callable[[Point], None]) -> Trained:
    """Train on `needs.workers` workers; the first of them writes the model, and notes each step."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    per_worker: Mapping[str, float] = {"CPU": needs.cpus} | ({"GPU": needs.gpus} if needs.gpus else {})
    scaling = ScalingConfig(num_workers=needs.workers, use_gpu=needs.gpus > 0, resources_per_worker=dict(per_worker))
    run = RunConfig(storage_path=str(task.work / "ray"), failure_config=FailureConfig(max_failures=2))
    trainer = TorchTrainer(_one_worker, train_loop_config={"task": task}, scaling_config=scaling, run_config=run)
    try:
        with relayed(task.work / STEPS, tell):
            trainer.fit()
    except Exception as error:
        raise StageError(f"stage student, {needs.workers} workers: {_reason(error)}") from error
    result = json.loads((task.work / RESULT).read_text())
    if REFUSED in result:
        raise StudentError(result[REFUSED])
    return Trained(**result)


def _reason(error: Exception) -> str:
    """Of a group of workers what the first of them said that failed; Ray's own line names none."""
    failures = getattr(error, "worker_failures", None) or {}
    return one_line(next(iter(failures.values()), error))


@contextlib.contextmanager
def relayed(file: Path, tell: Callable[[Point], None]) -> Iterator[None]:
    """Tell, here, of every step that others note in a file."""
    file.write_bytes(b"")  # without those of an attempt that was stopped
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(file, tell, ended), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(file: Path, tell: Callable[[Point], None], ended: threading.Event) -> None:
    read, last = 0, False
    while not last:
        last = ended.wait(LOOK_SECONDS)  # then once more
        with file.open("rb") as steps:
            steps.seek(read)
            new = steps.read()
        whole = new[: new.rfind(b"\n") + 1]
        read += len(whole)
        for line in whole.splitlines():
            with contextlib.suppress(ValueError, TypeError):  # half a line of a worker that died, the next behind it
                tell(Point(**json.loads(line)))


def note_step(file: Path, point: Point) -> None:
    """One line more. Not synced: nothing is lost with it."""
    with file.open("a", encoding="utf-8") as steps:
        steps.write(json.dumps(asdict(point)) + "\n")


def _one_worker(config: Mapping[str, Any]) -> None:
    """What runs on each worker; torch's process group is up, and accelerate finds it."""
    import torch

    task: Together = config["task"]
    if not torch.cuda.is_available():
        os.environ["ACCELERATE_USE_CPU"] = "true"  # else accelerate takes each of several processes for the only one
    torch.set_num_threads(task.threads)
    first = torch.distributed.get_rank() == 0
    tell = partial(note_step, task.work / STEPS) if first else silent
    try:
        result = asdict(train(task.spec, task.pairs, task.validation, task.place, task.work, tell, task.rehearsed))
    except NoNumberError as error:  # raised by every worker at once, and another attempt would end so too
        result = {REFUSED: str(error)}
    if first:
        (task.work / RESULT).write_text(json.dumps(result))
    torch.distributed.barrier()
