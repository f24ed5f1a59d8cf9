"""A student trained by several workers at once, with Ray Train: one process a GPU, or a few on processors.

Each worker takes its share of a step's micro-batches (student/learning.py), so the step is the same as on one device,
to rounding. The second file that knows Ray: Ray Train brings its own workers, which no pool of backend.py can be.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import StageError, one_line
from pipeline.stage import Resources
from student.dataset import Pair
from student.train import Trained, TrainSpec, train

RESULT = "together.json"


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


def train_together(task: Together, needs: Resources) -> Trained:
    """Train on `needs.workers` workers; the first of them writes the model."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    per_worker: Mapping[str, float] = {"CPU": needs.cpus} | ({"GPU": needs.gpus} if needs.gpus else {})
    scaling = ScalingConfig(num_workers=needs.workers, use_gpu=needs.gpus > 0, resources_per_worker=dict(per_worker))
    run = RunConfig(storage_path=str(task.work / "ray"), failure_config=FailureConfig(max_failures=2))
    trainer = TorchTrainer(_one_worker, train_loop_config={"task": task}, scaling_config=scaling, run_config=run)
    try:
        trainer.fit()
    except Exception as error:
        raise StageError(f"stage student, {needs.workers} workers: {one_line(error)}") from error
    return Trained(**json.loads((task.work / RESULT).read_text()))


def _one_worker(config: Mapping[str, Any]) -> None:
    """What runs on each worker; torch's process group is up, and accelerate finds it."""
    import torch

    task: Together = config["task"]
    if not torch.cuda.is_available():
        os.environ["ACCELERATE_USE_CPU"] = "true"  # else accelerate takes each of several processes for the only one
    torch.set_num_threads(task.threads)
    made = train(task.spec, task.pairs, task.validation, task.place, task.work, rehearsed=task.rehearsed)
    if torch.distributed.get_rank() == 0:
        (task.work / RESULT).write_text(json.dumps(asdict(made)))
    torch.distributed.barrier()
