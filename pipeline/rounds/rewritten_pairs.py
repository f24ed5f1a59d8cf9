"""A student's rewrites to pairs: each with the sentence it rewrites, through the same cheap panel as the teacher's."""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from filters.base import Panel, judge
from filters.wellformed import Wellformed
from pipeline.pair import SCORE, OpenTasks, Row, cheap_scores, judge_spec, open_cheap, panels_spec, tally
from pipeline.records import PAIR, pair_id
from pipeline.stage import Batch, Output, Resources, StageFunction
from student.slips import slips, whole_words

ASIDE = pa.schema([*PAIR, ("reason", pa.string()), SCORE])
EXAMPLES = 40
"""Dropped pairs kept for a look, for each shard, task and filter."""


@dataclass(frozen=True)
class RewrittenPairs:
    """Rewrites in; pairs that are well formed, new and passed the cheap panel out.

    `speller`: the folder of the student whose slips are looked for, for the words that its vocabulary has whole; None
    looks for none.
    """

    name: ClassVar[str] = "pairs"
    tasks: Mapping[str, Panel]
    wellformed: Wellformed
    speller: Path | None = None
    device: str = "cpu"
    resources: Resources = field(default_factory=Resources)

    @property
    def writes(self) -> pa.Schema:
        return cheap_scores(self.tasks)

    def spec(self) -> Mapping[str, object]:
        return {
            "rewritten": True,
            **panels_spec(self.tasks, "cheap"),
            "wellformed": judge_spec(self.wellformed),
            "drop_slips": self.speller is not None,
        }

    def facts(self) -> Mapping[str, object]:
        return self.spec()

    def open(self) -> StageFunction:
        tasks = open_cheap(self.tasks, self.device)
        known = _words_of(self.speller) if self.speller else None
        return lambda batch: self._write(batch, tasks, known)

    def _write(self, batch: Batch, tasks: OpenTasks, known: Set[str] | None) -> Output:
        counts: Counter[str] = Counter()
        kept, aside = [self.writes.empty_table()], Counter[tuple[str, str]]()
        dropped: list[Row] = []
        for task, panel in tasks.items():
            rows = self._usable([row for row in batch.table.to_pylist() if row["mode"] == task], known, counts)
            scores, reasons = judge(pa.Table.from_pylist(rows, schema=PAIR), panel)
            tally(counts, task, reasons)
            passed = []
            for row, score, reason in zip(rows, scores.to_pylist(), reasons.to_pylist(), strict=True):
                if reason is None:
                    passed.append(row | {name: score.get(name) for name in self.writes.names[len(PAIR) :]})
                elif aside[(task, reason)] < EXAMPLES:
                    aside[(task, reason)] += 1
                    dropped.append(row | {"reason": reason, "score": score[reason]})
            kept.append(pa.Table.from_pylist(passed, schema=self.writes))
        rest = pa.Table.from_pylist(dropped, schema=ASIDE) if dropped else None
        return Output(pa.concat_tables(kept), dict(sorted(counts.items())), rest)

    def _usable(self, rows: list[Row], known: Set[str] | None, counts: Counter[str]) -> list[Row]:
        """One PAIR row for each rewrite that may stand; every other ends here, with its reason counted."""
        usable: dict[tuple[object, object], Row] = {}
        for row in rows:
            reason = self._problem(row, usable, known)
            counts["candidates/in"] += 1
            counts[f"candidates/dropped/{reason}" if reason else "candidates/out"] += 1
            if not reason:
                usable[(row["context"], row["text"])] = _pair(row)
        return list(usable.values())

    def _problem(self, row: Row, earlier: Mapping[tuple[object, object], Row], known: Set[str] | None) -> str | None:
        source, text = str(row["context"]), str(row["text"])
        if row["ended"] == "length":
            return "truncated"
        if (row["context"], row["text"]) in earlier:
            return "duplicate"
        if " ".join(text.split()) == " ".join(source.split()):
            return "copy"
        problem = self.wellformed.problem(text, "")
        return "slip" if problem is None and known is not None and slips(source, text, known) else problem


def _words_of(folder: Path) -> frozenset[str]:
    """The words that a student's vocabulary has whole."""
    from transformers import AutoTokenizer

    return whole_words(AutoTokenizer.from_pretrained(folder))


def _pair(row: Row) -> Row:
    """The sentence and its rewrite as a PAIR row."""
    task, source, target = str(row["mode"]), str(row["context"]), str(row["text"])
    shared = {name: row[name] for name in ("context_id", "source_id", "round", "writer", "seed", "logprob")}
    ids = {"pair_id": pair_id(task, source, target), "target_id": row["candidate_id"]}
    return {"task": task, "source": source, "target": target, **ids, **shared}
