"""A catalogue of toy filters, and a recipe that names them: what recipes are read against, without a model."""

from typing import ClassVar

import pytest
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from pipeline.recipe import load
from pipeline.recipe_errors import RecipeError
from pipeline.recipe_panels import Catalogue

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Wellformed:
    name: ClassVar[str] = "wellformed"
    cost: ClassVar[str] = "cheap"
    role: ClassVar[str | None] = None
    min_words: int = Field(default=3, ge=1)


@dataclass(frozen=True, config=STRICT)
class Length:
    name: ClassVar[str] = "length"
    cost: ClassVar[str] = "cheap"
    role: ClassVar[str | None] = None
    min_ratio: float | None = Field(default=None, ge=0)
    below_ratio: float | None = Field(default=None, gt=0)


@dataclass(frozen=True, config=STRICT)
class Entailment:
    name: ClassVar[str] = "entailment"
    cost: ClassVar[str] = "model"
    role: ClassVar[str | None] = "judge"
    model: str
    revision: str | None = None
    min_probability: float = Field(default=0.5, ge=0, le=1)
    layers: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, config=STRICT)
class Duplicates:
    name: ClassVar[str] = "duplicates"
    within: ClassVar[str] = "context_id"
    role: ClassVar[str | None] = "judge"
    model: str = "none"
    revision: str = ""
    one_way_tasks: tuple[str, ...] = ()
    min_probability: float = Field(default=0.5, ge=0, le=1)


CATALOGUE = Catalogue(
    {"wellformed": Wellformed, "length": Length, "entailment": Entailment}, {"duplicates": Duplicates}
)

GOOD = """
description = "a small one"
seed = 3
[models]
judge = "some/judge"
judge_revision = "v1"
[contexts]
count = 4
[sampling]
n = 8
[sampling.constraints]
bad_words = ["a", "b"]
logit_bias = { "\\n" = -5.0, " the" = 1 }
[candidates]
min_words = 4
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
below_ratio = 0.8
[tasks.summary.panel.entailment]
min_probability = 0.75
[tasks.summary.select.duplicates]
[run.resources.scores]
workers = 2
cpus = 0.5
"""


def lines(path, *overrides):
    """What is wrong, without the front of each line, which all share."""
    with pytest.raises(RecipeError) as caught:
        load(path, overrides, CATALOGUE)
    front = f"recipe {path}: "
    assert all(line.startswith(front) and "\n" not in line for line in caught.value.problems)
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return [line.removeprefix(front) for line in caught.value.problems]
