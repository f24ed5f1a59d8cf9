"""Recipes: read, changed, checked all at once, written out, and made into panels."""

import tomllib
from typing import ClassVar

import pytest
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from pipeline.recipe import load
from pipeline.recipe_errors import RecipeError
from pipeline.recipe_panels import Catalogue
from pipeline.stage import Resources

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


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return written


def lines(path, *overrides):
    """What is wrong, without the front of each line, which all share."""
    with pytest.raises(RecipeError) as caught:
        load(path, overrides, CATALOGUE)
    front = f"recipe {path}: "
    assert all(line.startswith(front) and "\n" not in line for line in caught.value.problems)
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return [line.removeprefix(front) for line in caught.value.problems]


def test_a_recipe_is_read(write):
    recipe = load(write(GOOD), (), CATALOGUE)
    assert (recipe.name, recipe.seed, recipe.contexts.count, recipe.sampling.n) == ("mine", 3, 4, 8)
    assert recipe.sampling.constraints.bad_words == ("a", "b")
    assert recipe.sampling.constraints.logit_bias == {"\n": -5.0, " the": 1.0}
    assert recipe.resources("scores") == Resources(workers=2, cpus=0.5)
    assert recipe.resources("pairs") == Resources()
    assert recipe.candidate_filter(CATALOGUE) == Wellformed(min_words=4)
    assert recipe.selectors("summary", CATALOGUE) == (Duplicates("some/judge", "v1", ("summary",)),)


def test_panels_take_their_models_by_role(write):
    recipe = load(write(GOOD), (), CATALOGUE)
    panel = recipe.panel("summary", CATALOGUE)
    assert panel.filters == (Length(below_ratio=0.8), Entailment("some/judge", "v1", 0.75))
    other = load(write(GOOD), ["models.judge=other/judge"], CATALOGUE)
    assert other.panel("summary", CATALOGUE).filters[1].model == "other/judge"
    own = load(write(GOOD), ["tasks.summary.panel.entailment.model=own/judge"], CATALOGUE)
    assert own.panel("summary", CATALOGUE).filters[1] == Entailment("own/judge", None, 0.75)


def test_selectors_learn_which_tasks_go_one_way(write):
    sums = load(write(GOOD), ["tasks.summary.strength=sum"], CATALOGUE)
    assert sums.selectors("summary", CATALOGUE)[0].one_way_tasks == ()
    own = load(write(GOOD), ["tasks.summary.select.duplicates.one_way_tasks=['a']"], CATALOGUE)
    assert own.selectors("summary", CATALOGUE)[0].one_way_tasks == ("a",)
    assert own.tasks["summary"].select["duplicates"] == {"one_way_tasks": ["a"], "min_probability": 0.5}


def test_a_cheap_filter_that_set_adds_comes_before_the_model(write):
    words = ["tasks.summary.panel.wellformed.min_words=5", "tasks.summary.panel.length.below_ratio=0.7"]
    recipe = load(write(GOOD), words, CATALOGUE)
    assert recipe.panel("summary", CATALOGUE).names == ("length", "wellformed", "entailment")
    assert recipe.tasks["summary"].panel["wellformed"] == {"min_words": 5}
    whole = load(write(GOOD), ["tasks.summary.panel={entailment={},wellformed={},length={}}"], CATALOGUE)
    assert whole.panel("summary", CATALOGUE).names == ("wellformed", "length", "entailment")
    for wrong in ("tasks.summary.panel=1", "tasks=1", "tasks.summary=1", "tasks.summary.panel.no_such={}"):
        assert lines(write(GOOD), wrong)


def test_the_panel_keeps_the_order_of_the_file(write):
    text = GOOD.replace("panel.length]\nbelow_ratio = 0.8", "panel.wellformed]\n[tasks.summary.panel.length]")
    assert load(write(text), (), CATALOGUE).panel("summary", CATALOGUE).names == ("wellformed", "length", "entailment")


