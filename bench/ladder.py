"""From the procedure as published to ours, one repair at a time: which accepted pairs each repair adds and removes.

The first rung is the published procedure itself (bench/published.py); the last must accept exactly what the pipeline's
own stages accept. Repairs act on each other, so a repair's figures hold for its place in this order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from bench import published
from bench.machine import table
from bench.procedure import Components, Key, Procedure, PublishedNumbers, Rows, Walk, usable
from filters.base import Filter, Selector
from filters.duplicates import Duplicates
from filters.entailment import Entailment, ReverseEntailment
from filters.length import Length
from filters.overlap import Overlap
from pipeline.errors import UserError
from pipeline.recipe import Recipe

FORWARD, REVERSE = Entailment.name, ReverseEntailment.name
READ = 0.9
"""Where nli-minilm's paraphrases were read right three times of four (data/models/nli-minilm)."""
Step = tuple[str, Procedure]
"""A repair's name, and the procedure with it and all before it in place."""


@dataclass(frozen=True)
class Rung:
    """What is accepted once a repair is in place. `questions`: distinct ones that the panels put to the judge."""

    repair: str
    accepted: frozenset[Key]
    questions: int


def climb(recipe: Recipe, contexts: Mapping[str, Rows], as_run: frozenset[Key]) -> list[Rung]:
    """The ladder. `as_run`: what the published procedure accepted with its own way of asking the judge."""
    walk = Walk(contexts)
    questions = sum(_questions(rows) for rows in contexts.values())
    rungs = [Rung("as published", as_run, questions)]
    ask = walk.ask(judge_of(recipe))
    rungs.append(Rung("answers from our judge's runner", as_published(recipe, contexts, ask), questions))
    rungs += [Rung(name, *walk.accepted(procedure)) for name, procedure in repairs(recipe, walk)]
    return rungs


def as_published(recipe: Recipe, contexts: Mapping[str, Rows], ask: published.Ask) -> frozenset[Key]:
    """What bench/published.py accepts, of the recipe's tasks."""
    return frozenset(
        (context, task, *pair)
        for context, rows in contexts.items()
        for task, pairs in published.accepted(published.cut([row["text"] for row in rows]), ask).items()
        for pair in pairs
        if task in recipe.tasks
    )


def _questions(rows: Rows) -> int:
    sentences = len(published.cut([row["text"] for row in rows]))
    return sentences * (sentences - 1)


def one_judge(recipe: Recipe) -> Recipe:
    """The recipe with its first judge for all tasks, as the published procedure has it: both sides ask the same one.

    A task that had another judge has the threshold that was read for the embedded first one.
    """
    tasks = dict(recipe.tasks)
    for name, task in recipe.tasks.items():
        if task.judge:
            asks = {FORWARD, REVERSE} & task.panel.keys()
            panel = task.panel | {each: task.panel[each] | {"min_probability": READ} for each in asks}
            tasks[name] = task.model_copy(update={"judge": None, "judge_revision": None, "panel": panel})
    return recipe.model_copy(update={"tasks": tasks})


def judge_of(recipe: Recipe) -> Entailment:
    """The recipe's judge."""
    found = (spec for task in recipe.tasks for spec in recipe.panel(task) if type(spec) is Entailment)
    spec = next(found, None)
    if spec is None:
        raise UserError(f"bench: recipe {recipe.name} has no entailment filter: there is nothing to compare")
    return replace(spec, min_probability=published.MIN_PROBABILITY)


def repairs(recipe: Recipe, walk: Walk) -> Iterator[Step]:
    """The published procedure and every repair after it, up to the recipe itself."""
    now = _published(recipe, walk)
    yield "cheap filters before the judge", now
    now = replace(now, both_orders=True)
    yield "both orders of every pair", now
    for title, now in _numbers(recipe, now):  # noqa: B020
        yield title, now
    now = now.selectors_last()
    yield "selectors last: no filter after them", now
    for title, now in _selection(recipe, now, walk):  # noqa: B020
        yield title, now
    for title, now in _filters(recipe, now):  # noqa: B020
        yield title, now
    now = replace(now, sentences=usable(recipe.candidate_filter()))
    yield "candidates well formed, not copied from the context", now
    yield "a pair of several contexts counts once", replace(now, once=True)


def _published(recipe: Recipe, walk: Walk) -> Procedure:
    panels, last = {}, {}
    for name in recipe.tasks:
        if name not in published.TASKS:
            raise UserError(f"bench: task {name}: published are {', '.join(published.TASKS)}; leave it out")
        panels[name] = _panel(published.TASKS[name], judge_of(recipe))
        last[name] = {"numbers": PublishedNumbers()} if published.TASKS[name].checks_numbers else {}
    algorithm: tuple[Selector, ...] = (Components(walk.ask(judge_of(recipe))),)
    selectors = dict.fromkeys(recipe.tasks, algorithm)
    return Procedure(lambda rows: published.cut([row["text"] for row in rows]), panels, last, selectors)


