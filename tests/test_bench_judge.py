"""Where the bench of the judge compares verdicts: at thresholds that mean something for the judge that is benched."""

from bench.judge import thresholds
from filters.models import EMBEDDED_JUDGE
from pipeline.recipe import load


def test_the_recipes_judge_is_compared_at_its_own_thresholds() -> None:
    recipe = load("news")
    own = {recipe.tasks[task].panel["entailment"]["min_probability"] for task in recipe.tasks}
    assert {0.75, *own} <= set(thresholds(recipe.models.judge))


def test_another_judge_is_compared_where_its_pages_quote_it() -> None:
    assert thresholds(EMBEDDED_JUDGE) == [0.75, 0.85, 0.9, 0.92]
    assert load("news").models.judge != EMBEDDED_JUDGE
