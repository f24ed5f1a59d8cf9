"""A recipe's tables of filters and selectors, as the objects of the catalogue."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from filters import FILTERS, SELECTORS
from filters.base import Filter, Selector
from pipeline.recipe_errors import Path, Problem, explain, nearest, problem
from pipeline.recipe_sections import Models, Params, Task

CANDIDATE_FILTER = "wellformed"
"""The filter whose parameters stand in [candidates]."""


@dataclass(frozen=True)
class Catalogue:
    """Which filters and selectors a recipe may name."""

    filters: Mapping[str, type[Filter]]
    selectors: Mapping[str, type[Selector]]


SHIPPED = Catalogue(FILTERS, SELECTORS)
"""The filters and selectors of this project."""


@dataclass(frozen=True)
class Builder:
    """Makes filters and selectors of their tables; what a table leaves out may come from the rest of the recipe.

    A model goes to the filters of its role. `one_way_tasks` are those whose strength is "forward".
    """

    models: Models
    one_way_tasks: tuple[str, ...] = ()
    frame: str = ""

    def build(self, kind: type[Any], params: Params) -> Any:
        """Goes through JSON, where strict pydantic takes a list for a tuple and still no text for a number."""
        own = {"model", "revision"} if "model" in params else set()  # a revision belongs to its model
        shared = {name: value for name, value in self._shared(kind).items() if name not in own and value is not None}
        return TypeAdapter(kind).validate_json(json.dumps({**shared, **params}, default=str), strict=True)

    def _shared(self, kind: type[Any]) -> Params:
        """The values of the recipe that the kind has a field for."""
        role = str(getattr(kind, "role", None))
        values: Params = {
            "one_way_tasks": self.one_way_tasks,
            "frame": self.frame,
            "encoder": self.models.encoder,
            "encoder_revision": self.models.encoder_revision,
        }
        if role in Models.model_fields:
            values.update(model=getattr(self.models, role), revision=getattr(self.models, f"{role}_revision", None))
        return {field.name: values[field.name] for field in dataclasses.fields(kind) if field.name in values}

    def resolve(self, kind: type[Any], params: Params, path: Path) -> tuple[Params, list[Problem]]:
        """One table with its defaults written out, so that a later default cannot change an old run; and what is wrong.

        What comes from the rest of the recipe is not written into it: there it can still be changed.
        """
        try:
            fields = TypeAdapter(kind).dump_python(self.build(kind, params), mode="json")
        except ValidationError as error:
            return params, [explain(each, kind, path) for each in error.errors()]
        shared = self._shared(kind)
        kept = (name for name, value in fields.items() if value is not None and (name in params or name not in shared))
        return {name: fields[name] for name in kept}, []

    def resolve_all(
        self, tables: Mapping[str, Params], known: Mapping[str, type[Any]], path: Path
    ) -> tuple[dict[str, Params], list[Problem]]:
        """Every table of a panel or of select, in order."""
        resolved: dict[str, Params] = {}
        problems: list[Problem] = []
        for name, params in tables.items():
            if name in known:
                resolved[name], bad = self.resolve(known[name], params, (*path, name))
                problems += bad
            else:
                problems.append(_no_such(name, known, path))
        return resolved, problems


def _no_such(name: str, known: Mapping[str, Any], path: Path) -> Problem:
    what = "selector" if path[-1] == "select" else "filter"
    return problem(".".join((*path, name)), f"unknown {what}; nearest is {nearest(name, sorted(known))}")


def panel_names(data: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(task, filter) of every panel in a recipe's data as it was read, unchecked."""
    return {(task, name) for task, panel in _panels(data) for name in panel}


def put_cheap_first(data: Mapping[str, Any], before: set[tuple[str, str]], catalogue: Catalogue) -> None:
    """Where SET has added cheap filters, so at the end of a panel, those behind a model go in front of it."""
    for task, panel in _panels(data):
        cheap = [name for name in panel if _cost(catalogue, name) == "cheap"]
        names = list(panel)
        first = next((place for place, name in enumerate(names) if _cost(catalogue, name) == "model"), len(names))
        if not any((task, name) not in before for name in cheap):
            continue
        late = [name for name in names[first:] if name in cheap]
        ordered = [*names[:first], *late, *(name for name in names[first:] if name not in late)]
        tables = dict(panel)
        panel.clear()
        panel.update((name, tables[name]) for name in ordered)


def _panels(data: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    tasks = data.get("tasks")
    for name, task in tasks.items() if isinstance(tasks, dict) else ():
        panel = task.get("panel") if isinstance(task, dict) else None
        if isinstance(panel, dict):
            yield name, panel


def _cost(catalogue: Catalogue, name: str) -> str | None:
    return getattr(catalogue.filters.get(name), "cost", None)


def panel_problems(task: Task, catalogue: Catalogue, path: Path) -> Iterator[Problem]:
    """A panel lets something be judged, and asks no model about a pair that a cheap filter would drop."""
    if not task.panel:
        yield problem(".".join((*path, "panel")), "is empty, so every pair would pass; name at least one filter")
    for name in task.rewrites.keys() & task.panel.keys():
        yield problem(
            ".".join((*path, "rewrites", name)), "is in the panel already, which rewrites pass too; take one out"
        )
    model_before = None
    for name in task.panel:
        cost = _cost(catalogue, name)
        if cost == "cheap" and model_before:
            key, other = ((".".join((*path, "panel", which))) for which in (name, model_before))
            yield problem(key, f"a cheap filter comes after the model filter {model_before}; put it before", other)
        model_before = model_before or (name if cost == "model" else None)
