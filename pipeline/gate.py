"""Where the gates before the judge may stand: the scores under which the judge has next to nothing to accept.

A gate is a filter of a task's panel: `similarity`, the cosine of an encoder, and `screen`, what a cheaper judge says.
Here they are opened wide for a sample of contexts, the judge is asked about everything that comes through, and each
threshold is read off the answers: the largest that lets at least 99% of the accepted pairs pass. Of two gates each may
lose half of the rest, so that both together lose no more of it. Two populations:

    panel        ordered pairs that pass the task's other cheap filters: what the gate spares the judge in a run.
                 Accepted: kept by every filter.
    every pair   all ordered pairs of usable candidates, or a random share, that are of the task's length: the oracle.
                 The judge is asked about each. Accepted: its own verdicts at the recipe's thresholds, whatever the
                 rules say. Length stays, for it is what the task means: no judge makes a longer sentence a summary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.base import HAS_A_SAY, Filter, Panel
from filters.batches import FloatArray
from filters.length import Length
from pipeline.errors import UserError
from pipeline.judge import JudgePairs
from pipeline.pair import FormPairs
from pipeline.recipe import Recipe
from pipeline.records import content_id
from pipeline.shard import read_rows
from pipeline.stage import Batch
from pipeline.store import Run
from pipeline.thresholds import fixed

MIN_RECALL = 0.99
FOLDS = 5


@dataclass(frozen=True)
class Kind:
    """A filter that can be a gate: its threshold, the value that lets all pass, and in how many steps from 0 to 1 it
    is rounded down, which lets more pass."""

    threshold: str
    wide_open: float
    steps: int


KINDS: Mapping[str, Kind] = {
    "similarity": Kind("min_cosine", -1.0, 1000),
    "screen": Kind("min_probability", 0.0, 10_000),
}

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """Pairs of one task: one gate's scores, whether the pair was accepted, and its context by number.

    `ordered`: how many ordered pairs the contexts have in all (of a share: that share of them).
    `standing`: the gate's threshold in the recipe. `gates`: how many the task has.
    """

    task: str
    scores: FloatArray
    accepted: BoolArray
    context: npt.NDArray[np.int64]
    ordered: int
    standing: float
    gate: str = "similarity"
    gates: int = 1

    def at(self, threshold: float) -> "Gate":
        return self.where(threshold, self.scores >= np.float32(threshold))

    def where(self, threshold: float, passed: BoolArray) -> "Gate":
        return Gate(
            threshold,
            int((passed & self.accepted).sum()),
            int(self.accepted.sum()),
            int(passed.sum()),
            len(passed),
            self.ordered,
        )

    def calibrated(self, min_recall: float = MIN_RECALL) -> "Gate":
        """The largest threshold that reaches the recall."""
        return self.at(self._largest(self.accepted, min_recall))

    def _largest(self, accepted: BoolArray, min_recall: float) -> float:
        own = 1 - (1 - min_recall) / self.gates
        return largest_threshold(self.scores[accepted], own, KINDS[self.gate].steps)

    def held_out(self, min_recall: float = MIN_RECALL) -> float:
        """The recall on contexts that the threshold was not chosen on, over five folds; nan where there are too few."""
        found = 0
        for fold in range(FOLDS):
            test = self.accepted & (self.context % FOLDS == fold)
            rest = self.accepted & (self.context % FOLDS != fold)
            if test.any() and not rest.any():
                return float("nan")
            if test.any():
                found += int((self.scores[test] >= np.float32(self._largest(rest, min_recall))).sum())
        return found / int(self.accepted.sum()) if self.accepted.any() else float("nan")


@dataclass(frozen=True)
class Gate:
    """What a threshold does: of `accepted` pairs it lets `found` pass, and of `pairs` in all `passed`.

    The threshold of several gates together is that of the last.
    """

    threshold: float
    found: int
    accepted: int
    passed: int
    pairs: int
    ordered: int

    @property
    def recall(self) -> float:
        return self.found / self.accepted if self.accepted else float("nan")

    @property
    def avoided(self) -> float:
        """Share of the pairs about which the judge is not asked."""
        return 1 - self.passed / self.pairs if self.pairs else float("nan")

    @property
    def avoided_of_all(self) -> float:
        """The same of all ordered pairs, with whatever other filters drop."""
        return 1 - self.passed / self.ordered if self.ordered else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper-Pearson, 95%, of the recall."""
        from scipy.stats import binomtest

        if not self.accepted:
            return 0.0, 1.0
        found = binomtest(self.found, self.accepted).proportion_ci(0.95, "exact")
        return float(found.low), float(found.high)


def together(found: Sequence[Answers], min_recall: float = MIN_RECALL) -> Gate:
    """All gates of a task at once, each where it was calibrated."""
    thresholds = [each.calibrated(min_recall).threshold for each in found]
    passed = [each.scores >= np.float32(at) for each, at in zip(found, thresholds, strict=True)]
    return found[-1].where(thresholds[-1], np.logical_and.reduce(passed))


