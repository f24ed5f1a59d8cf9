"""A recipe names every choice of a run. TOML in, frozen objects out; everything wrong with it is said at once."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from filters.base import HAS_A_SAY, Panel, Selector
from filters.wellformed import Wellformed
from pipeline.recipe_checks import checks
from pipeline.recipe_errors import NAME, Problem, RecipeError, explain, nearest
from pipeline.recipe_panels import (
    CANDIDATE_FILTER,
    SHIPPED,
    Builder,
    Catalogue,
    panel_names,
    panel_problems,
    put_cheap_first,
)
from pipeline.recipe_sections import Contexts, Corpus, Models, Modes, Params, Rounds, Run, Section, Task
from pipeline.recipe_set import apply
from pipeline.stage import Resources
from pipeline.teacher.decoder import Engine, Sampling
from pipeline.toml_text import toml_text
from student.settings import Training

RECIPES = Path(__file__).parent / "recipes"


class Recipe(Section):
    """All choices of a run. Made by `load`, which also checks what no single key can say."""

    name: str = Field(default="", pattern=NAME)
    """The recipe's name; the file's name where it gives none."""
    description: str = ""
    """What the recipe is for."""
    seed: int = Field(default=0, ge=0, lt=2**62)
    """All random choices of a run come from this number and from content."""
    models: Models = Field(default_factory=Models)
    """Which models play which role."""
    contexts: Contexts = Field(default_factory=Contexts)
    """What candidates are conditioned on."""
    sampling: Sampling = Field(default_factory=Sampling)
    """How candidates are sampled."""
    engine: Engine = Field(default_factory=Engine)
    """How the teacher runs."""
    modes: Modes = Field(default_factory=Modes)
    """How candidates become pairs."""
    candidates: Params = Field(default_factory=dict)
    """Parameters of the wellformed filter, which every candidate passes first."""
    tasks: dict[str, Task] = Field(default_factory=dict)
    """The tasks, by name."""
    corpus: Corpus = Field(default_factory=Corpus)
    """What the kept pairs become."""
    student: Training = Field(default_factory=Training)
    """How a student is trained."""
    rounds: Rounds = Field(default_factory=Rounds)
    """How students write for the next one."""
    run: Run = Field(default_factory=Run)
    """How the stages are run."""

    @property
    def builder(self) -> Builder:
        """Makes filters and selectors that belong to no task."""
        return Builder(self.models, tuple(name for name, task in self.tasks.items() if task.strength == "forward"))

    def builder_of(self, task: str) -> Builder:
        """Makes the filters and selectors of a task."""
        judge, revision = self.judge_of(task)
        models = self.models.model_copy(update={"judge": judge, "judge_revision": revision})
        return replace(self.builder, models=models, frame=self.tasks[task].judge_frame)

    def judge_of(self, task: str) -> tuple[str, str | None]:
        """The judge that a task's panel asks, and its revision."""
        own = self.tasks[task]
        if own.judge is not None:
            return own.judge, own.judge_revision
        return self.models.judge, self.models.judge_revision

    def judges_of(self, task: str) -> tuple[tuple[str, str], ...]:
        """Model and revision of every judge that has a say in a task: a filter may name one of its own."""
        asking = (
            spec
            for spec in (*self.rewrites_panel(task), *self.selectors(task))
            if getattr(spec, "role", None) in HAS_A_SAY
        )
        return tuple(dict.fromkeys((spec.model, spec.revision) for spec in asking))

    def panel(self, task: str, catalogue: Catalogue = SHIPPED) -> Panel:
        """The filters of a task, in order, with their models."""
        return self._panel(task, self.tasks[task].panel, catalogue)

    def rewrites_panel(self, task: str, catalogue: Catalogue = SHIPPED) -> Panel:
        """The filters of what a student writes for a task: the panel's, then those for rewrites alone."""
        return Panel((*self.panel(task, catalogue), *self.rewrites_alone(task, catalogue)))

    def rewrites_alone(self, task: str, catalogue: Catalogue = SHIPPED) -> Panel:
        """The filters of a task that only what a student writes has to pass, in order."""
        return self._panel(task, self.tasks[task].rewrites, catalogue)

    def _panel(self, task: str, tables: Mapping[str, Params], catalogue: Catalogue) -> Panel:
        builder, known = self.builder_of(task), catalogue.filters
        roles = {name: getattr(known[name], "role", None) for name in tables}
        return Panel(tuple(builder.build(known[name], tables[name]) for name in _screens_before_judges(roles)))

    def selectors(self, task: str, catalogue: Catalogue = SHIPPED) -> tuple[Selector, ...]:
        """The selectors of a task, in order."""
        tables, known = self.tasks[task].select, catalogue.selectors
        builder = self.builder_of(task)
        return tuple(builder.build(known[name], params) for name, params in tables.items())

    def candidate_filter(self, catalogue: Catalogue = SHIPPED) -> Wellformed:
        """The filter that every candidate passes before pairs are formed."""
        built: Wellformed = self.builder.build(catalogue.filters[CANDIDATE_FILTER], self.candidates)
        return built

    def resources(self, stage: str) -> Resources:
        """What one worker of the stage needs."""
        needed: Resources = getattr(self.run.resources, stage).resources()
        return replace(needed, section=stage)

    def data(self) -> dict[str, Any]:
        """The recipe as plain data."""
        return self.model_dump(mode="json")

    def fingerprint(self) -> str:
        """blake2b-128 of the recipe as JSON. Key order does not count, save that of filters and selectors."""
        data = self.data()
        for task in data["tasks"].values():
            task.update({name: list(task[name].items()) for name in ("panel", "rewrites", "select")})
        canonical = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()

    def to_toml(self) -> str:
        """The resolved recipe: every value written out. Loads to an equal recipe."""
        return toml_text(self.data())