def test_to_toml_is_a_resolved_copy(write, tmp_path):
    recipe = load(write(GOOD), ["sampling.top_p=1", "models.teacher=./a folder".replace(" ", "_")], CATALOGUE)
    text = recipe.to_toml()
    copy = tmp_path / "recipe.toml"
    copy.write_text(text)
    again = load(copy, (), CATALOGUE)
    assert again == recipe
    assert again.fingerprint() == recipe.fingerprint()
    assert again.to_toml() == text
    data = tomllib.loads(text)
    assert data["tasks"]["summary"]["panel"]["entailment"] == {"min_probability": 0.75, "layers": [1, 2]}
    assert data["tasks"]["summary"]["select"]["duplicates"] == {"min_probability": 0.5}
    assert data["sampling"]["max_tokens"] == 64  # a default, written out
    changed = load(copy, ["models.judge=other/judge"], CATALOGUE)  # a copy can still be changed by role
    assert changed.panel("summary", CATALOGUE).filters[1].model == "other/judge"


def test_the_fingerprint_moves_with_values_and_panel_order_only(write):
    def fingerprint(text):
        return load(write(text), (), CATALOGUE).fingerprint()

    base = fingerprint(GOOD)
    assert fingerprint(GOOD.replace("seed = 3\n", "").replace("[models]", "seed = 3\n[models]")) == base
    assert fingerprint(GOOD.replace("[contexts]\ncount = 4\n", "") + "[contexts]\ncount = 4\n") == base
    assert fingerprint(GOOD.replace("count = 4", "count = 5")) != base
    two = "[tasks.summary.panel.length]\nbelow_ratio = 0.8\n"
    with_first = GOOD.replace(two, "[tasks.summary.panel.wellformed]\n" + two)
    with_last = GOOD.replace(two, two + "[tasks.summary.panel.wellformed]\n")
    assert fingerprint(with_first) != fingerprint(with_last)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("sampling.n=16", "n", 16),
        ("sampling.temperature=1", "temperature", 1.0),
        ("sampling.ban_newline=false", "ban_newline", False),
        (" sampling.n=16   sampling.top_p=0.5 ", "n", 16),
        ("sampling.top_p=0.5 sampling.n = 16".replace(" = ", "="), "n", 16),
    ],
)
def test_set_values(write, override, key, value):
    found = getattr(load(write(GOOD), [override], CATALOGUE).sampling, key)
    assert (found, type(found)) == (value, type(value))


