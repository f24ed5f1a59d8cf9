"""What there is to do: which shards are done, which are missing, and which are stale and why.

Keys chain by content. The key of a shard hashes the spec of its stage, the rows that it read and its place;
so a change anywhere above shows in every shard that it reaches, and in no other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.shard import LAYOUT, Header, Json, canonical, content_digest, fingerprint, read_header, read_rows
from pipeline.stage import FoldStage, MapStage
from pipeline.store import Run, StageFolder

State = Literal["missing", "partial", "stale", "done"]
Changes = tuple[str, ...]
"""What differs from the recipe now, one entry a key: `tasks.summary.length.below: 0.8 -> 0.7`."""


@dataclass(frozen=True)
class Input:
    """The rows that a shard is made from, and their digest: a finished shard on disk, or a small planned table."""

    content: str
    rows: Path | pa.Table

    @classmethod
    def stored(cls, path: Path) -> "Input":
        """A finished shard or a finished file of a fold stage."""
        header = read_header(path)
        if header is None:
            raise UserError(f"{path}: not a finished shard of a run: run the stage that writes it first")
        return cls(header.content, path)

    @classmethod
    def planned(cls, table: pa.Table) -> "Input":
        return cls(content_digest(table), table)

    def load(self) -> pa.Table:
        return read_rows(self.rows) if isinstance(self.rows, Path) else self.rows


@dataclass(frozen=True)
class ShardTask:
    """All that a worker needs to make one shard; small and picklable. `header` lacks what only the rows can tell."""

    index: int
    source: Input
    header: Header
    path: Path
    aside: Path
    known: Path | None = None


@dataclass(frozen=True)
class ShardPlan:
    """One shard of a stage as the recipe is now. `header` is what is on disk; None where nothing finished is."""

    task: ShardTask
    state: Literal["missing", "stale", "done"]
    header: Header | None = None
    why: Changes = ()


@dataclass(frozen=True)
class StagePlan:
    """All shards of a stage. `extra` are shards on disk that the stage no longer has."""

    shards: tuple[ShardPlan, ...]
    extra: tuple[int, ...] = ()

    @property
    def todo(self) -> tuple[ShardTask, ...]:
        return tuple(shard.task for shard in self.shards if shard.state != "done")

    @property
    def done(self) -> tuple[ShardPlan, ...]:
        return tuple(shard for shard in self.shards if shard.state == "done")

    @property
    def stale(self) -> tuple[ShardPlan, ...]:
        return tuple(shard for shard in self.shards if shard.state == "stale")

    @property
    def why(self) -> Changes:
        """Every reason once, in order of the shards."""
        return tuple(dict.fromkeys(reason for shard in self.stale for reason in shard.why))

    @property
    def state(self) -> State:
        if self.stale:
            return "stale"
        if len(self.done) == len(self.shards):
            return "partial" if self.extra else "done"
        return "partial" if self.done else "missing"


def plan_map(run: Run, round_number: int, stage: MapStage, inputs: Sequence[Input]) -> StagePlan:
    """Compare what is on disk with what the stage would write now. Reads headers only."""
    folder = run.stage(round_number, stage.name)
    frame = _Frame(stage.name, stage.spec(), fingerprint(stage.facts()), _columns(stage.writes))
    shards = tuple(_plan_shard(folder, frame, index, source) for index, source in enumerate(inputs))
    extra = tuple(index for index in folder.shards() if index >= len(inputs))
    return StagePlan(shards, extra)


@dataclass(frozen=True)
class _Frame:
    """What all shards of a stage have in common."""

    stage: str
    spec: Json
    facts: str
    writes: list[list[str]]


def _plan_shard(folder: StageFolder, frame: _Frame, index: int, source: Input) -> ShardPlan:
    key = fingerprint([LAYOUT, frame.stage, frame.spec, frame.writes, index, source.content])
    header = Header(frame.stage, key, frame.spec, frame.facts, (source.content,))
    task = ShardTask(index, source, header, folder.shard(index), folder.aside(index))
    found = read_header(task.path)
    if found is None:
        return ShardPlan(task, "missing")
    if found.key == key:
        return ShardPlan(task, "done" if aside_fits(task.aside, found) else "missing", found)
    if found.facts == frame.facts and found.stage == frame.stage:
        task = ShardTask(index, source, header, task.path, task.aside, known=task.path)
    return ShardPlan(task, "stale", found, why_stale(found, header))


def aside_fits(path: Path, header: Header) -> bool:
    """Whether the rows set aside are those of this very shard: they are written first, so they may be newer."""
    if not header.aside:
        return True
    found = read_header(path)
    return found is not None and found.key == header.key


def _columns(schema: pa.Schema) -> list[list[str]]:
    return [[field.name, str(field.type)] for field in schema]


def why_stale(old: Header, new: Header) -> Changes:
    """What changed between two headers of one shard."""
    reasons = list(spec_changes(old.spec, new.spec))
    if old.inputs != new.inputs:
        reasons.append("its input changed")
    return tuple(reasons) or ("the layout of its file changed",)


def spec_changes(old: object, new: object, path: str = "") -> Iterator[str]:
    """The dotted keys in which two specs differ, with both values."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}):
            yield from spec_changes(old.get(name, _ABSENT), new.get(name, _ABSENT), f"{path}.{name}" if path else name)
    elif _comparable_lists(old, new):
        for place, (before, after) in enumerate(zip(old, new, strict=True)):  # type: ignore[call-overload]
            yield from spec_changes(before, after, f"{path}.{place}")
    elif _shown(old) != _shown(new):
        yield f"{path or 'spec'}: {_short(_shown(old))} -> {_short(_shown(new))}"


