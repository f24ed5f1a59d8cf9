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

MONITORS = pa.schema(
    [("task", pa.string()), ("monitor", pa.string()), ("value", pa.float64()), ("before", pa.float64())]
)


@dataclass(frozen=True)
class RoundMonitors:
    """Reads a round's candidates, corpus and all earlier corpora; writes one table, `before` being the last round's.

    distinct_n: different n-grams among all n-grams of the targets, of as many words in every round. length_ratio and
    entailment: means. seen_sources, seen_pairs: share of the round's sources, pairs that an earlier round had.
    acceptance: pairs in the corpus for one rewrite.
    """

    name: ClassVar[str] = "monitors"
    min_acceptance: float
    min_distinct_2: float

    def spec(self) -> Mapping[str, object]:
        return asdict(self)

    def run(self, inputs: Mapping[str, pa.Table], out: ShardWriter) -> Counts:
        candidates, corpus = inputs["candidates"], inputs["corpus"]
        earlier = [inputs[f"corpus-{number}"] for number in range(sum(name.startswith("corpus-") for name in inputs))]
        rows = []
        for task in pc.unique(candidates["mode"]).to_pylist():
            now, before = _of(corpus, task), [_of(table, task) for table in earlier]
            written = pc.sum(pc.equal(candidates["mode"], task)).as_py() or 0
            values = measures(now, before) | {"acceptance": now.num_rows / max(1, written)}
            last = measures(before[-1], before[:-1]) if before else {}
            rows += [{"task": task, "monitor": m, "value": v, "before": last.get(m)} for m, v in values.items()]
            self._check(task, values)
        out.write("monitors", pa.Table.from_pylist(rows, schema=MONITORS))
        return {"rows": len(rows)}

    def _check(self, task: str, values: Mapping[str, float]) -> None:
        for name, least in (("acceptance", self.min_acceptance), ("distinct_2", self.min_distinct_2)):
            if values[name] < least:
                raise UserError(
                    f"task {task}: {name} is {values[name]:.3g}, below rounds.min_{name} {least:.3g}: the round is "
                    "kept and no student learns from it; look at it with `make show`, or lower the limit"
                )


def _of(corpus: pa.Table, task: str) -> pa.Table:
    return corpus.filter(pc.equal(corpus["task"], task))


def measures(corpus: pa.Table, earlier: Sequence[pa.Table]) -> dict[str, float]:
    """The monitors of one task's pairs, against all earlier rounds'."""
    targets = corpus["target"].to_pylist()
    words = [_words(targets), *(_words(table["target"].to_pylist()) for table in earlier)]
    fewest = min((number for number in words if number), default=0)  # a round without the task compares with none
    return {
        "pairs": corpus.num_rows,
        "distinct_1": distinct(targets, 1, fewest),
        "distinct_2": distinct(targets, 2, fewest),
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


def _words(texts: Sequence[str]) -> int:
    return sum(len(rouge_words(text)) for text in texts)


def _mean(column: pa.ChunkedArray) -> float:
    values = column.drop_null().to_numpy()
    return float(np.mean(values)) if len(values) else 0.0


def _seen(column: pa.ChunkedArray, earlier: Sequence[pa.ChunkedArray]) -> float:
    known = {value for other in earlier for value in other.to_pylist()}
    values = column.to_pylist()
    return sum(value in known for value in values) / max(1, len(values))