def test_set_of_text_lists_and_tables(write):
    recipe = load(
        write(GOOD),
        [
            "models.teacher=org/name contexts.source=s3://bucket/a.txt?x=1",
            'description="two words" contexts.teacher.lines=["a b", "c]"]',
            "sampling.constraints.logit_bias={a=1}",
            "tasks.simple.instruction='simplify: ' tasks.simple.panel.length.min_ratio=0.5",
        ],
        CATALOGUE,
    )
    assert (recipe.models.teacher, recipe.contexts.source) == ("org/name", "s3://bucket/a.txt?x=1")
    assert (recipe.description, recipe.contexts.teacher.lines) == ("two words", ("a b", "c]"))
    assert recipe.sampling.constraints.logit_bias == {"a": 1.0}
    assert recipe.tasks["simple"].instruction == "simplify: "  # a third task, without code
    assert recipe.panel("simple", CATALOGUE).filters == (Length(min_ratio=0.5),)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("sampling.temprature=1", "sampling.temprature: unknown key; nearest is sampling.temperature"),
        ("temperature=1", "temperature: unknown key; nearest is sampling.temperature"),
        ("sampler.n=4", "sampler: unknown key; nearest is sampling"),
        (
            "sampling.constraints.rexeg=x",
            "sampling.constraints.rexeg: unknown key; nearest is sampling.constraints.regex",
        ),
        ("run.resources.score.cpus=1", "run.resources.score: unknown key; nearest is run.resources.scores"),
        ("run.resources.scores.cpu=1", "run.resources.scores.cpu: unknown key; nearest is run.resources.scores.cpus"),
        ("tasks.summary.strenght=sum", "tasks.summary.strenght: unknown key; nearest is tasks.summary.strength"),
        (
            "tasks.summary.panel.entailment.min_prob=1",
            "tasks.summary.panel.entailment.min_prob: unknown key; "
            "nearest is tasks.summary.panel.entailment.min_probability",
        ),
        ("tasks.summary.panel.lenght.min_ratio=1", "tasks.summary.panel.lenght: unknown filter; nearest is length"),
        (
            "tasks.summary.select.duplicate.a=1",
            "tasks.summary.select.duplicate: unknown selector; nearest is duplicates",
        ),
        ("candidates.min_wordz=3", "candidates.min_wordz: unknown key; nearest is candidates.min_words"),
    ],
)
def test_an_unknown_key_names_the_nearest(write, override, line):
    assert lines(write(GOOD), override) == [line]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ('sampling.n="8"', "sampling.n: got '8'; wanted a valid integer"),
        ("sampling.n=8.5", "sampling.n: got 8.5; wanted a valid integer"),
        ("sampling.n=true", "sampling.n: got True; wanted a valid integer"),
        ("sampling.top_p=abc", "sampling.top_p: got 'abc'; wanted a valid number"),
        ("sampling.top_p=nan", "sampling.top_p: got nan; wanted less than or equal to 1"),
        ("sampling.top_p=1.5", "sampling.top_p: got 1.5; wanted less than or equal to 1"),
        ("seed=-1", "seed: got -1; wanted greater than or equal to 0"),
        ("run.backend=rey", "run.backend: got 'rey'; wanted 'ray' or 'local'"),
        ("run.shard_contexts=0", "run.shard_contexts: got 0; wanted greater than or equal to 1"),
        ("contexts.teacher.lines=[1]", "contexts.teacher.lines.0: got 1; wanted a valid string"),
        ("engine=3", "engine: got 3; wanted a table"),
        ("tasks.summary.panel.length=3", "tasks.summary.panel.length: got 3; wanted a table"),
        ("sampling.n.x=3", "sampling.n.x: SET goes into sampling.n, which is a value and no table; drop the rest"),
        ("tasks.summary.panel.entailment.min_probability=2",
         "tasks.summary.panel.entailment.min_probability: got 2; wanted less than or equal to 1"),
    ],
)  # fmt: skip
def test_wrong_values(write, override, line):
    assert [found for found in lines(write(GOOD), override) if found.startswith(line)]


@pytest.mark.parametrize("override", ["sampling.n", "=3", "sampling..n=3", 'description="open', "a=[1, 2", "b={x"])
def test_a_set_that_cannot_be_read_says_the_form(write, override):
    assert "wanted key=value" in lines(write(GOOD), override)[0]


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("sampling.n=1", "sampling.n"),
        ("sampling.temperature=0", "sampling.temperature"),
        ("sampling.min_tokens=70", "sampling.min_tokens"),
        ("sampling.max_tokens=512", "sampling.max_tokens"),
        ("sampling.constraints.regex=a sampling.constraints.choice=['x']", "sampling.constraints.regex"),
        ("sampling.constraints.logit_bias={a=inf}", "sampling.constraints.logit_bias"),
        ("contexts.min_sentences=3 contexts.max_sentences=2", "contexts.min_sentences"),
        ("contexts.teacher.style=lines", "contexts.teacher.lines"),
        ("contexts.teacher.outlets=[]", "contexts.teacher.outlets"),
        ("modes.sequential.sources=9", "modes.sequential.sources"),
        ("corpus.splits={train=0.9,test=0.2}", "corpus.splits"),
        ("corpus.splits={}", "corpus.splits"),
        ("corpus.splits.train=1.4 corpus.splits.test=-0.4", "corpus.splits.train"),
        ("corpus.compression_edges=[0.5,0.5]", "corpus.compression_edges"),
        ("corpus.novelty_edges=[0.5,0.1]", "corpus.novelty_edges"),
        ("models.teacher=embedded:nli-minilm", "models.teacher"),
        ("models.judge='not a model'", "models.judge"),
        ("models.encoder=a/b/c", "models.encoder"),
        ("rounds.tasks=['summary','headline']", "rounds.tasks"),
        ("tasks={}", "tasks"),
        ("tasks.summary.panel={}", "tasks.summary.panel"),
        ("tasks.summary.instruction=' '", "tasks.summary.instruction"),
        ("tasks.my-task.instruction=x tasks.my-task.panel.length={}", "tasks.my-task"),
    ],
)
def test_values_that_do_not_go_together(write, override, key):
    assert lines(write(GOOD), override)[0].startswith(f"{key}: ")