def _screens_before_judges(roles: Mapping[str, str | None]) -> list[str]:
    """Filters in the order of their tables, but a screen behind the judge is put before it: it is there to spare it,
    and `--set` adds a table last. `roles`: what model each filter is given."""
    names = list(roles)
    judge = next((place for place, name in enumerate(names) if roles[name] == "judge"), len(names))
    late = [name for name in names[judge:] if roles[name] == "screen"]
    return [*names[:judge], *late, *(name for name in names[judge:] if name not in late)]


def load(name_or_path: str | Path, overrides: Sequence[str] = (), catalogue: Catalogue = SHIPPED) -> Recipe:
    """A shipped recipe by name, or any by path, with SET changes. RecipeError lists all that is wrong."""
    path = _find(str(name_or_path))
    source = path.name if path.parent == RECIPES else str(path)
    data = _read(path, source)
    data.setdefault("name", path.stem)
    before = panel_names(data)
    problems = apply(data, overrides)
    put_cheap_first(data, before, catalogue)
    recipe, bad = _validated(data)
    problems += bad
    problems += [found for found in checks(recipe) if not found.touches(problems)]
    recipe, bad = _resolved(recipe, catalogue)
    problems += [found for found in bad if not found.touches(problems)]
    if problems:
        raise RecipeError(source, [str(found) for found in problems])
    return recipe


def shipped_names() -> list[str]:
    """The recipes that come with the project."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def _find(name: str) -> Path:
    if name in shipped_names():
        return RECIPES / f"{name}.toml"
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise RecipeError(name, ["no such file; give a path to a .toml, or one of " + ", ".join(shipped_names())])
    near = nearest(name, shipped_names())
    known = ", ".join(shipped_names())
    raise RecipeError(name, [f"no such recipe; nearest is {near}; there are {known}, or give a path to a .toml"])


def _read(path: Path, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RecipeError(source, [f"byte {error.start} is not UTF-8; save the file as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(source, [f"is not TOML: {error}"]) from None
    except OSError as error:
        raise RecipeError(source, [f"cannot be read: {error.strerror}"]) from None


def _validated(data: dict[str, Any]) -> tuple[Recipe, list[Problem]]:
    """The recipe that is left when every wrong key is taken out, so that one mistake does not hide another."""
    problems: list[Problem] = []
    while True:
        try:
            return Recipe.model_validate_json(json.dumps(data, default=str), strict=True), problems
        except ValidationError as error:
            for each in error.errors():
                problems.append(explain(each, Recipe))
                _drop(data, each["loc"])


def _drop(data: dict[str, Any], steps: Sequence[str | int]) -> None:
    """Take out the innermost key of `steps` that there is; of a list, the whole list."""
    here: Any = data
    table, key = data, steps[0]
    for step in steps:
        if not isinstance(here, dict) or step not in here:
            break
        table, key, here = here, step, here[step]
    del table[str(key)]


def _resolved(recipe: Recipe, catalogue: Catalogue) -> tuple[Recipe, list[Problem]]:
    """The recipe with every filter's and selector's defaults written out."""
    wellformed = catalogue.filters[CANDIDATE_FILTER]
    candidates, problems = recipe.builder.resolve(wellformed, recipe.candidates, ("candidates",))
    tasks: dict[str, Task] = {}
    for name, task in recipe.tasks.items():
        path, builder = ("tasks", name), recipe.builder_of(name)
        panel, bad_panel = builder.resolve_all(task.panel, catalogue.filters, (*path, "panel"))
        rewrites, bad_rewrites = builder.resolve_all(task.rewrites, catalogue.filters, (*path, "rewrites"))
        select, bad_select = builder.resolve_all(task.select, catalogue.selectors, (*path, "select"))
        tasks[name] = task.model_copy(update={"panel": panel, "rewrites": rewrites, "select": select})
        problems += [*bad_panel, *bad_rewrites, *panel_problems(task, catalogue, path), *bad_select]
    return recipe.model_copy(update={"tasks": tasks, "candidates": candidates}), problems
