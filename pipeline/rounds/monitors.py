"""What a round came to: diversity, drift, overlap with earlier rounds, acceptance. May stop a round that went wrong."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.overlap import rouge_words
from pipeline.errors import UserError
from pipeline.stage import Counts, ShardWriter
from student.self_bleu import self_bleu

MONITORS = pa.schema(
    [("task", pa.string()), ("monitor", pa.string()), ("value", pa.float64()), ("before", pa.float64())]
)
MOST_COMPARED = 500
"""Targets that are compared with each other: self-BLEU grows with their number, and so does the work."""


@dataclass(frozen=True)
class RoundMonitors:
    """Reads a round's candidates, corpus and all earlier corpora; writes one table, `before` being the last round's.

    distinct_n: different n-grams among all n-grams of the targets, of as many words in every round. self_bleu: how much
    the targets are like each other, in percent, of as many targets in every round (500 at most, by their pair_id).
    length_ratio and entailment: means. seen_sources, seen_pairs: share of the round's sources, pairs that an earlier
    round had. acceptance: pairs in the corpus for one rewrite.
    """

    name: ClassVar[str] = "monitors"
    min_acceptance: float
    min_distinct_2: float
    max_self_bleu: float = 0.0

    def spec(self) -> Mapping[str, object]:
        return asdict(self)

    def run(self, inputs: Mapping[str, pa.Table], out: ShardWriter) -> Counts:
        candidates, corpus = inputs["candidates"], inputs["corpus"]
        earlier = [inputs[f"corpus-{number}"] for number in range(sum(name.startswith("corpus-") for name in inputs))]
        rows = []
        for task in pc.unique(candidates["mode"]).to_pylist():
            now, before = _of(corpus, task), [_of(table, task) for table in earlier]
            written = pc.sum(pc.equal(candidates["mode"], task)).as_py() or 0
            sample = fewest([now, *before])
            values = measures(now, before, sample) | {"acceptance": now.num_rows / max(1, written)}
            last = measures(before[-1], before[:-1], sample) if before else {}
            rows += [{"task": task, "monitor": m, "value": v, "before": last.get(m)} for m, v in values.items()]
            self._check(task, values)
        out.write("monitors", pa.Table.from_pylist(rows, schema=MONITORS))
        return {"rows": len(rows)}

    def _check(self, task: str, values: Mapping[str, float]) -> None:
        for name, least in (("acceptance", self.min_acceptance), ("distinct_2", self.min_distinct_2)):
            if values[name] < least:
                raise UserError(_stopped(task, name, values[name], f"below rounds.min_{name} {least:.3g}", "lower"))
        most = self.max_self_bleu
        if most and values["self_bleu"] > most:
            said = _stopped(task, "self_bleu", values["self_bleu"], f"above rounds.max_self_bleu {most:.3g}", "raise")
            raise UserError(said)


def _stopped(task: str, name: str, value: float, limit: str, remedy: str) -> str:
    return (
        f"task {task}: {name} is {value:.3g}, {limit}: the round is kept and no student learns from it; "
        f"look at it with `make show` and its ROUND, or {remedy} the limit"
    )


def _of(corpus: pa.Table, task: str) -> pa.Table:
    return corpus.filter(pc.equal(corpus["task"], task))


@dataclass(frozen=True)
class Sample:
    """How much of every round is measured where a measure changes with the amount."""

    words: int
    targets: int


def fewest(corpora: Sequence[pa.Table]) -> Sample:
    """As much as the smallest of the rounds has; one without the task compares with none."""
    words = [_words(table["target"].to_pylist()) for table in corpora]
    rows = [table.num_rows for table in corpora if table.num_rows > 1]  # one is like no other: it says nothing
    return Sample(min((number for number in words if number), default=0), min([*rows, MOST_COMPARED]))


def measures(corpus: pa.Table, earlier: Sequence[pa.Table], sample: Sample) -> dict[str, float]:
    """The monitors of one task's pairs, against all earlier rounds'."""
    targets = corpus["target"].to_pylist()
    return {
        "pairs": corpus.num_rows,
        "distinct_1": distinct(targets, 1, sample.words),
        "distinct_2": distinct(targets, 2, sample.words),
        "self_bleu": likeness(corpus, sample.targets),
        "length_ratio": _mean(corpus["compression_ratio"]),
        "novelty": _mean(corpus["novelty"]),
        "entailment": _mean(corpus["entailment"]) if "entailment" in corpus.column_names else float("nan"),
        "seen_sources": _seen(corpus["source"], [table["source"] for table in earlier]),
        "seen_pairs": _seen(corpus["pair_id"], [table["pair_id"] for table in earlier]),
    }


def distinct(texts: Sequence[str], n: int, most_words: int) -> float:
    """Different n-grams among all of them, in the first `most_words` words; 0 where there are none."""
    counts: Counter[tuple[str, ...]] = Counter()
    left = most_words
    for text in texts:
        words = rouge_words(text)[:left]
        left -= len(words)
        counts.update(zip(*(words[start:] for start in range(n)), strict=False))
    return len(counts) / counts.total() if counts else 0.0


def likeness(corpus: pa.Table, most: int) -> float:
    """Self-BLEU of so many targets, in percent. An id hashes its pair: the first ones in their order are any."""
    chosen = corpus.sort_by("pair_id")["target"].slice(0, most)
    return self_bleu([" ".join(rouge_words(text)) for text in chosen.to_pylist()])


def _words(texts: Sequence[str]) -> int:
    return sum(len(rouge_words(text)) for text in texts)


def _mean(column: pa.ChunkedArray) -> float:
    values = column.drop_null().to_numpy()
    return float(np.mean(values)) if len(values) else 0.0


def _seen(column: pa.ChunkedArray, earlier: Sequence[pa.ChunkedArray]) -> float:
    known = {value for other in earlier for value in other.to_pylist()}
    values = column.to_pylist()
    return sum(value in known for value in values) / max(1, len(values))
