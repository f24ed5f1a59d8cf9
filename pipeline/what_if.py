"""What a run's funnel would be with other thresholds, from the scores that are stored: no model is loaded.

Exact wherever the stored scores say it. Where a model or a cheap filter would have to be asked: bounds, and the number
of pairs in question. A change that no stored score can tell of (another judge, another way to score) is refused.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from filters.base import Filter
from pipeline.assemble import Assemble
from pipeline.errors import UserError
from pipeline.funnel import levels
from pipeline.judge import JudgePairs
from pipeline.pair import FormPairs, judge_spec
from pipeline.plan import spec_changes
from pipeline.progress import add_counts
from pipeline.recipe import Recipe, load
from pipeline.shard import Header, canonical, fingerprint
from pipeline.span import Span, SpanLevel
from pipeline.status import run_status
from pipeline.store import Run
from pipeline.stored_scores import ROUND, Stored, stored
from pipeline.thresholds import former, not_thresholds
from pipeline.what_if_filters import Params, Unseen, Verdicts, pairs_level, scores_level, unseen, verdicts
from pipeline.what_if_selectors import Chosen, chosen, corpus_level, graph_questions

DECIDED_BEFORE = ("seed", "models.teacher", "models.judge", "models.encoder", "contexts", "sampling", "engine", "modes")
"""Keys of a recipe that decide what is written, or which model scores it."""
JUDGE = re.compile(r"tasks\.\w+\.judge")

Orders = Mapping[str, Sequence[str]]
"""Names of filters by task, as they come."""


@dataclass(frozen=True)
class Wanted:
    """The stages as they would be."""

    pairs: FormPairs
    scores: JudgePairs
    corpus: Assemble


@dataclass(frozen=True)
class WhatIf:
    """The funnel that would be; by task how many pairs a model would be asked about, and the verdicts behind it."""

    funnel: tuple[SpanLevel, ...]
    asked_at_most: Mapping[str, int]
    verdicts: Mapping[str, Verdicts]

    def level(self, stage: str, task: str) -> SpanLevel:
        return next(level for level in self.funnel if (level.stage, level.task) == (stage, task))

    def questions_at_most(self, task: str) -> int | None:
        """What the task's graphs can ask the judge; None where pairs may come that were never seen: in which contexts
        they would be is not stored, and without it nothing bounds the questions."""
        if not self.level("pairs", task).left.exact:
            return None
        seen = self.verdicts[task]
        return graph_questions(seen.rows, seen.possible())

    @property
    def accepted(self) -> dict[str, Span]:
        return {level.task: level.left for level in self.funnel if level.stage == "corpus"}


def wanted_by(recipe: Recipe) -> Wanted:
    """The stages of a recipe, as pipeline/stages.py makes them, without what decides only speed."""
    panels = {name: recipe.panel(name) for name in recipe.tasks}
    corpus = Assemble({name: recipe.selectors(name) for name in recipe.tasks}, recipe.corpus)
    return Wanted(FormPairs(panels, recipe.candidate_filter()), JudgePairs(panels), corpus)


def check_recipe(run: Run, recipe: Recipe) -> None:
    """Refuse changes of what comes before the pairs, and of the models."""
    before = load(run.recipe_file).data() if run.recipe_file.exists() else recipe.data()
    for change in spec_changes(before, recipe.data()):
        if change.startswith(DECIDED_BEFORE) or JUDGE.match(change):
            raise _untold(run, change)


def what_if(run: Run, wanted: Wanted) -> WhatIf:
    found = stored(run)
    for change in _untellable(found, wanted):
        raise _untold(run, change)
    earlier = chosen(run, found)
    tasks = {task: _Task(task, found, wanted) for task in sorted(wanted.scores.tasks)}
    judged = {name: task.scores() for name, task in tasks.items()}
    funnel = [
        *_unmoved(run, tasks.keys()),
        *(task.pairs() for task in tasks.values()),
        *(level for level, _ in judged.values()),
        *(task.corpus(earlier) for task in tasks.values()),
    ]
    asked = {name: pairs for name, (_, pairs) in judged.items()}
    return WhatIf(tuple(funnel), asked, {name: task.seen for name, task in tasks.items()})


class _Task:
    """One task of a run under the wanted thresholds."""

    def __init__(self, name: str, found: Stored, wanted: Wanted) -> None:
        self.name, self.wanted, panel = name, wanted, wanted.scores.tasks[name]
        self.counts = add_counts(header.counts for header in found.pairs)
        self.seen: Verdicts = verdicts(found.task(name), panel)
        dropped = {key.rpartition("/")[2]: n for key, n in self.counts.items() if key.startswith(f"{name}/dropped/")}
        self.unseen: Unseen = unseen(panel, _tasks_of(found.pairs[0])[name], dropped)

    def pairs(self) -> SpanLevel:
        return pairs_level(self.name, self.counts.get(f"{self.name}/in", 0), self.seen, self.unseen)

    def scores(self) -> tuple[SpanLevel, int]:
        return scores_level(self.name, self.seen, self.unseen.most)

    def corpus(self, earlier: Chosen | None) -> SpanLevel:
        stage = self.wanted.corpus
        before = earlier.by(self.name, stage) if earlier else None
        passing = (self.seen.certain(), self.seen.possible())
        cap = stage.settings.max_pairs_per_context
        selectors = stage.selectors[self.name]
        return corpus_level(self.name, self.seen.rows, passing, self.unseen.most, selectors, before, cap)


def _unmoved(run: Run, tasks: Collection[str]) -> Iterator[SpanLevel]:
    """The lines of the funnel that no threshold moves."""
    stages = {status.stage: status for status in run_status(run) if status.round == ROUND}
    for level in levels(stages[name] for name in ("contexts", "candidates", "pairs") if name in stages):
        if level.task not in tasks:
            dropped = {name: Span.exactly(number) for name, number in level.dropped.items()}
            yield SpanLevel(level.stage, level.task, Span.exactly(level.entered), Span.exactly(level.left), dropped)


def _untellable(found: Stored, wanted: Wanted) -> Iterator[str]:
    """What differs from the recipe of the stored scores and is no threshold."""
    if len({canonical(header.spec) for header in found.pairs}) > 1:
        yield "its pairs were formed by two recipes"
    if wanted.pairs.spec()["wellformed"] != found.pairs[0].spec["wellformed"]:
        yield from spec_changes({"candidates": found.pairs[0].spec["wellformed"]}, {"candidates": _wellformed(wanted)})
    for task, panel in wanted.pairs.tasks.items():
        before = _tasks_of(found.pairs[0]).get(task)
        if before is None:
            yield f"tasks.{task}: no pairs were formed for it"
            return
        for spec in panel.of_cost("cheap"):
            yield from _cheap_changes(f"tasks.{task}.panel.{spec.name}", spec, before.get(spec.name))
    facts, moved = fingerprint(wanted.scores.facts()), wanted.scores.thresholds()
    for header in found.scores:
        if header.facts != facts:
            changes = spec_changes(header.spec, wanted.scores.spec())
            others = (change for change in changes if change.partition(":")[0].removeprefix("tasks.") not in moved)
            yield next(others, "other models")
    for stage, headers in ((wanted.pairs, found.pairs), (wanted.scores, found.scores)):
        yield from _reordered(headers[0].spec.get("order", {}), stage.spec()["order"])  # type: ignore[arg-type]


def _reordered(before: Orders, now: Orders) -> Iterator[str]:
    """Filters that come in another order than the stored rows were asked in: others would be dropped by others."""
    for task in sorted({*before} & {*now}):
        was = [name for name in before[task] if name in now[task]]
        wanted = [name for name in now[task] if name in before[task]]
        if was != wanted:
            yield f"tasks.{task}.panel, in this order: {', '.join(was)} -> {', '.join(wanted)}"


def _wellformed(wanted: Wanted) -> object:
    return wanted.pairs.spec()["wellformed"]


def _cheap_changes(path: str, spec: Filter, before: Mapping[str, object] | None) -> Iterator[str]:
    if before is None:
        yield f"{path}: a filter that has no stored scores"
        return
    now = judge_spec(spec)
    for field in not_thresholds(former(spec, before), former(spec, now)):
        yield f"{path}.{field}: {canonical(before.get(field))} -> {canonical(now[field])}"


def _tasks_of(header: Header) -> Mapping[str, Params]:
    tasks: Mapping[str, Params] = header.spec["tasks"]  # type: ignore[assignment]
    return tasks


def _untold(run: Run, change: str) -> UserError:
    return UserError(
        f"run {run.name!r}: a dry run moves thresholds of stored scores, which cannot tell of this: {change}: "
        "leave it out, or run without --dry-run"
    )
