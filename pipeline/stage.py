"""What a stage is: a frozen spec that opens into a function from one shard to one shard."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import pyarrow as pa

Counts = Mapping[str, int]
"""Flat, additive over shards. Funnel keys read `in`, `out` and `dropped/<reason>`, prefixed by `<task>/`
where a stage counts each task on its own (`summary/dropped/length`). `in == out + sum(dropped)` always."""


@dataclass(frozen=True)
class Resources:
    """What one worker of a stage needs. `cpus` may be a fraction; `threads` is fixed so that scores do not move.

    `section` is the recipe's name for it, where that is not the stage's own: `rewrites`, whose stage is `candidates`.
    """

    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    threads: int = 1
    section: str = field(default="", compare=False)


@dataclass(frozen=True)
class Batch:
    """One shard on its way through a stage.

    `table` is the input shard. `known` holds the rows that an earlier, now stale, version of the output shard
    already has and whose facts still hold (same `facts()` of the stage), and the answers kept beside it
    (pipeline/answers.py), which have fewer columns; None where there are none. What a stage
    writes, counts included, must not depend on whether it was given any: they save work, nothing else.
    """

    index: int
    table: pa.Table
    known: pa.Table | None = None


@dataclass(frozen=True)
class Output:
    """What a stage made of a shard: its rows, the funnel counts, and rows set aside with a `reason` column."""

    table: pa.Table
    counts: Counts = field(default_factory=dict)
    aside: pa.Table | None = None


StageFunction = Callable[[Batch], Output]


class MapStage(Protocol):
    """Shard i -> shard i: any order, any worker, any number of times."""

    name: ClassVar[str]

    @property
    def writes(self) -> pa.Schema: ...

    @property
    def resources(self) -> Resources: ...

    def spec(self) -> Mapping[str, object]:
        """Everything that decides the output, the seed included, as plain JSON data: its hash is part of every
        output shard's key. What the machine decides (device, workers, paths, batch sizes) stays out."""

    def facts(self) -> Mapping[str, object]:
        """The part of the spec under which single rows stay true when thresholds or row sets change (models,
        revisions, sampling, the seed where it matters; no thresholds): rows of a stale shard with the same facts
        come back as `Batch.known`."""

    def open(self) -> StageFunction:
        """Load what is heavy, once a worker. Models that may not be needed are loaded at first use."""


@runtime_checkable
class AnswerKeeper(Protocol):
    """A map stage whose rows hold answers of models: they are kept when the rows go."""

    def answers(self, rows: pa.Table) -> pa.Table:
        """`pair_id` and the columns of answers, of the rows that hold any. `rows` may be of an earlier recipe."""


class FoldStage(Protocol):
    """Needs all shards of its inputs: assemble, train, attribute."""

    name: ClassVar[str]

    def spec(self) -> Mapping[str, object]: ...

    def run(self, inputs: Mapping[str, pa.Table], out: "ShardWriter") -> Counts: ...


class ShardWriter(Protocol):
    """Where a fold stage puts its files. All of them appear at once when the stage is finished."""

    def write(self, name: str, table: pa.Table) -> None:
        """One parquet file, `name` without its ending."""

    def directory(self, name: str) -> Path:
        """An empty folder for what is not a table: weights, a tokenizer."""

    def file(self, name: str) -> Path:
        """The place of one plain file: a picture."""

    def work(self) -> Path:
        """A folder for checkpoints. It outlives a kill, belongs to this very work (inputs and spec), and goes when the
        stage is finished."""