def test_a_file_that_puts_a_cheap_filter_behind_a_model(write):
    text = GOOD.replace("[tasks.summary.select", "[tasks.summary.panel.wellformed]\n[tasks.summary.select")
    assert lines(write(text)) == [
        "tasks.summary.panel.wellformed: a cheap filter comes after the model filter entailment; put it before"
    ]


def test_splits_may_leave_one_out_and_round(write):
    three = load(write(GOOD), ["corpus.splits={train=0.7,validation=0.2,test=0.1}"], CATALOGUE)
    one = load(write(GOOD), ["corpus.splits={train=1.0}"], CATALOGUE)
    assert list(three.corpus.splits) == ["train", "validation", "test"]
    assert one.corpus.splits == {"train": 1.0}


def test_everything_is_said_at_once(write):
    found = lines(
        write(GOOD),
        "sampling.temprature=1 sampling.n=1 sampling.top_p=2 sampling.min_tokens=99",
        "run.backend=x corpus.splits={train=0.5} tasks.summary.strength=y tasks.summary.panel.lenght.a=1",
        "candidates.min_words=0 bare tasks.other.panel.entailment.layers=['x']",
    )
    assert sorted(line.split(":")[0] for line in found) == [
        "SET",
        "candidates.min_words",
        "corpus.splits",
        "run.backend",
        "sampling.min_tokens",
        "sampling.n",
        "sampling.temprature",
        "sampling.top_p",
        "tasks.other.instruction",
        "tasks.other.panel.entailment.layers.0",
        "tasks.summary.panel.lenght",
        "tasks.summary.strength",
    ]


def test_one_mistake_is_said_once(write):
    """A key that is taken out for its type brings no complaint about the default put in its place."""
    assert len(lines(write(GOOD), 'sampling.max_tokens="100" sampling.min_tokens=80')) == 1
    assert len(lines(write(GOOD), 'corpus.splits={train="0.9",test=0.1}')) == 1
    assert len(lines(write(GOOD), "tasks=3")) == 1


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"seed = \n", "is not TOML"),
        (b"seed = 1\nseed = 2\n", "is not TOML"),
        (b"description = 'caf\xe9'", "byte 18 is not UTF-8"),
        (b"", "tasks: there is none"),
    ],
)
def test_files_that_are_no_recipe(tmp_path, content, wanted):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    assert lines(path)[0].startswith(wanted)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match="recipe newz: no such recipe; nearest is news; there are biomed, news"):
        load("newz", (), CATALOGUE)
    with pytest.raises(RecipeError, match="no such file"):
        load(tmp_path / "none.toml", (), CATALOGUE)
    with pytest.raises(RecipeError, match="no such file"):
        load(tmp_path, (), CATALOGUE)


def test_a_recipe_error_is_the_users_and_a_value_error():
    from pipeline.errors import UserError

    error = RecipeError("a.toml", ["one", "two"])
    assert isinstance(error, ValueError)
    assert isinstance(error, UserError)
    assert error.exit_code == 2


def test_a_recipe_is_frozen(write):
    recipe = load(write(GOOD), (), CATALOGUE)
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 5
