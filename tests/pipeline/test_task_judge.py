"""A task may have a judge of its own; who had no say in a task is then another one for each."""

import shutil
from pathlib import Path

import pytest

from filters.duplicates import Duplicates
from filters.entailment import Entailment
from filters.models import EMBEDDED_JUDGE, EMBEDDED_MPNET_JUDGE, locate
from filters.wellformed import Wellformed
from pipeline.errors import UserError
from pipeline.evaluation.second_opinion import outside_judge
from pipeline.pair import judge_spec
from pipeline.recipe import load
from pipeline.recipe_errors import RecipeError

SECTIONS = """
[models]
judge = "org/small"
judge_revision = "v1"
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.entailment]
[tasks.paraphrase]
instruction = "paraphrase: "
judge = "org/large"
strength = "sum"
[tasks.paraphrase.panel.entailment]
[tasks.paraphrase.panel.reverse_entailment]
[tasks.paraphrase.select.duplicates]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(SECTIONS)
    return tmp_path / "mine.toml"


def asked(file: Path, task: str, *changes: str) -> list[tuple[str, str]]:
    """Model and revision of all that asks a judge in a task."""
    recipe = load(file, changes)
    found = [*recipe.panel(task), *recipe.selectors(task)]
    return [(spec.model, spec.revision) for spec in found if isinstance(spec, Entailment | Duplicates)]


def test_filters_and_selectors_of_a_task_ask_its_own_judge(file: Path) -> None:
    assert asked(file, "paraphrase") == [("org/large", "")] * 3  # the other judge's revision does not stick to it
    assert asked(file, "summary") == [("org/small", "v1")]
    assert asked(file, "paraphrase", "tasks.paraphrase.judge_revision=v2") == [("org/large", "v2")] * 3


def test_all_of_a_task_ask_within_its_frame_and_no_frame_makes_nothing_stale(file: Path) -> None:
    framed = load(file, ["tasks.paraphrase.judge_frame='They ask: {}'"])
    specs = [*framed.panel("paraphrase"), *framed.selectors("paraphrase")]
    assert {spec.frame for spec in specs} == {"They ask: {}"}  # type: ignore[union-attr]
    assert [spec.judge.frame for spec in specs if isinstance(spec, Duplicates)] == ["They ask: {}"]
    assert [spec.frame for spec in framed.panel("summary")] == [""]  # type: ignore[union-attr]
    embedded = {"model": EMBEDDED_JUDGE}
    assert "frame" not in judge_spec(Entailment(**embedded))
    assert judge_spec(Entailment(**embedded, frame="They ask: {}"))["frame"] == "They ask: {}"
    assert "ends_in" not in judge_spec(Wellformed()) and judge_spec(Wellformed(ends_in="?"))["ends_in"] == "?"
    with pytest.raises(RecipeError, match=r"tasks\.paraphrase\.judge_frame"):
        load(file, ["tasks.paraphrase.judge_frame='They ask'"])


def test_a_filters_own_model_goes_before_the_tasks(file: Path) -> None:
    change = "tasks.paraphrase.panel.entailment.model=org/own"
    assert [model for model, _ in asked(file, "paraphrase", change)] == ["org/own", "org/large", "org/large"]


def test_a_copy_of_the_recipe_is_the_same_and_can_still_be_changed(file: Path, tmp_path: Path) -> None:
    recipe = load(file)
    copy = tmp_path / "copy.toml"
    copy.write_text(recipe.to_toml())
    assert (
        load(copy) == recipe.model_copy(update={"name": "mine"}) and load(copy).judge_of("paraphrase")[0] == "org/large"
    )
    assert asked(copy, "paraphrase", "tasks.paraphrase.judge=org/other") == [("org/other", "")] * 3
    assert asked(copy, "paraphrase", "models.judge=org/other") == [("org/large", "")] * 3


def test_a_judge_that_is_none_is_refused(file: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"tasks\.summary\.judge: no embedded judge 'embedded:x'; there is embedded:nli-"
    ):
        load(file, ["tasks.summary.judge=embedded:x"])
    with pytest.raises(RecipeError, match=r"tasks\.summary\.judge_revision: belongs to no judge"):
        load(file, ["tasks.summary.judge_revision=v3"])
    with pytest.raises(RecipeError, match=r"tasks\.summary\.judge"):
        load(file, ["tasks.summary.judge=''"])


def test_the_outsider_of_a_task_is_the_embedded_judge_that_its_panel_does_not_ask(tiny_judge: Path) -> None:
    news = load("news")
    assert outside_judge(news, "paraphrase") == outside_judge(news, "summary") == EMBEDDED_JUDGE
    assert outside_judge(load("news", [f"tasks.summary.judge={EMBEDDED_JUDGE}"]), "summary") == EMBEDDED_MPNET_JUDGE
    other = load("news", [f"tasks.paraphrase.judge={tiny_judge}"])
    assert outside_judge(other, "paraphrase") == EMBEDDED_MPNET_JUDGE
    assert outside_judge(news, "summary", str(tiny_judge)) == str(tiny_judge)
    with pytest.raises(UserError, match="it chose the pairs of paraphrase"):
        outside_judge(news, "paraphrase", EMBEDDED_MPNET_JUDGE)


def test_a_judge_that_one_filter_names_has_had_its_say(tiny_judge: Path) -> None:
    asks = f"tasks.summary.panel.entailment.model={EMBEDDED_JUDGE}"
    with pytest.raises(UserError, match="both embedded judges had a say in it: give another one with --judge"):
        outside_judge(load("news", [asks]), "summary")
    everywhere = load("news", [asks, f"tasks.summary.select.duplicates.model={EMBEDDED_JUDGE}"])
    assert outside_judge(everywhere, "summary") == EMBEDDED_MPNET_JUDGE
    with pytest.raises(UserError, match="it chose the pairs of summary"):
        outside_judge(everywhere, "summary", EMBEDDED_JUDGE)


def test_a_copy_of_a_judge_is_no_outsider_and_a_judge_of_the_hub_is_not_looked_up(tmp_path: Path) -> None:
    copy = shutil.copytree(locate(EMBEDDED_MPNET_JUDGE).folder or "", tmp_path / "copy")
    with pytest.raises(UserError, match="it chose the pairs of paraphrase"):
        outside_judge(load("news"), "paraphrase", str(copy))
    hub = load("news", ["tasks.paraphrase.judge=org/judge"])
    assert outside_judge(hub, "paraphrase") == EMBEDDED_MPNET_JUDGE
    assert outside_judge(hub, "paraphrase", "org/other") == "org/other"
    with pytest.raises(UserError, match="it chose the pairs of paraphrase"):
        outside_judge(hub, "paraphrase", "org/judge")
