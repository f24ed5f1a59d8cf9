"""The recipes that come with the project, and what every key says of itself."""

import pytest

from pipeline.recipe import Recipe, load, shipped_names
from pipeline.recipe_sections import Section


def sections(kind=Recipe):
    yield kind
    for info in kind.model_fields.values():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield from sections(info.annotation)


@pytest.mark.parametrize("kind", sections(), ids=lambda kind: kind.__name__)
def test_every_field_is_described_in_one_line(kind):
    for name, info in kind.model_fields.items():
        assert info.description, name
        assert "\n" not in info.description.strip()
        assert info.description.strip().endswith(".")


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_recipes_load_and_read_back(name, tmp_path):
    recipe = load(name)
    assert recipe.name == name
    assert set(recipe.tasks) == ({"paraphrase"} if name == "questions" else {"summary", "paraphrase"})
    for task in recipe.tasks:
        assert recipe.panel(task).names == tuple(recipe.tasks[task].panel)
        assert len(recipe.selectors(task)) == len(recipe.tasks[task].select)
    copy = tmp_path / "recipe.toml"
    copy.write_text(recipe.to_toml())
    assert load(copy) == recipe


def test_the_default_lists_are_long_enough():
    recipe = Recipe()
    assert len(set(recipe.contexts.teacher.places)) >= 40
    assert len(set(recipe.contexts.teacher.outlets)) >= 12
    assert all(place.count(", ") == 1 for place in recipe.contexts.teacher.places)
