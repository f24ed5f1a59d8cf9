"""A student's turn to write: sentences in, its rewrites of them out, as candidates of the next round.

A row is a rewrite: `context` is the sentence that was rewritten, `mode` the task, `source_id` the candidate that the
sentence was. Rewrites of one context stay in one shard, and a sentence keeps its context, so that splits hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from filters.wellformed import Wellformed
from pipeline.pair import judge_spec
from pipeline.records import CANDIDATE, content_id, spaced_seed
from pipeline.stage import Batch, Output, Resources, StageFunction
from pipeline.store import StageFolder
from student.choice import Rewrite
from student.generate import Rewriter
from student.settings import Decoding

Row = dict[str, object]


@dataclass(frozen=True)
class StudentRewrites:
    """Teacher's candidates or contexts of one sentence in; rewrites of each chosen sentence for each task out.

    `folder` is that of the stage which trained the student; `sources_per_context` None takes every sentence.
    """

    name: ClassVar[str] = "candidates"
    folder: Path
    decoding: Decoding
    wellformed: Wellformed
    tasks: tuple[str, ...]
    sources_per_context: int | None
    seed: int
    round: int
    device: str = "cpu"
    resources: Resources = field(default_factory=Resources)
    writes: pa.Schema = CANDIDATE

    def spec(self) -> Mapping[str, object]:
        decoding = {name: value for name, value in asdict(self.decoding).items() if name != "beams"}
        return {
            "student": self._student(),
            "decoding": decoding,
            "wellformed": judge_spec(self.wellformed),
            "tasks": list(self.tasks),
            "sources_per_context": self.sources_per_context,
            "seed": self.seed,
            "round": self.round,
        }

    def _student(self) -> object:
        """The key of the training: it hashes all that decides the weights."""
        return (StageFolder(self.folder).manifest() or {}).get("key", "missing")

    def facts(self) -> Mapping[str, object]:
        return self.spec()

    def open(self) -> StageFunction:
        rewriter = Rewriter(
            self.folder / "model", threads=self.resources.threads, device=self.device, decoding=self.decoding
        )
        return lambda batch: self._write(batch, rewriter)

    def _write(self, batch: Batch, rewriter: Rewriter) -> Output:
        rows = batch.table.to_pylist()
        chosen = self._chosen(rows)
        known = [task for task in self.tasks if task in rewriter.known["tasks"]]
        seed, writer = (
            spaced_seed(self.seed, "rewrites", self.round, batch.index),
            f"student {self.round}: {self._student()}",
        )
        texts = [str(row["text"]) for row in chosen]
        made = {task: rewriter.rewrite(task, texts, seed=seed + place) for place, task in enumerate(known)}
        kept = [
            self._row(source, task, rewrite, number) | {"seed": seed, "writer": writer, "round": self.round}
            for place, source in enumerate(chosen)
            for task in known
            for number, rewrite in enumerate(made[task][place])
        ]
        counts = {"in": len(rows), "out": len(chosen), "dropped/not_drawn": len(rows) - len(chosen)}
        counts |= {"sampled": len(kept), "tokens_decoded": sum(int(str(row["decoded"])) for row in kept)}
        return Output(pa.Table.from_pylist(kept, schema=CANDIDATE), counts)

    def _chosen(self, rows: Iterable[Row]) -> list[Row]:
        """Different well-formed sentences of each context, drawn by content and round."""
        found: dict[object, dict[str, Row]] = {}
        for row in rows:
            text = str(row["text"])
            if row.get("ended", "sentence") == "sentence" and self.wellformed.problem(text, "") is None:
                found.setdefault(row["context_id"], {}).setdefault(text, row)
        return [row for group in found.values() for row in self._drawn(list(group.values()))]

    def _drawn(self, rows: Sequence[Row]) -> list[Row]:
        key = (str(self.seed), str(self.round))
        ordered = sorted(rows, key=lambda row: content_id("rewritten", *key, str(row["text"])))
        return ordered[: self.sources_per_context]

    def _row(self, source: Row, task: str, rewrite: Rewrite, number: int) -> Row:
        context, text = str(source["context_id"]), rewrite.text
        key = content_id("rewrite", context, task, str(source["text"]), str(number), text)
        return {
            "candidate_id": key,
            "context_id": context,
            "context": source["text"],
            "text": text,
            "mode": task,
            "keywords": [],
            "coverage": None,
            "source_id": source.get("candidate_id"),
            "logprob": rewrite.logprob,
            "tokens": rewrite.tokens,
            "decoded": rewrite.tokens,
            "ended": "sentence" if rewrite.ended else "length",
        }
