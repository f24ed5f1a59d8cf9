"""Small stages that do real work, and a run of three of them that can be killed: `python toy_stages.py ROOT NAME`."""

import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from pipeline.backend import LocalBackend, RayBackend
from pipeline.errors import PipelineError, UserError
from pipeline.plan import FoldStep, Input, MapStep, Read, Step
from pipeline.runner import run_steps
from pipeline.stage import Batch, Output, Resources, ShardWriter
from pipeline.store import Run

ROWS = pa.schema([("id", pa.string()), ("value", pa.int64()), ("score", pa.float32())])
LIGHT = Resources(workers=2, cpus=0.3)
HEAVY = Resources(workers=2, cpus=0.5)
ASIDE = ROWS.append(pa.field("reason", pa.string()))


@dataclass(frozen=True)
class Spread:
    """Numbers become rows; those over the limit are set aside. Scores known already are not computed again."""

    name: ClassVar[str] = "spread"
    writes: ClassVar[pa.Schema] = ROWS
    factor: int = 3
    limit: int = 10**6
    copies: int = 4
    pause: float = 0.0
    diary: str = ""
    """A file that gets one line for each computed row: what was done, apart from what was written."""
    resources: Resources = LIGHT

    def spec(self) -> Mapping[str, object]:
        return {"factor": self.factor, "limit": self.limit, "copies": self.copies}

    def facts(self) -> Mapping[str, object]:
        return {"factor": self.factor}

    def open(self):
        return self.work

    def work(self, batch: Batch) -> Output:
        time.sleep(self.pause)
        known = {} if batch.known is None else {row["id"]: row["score"] for row in batch.known.to_pylist()}
        rows = []
        for number in batch.table.column(0).to_pylist():
            for copy in range(self.copies):
                name = f"{number}-{copy}"
                rows.append({"id": name, "value": number, "score": known.get(name) or self.score(name, number)})
        kept = [row for row in rows if row["value"] <= self.limit]
        over = [row | {"reason": "over"} for row in rows if row["value"] > self.limit]
        counts = {"in": len(rows), "out": len(kept), "dropped/over": len(over)}
        return Output(pa.Table.from_pylist(kept, ROWS), counts, pa.Table.from_pylist(over, ASIDE))

    def score(self, name: str, number: int) -> float:
        if self.diary:
            with Path(self.diary).open("a") as file:
                file.write(f"{name}\n")
        return number * self.factor + 1.0


@dataclass(frozen=True)
class Halve:
    """Keeps the rows whose value is even."""

    name: ClassVar[str] = "halve"
    writes: ClassVar[pa.Schema] = ROWS
    pause: float = 0.0
    resources: Resources = LIGHT

    def spec(self) -> Mapping[str, object]:
        return {"even": True}

    facts = spec

    def open(self):
        return self.work

    def work(self, batch: Batch) -> Output:
        time.sleep(self.pause)
        even = pa.array([value % 2 == 0 for value in batch.table["value"].to_pylist()], pa.bool_())
        kept = batch.table.filter(even)
        dropped = batch.table.num_rows - kept.num_rows
        return Output(kept, {"in": batch.table.num_rows, "out": kept.num_rows, "dropped/odd": dropped})


@dataclass(frozen=True)
class Gather:
    """All rows into two files and a folder."""

    name: ClassVar[str] = "gather"
    split: int = 20
    pause: float = 0.0

    def spec(self) -> Mapping[str, object]:
        return {"split": self.split}

    def run(self, inputs: Mapping[str, pa.Table], out: ShardWriter) -> Mapping[str, int]:
        rows = inputs["rows"]
        out.write("low", rows.slice(0, self.split))
        time.sleep(self.pause)
        out.write("high", rows.slice(self.split))
        (out.directory("weights") / "model.bin").write_bytes(bytes(range(256)))
        time.sleep(self.pause)
        return {"in": rows.num_rows, "out": rows.num_rows}


@dataclass(frozen=True)
class Trouble:
    """Copies numbers, and misbehaves on some: raises, blames the user, or is killed (once for each marker file)."""

    name: ClassVar[str] = "trouble"
    writes: ClassVar[pa.Schema] = pa.schema([("n", pa.int64())])
    raises: tuple[int, ...] = ()
    raises_once: tuple[int, ...] = ()
    blames: tuple[int, ...] = ()
    dies: tuple[int, ...] = ()
    dies_once: tuple[int, ...] = ()
    dies_opening: bool = False
    markers: str = ""
    resources: Resources = HEAVY

    def spec(self) -> Mapping[str, object]:
        return {}

    facts = spec

    def open(self):
        if self.dies_opening:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work

    def work(self, batch: Batch) -> Output:
        number = batch.table["n"][0].as_py()
        if number in self.raises or (number in self.raises_once and self.first("raise", number)):
            raise ValueError(f"poison {number}\nand a second line")
        if number in self.blames:
            raise UserError(f"row {number}: not a number of ours: give another")
        if number in self.dies or (number in self.dies_once and self.first("die", number)):
            os.kill(os.getpid(), signal.SIGKILL)
        return Output(batch.table, {"in": batch.table.num_rows, "out": batch.table.num_rows})

    def first(self, what: str, number: int) -> bool:
        marker = Path(self.markers) / f"{what}-{number}"
        seen = marker.exists()
        marker.touch()
        return not seen


def numbers(count: int, each: int = 3) -> tuple[Input, ...]:
    """`count` planned tables of `each` consecutive numbers."""
    return tuple(
        Input.planned(pa.table({"n": pa.array(range(i * each, i * each + each), pa.int64())})) for i in range(count)
    )


def three_steps(shards: int = 12, pause: float = 0.0, limit: int = 30) -> list[Step]:
    return [
        MapStep(0, Spread(pause=pause, limit=limit), numbers(shards)),
        MapStep(0, Halve(pause=pause), Read(0, "spread")),
        FoldStep(0, Gather(pause=pause), {"rows": Read(0, "halve")}),
    ]


def files_of(run: Run) -> dict[str, bytes]:
    """Everything in a run that must not depend on the clock."""
    timed = {"manifest.json", "times.jsonl", ".lock", "failures.log"}
    files = [path for path in sorted(run.folder.rglob("*")) if path.is_file() and path.name not in timed]
    return {str(path.relative_to(run.folder)): path.read_bytes() for path in files}


def main(root: str, name: str, pause: str = "0", backend: str = "local", shards: str = "12") -> int:
    logging.basicConfig(level=logging.ERROR)
    try:
        run = Run.named(name, Path(root))
        with run.locked():
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            steps = three_steps(int(shards), float(pause))
            if backend != "local":
                with RayBackend(None if backend == "ray" else backend) as pool:
                    run_steps(run, steps, pool)
            else:
                run_steps(run, steps, LocalBackend())
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