_ABSENT = object()


def _comparable_lists(old: object, new: object) -> bool:
    """Lists of tables of one length are compared place by place; any other list reads better whole."""
    if not (isinstance(old, list | tuple) and isinstance(new, list | tuple)) or len(old) != len(new):
        return False
    return all(isinstance(item, Mapping) for item in [*old, *new])


def _shown(value: object) -> str:
    return "(none)" if value is _ABSENT else canonical(value)


def _short(text: str, width: int = 60) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def fold_header(stage: FoldStage, inputs: Mapping[str, Sequence[Input]]) -> Header:
    """The header that every file of a finished fold stage would carry now, up to its content."""
    read = {name: [source.content for source in sources] for name, sources in sorted(inputs.items())}
    digests = tuple(digest for digests in read.values() for digest in digests)
    return Header(stage.name, fingerprint([LAYOUT, stage.name, stage.spec(), read]), stage.spec(), inputs=digests)


def plan_fold(folder: StageFolder, header: Header) -> tuple[State, Changes]:
    """Whether a fold stage is done, and what changed if it is stale. Its folder comes and goes as a whole."""
    manifest = folder.manifest()
    if manifest is None:
        return "missing", ()
    if manifest.get("key") == header.key:
        return "done", ()
    spec, inputs = manifest.get("spec"), manifest.get("inputs")
    old = Header(header.stage, "", spec if isinstance(spec, dict) else {}, inputs=_texts(inputs))
    return "stale", why_stale(old, header)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


@dataclass(frozen=True)
class Read:
    """What a step reads: the output of an earlier stage.

    `only` names files of a fold stage ("train"), empty = all; those `where_there` may be missing, but not all of them.
    """

    round: int
    stage: str
    only: tuple[str, ...] = ()
    where_there: bool = False

    def inputs(self, run: Run) -> list[Input]:
        """The finished files, in order. A named file that is not there is an error."""
        folder = run.stage(self.round, self.stage)
        if not self.only:
            return [Input.stored(path) for path in folder.tables()]
        files = [folder.folder / f"{name}.parquet" for name in self.only]
        there = [path for path in files if path.exists()]
        return [Input.stored(path) for path in (there or files if self.where_there else files)]


@dataclass(frozen=True)
class MapStep:
    """A map stage and what it reads: an earlier stage, shard for shard, or small planned tables."""

    round: int
    stage: MapStage
    reads: Read | tuple[Input, ...]


@dataclass(frozen=True)
class FoldStep:
    """A fold stage and what it reads, each input under the name that the stage knows it by."""

    round: int
    stage: FoldStage
    reads: Mapping[str, Read] = field(default_factory=dict)


Step = MapStep | FoldStep
