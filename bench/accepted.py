"""Accepted pairs a minute: our stages against the procedure as published, on the same contexts with the same n.

Three arms take turns on each group of contexts: ours; the published procedure on transformers' generate, as its authors
ran it; and the same on vLLM, a stronger opponent than was published. One final panel counts them all: this recipe's
candidate filter, panels and selectors, applied to whatever an arm accepted. Contexts are given to all arms and are not
in the minutes; loading is not either.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from bench import published
from bench.arms import Child
from bench.machine import table
from filters.base import Panel, judge
from filters.entailment import Entailment
from pipeline.assemble import Assemble
from pipeline.judge import JudgePairs
from pipeline.overgenerate import Overgenerate
from pipeline.pair import FormPairs
from pipeline.recipe import Recipe
from pipeline.records import pair_id, spaced_seed
from pipeline.stage import Batch
from pipeline.teacher.decoder import Request

OURS, PUBLISHED, ON_VLLM = "ours", "as published (transformers)", "as published, on vLLM"
ACCEPTED = pa.schema([(name, pa.string()) for name in ("pair_id", "task", "source", "target", "context_id")])
JUDGED = ("entailment", "reverse_entailment")

T = TypeVar("T")


@dataclass
class Turn:
    """One arm on one group of contexts. `pairs`: what it accepted; `final`: of them, by task, the final panel's."""

    pairs: pa.Table
    sentences: int = 0
    questions: int = 0  # to the NLI model
    seconds: dict[str, float] = field(default_factory=lambda: {"decode": 0.0, "cheap": 0.0, "judge": 0.0})
    final: dict[str, int] = field(default_factory=dict)

    @property
    def minutes(self) -> float:
        return sum(self.seconds.values()) / 60


class OurFilters:
    """Our stages behind the decoder, opened once, run in this process one after the other."""

    def __init__(self, recipe: Recipe) -> None:
        panels = {name: recipe.panel(name) for name in recipe.tasks}
        self._form = FormPairs(panels, recipe.candidate_filter(), resources=recipe.resources("pairs")).open()
        self._judge = JudgePairs(panels, resources=recipe.resources("scores")).open()
        selectors, needs = {name: recipe.selectors(name) for name in recipe.tasks}, recipe.resources("scores")
        self._assemble = Assemble(selectors, recipe.corpus, needs)  # the judge of the panel is asked: so many threads

    def __call__(self, candidates: pa.Table) -> Turn:
        formed, cheap = _timed(lambda: self._form(Batch(0, candidates)))
        scores, asked = _timed(lambda: self._judge(Batch(0, formed.table)))
        corpus = _Tables()
        _, chosen = _timed(lambda: self._assemble.run({"pairs": formed.table, "scores": scores.table}, corpus))
        questions = sum(
            len(scores.table) - scores.table[n].null_count for n in JUDGED if n in scores.table.schema.names
        )
        turn = Turn(corpus.accepted(), len(pc.unique(candidates["text"])), questions)
        turn.seconds |= {"cheap": cheap, "judge": asked + chosen}
        return turn


class _Tables:
    """Takes what a fold stage writes, in memory."""

    def __init__(self) -> None:
        self._found: dict[str, pa.Table] = {}

    def write(self, name: str, table: pa.Table) -> None:
        self._found[name] = table

    def directory(self, name: str) -> Path:
        raise ValueError(f"{name}: the corpus stage writes tables, no folder")

    def accepted(self) -> pa.Table:
        return pa.concat_tables(t.select(ACCEPTED.names) for name, t in self._found.items() if name != "left_out")


