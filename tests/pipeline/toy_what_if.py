"""Stages whose judge and selector are made of hashes: what is asked of dry runs, without a model."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from test_pair import candidates
from toy_filters import Diarist, chance

from filters.base import Filter, Panel, Selector
from filters.batches import FloatArray
from filters.duplicates import Duplicates
from filters.length import Length
from filters.near_duplicates import NearDuplicates
from filters.overlap import Overlap
from filters.wellformed import Wellformed
from pipeline.assemble import Assemble
from pipeline.backend import LocalBackend
from pipeline.funnel import levels
from pipeline.judge import JudgePairs
from pipeline.pair import FormPairs
from pipeline.plan import FoldStep, Input, MapStep, Read, Step
from pipeline.recipe_sections import Corpus
from pipeline.runner import run_steps
from pipeline.span import Span
from pipeline.status import run_status
from pipeline.store import Run
from pipeline.what_if import Wanted, WhatIf

TASKS = ("paraphrase", "summary")
CONTEXTS = ("aaaa", "bbbb", "cccc", "dddd")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Backwards(Diarist):
    """The diarist, asked the other way round."""

    name: ClassVar[str] = "reverse_entailment"

    def _score(self, rows: pa.Table) -> pa.Array:
        swapped = rows.select(["target", "source"]).rename_columns(["source", "target"])
        return super()._score(swapped)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ToyDuplicates(Duplicates):
    """The real selector, its judge a hash."""

    share: float = 0.9

    def select(self, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        def ask(asked: Sequence[tuple[str, str]]) -> FloatArray:
            return np.array([chance(f"{a}!", b) ** self.share for a, b in asked], np.float32)

        return self.select_with(ask, lambda texts: np.ones((len(texts), 1), np.float32), pairs, scores)


def wanted(
    diary: Path | str = "",
    probability: float = 0.5,
    reverse: float = 0.2,
    rouge: float = 0.9,
    below: float = 0.95,
    cap: int = 0,
    copies: float = 0.0,
    **selector: float,
) -> Wanted:
    judges: tuple[Filter, ...] = (Diarist(str(diary), probability), Backwards(str(diary), reverse))
    tasks = {
        "paraphrase": Panel((Length(min_ratio=0.3, max_ratio=2.5), Overlap(max_rouge_l=rouge), *judges)),
        "summary": Panel((Length(below_ratio=below), Overlap(max_rouge_l=rouge), judges[0])),
    }
    chosen: tuple[Selector, ...] = (ToyDuplicates(min_probability=0.6, one_way_tasks=("summary",), **selector),)  # type: ignore[arg-type]
    if copies:
        chosen += (NearDuplicates(min_jaccard=copies),)
    corpus = Assemble(dict.fromkeys(tasks, chosen), Corpus(max_pairs_per_context=cap))
    return Wanted(FormPairs(tasks, Wellformed()), JudgePairs(tasks), corpus)


def shards() -> tuple[Input, ...]:
    """The same sentences in several contexts, and in part of them: pairs repeat, and contexts differ in size."""
    table = candidates()
    parts = [table.slice(0, table.num_rows - 2 * i) for i in range(len(CONTEXTS))]
    place = table.column_names.index("context_id")
    named = [
        part.set_column(place, "context_id", pa.repeat(name, part.num_rows))
        for name, part in zip(CONTEXTS, parts, strict=True)
    ]
    return tuple(Input.planned(pa.concat_tables(named[i : i + 2])) for i in (0, 2))


def refilter(run: Run, stages: Wanted) -> None:
    both = {name: Read(0, name) for name in ("pairs", "scores")}
    steps: list[Step] = [
        MapStep(0, stages.pairs, shards()),
        MapStep(0, stages.scores, Read(0, "pairs")),
        FoldStep(0, stages.corpus, both),
    ]
    with run.locked():
        run_steps(run, steps, LocalBackend())


def copy(run: Run, name: str) -> Run:
    shutil.copytree(run.folder, run.folder.parent / name)
    return Run(run.folder.parent / name)


def contains(found: WhatIf, run: Run) -> None:
    """Every number of the real funnel lies within the spans of the dry one."""
    for level in levels(run_status(run)):
        mine = found.level(level.stage, level.task)
        for span, real in [(mine.entered, level.entered), (mine.left, level.left)]:
            assert span.least <= real <= span.most, (level, mine)
        for reason in mine.dropped.keys() | level.dropped.keys():
            span, real = mine.dropped.get(reason, Span(0, 0)), level.dropped.get(reason, 0)
            assert 0 <= span.least <= real <= span.most, (reason, level, mine)


def exact(found: WhatIf, stages: Sequence[str] = ("scores", "corpus")) -> bool:
    spans = [(level.entered, level.left, *level.dropped.values()) for level in found.funnel if level.stage in stages]
    return all(span.exact for spans_of in spans for span in spans_of)
