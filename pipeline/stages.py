"""A recipe's stages, in order, and what each reads: the plan that the runner walks.

contexts -> candidates -> pairs -> scores -> corpus
(or, for pairs that the user brings)  pairs -> scores -> corpus
"""

import os
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import torch

from filters.nli_back_ends import why_not_int8
from pipeline.assemble import Assemble
from pipeline.contexts import TeacherContexts, slots
from pipeline.errors import UserError
from pipeline.judge import JudgePairs
from pipeline.overgenerate import Overgenerate
from pipeline.pair import FormPairs
from pipeline.plan import FoldStep, Input, MapStep, Read, Step
from pipeline.recipe import Recipe
from pipeline.stage import Resources
from pipeline.teacher.choose import decoder
from pipeline.teacher.decoder import Decoder
from pipeline.text_contexts import CutContexts, entries
from pipeline.user_pairs import BroughtPairs, brought
from pipeline.windows import cut_source

ORDER = ("student", "contexts", "candidates", "pairs", "scores", "corpus", "monitors")
TEACHER_ROUND = 0


def teacher_steps(recipe: Recipe) -> list[Step]:
    """All of round 0 from contexts to corpus."""
    return [*generate_steps(recipe), *filter_steps(recipe)]


def filter_steps(recipe: Recipe) -> list[Step]:
    """Candidates that are there to a corpus."""
    panels = {name: recipe.panel(name) for name in recipe.tasks}
    needs = recipe.resources("pairs")
    stage = FormPairs(panels, recipe.candidate_filter(), device=_device(needs), resources=needs)
    return [MapStep(TEACHER_ROUND, stage, Read(TEACHER_ROUND, "candidates")), *_after_pairs(recipe)]


def brought_steps(recipe: Recipe, file: Path) -> list[Step]:
    """The user's own pairs to a corpus: no teacher is needed."""
    panels = {name: recipe.panel(name) for name in recipe.tasks}
    needs = recipe.resources("pairs")
    stage = BroughtPairs(panels, recipe.candidate_filter(), device=_device(needs), resources=needs)
    tables = tuple(Input.planned(table) for table in brought(file, list(recipe.tasks)))
    return [MapStep(TEACHER_ROUND, stage, tables), *_after_pairs(recipe)]


def generate_steps(recipe: Recipe) -> list[Step]:
    teacher = decoder(recipe.models.teacher, recipe.models.teacher_revision or "", recipe.engine)
    return [
        _contexts(recipe, teacher),
        MapStep(
            TEACHER_ROUND,
            Overgenerate(
                *(teacher, recipe.sampling, recipe.modes, recipe.candidate_filter(), recipe.seed),
                resources=recipe.resources("candidates"),
            ),
            Read(TEACHER_ROUND, "contexts"),
        ),
    ]


def _contexts(recipe: Recipe, teacher: Decoder) -> MapStep:
    """The teacher's own contexts, or windows of the user's text."""
    settings, size, needs = recipe.contexts, recipe.run.shard_contexts, recipe.resources("contexts")
    if settings.source == "teacher":
        stage = TeacherContexts(teacher, settings, recipe.seed, needs)
        return MapStep(TEACHER_ROUND, stage, _planned(slots(settings.count, size)))
    cut = entries(cut_source(settings, recipe.seed), size)
    return MapStep(TEACHER_ROUND, CutContexts(settings, recipe.seed, needs), _planned(cut))


def _planned(tables: Iterable[pa.Table]) -> tuple[Input, ...]:
    return tuple(Input.planned(table) for table in tables)


def _after_pairs(recipe: Recipe) -> list[Step]:
    panels = {name: recipe.panel(name) for name in recipe.tasks}
    needs = recipe.resources("scores")
    judge = JudgePairs(panels, device=_device(needs), resources=needs)
    corpus = Assemble({name: recipe.selectors(name) for name in recipe.tasks}, recipe.corpus, needs)
    reads = {name: Read(TEACHER_ROUND, name) for name in ("pairs", "scores")}
    return [MapStep(TEACHER_ROUND, judge, reads["pairs"]), FoldStep(TEACHER_ROUND, corpus, reads)]


def _device(needs: Resources) -> str:
    """The filters' models run on a GPU where their stage reserves one."""
    return "cuda" if needs.gpus > 0 else "cpu"


def check_devices(recipe: Recipe, steps: Iterable[Step]) -> None:
    """Refuse a GPU that is not here before anything is loaded. Ray looks for it on all its machines, by itself."""
    if recipe.run.backend != "local" or torch.cuda.is_available():
        return
    asking = [step.stage.name for step in steps if isinstance(step, MapStep) and step.stage.resources.gpus]
    if asking:
        changes = " ".join(f"run.resources.{stage}.gpus=0" for stage in asking)
        raise UserError(
            f"recipe {recipe.name}: {', '.join(asking)} ask for a GPU, and there is no CUDA device here: "
            f"add SET='{changes}', or run where there is one"
        )


def check_arithmetic(recipe: Recipe) -> None:
    """Refuse int8 where it cannot be computed, before anything is loaded. Of a cluster only the device is known."""
    device, cluster = _device(recipe.resources("scores")), recipe.run.backend == "ray" and "RAY_ADDRESS" in os.environ
    asked = [
        (f"tasks.{task}.{part}.{spec.name}.back_end", getattr(spec, "device", device))
        for task in recipe.tasks
        for part, specs in (("panel", recipe.panel(task)), ("select", recipe.selectors(task)))
        for spec in specs
        if getattr(spec, "back_end", "") == "int8"
    ]
    for key, own in asked:
        if not (cluster and own == "cpu") and (reason := why_not_int8(own)):
            raise UserError(f'recipe {recipe.name}: {key}: int8 cannot be had, {reason}: take "auto"')


def check_models(steps: Iterable[Step]) -> None:
    """Look for every model of the plan before one is loaded: what is not there is said now, not in an hour."""
    for step in steps:
        step.stage.spec()


def check_selectors(recipe: Recipe) -> None:
    """Refuse test sets and tables that cannot be read before anything is loaded, not hours later."""
    for task in recipe.tasks:
        for selector in recipe.selectors(task):
            if check := getattr(selector, "check", None):
                check()