class FinalPanel:
    """What counts: the recipe's candidate filter, panels and selectors, for every arm the same."""

    def __init__(self, recipe: Recipe) -> None:
        self._wellformed = recipe.candidate_filter()
        panels: Mapping[str, Panel] = {name: recipe.panel(name) for name in recipe.tasks}
        self._panels = {name: [(spec, spec.open("cpu")) for spec in panel] for name, panel in panels.items()}
        self._selectors = {name: recipe.selectors(name) for name in recipe.tasks}

    def count(self, pairs: pa.Table, contexts: pa.Table) -> dict[str, int]:
        text = dict(zip(contexts["context_id"].to_pylist(), contexts["text"].to_pylist(), strict=True))
        fit = [self._fit(row, text[row["context_id"]]) for row in pairs.to_pylist()]
        rows = pairs.filter(pa.array(fit, pa.bool_()))
        return {task: self._standing(task, rows.filter(pc.equal(rows["task"], task))) for task in self._panels}

    def _fit(self, row: Mapping[str, str], context: str) -> bool:
        return all(self._wellformed.problem(row[name], context) is None for name in ("source", "target"))

    def _standing(self, task: str, rows: pa.Table) -> int:
        rows = rows.combine_chunks()
        scores, reasons = judge(rows, self._panels[task])
        rows, scores = (found.filter(pc.is_null(reasons)) for found in (rows, scores))
        for selector in self._selectors[task]:
            kept = selector.select(rows, scores)
            rows, scores = rows.filter(kept), scores.filter(kept)
        return int(rows.num_rows)


@dataclass(frozen=True)
class Comparison:
    """The arms' opened parts. Both sides' judges are warm: `open_comparison` has asked them once."""

    recipe: Recipe
    ours: Child
    other: Child
    dtype: str
    filters: OurFilters
    judge: published.UnsortedJudge

    def turn(self, arm: str, contexts: pa.Table) -> Turn:
        if arm == OURS:
            output, seconds = self.ours("candidates", contexts)
            turn = self.filters(output.table)
            turn.seconds["decode"] = seconds
            return turn
        return self._published(arm, contexts)

    def _published(self, arm: str, contexts: pa.Table) -> Turn:
        sampling = published.sampling(self.recipe.sampling)
        asked = _requests(contexts, self.recipe.seed)
        if arm == PUBLISHED:
            samples, seconds = self.other("plain", self.dtype, asked, sampling)
        else:
            samples, seconds = self.ours("decode", asked, sampling)
        turn = self._filtered(contexts["context_id"].to_pylist(), samples.texts)
        turn.seconds["decode"] = seconds
        return turn

    def _filtered(self, context_ids: Sequence[str], texts: Sequence[Sequence[str]]) -> Turn:
        judge, turn, rows = _Stopwatch(self.judge), Turn(ACCEPTED.empty_table()), []
        started = time.perf_counter()
        for context, samples in zip(context_ids, texts, strict=True):
            sentences = published.cut(samples)
            turn.sentences += len(sentences)
            for task, pairs in published.accepted(sentences, judge).items():
                rows += [(pair_id(task, *pair), task, *pair, context) for pair in pairs]
        spent = time.perf_counter() - started
        turn.seconds |= {"judge": judge.seconds, "cheap": spent - judge.seconds}
        turn.questions = judge.questions
        turn.pairs = pa.Table.from_pylist([dict(zip(ACCEPTED.names, row, strict=True)) for row in rows], ACCEPTED)
        return turn


class _Stopwatch:
    """The judge, with what it was asked and how long it took."""

    def __init__(self, ask: published.Ask) -> None:
        self._ask, self.seconds, self.questions = ask, 0.0, 0

    def __call__(self, pairs: Sequence[published.Pair]) -> Sequence[float]:
        answers, seconds = _timed(lambda: self._ask(pairs))
        self.seconds += seconds
        self.questions += len(pairs)
        return answers


def open_comparison(recipe: Recipe, ours: Child, other: Child, dtype: str, warm_up: pa.Table) -> Comparison:
    """Open both sides' filters and run each once over `warm_up`, contexts that are not compared."""
    spec = next(spec for task in recipe.tasks for spec in recipe.panel(task) if isinstance(spec, Entailment))
    judge = published.UnsortedJudge(spec.model, spec.revision, spec.entailment_label, spec.threads)
    found = Comparison(recipe, ours, other, dtype, OurFilters(recipe), judge)
    candidates = ours("candidates", warm_up)[0].table
    found.filters(candidates)
    judge([(text, text) for text in candidates["text"].to_pylist()])
    return found


