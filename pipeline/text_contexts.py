"""Contexts from the user's own text, as a stage: pipeline/windows.py cuts, this files what it cut shard by shard."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.recipe_sections import Contexts
from pipeline.records import CONTEXT
from pipeline.stage import Batch, Output, Resources, StageFunction
from pipeline.windows import ASIDE

ENTRY = pa.schema([*CONTEXT, *(field.with_name(f"aside_{field.name}") for field in ASIDE)])
"""A context, or, where `aside_reason` is not null, what was set aside instead of one."""


def entries(outputs: Iterable[Output], shard_contexts: int) -> Iterator[pa.Table]:
    """The planned input of the stage: `shard_contexts` contexts a table, with what was set aside between them."""
    waiting, contexts = [], 0
    for output in outputs:
        for entry in _entries(output):
            waiting.append(entry)
            contexts += entry["aside_reason"] is None
            if contexts == shard_contexts:
                yield pa.Table.from_pylist(waiting, schema=ENTRY)
                waiting, contexts = [], 0
    if waiting:
        yield pa.Table.from_pylist(waiting, schema=ENTRY)


def _entries(output: Output) -> Iterator[dict[str, object]]:
    """What was set aside comes first. A row that is aside because all its sentences are is told by these alone."""
    aside = output.aside.to_pylist() if output.aside is not None else []
    told = {row["row"] for row in aside if row["unit"] == "sentence"}
    for row in aside:
        if row["unit"] == "sentence" or row["row"] not in told:
            yield dict.fromkeys(CONTEXT.names) | {f"aside_{name}": value for name, value in row.items()}
    for row in output.table.to_pylist():
        yield row | {f"aside_{name}": None for name in ASIDE.names}


@dataclass(frozen=True)
class CutContexts:
    """Entries in; the contexts among them out, the rest aside with its reason."""

    name: ClassVar[str] = "contexts"
    settings: Contexts
    seed: int
    resources: Resources = dataclasses.field(default_factory=Resources)
    writes: pa.Schema = CONTEXT

    def spec(self) -> Mapping[str, object]:
        return {"contexts": self.settings.spec("count", "teacher"), "seed": self.seed}

    def facts(self) -> Mapping[str, object]:
        return self.spec()

    def open(self) -> StageFunction:
        return self._write

    def _write(self, batch: Batch) -> Output:
        is_context = pc.is_null(batch.table["aside_reason"])
        kept = batch.table.filter(is_context).select(CONTEXT.names)
        rest = batch.table.filter(pc.invert(is_context)).select([f"aside_{name}" for name in ASIDE.names])
        rest = rest.rename_columns(ASIDE.names)
        reasons = Counter(rest["reason"].to_pylist())
        counts = {"in": batch.table.num_rows, "out": kept.num_rows}
        counts |= {f"dropped/{reason}": n for reason, n in sorted(reasons.items())}
        return Output(kept, counts, rest if rest.num_rows else None)
