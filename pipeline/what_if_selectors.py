"""What the selectors would leave of the pairs that pass, as far as the corpus that is there tells.

Three kinds of selectors are known. One judges each pair by itself (decontamination): its verdicts stay. One takes the
strongest pair first and leaves a pair out only for a stronger one that stays (duplicates in one hop, near_duplicates):
whatever is stronger than the strongest kept pair that is gone, or that came, stays as it was; and where nothing came,
and nothing weaker had been left out, nothing comes back. Of any other, a group in which no pair came or went keeps its
verdicts. For the rest the selector would have to be run, and its judge asked: all that is told is a bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.base import Selector
from filters.decontamination import Decontamination
from filters.duplicates import FORWARD, Duplicates, strengths
from filters.influence_prune import InfluencePrune
from filters.near_duplicates import NearDuplicates
from pipeline.assemble import Assemble
from pipeline.shard import canonical, read_rows
from pipeline.span import Span, SpanLevel
from pipeline.store import Run
from pipeline.stored_scores import ROUND, BoolArray, Stored, StoredScores

CAP = "max_pairs_per_context"
PARTS = ("selectors", "order")
"""What of a corpus's spec is of its selectors."""
CorpusSpec = Mapping[str, Mapping[str, object]]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """A corpus that was made of the very scores on disk: what its selectors left out, and with which parameters."""

    left_out: pa.Table  # pair_id, left_out_by; without repeats
    spec: CorpusSpec

    def by(self, task: str, stage: Assemble) -> pa.Table | None:
        """What was left out; None where the task's selectors are others now."""
        specs = (self.spec, cast(CorpusSpec, stage.spec()))
        before, now = ([spec.get(part, {}).get(task) for part in PARTS] for spec in specs)
        return self.left_out if canonical(before) == canonical(now) else None


def chosen(run: Run, found: Stored) -> Chosen | None:
    """None where there is no corpus of these scores."""
    folder = run.stage(ROUND, "corpus")
    manifest, path = folder.manifest() or {}, folder.folder / "left_out.parquet"
    spec = manifest.get("spec")
    if manifest.get("inputs") != [header.content for header in (*found.pairs, *found.scores)] or not path.exists():
        return None
    rows = read_rows(path).select(["pair_id", "left_out_by"])
    return Chosen(rows.filter(pc.not_equal(rows["left_out_by"], "repeat")), spec if isinstance(spec, dict) else {})


@dataclass(frozen=True)
class Standing:
    """Rows that stand for sure, rows that may, and rows that stood when the corpus was made (None: there is none)."""

    sure: BoolArray
    may: BoolArray
    before: BoolArray | None


def corpus_level(
    task: str,
    rows: StoredScores,
    passing: tuple[BoolArray, BoolArray],
    new: int,
    selectors: Sequence[Selector],
    left_out: pa.Table | None,
    cap: int,
) -> SpanLevel:
    """The line of the corpus. `passing`: rows that pass all filters for sure, and those that may. `new`: pairs of which
    no score is stored. `left_out`: by the same selectors, when last run on these scores."""
    first = _first_of_repeats(rows, passing[1])
    entered = Span(*(int(passes.sum()) for passes in passing)) + Span(0, new)
    dropped = {"repeat": Span(*(int((passes & ~first).sum()) for passes in passing)) + Span(0, new)}
    reasons = _reasons(rows, left_out)
    known = left_out is not None and not new
    before = rows.accepted & _first_of_repeats(rows, rows.accepted) if known else None
    standing = Standing(passing[0] & first, passing[1] & first, before)
    context, size = _codes(rows)
    one_more = np.zeros(size, dtype=np.int64)
    for selector in selectors:
        if _is_idle(selector):
            dropped[selector.name] = Span.exactly(0)
            continue
        after = _select(selector, rows, standing, reasons == selector.name, context)
        one_more = _at_least_one(selector, standing, after, context, size)
        out = (standing.sure & ~after.may, standing.may & ~after.sure)
        dropped[selector.name] = Span(int(out[0].sum()), int(out[1].sum() - one_more.sum()) + new)
        standing = after
    counts = (_count(context, standing.sure, size) + one_more, _count(context, standing.may, size))
    if cap:
        dropped[CAP] = Span(*(int(np.maximum(count - cap, 0).sum()) for count in counts)) + Span(0, new)
        counts = (np.minimum(counts[0], cap), np.minimum(counts[1], cap))
    left = Span(*(int(count.sum()) for count in counts)) + Span(0, new)
    return SpanLevel("corpus", task, entered, left, dropped)