def compare(found: Comparison, contexts: pa.Table, rounds: int) -> dict[str, list[Turn]]:
    """Every arm on every group of contexts, `rounds` groups; who goes first changes. Counting comes after all turns,
    so that no arm finds the judge's memory filled by the count."""
    groups = _groups(contexts, rounds)
    turns: dict[str, list[Turn]] = {OURS: [], PUBLISHED: [], ON_VLLM: []}
    for number, group in enumerate(groups):
        for arm in turns if number % 2 == 0 else reversed(turns):
            turns[arm].append(found.turn(arm, group))
    panel = FinalPanel(found.recipe)
    for arm_turns in turns.values():
        for turn, group in zip(arm_turns, groups, strict=True):
            turn.final = panel.count(turn.pairs, group)
    return turns


def _groups(contexts: pa.Table, rounds: int) -> list[pa.Table]:
    size = -(-contexts.num_rows // rounds)
    return [contexts.slice(start, size) for start in range(0, contexts.num_rows, size)]


def _requests(contexts: pa.Table, seed: int) -> list[Request]:
    """The seeds of our own candidates: on vLLM both arms then begin with the same draws."""
    return [
        Request(str(row["text"]), spaced_seed(seed, Overgenerate.name, str(row["context_id"]), "parallel"))
        for row in contexts.to_pylist()
    ]


@dataclass(frozen=True)
class Ratio:
    """How many times an opponent's accepted pairs a minute ours are. An opponent's 0 pairs are counted as 1."""

    value: float
    is_bound: bool

    def __str__(self) -> str:
        return f"{'at least ' if self.is_bound else ''}{self.value:.2f}"


def ratio(ours: Sequence[Turn], opponent: Sequence[Turn]) -> Ratio:
    mine, theirs = (sum(sum(turn.final.values()) for turn in turns) for turns in (ours, opponent))
    minutes = [sum(turn.minutes for turn in turns) for turns in (ours, opponent)]
    return Ratio((mine / minutes[0]) / (max(theirs, 1) / minutes[1]), theirs == 0)


def report(turns: Mapping[str, Sequence[Turn]]) -> str:
    """The table, and our ratio to each opponent: of the totals, and the least and largest of the groups."""
    heads = ("arm", "decode s", "cheap s", "judge s", "sentences", "questions", "accepted", "final", "final/min")
    lines = [table(heads, [(arm, *_row(found)) for arm, found in turns.items()]), ""]
    for arm in (PUBLISHED, ON_VLLM):
        parts = sorted((ratio([a], [b]) for a, b in zip(turns[OURS], turns[arm], strict=True)), key=lambda r: r.value)
        total = ratio(turns[OURS], turns[arm])
        lines.append(f"{total} times {arm} (group by group {parts[0]} to {parts[-1]}); {_faster(turns, arm)}")
        if total.is_bound:
            lines.append(f"the final panel kept no pair of {arm}; counted as 1")
    return "\n".join(lines)


def _faster(turns: Mapping[str, Sequence[Turn]], arm: str) -> str:
    """How much sooner ours is through with the same contexts: the part of the ratio that few pairs cannot shake."""
    found = sorted(b.minutes / a.minutes for a, b in zip(turns[OURS], turns[arm], strict=True))
    total = sum(turn.minutes for turn in turns[arm]) / sum(turn.minutes for turn in turns[OURS])
    return f"in time alone {total:.1f} times ({found[0]:.1f} to {found[-1]:.1f})"


def _row(turns: Sequence[Turn]) -> list[object]:
    final = {task: sum(turn.final[task] for turn in turns) for task in turns[0].final}
    shown = " + ".join(f"{count} {task}" for task, count in final.items())
    seconds = [sum(turn.seconds[name] for turn in turns) for name in ("decode", "cheap", "judge")]
    counts = [sum(turn.sentences for turn in turns), sum(turn.questions for turn in turns)]
    rate = sum(final.values()) / sum(turn.minutes for turn in turns)
    return [*seconds, *counts, sum(turn.pairs.num_rows for turn in turns), shown, rate]


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started
