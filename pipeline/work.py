"""What happens on a worker: one shard in, one finished file out, a few numbers home."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filters.base import FilterError
from pipeline.answers import keep_answers, recall
from pipeline.errors import FULL, UserError, one_line
from pipeline.plan import ShardTask
from pipeline.progress import unbalanced
from pipeline.shard import disk_full, write_shard
from pipeline.stage import Batch, Counts, MapStage, Output, Resources, StageFunction


@dataclass(frozen=True)
class ShardDone:
    """What a worker sends home: small, the rows are on disk."""

    index: int
    rows: int
    counts: Counts
    seconds: float


@dataclass(frozen=True)
class ShardWork:
    """A map stage as a backend sees it: opened once a worker, then given one task after the other."""

    stage: MapStage

    @property
    def name(self) -> str:
        return self.stage.name

    @property
    def resources(self) -> Resources:
        return self.stage.resources

    def open(self) -> Callable[[ShardTask], ShardDone]:
        with clear_errors(Path(self.stage.name)):
            function = self.stage.open()
        return lambda task: make_shard(self.stage, function, task)


def make_shard(stage: MapStage, function: StageFunction, task: ShardTask) -> ShardDone:
    """Read, work, write. The rows set aside and the answers that would be lost are written before the shard, whose
    presence says that all is there."""
    begun = time.monotonic()
    with clear_errors(task.path):
        output = function(Batch(task.index, task.source.load(), recall(stage, task)))
        check_output(stage, output)
        counts = {name: int(number) for name, number in sorted(output.counts.items())}
        aside = output.aside.num_rows if output.aside is not None else 0
        header = dataclasses.replace(task.header, counts=counts, aside=aside)
        if output.aside is not None and aside:
            write_shard(task.aside, output.aside, header)
        else:
            task.aside.unlink(missing_ok=True)
        keep_answers(stage, task, output.table)
        write_shard(task.path, output.table, header)
    return ShardDone(task.index, output.table.num_rows, counts, round(time.monotonic() - begun, 3))


@contextlib.contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Errors that are known to be the user's to mend leave as such, whoever raised them."""
    try:
        yield
    except FilterError as error:
        raise UserError(one_line(UserError(str(error)))) from error
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(path) from error
        raise


def check_output(stage: MapStage, output: Output) -> None:
    """A stage keeps its word: its columns, a reason for each row set aside, and a funnel that balances."""
    wrote, wanted = output.table.schema.remove_metadata(), stage.writes.remove_metadata()
    if wrote != wanted:
        differing = sorted({(f.name, str(f.type)) for f in wrote} ^ {(f.name, str(f.type)) for f in wanted})
        raise ValueError(f"stage {stage.name}: its rows do not have the columns that it declares: {differing}")
    if output.aside is not None and "reason" not in output.aside.column_names:
        raise ValueError(f"stage {stage.name}: rows set aside need a `reason` column")
    for prefix, missing in unbalanced(output.counts).items():
        raise ValueError(
            f"stage {stage.name}: the funnel {prefix or 'of all rows'} does not balance: in - out - dropped = {missing}"
        )