def _panel(task: published.PublishedTask, judge: Entailment) -> dict[str, Filter]:
    """A task's filters as published."""
    bounds = {name: getattr(task, name) for name in ("min_ratio", "max_ratio", "below_ratio")}
    found: dict[str, Filter] = {"length": Length(**{n: b for n, b in bounds.items() if 0 < b < float("inf")})}
    if task.max_rouge_l < 1.0:
        found["overlap"] = Overlap(max_rouge_l=task.max_rouge_l)
    found[FORWARD] = judge
    if task.both_ways:
        found[REVERSE] = ReverseEntailment(**{each.name: getattr(judge, each.name) for each in fields(judge)})
    return found


def _numbers(recipe: Recipe, now: Procedure) -> Iterator[Step]:
    """First the figures where the published procedure looks at them too, then those of the other tasks."""
    for checked, title in ((True, "figures read in full, both ways"), (False, "figures of the other task too")):
        tasks = [task for task in recipe.tasks if published.TASKS[task].checks_numbers is checked]
        specs = {task: _spec(recipe, task, "numbers") for task in tasks}
        if any(specs.values()) or checked:
            now = now.with_filters("numbers", specs)
            yield f"{title}: {' and '.join(tasks)}", now


def _selection(recipe: Recipe, now: Procedure, walk: Walk) -> Iterator[Step]:
    """From Algorithm 1 to the recipe's selectors."""
    forward = frozenset(name for name, task in recipe.tasks.items() if task.strength == "forward")
    ours = {task: recipe.selectors(task) for task in recipe.tasks}
    components = Components(walk.ask(judge_of(recipe)), forward_tasks=forward)
    steps: Sequence[tuple[str, Mapping[str, tuple[Selector, ...]]]] = (
        ("a summary's strength is its forward probability", dict.fromkeys(ours, (components,))),
        ("mutual edges", dict.fromkeys(ours, (replace(components, mutual=True),))),
        ("guard on a component's width", _only(ours, sentence_once=False, min_cosine=-1.0)),
        ("no link between sentences far apart", _only(ours, sentence_once=False)),
        ("a sentence in one pair of a task", _only(ours)),
        ("the recipe's other selectors", ours),
    )
    for title, selectors in steps:
        if selectors != now.selectors:
            now = replace(now, selectors=selectors)
            yield title, now


def _only(found: Mapping[str, Sequence[Selector]], **changes: Any) -> dict[str, tuple[Selector, ...]]:
    """The recipe's selectors of like meanings, with changes."""
    return {
        task: tuple(replace(each, **changes) for each in selectors if isinstance(each, Duplicates))
        for task, selectors in found.items()
    }


def _filters(recipe: Recipe, now: Procedure) -> Iterator[Step]:
    """Every filter that differs from the published one, in the recipe's order, the judge's thresholds last."""
    wanted = [name for task in recipe.tasks for name in recipe.tasks[task].panel]
    had = [name for panel in now.panels.values() for name in panel]
    names = list(dict.fromkeys(name for name in (*wanted, *had) if name not in (FORWARD, REVERSE)))
    for name in names:
        after = now.with_filters(name, {task: _spec(recipe, task, name) for task in recipe.tasks})
        if after != now:
            now = after
            yield f"filter {name}", now
    for name in (FORWARD, REVERSE):
        now = now.with_filters(name, {task: _spec(recipe, task, name) for task in recipe.tasks})
    yield f"the judge's thresholds: {_thresholds(recipe)}", now


def _spec(recipe: Recipe, task: str, name: str) -> Filter | None:
    return next((spec for spec in recipe.panel(task) if spec.name == name), None)


def _thresholds(recipe: Recipe) -> str:
    found = {
        task: [s.min_probability for s in recipe.panel(task) if isinstance(s, Entailment)] for task in recipe.tasks
    }
    return ", ".join(f"{task} {' and '.join(map(str, values))}" for task, values in found.items())


def report(rungs: Sequence[Rung], tasks: Sequence[str]) -> str:
    """One line a rung: what it adds, removes and leaves, by task."""
    heads = ["repair", *(f"{task} {what}" for task in tasks for what in ("+", "-", "accepted")), "questions"]
    before = rungs[0].accepted
    lines = []
    for rung in rungs:
        lines.append([rung.repair, *_changes(before, rung.accepted, tasks), rung.questions])
        before = rung.accepted
    return table(heads, lines)


def _changes(before: frozenset[Key], after: frozenset[Key], tasks: Sequence[str]) -> Iterator[int]:
    for task in tasks:
        old, new = ({key for key in found if key[1] == task} for found in (before, after))
        yield from (len(new - old), len(old - new), len(new))
