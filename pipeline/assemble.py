"""Pairs and scores to the corpus: verdicts, repeats, selectors, splits, control attributes."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.base import Selector
from filters.overlap import novel_ngram_share
from pipeline.local_backend import fixed_threads
from pipeline.pair import judge_spec, order_of, tally
from pipeline.recipe_sections import Corpus
from pipeline.records import PAIR
from pipeline.stage import Counts, Resources, ShardWriter

NOVELTY_NGRAM = 2


@dataclass(frozen=True)
class Assemble:
    """Writes one parquet file a split that has rows, and the pairs that selectors left out.

    Where no pair is accepted at all, every split has its file, with all columns.
    """

    name: ClassVar[str] = "corpus"
    selectors: Mapping[str, tuple[Selector, ...]]  # by task, in order
    settings: Corpus
    resources: Resources = field(default_factory=Resources, compare=False)

    def spec(self) -> Mapping[str, object]:
        selectors = {t: {s.name: _spec(s) for s in found} for t, found in self.selectors.items()}
        return {
            "selectors": selectors,
            "order": order_of(self.selectors),
            "corpus": self.settings.model_dump(mode="json"),
        }

    def run(self, inputs: Mapping[str, pa.Table], out: ShardWriter) -> Counts:
        counts: Counter[str] = Counter()
        passed = _passed(inputs["pairs"], inputs["scores"])
        with fixed_threads(self.resources.threads):
            parts = [self._task(passed, task, counts) for task in self.selectors]
        corpus = pa.concat_tables([self._attributes(kept) for kept, _ in parts]).sort_by("pair_id")
        for split in self.settings.splits:
            rows = corpus.filter(pc.equal(corpus["split"], split))
            if rows.num_rows or not corpus.num_rows:  # `datasets` cannot load a file without rows
                out.write(split, rows)
            counts[f"split_{split}"] = rows.num_rows
        out.write("left_out", pa.concat_tables([rest for _, rest in parts]).sort_by("pair_id"))
        return dict(sorted(counts.items()))

    def _task(self, passed: pa.Table, task: str, counts: Counter[str]) -> tuple[pa.Table, pa.Table]:
        """One task's accepted pairs, and those that a selector left out with its name in `left_out_by`."""
        rows = passed.filter(pc.equal(passed["task"], task)).sort_by(
            [("context_id", "ascending"), ("pair_id", "ascending")]
        )
        reasons = np.full(rows.num_rows, None, dtype=object)
        rows, repeated = _mark_repeats(rows)
        reasons[repeated] = "repeat"
        for selector in self.selectors[task]:
            _select(selector, rows, reasons)
        if self.settings.max_pairs_per_context:
            _cap(rows, reasons, self.settings.max_pairs_per_context)
        why = pa.array(reasons, pa.string())
        tally(counts, task, why)
        kept = pc.is_null(why)
        return rows.filter(kept), rows.append_column("left_out_by", why).filter(pc.invert(kept))

    def _attributes(self, rows: pa.Table) -> pa.Table:
        """Control attributes and the split, which is drawn by context."""
        sources, targets = rows["source"].to_pylist(), rows["target"].to_pylist()
        ratios = [len(y) / len(x) for x, y in zip(sources, targets, strict=True)]
        novelty = [novel_ngram_share(x, y, NOVELTY_NGRAM) for x, y in zip(sources, targets, strict=True)]
        edges = self.settings
        columns: dict[str, pa.Array] = {
            "compression_ratio": pa.array(ratios, pa.float32()),
            "compression_bucket": pa.array([bisect_right(edges.compression_edges, r) for r in ratios], pa.int32()),
            "novelty": pa.array(novelty, pa.float32()),
            "novelty_bucket": pa.array([bisect_right(edges.novelty_edges, n or 0.0) for n in novelty], pa.int32()),
            "split": pa.array([split_of(c, edges.splits) for c in rows["context_id"].to_pylist()], pa.string()),
        }
        for name, column in columns.items():
            rows = rows.append_column(name, column)
        return rows


def _spec(selector: Selector) -> dict[str, object]:
    """What decides a selector's verdicts: its parameters, and the very content of the files it looks into."""
    found = judge_spec(selector)
    for name, files in (("against", getattr(selector, "against", ())), ("table", (getattr(selector, "table", ""),))):
        found |= {name: {file: _content(Path(file).expanduser()) for file in files}} if any(files) else {}
    return found


def _content(file: Path) -> str:
    """A file's digest; "missing" where it is not there, so that a finished run can still be looked at."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return "missing"


def split_of(context_id: str, splits: Mapping[str, float]) -> str:
    """The split of a context: its hash as a point in [0, 1). Stable when a run is extended."""
    point = int.from_bytes(hashlib.blake2b(context_id.encode(), digest_size=8).digest(), "big") / 2**64
    reached = 0.0
    for name, share in splits.items():
        reached += share
        if point < reached:
            return name
    return list(splits)[-1]


def _passed(pairs: pa.Table, scores: pa.Table) -> pa.Table:
    """The pairs that no filter dropped, all their scores beside them. Both tables are in the same order."""
    if not pairs["pair_id"].equals(scores["pair_id"]):
        raise ValueError("pairs and scores are not in the same order: run `make filter` again")
    rows = pairs.select(PAIR.names)
    for name in scores.column_names:
        if name not in ("pair_id", "dropped_by"):
            rows = rows.append_column(name, scores[name])
    return rows.filter(pc.is_null(scores["dropped_by"])).combine_chunks()


def _mark_repeats(rows: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Exact repeats across contexts: the row with the smallest context_id stays and lists the others' contexts."""
    order = pc.sort_indices(rows, sort_keys=[("pair_id", "ascending"), ("context_id", "ascending")]).to_numpy()
    ids, contexts = rows["pair_id"].to_pylist(), rows["context_id"].to_pylist()
    also: list[list[str]] = [[] for _ in ids]
    first = dict.fromkeys(ids, -1)
    repeated = np.zeros(len(ids), dtype=bool)
    for i in order.tolist():
        if first[ids[i]] < 0:
            first[ids[i]] = i
            continue
        repeated[i] = True
        also[first[ids[i]]].append(contexts[i])
    return rows.append_column("also_in", pa.array(also, pa.list_(pa.string()))), repeated


def _select(selector: Selector, rows: pa.Table, reasons: np.ndarray) -> None:
    """Ask a selector about the rows still standing."""
    standing = np.flatnonzero(reasons == None)  # noqa: E711  (elementwise)
    part = rows.take(pa.array(standing))
    kept = selector.select(part, part).to_numpy(zero_copy_only=False)
    reasons[standing[~kept]] = selector.name


def _cap(rows: pa.Table, reasons: np.ndarray, most: int) -> None:
    """Of the rows still standing, at most so many a context: those most surely entailed, ties by pair_id."""
    sure = rows["entailment"].to_pylist() if "entailment" in rows.column_names else [None] * rows.num_rows
    ids, contexts = rows["pair_id"].to_pylist(), rows["context_id"].to_pylist()
    standing = [i for i in range(rows.num_rows) if reasons[i] is None]
    taken: Counter[str] = Counter()
    for i in sorted(standing, key=lambda i: (-(sure[i] or 0.0), ids[i])):
        taken[contexts[i]] += 1
        if taken[contexts[i]] > most:
            reasons[i] = "max_pairs_per_context"
