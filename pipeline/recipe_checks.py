"""What no single key can say: values of a recipe that do not go together."""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.recipe_errors import Problem, problem
from pipeline.recipe_sections import Contexts, Corpus

if TYPE_CHECKING:
    from pipeline.recipe import Recipe

EMBEDDED = {
    "teacher": ("smollm2-135m-instruct",),
    "judge": ("nli-minilm", "nli-mpnet"),
    "encoder": ("all-minilm-l6-v2",),
    "fluency": ("smollm2-135m-instruct",),
    "parser": ("en-core-web-sm",),
}
"""The models of each role that come with the project."""

_NAME = re.compile(r"[A-Za-z0-9_]+")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def checks(recipe: "Recipe") -> Iterator[Problem]:
    """Every impossible combination, each with the keys it is about."""
    yield from _models(recipe)
    yield from _contexts(recipe.contexts)
    yield from _sampling(recipe)
    yield from _modes(recipe)
    yield from _tasks(recipe)
    yield from _rounds(recipe)
    yield from _corpus(recipe.corpus)


def _models(recipe: "Recipe") -> Iterator[Problem]:
    roles = ("teacher", "judge", "encoder", "fluency", "parser", "student")
    named = [(role, f"models.{role}", str(getattr(recipe.models, role))) for role in roles]
    named += [("judge", f"tasks.{name}.judge", task.judge) for name, task in recipe.tasks.items() if task.judge]
    for role, key, ref in named:
        if ref.startswith("embedded:"):
            if role in EMBEDDED and ref.removeprefix("embedded:") not in EMBEDDED[role]:
                there = " and ".join(f"embedded:{name}" for name in EMBEDDED[role])
                yield problem(key, f"no embedded {role} {ref!r}; there is {there}")
        elif not _HUB_ID.fullmatch(ref) and not ref.startswith(("/", "./", "../", "~/")):
            yield problem(key, f"got {ref!r}; wanted embedded:NAME, a hub id (org/name), or a folder (/x, ./x, ~/x)")


def _contexts(contexts: Contexts) -> Iterator[Problem]:
    if contexts.min_sentences > contexts.max_sentences:
        low, high = contexts.min_sentences, contexts.max_sentences
        yield problem(
            "contexts.min_sentences", f"{low} is more than max_sentences {high}; lower it", "contexts.max_sentences"
        )
    for closing in contexts.closings:
        if not closing or closing != closing.strip():
            yield problem("contexts.closings", f"got {closing!r}; wanted words, without a space before or behind them")
    teacher = contexts.teacher
    needs = {"dateline": ("places", "outlets"), "lines": ("lines",), "none": ()}
    for name in needs[teacher.style] if contexts.source == "teacher" else ():
        if not getattr(teacher, name):
            style = "contexts.teacher.style"
            yield problem(f"contexts.teacher.{name}", f'is empty, and style = "{teacher.style}" draws from it', style)


def _sampling(recipe: "Recipe") -> Iterator[Problem]:
    sampling, limits = recipe.sampling, recipe.sampling.constraints
    if sampling.n < 2:
        yield problem("sampling.n", f"got {sampling.n}; wanted 2 or more, since a pair takes two candidates")
    if sampling.temperature == 0:
        yield problem("sampling.temperature", "0 makes all candidates of a context equal; use 0.3 to 1.0")
    if sampling.min_tokens > sampling.max_tokens:
        text = f"{sampling.min_tokens} is more than max_tokens {sampling.max_tokens}; lower it"
        yield problem("sampling.min_tokens", text, "sampling.max_tokens")
    if sampling.max_tokens >= recipe.engine.max_context_tokens:
        text = f"{sampling.max_tokens} leaves no room in engine.max_context_tokens {recipe.engine.max_context_tokens}"
        yield problem("sampling.max_tokens", f"{text}; lower it", "engine.max_context_tokens")
    used = [name for name in ("regex", "grammar", "choice") if getattr(limits, name)]
    if len(used) > 1:
        keys = [f"sampling.constraints.{name}" for name in used]
        yield problem(keys[0], f"{', '.join(used)} are given together; keep one of them", *keys[1:])
    for token, bias in limits.logit_bias.items():
        if not math.isfinite(bias):
            yield problem("sampling.constraints.logit_bias", f"{token!r} has {bias}; wanted a finite number")


def _modes(recipe: "Recipe") -> Iterator[Problem]:
    sources, n = recipe.modes.sequential.sources, recipe.sampling.n
    if sources > n:
        text = f"{sources} is more than the sampling.n {n} candidates of a context; lower it"
        yield problem("modes.sequential.sources", text, "sampling.n")


def _tasks(recipe: "Recipe") -> Iterator[Problem]:
    if not recipe.tasks:
        yield problem("tasks", "there is none; add a [tasks.NAME] section")
    for name, task in recipe.tasks.items():
        if not _NAME.fullmatch(name):
            yield problem(f"tasks.{name}", "a task's name has letters, digits and _ only; rename it")
        if not task.instruction.strip():
            text = 'is missing; say what the student reads before the source, such as "summarize: "'
            yield problem(f"tasks.{name}.instruction", text)
        if task.judge_revision and not task.judge:
            yield problem(f"tasks.{name}.judge_revision", f"belongs to no judge; name one in tasks.{name}.judge")


def _rounds(recipe: "Recipe") -> Iterator[Problem]:
    for name in recipe.rounds.tasks:
        if name not in recipe.tasks:
            yield problem("rounds.tasks", f"no task {name!r}; wanted some of {', '.join(recipe.tasks)}")


def _corpus(corpus: Corpus) -> Iterator[Problem]:
    shares = corpus.splits
    for name, share in shares.items():
        if not _NAME.fullmatch(name):
            yield problem(f"corpus.splits.{name}", "a split's name has letters, digits and _ only; rename it")
        if not 0 <= share <= 1:
            yield problem(f"corpus.splits.{name}", f"got {share}; wanted a share from 0 to 1")
    if not math.isclose(math.fsum(shares.values()), 1, abs_tol=1e-6):
        shown = " + ".join(f"{share:g}" for share in shares.values()) or "nothing"
        yield problem("corpus.splits", f"{shown} is not 1; the shares must sum to 1", *_under("corpus.splits", shares))
    for name in ("compression_edges", "novelty_edges"):
        edges: Sequence[float] = getattr(corpus, name)
        if not all(low < high for low, high in pairwise(edges)) or not all(map(math.isfinite, edges)):
            yield problem(f"corpus.{name}", f"got {list(edges)}; wanted numbers that rise")


def _under(key: str, names: dict[str, float]) -> list[str]:
    return [f"{key}.{name}" for name in names]
