"""Recipes: read, changed by SET, written out, and made into panels."""

import tomllib

import pytest
from toy_recipe import CATALOGUE, GOOD, Duplicates, Entailment, Length, Wellformed, lines

from pipeline.recipe import load
from pipeline.stage import Resources


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return written


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


def test_rewrites_pass_the_panel_and_more(write):
    text = GOOD + "[tasks.summary.rewrites.wellformed]\nmin_words = 5\n"
    recipe = load(write(text), (), CATALOGUE)
    panel = recipe.panel("summary", CATALOGUE)
    assert panel.names == ("length", "entailment")
    assert recipe.rewrites_panel("summary", CATALOGUE).filters == (*panel.filters, Wellformed(5))
    assert load(write(GOOD), (), CATALOGUE).rewrites_panel("summary", CATALOGUE) == panel
    again = write(recipe.to_toml())
    assert load(again, (), CATALOGUE) == recipe
    assert recipe.fingerprint() != load(write(GOOD), (), CATALOGUE).fingerprint()


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


def test_splits_may_leave_one_out_and_round(write):
    three = load(write(GOOD), ["corpus.splits={train=0.7,validation=0.2,test=0.1}"], CATALOGUE)
    one = load(write(GOOD), ["corpus.splits={train=1.0}"], CATALOGUE)
    assert list(three.corpus.splits) == ["train", "validation", "test"]
    assert one.corpus.splits == {"train": 1.0}


def test_a_recipe_is_frozen(write):
    recipe = load(write(GOOD), (), CATALOGUE)
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 5