def largest_threshold(accepted: FloatArray, min_recall: float, steps: int = 1000) -> float:
    """The largest score, rounded down, that at least that share of the accepted reaches."""
    lost = min(int((1 - min_recall) * len(accepted) + 1e-9), len(accepted) - 1)
    least = float(np.sort(accepted)[lost])
    step = int(np.floor(least * steps))
    reached = float(np.float32((step + 1) / steps)) <= least  # 0.9 itself is stored as a little less
    return (step + reached) / steps


def first_candidates(run: Run, contexts: int) -> pa.Table:
    """The candidates of a run's first contexts; fewer where it has fewer."""
    tables: list[pa.Table] = []
    ids: dict[str, None] = {}
    for path in run.stage(0, "candidates").tables():
        tables.append(read_rows(path))
        ids.update(dict.fromkeys(tables[-1]["context_id"].to_pylist()))
        if len(ids) >= contexts:
            break
    if not tables:
        raise UserError(f"run {run.name!r}: no candidates yet: run `make generate RUN={run.name}` first")
    rows = pa.concat_tables(tables)
    wanted = pa.array(list(ids)[:contexts], pa.string())
    return rows.filter(pc.is_in(rows["context_id"], wanted)).combine_chunks()


def gated_tasks(recipe: Recipe) -> dict[str, tuple[Filter, ...]]:
    """The gates of every task that has any."""
    found = {task: tuple(spec for spec in recipe.panel(task) if spec.name in KINDS) for task in recipe.tasks}
    if not any(found.values()):
        raise UserError(
            f"recipe {recipe.name}: no task has a gate to calibrate; wanted a table [tasks.NAME.panel.similarity] "
            "(or screen) before that of entailment: add one"
        )
    return {task: gates for task, gates in found.items() if gates}


def answers(recipe: Recipe, candidates: pa.Table, share: float = 0.0) -> Iterator[Answers]:
    """Every gate of every gated task: its pairs, with the gates wide open, as the judge sees them.

    0: those past the other cheap filters. More: that share of every pair, drawn by their text.
    """
    gates = gated_tasks(recipe)
    panels = {task: Panel(tuple(_opened(recipe.panel(task), share > 0))) for task in gates}
    needs = {name: recipe.resources(name) for name in ("pairs", "scores")}
    device = {name: "cuda" if needs[name].gpus > 0 else "cpu" for name in needs}
    form = FormPairs(panels, recipe.candidate_filter(), device["pairs"], 0).open()
    formed = form(Batch(0, candidates))
    pairs = formed.table.filter(_drawn(formed.table, share)) if 0 < share < 1 else formed.table
    scores = JudgePairs(panels, device["scores"]).open()(Batch(0, pairs)).table
    numbers = pc.fill_null(pairs["context_id"].combine_chunks().dictionary_encode().indices, 0)
    for task, gate in ((task, gate) for task, found in gates.items() for gate in found):
        mine = pc.equal(pairs["task"], task)
        yield Answers(
            task,
            scores[gate.name].filter(mine).to_numpy().astype(np.float32),
            pc.is_null(scores["dropped_by"].filter(mine)).to_numpy(),
            numbers.filter(mine.combine_chunks()).to_numpy().astype(np.int64),
            round(formed.counts.get(f"{task}/in", 0) * (share or 1.0)),
            getattr(gate, KINDS[gate.name].threshold),
            gate.name,
            len(gates[task]),
        )


def _drawn(pairs: pa.Table, share: float) -> pa.BooleanArray:
    """The same pairs for every task, so that a judge that they share answers for all of them at once."""
    texts = zip(pairs["source"].to_pylist(), pairs["target"].to_pylist(), strict=True)
    return pa.array([int(content_id(*pair)[:8], 16) < share * 16**8 for pair in texts], pa.bool_())


def _opened(panel: Panel, every_pair: bool) -> Iterator[Filter]:
    """The panel with its gates wide open; for every pair, beside them the judge's own filters and length alone."""
    for spec in panel:
        if spec.name in KINDS:
            kind = KINDS[spec.name]
            anywhere = {"back_end": "auto"} if fixed(spec) else {}  # int8 would look closely at the open gate alone
            yield replace(spec, **{kind.threshold: kind.wide_open}, **anywhere)  # type: ignore[type-var]
        elif not every_pair or spec.role in HAS_A_SAY or isinstance(spec, Length):
            yield spec


def chosen(found: Sequence[Answers], min_recall: float = MIN_RECALL) -> Mapping[tuple[str, str], float]:
    """The threshold of every gate, by task and filter, where pairs were accepted: the lowest, of two populations."""
    thresholds: dict[tuple[str, str], float] = {}
    for each in found:
        if each.accepted.any():
            reached, key = each.calibrated(min_recall).threshold, (each.task, each.gate)
            thresholds[key] = min(reached, thresholds.get(key, reached))
    return thresholds


def set_line(thresholds: Mapping[tuple[str, str], float]) -> str:
    """The changes as the command line takes them."""
    fields = ((task, gate, KINDS[gate].threshold, value) for (task, gate), value in thresholds.items())
    changes = " ".join(f"tasks.{task}.panel.{gate}.{field}={value:g}" for task, gate, field, value in fields)
    return f"--set '{changes}'"