def graph_questions(rows: StoredScores, passing: BoolArray) -> int:
    """How many questions the graphs of all contexts can put to the judge at most: of n pairs in a context, n (n - 1)
    about their sources and as many about their targets. A pair without a context is in no graph."""
    context, size = _codes(rows)
    nodes = _count(context, passing, size)[:-1]  # the last number is for pairs without a context
    return int((2 * nodes * (nodes - 1)).sum())


def _is_idle(selector: Selector) -> bool:
    """Whether it drops nothing whatever comes: no test set is named."""
    return isinstance(selector, Decontamination) and not selector.against


def _select(
    selector: Selector, rows: StoredScores, standing: Standing, was_left_out: BoolArray, context: Ints
) -> Standing:
    """The rows that stand after a selector."""
    if standing.before is None:
        return Standing(np.zeros_like(standing.sure), standing.may, None)
    kept = standing.before & ~was_left_out
    group = context if selector.within else np.zeros_like(context)
    settled = _settled(selector, rows, standing, kept, group)
    return Standing(standing.sure & settled & kept, standing.may & (~settled | kept), kept)


def _settled(selector: Selector, rows: StoredScores, standing: Standing, kept: BoolArray, group: Ints) -> BoolArray:
    """Rows whose verdict is what it was."""
    before = standing.before if standing.before is not None else np.zeros_like(kept)
    if isinstance(selector, Decontamination | InfluencePrune):
        return before
    came, gone = standing.may & ~before, before & ~standing.sure
    if isinstance(selector, NearDuplicates) or (isinstance(selector, Duplicates) and selector.max_hops == 1):
        strength = _strength(rows, selector.one_way_tasks)
        strength[came & ~standing.sure] = np.inf  # a score is not known yet
        highest = np.full(int(group.max(initial=0)) + 1, -np.inf)
        moved = came | (gone & kept)
        np.maximum.at(highest, group[moved], strength[moved])
        weaker = strength <= highest[group]
        back = came | (standing.may & ~kept & weaker)
        return before & (~weaker | ~_has(back, group))
    return before & ~_has(came | gone, group)


def _has(mask: BoolArray, group: Ints) -> BoolArray:
    """For each row, whether any row of its group is in the mask."""
    found: BoolArray = (np.bincount(group[mask], minlength=int(group.max(initial=0)) + 1) > 0)[group]
    return found


def _at_least_one(selector: Selector, standing: Standing, after: Standing, context: Ints, size: int) -> Ints:
    """1 for each context of which no pair is sure to stay, though `duplicates` always keeps one."""
    if not isinstance(selector, Duplicates):
        return np.zeros(size, dtype=np.int64)
    none_sure = (_count(context, standing.sure, size) > 0) & (_count(context, after.sure, size) == 0)
    extra: Ints = none_sure.astype(np.int64)
    return extra


def _strength(rows: StoredScores, one_way_tasks: Sequence[str]) -> npt.NDArray[np.float64]:
    if FORWARD not in rows.columns.column_names:
        return np.zeros(len(rows))
    return np.asarray(strengths(rows.columns, rows.columns, one_way_tasks), dtype=np.float64)


def _reasons(rows: StoredScores, left_out: pa.Table | None) -> npt.NDArray[np.object_]:
    """What left each pair out of the corpus; None where nothing did."""
    found: npt.NDArray[np.object_] = np.full(len(rows), None, dtype=object)
    if left_out is not None and left_out.num_rows:
        places = pc.index_in(rows.pair_ids, value_set=left_out["pair_id"].combine_chunks()).combine_chunks()
        found = left_out["left_out_by"].combine_chunks().take(places).to_numpy(zero_copy_only=False)
    return found


def _first_of_repeats(rows: StoredScores, passing: BoolArray) -> BoolArray:
    """Of the passing rows of one pair, the one in the smallest context; all others are repeats."""
    first = passing.copy()
    if not passing.any():
        return first
    coded = rows.pair_ids.combine_chunks().dictionary_encode().indices.to_numpy()
    often = np.bincount(coded[passing], minlength=len(coded)) > 1
    places = np.flatnonzero(passing & often[coded])
    contexts = rows.columns["context_id"].take(pa.array(places)).cast(pa.string())
    keys = pa.table({"pair": coded[places], "context": contexts})
    order = pc.sort_indices(keys, sort_keys=[("pair", "ascending"), ("context", "ascending")]).to_numpy()
    _, starts = np.unique(coded[places[order]], return_index=True)
    first[places] = False
    first[places[order[starts]]] = True
    return first


def _codes(rows: StoredScores) -> tuple[Ints, int]:
    """Each row's context as a number, and how many numbers there are."""
    column = rows.columns["context_id"].combine_chunks()
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    numbers = pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers, len(coded.dictionary) + 1


def _count(context: Ints, mask: BoolArray, size: int) -> Ints:
    counts: Ints = np.bincount(context[mask], minlength=size).astype(np.int64)
    return counts
