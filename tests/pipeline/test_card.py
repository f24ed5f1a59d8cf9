"""The cards: all that a reader must know, a licence that is never invented, text that cannot break out of its cell."""

import math
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from toy_release import JUDGE, TEACHER, add_student, toy_run

from filters.models import EMBEDDED_JUDGE, EMBEDDED_MPNET_JUDGE, home
from pipeline.errors import UserError
from pipeline.hub.card import cell, figure, plain, render
from pipeline.hub.card_facts import distinct, score_constants, score_quantiles, statistics
from pipeline.hub.licences import TrainingSet, check_licence, terms
from pipeline.hub.model_release import model_release
from pipeline.hub.release import DataOptions, data_release
from pipeline.rounds.monitors import MONITORS
from pipeline.shard import Header, write_shard
from pipeline.store import Run


def none_known(_: str) -> None:
    return None


def card(run: Run, licence: str = "", lookup=none_known) -> str:  # type: ignore[no-untyped-def]
    release = data_release(run, 0, "acme/toy-pairs", DataOptions(licence), lookup)
    return (release.folder / "README.md").read_text(encoding="utf-8")


def head(text: str) -> dict:
    read = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(read, dict)
    return read


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return toy_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    shutil.copytree(made.folder, tmp_path / "toy")
    return Run(tmp_path / "toy")


def test_it_says_all_that_a_reader_must_know(run: Run) -> None:
    text = card(run)
    for wanted in (
        *("invented by a language model", "not facts", "## Known limits", "## Intended use", "bibtex", "2305.16635"),
        *("Recipe `toy`", "n=30", "below\\_ratio=0.8", "embedded:smollm2-135m-instruct", "## Funnel", "distinct-2"),
        *("LingNLI | none stated in its repository", "question is open", "`apache-2.0`, derived", "acme/toy-pairs"),
        *("score: length", "| pairs | summary |", "## Samples", "written by the teacher, in the config `contexts`"),
    ):
        assert wanted in text, wanted
    assert "private" not in text
    assert "/home/" not in text
    assert "A \\<toy\\> \\| with \\*marks\\*." in text


def test_its_metadata(run: Run) -> None:
    said = head(card(run))
    assert said["license"] == "apache-2.0"
    assert [config["config_name"] for config in said["configs"]] == ["all", "paraphrase", "summary", "contexts"]
    assert said["configs"][0]["default"] is True
    info = {each["config_name"]: each for each in said["dataset_info"]}
    rows = {name: sum(split["num_examples"] for split in each["splits"]) for name, each in info.items()}
    assert rows["all"] == rows["summary"] + rows["paraphrase"] > 0
    features = {each["name"]: each.get("dtype") or f"list {each['list']}" for each in info["all"]["features"]}
    assert features["entailment"] == "float32"
    assert features["seed"] == "int64"
    assert features["also_in"] == "list string"
    assert said["size_categories"] == ["n<1K"]


def test_text_stays_in_its_cell() -> None:
    assert cell("a|b\n<script>x</script> ![i](u) `c` $d$") == (
        "a\\|b \\<script\\>x\\</script\\> !\\[i\\](u) \\`c\\` \\$d\\$"
    )
    assert cell(None) == "None"
    assert cell("") == ""
    assert cell("straße 東京") == "straße 東京"
    assert [figure(x) for x in (0.12345, 1.0, 99.95, 100.4, 12345.0, 0)] == ["0.123", "1", "100", "100", "12345", "0"]
    assert plain({"a": 1, "b": None, "c": False, "d": [], "e": ""}) == "a=1, c=false"
    assert plain({}) == "no parameter"
    with pytest.raises(Exception, match="metadata"):
        render("data_card.md.j2", {})


def test_figures() -> None:
    assert distinct(["a b a", "a"], 1) == 0.5
    assert distinct(["a b a", "b a"], 2) == pytest.approx(2 / 3)
    assert distinct(["", "a"], 2) == distinct([], 1) == 0.0
    columns = {"source": ["aé", "b", "b"], "target": ["x", "y y", ""], "context_id": ["1", "1", "2"]}
    numbers = {
        "compression_ratio": [0.5, 1.0, None],
        "novelty": [None] * 3,
        "rule": [1.0, None, 1.0],
        "p": [0.1, 0.2, 0.3],
    }
    rows = pa.table(columns | {name: pa.array(each, pa.float32()) for name, each in numbers.items()})
    found = statistics(rows)
    assert (found["rows"], found["contexts"], found["sources"]) == (3, 2, 2)
    assert found["figures"]["source characters"] == pytest.approx([1, 1, 1.8])
    assert "novelty (share of new word pairs)" not in found["figures"]
    assert [(each["name"], each["asked"]) for each in score_quantiles(rows)] == [("p", 3)]
    assert score_constants(rows) == [{"name": "rule", "value": 1.0}]


@pytest.mark.parametrize(("judge", "number"), [(EMBEDDED_JUDGE, 11), (EMBEDDED_MPNET_JUDGE, 15)])
def test_the_judges_training_sets_are_those_of_its_card(judge: str, number: int) -> None:
    sets = terms(judge, none_known).trained_on or ()
    text = (home() / "data/models" / judge.removeprefix("embedded:") / "README.md").read_text(encoding="utf-8")
    assert len(sets) == number
    assert all(f"| {each.name} |" in text and each.licence in text for each in sets)


def test_what_is_known_of_other_models(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\ndatasets: [snli, mnli]\n---\n# Model\n")
    found = terms(str(tmp_path), none_known)
    assert (found.model, found.licence) == (f"local:{tmp_path.name}", "mit")
    assert [each.name for each in found.trained_on or ()] == ["snli", "mnli"]
    asked = terms("org/name", lambda name: {"license": f"of {name}", "datasets": "one"})
    assert asked.licence == "of org/name"
    assert asked.trained_on == (TrainingSet("one", "not said here"),)
    for bad in ("no head", "---\n[\n---\n", "---\nlicense: [a, b]\n---\n", ""):
        (tmp_path / "README.md").write_text(bad)
        assert terms(str(tmp_path), none_known).licence == ""
    assert terms("embedded:unheard-of", none_known).licence == ""


def test_a_committed_model_is_known_by_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "data" / "models" / "t5"
    place.mkdir(parents=True)
    (place / "README.md").write_text("---\nlanguage: en\nlicense: cc-by-sa-4.0\n---\n# T5\n")
    monkeypatch.setenv("IMPOSSIBLE_HOME", str(tmp_path))
    assert terms("embedded:t5", none_known).licence == "cc-by-sa-4.0"


def test_a_licence_is_never_invented(tmp_path: Path) -> None:
    judge = {"judge": JUDGE}
    unknown = toy_run(tmp_path, "a", teacher="org/secret-teacher", **judge)
    with pytest.raises(UserError, match=r"teacher org/secret-teacher states none.*LICENSE="):
        card(unknown)
    text = card(unknown, "cc-by-4.0")
    assert "`cc-by-4.0`, as given by the publisher" in text
    assert "| teacher | org/secret-teacher | none |" in text
    assert head(card(unknown, lookup=lambda _: {"license": "mit"}))["license"] == "mit"
    with pytest.raises(UserError, match="the user's own text"):
        card(toy_run(tmp_path, "b", source="./mine.txt"))
    other_judge = toy_run(tmp_path, "c", judge="org/judge", teacher=TEACHER)
    with pytest.raises(UserError, match="what the judge org/judge was trained on is not said"):
        card(other_judge)
    assert "What the judge org/judge was trained on is not known." in card(other_judge, "apache-2.0")
    with pytest.raises(UserError, match=r"'apache': no identifier .* nearest is apache-2.0"):
        check_licence("apache")


def test_monitors_of_a_round_are_shown(run: Run) -> None:
    rows = [{"task": "summary", "monitor": "distinct_2", "value": v, "before": None} for v in (0.25, math.nan, None)]
    table = pa.Table.from_pylist(rows, schema=MONITORS)
    write_shard(run.stage(0, "monitors").folder / "monitors.parquet", table, Header("monitors", "key", {}))
    text = card(run)
    assert "| summary | distinct\\_2 | 0.25 |" in text
    assert text.count("| summary | distinct") == 1


def test_the_card_of_a_students_round(run: Run) -> None:
    shutil.copytree(run.folder / "round-0", run.folder / "round-1")
    shutil.rmtree(run.folder / "round-1" / "contexts")
    release = data_release(run, 1, "acme/toy-pairs", DataOptions(), none_known)
    text = (release.folder / "README.md").read_text(encoding="utf-8")
    assert "what student 1, a small T5 that learned from the pairs of earlier rounds" in text
    assert "those that the teacher wrote for round 0" in text
    assert "| student, before training | local:small-t5 | apache-2.0 |" in text
    assert "Candidates: sampled" not in text


def test_filters_for_rewrites_alone_stand_on_a_students_card(run: Run) -> None:
    """They had no say in the teacher's round, nor had a judge that only they ask."""
    judged = "[tasks.summary.rewrites.reverse_entailment]\nmodel = 'org/other-nli'\n"
    with run.recipe_file.open("a", encoding="utf-8") as file:
        file.write(f"\n[tasks.summary.rewrites.seams]\nmax_surprise = 3.5\n{judged}")
    shutil.copytree(run.folder / "round-0", run.folder / "round-1")
    shutil.rmtree(run.folder / "round-1" / "contexts")
    for number, wanted in ((0, False), (1, True)):
        release = data_release(run, number, "acme/toy-pairs", DataOptions(licence="cc-by-4.0"), none_known)
        text = (release.folder / "README.md").read_text(encoding="utf-8")
        assert ("| summary | seams | max\\_surprise=3.5 |" in text) == wanted
        assert ("| judge of summary (it chose, it wrote nothing) | org/other-nli |" in text) == wanted


def test_the_card_of_a_model(run: Run) -> None:
    own = "---\nlicense: unknown\npipeline_tag: summarization\n---\n# Student one\n\nIts own words.\n"
    add_student(run, card=own)
    release = model_release(run, 1, "acme/toy-t5", "", none_known)
    assert {file.path for file in release.files} == {"README.md", "config.json", "curve.svg", "model.safetensors"}
    text = (release.folder / "README.md").read_text(encoding="utf-8")
    said = head(text)
    assert (said["license"], said["pipeline_tag"], said["library_name"]) == (
        "apache-2.0",
        "summarization",
        "transformers",
    )
    assert "trained on the pairs of round 0: pairs=5" in text
    for wanted in ("# Student one", "Its own words.", "pairs=5", "0.5 (0.4-0.61)", "| copy | 1 |", "LingNLI"):
        assert wanted in text, wanted
    assert model_release(run, 1, "acme/toy-t5", "", none_known).root == release.root


def test_a_models_card_names_the_judges_of_the_rounds_it_learned_from(run: Run) -> None:
    """Student 1 learned from the teacher's round, where a filter for rewrites alone had no say."""
    with run.recipe_file.open("a", encoding="utf-8") as file:
        file.write("\n[tasks.summary.rewrites.entailment]\nmodel = 'org/other-nli'\n")
    add_student(run, card="")
    shutil.copytree(run.stage(1, "student").folder, run.stage(2, "student").folder)
    for number, wanted in ((1, False), (2, True)):
        release = model_release(run, number, "acme/toy-t5", "cc-by-4.0", none_known)
        text = (release.folder / "README.md").read_text(encoding="utf-8")
        assert ("| judge of summary (it chose the pairs) | org/other-nli |" in text) == wanted


def test_models_that_are_not_published(run: Run) -> None:
    def make(licence: str = "") -> None:
        model_release(run, 1, "acme/toy-t5", licence, none_known)

    with pytest.raises(UserError, match="no finished student there"):
        make()
    model = add_student(run, card="")
    (model / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"config.json of student is changed since"):
        make()
    (model / "config.json").write_text('{"model_type": "t5"}')
    make()
    run.write_recipe(re.sub(r'student = ".*"', 'student = "org/t5"', run.recipe_file.read_text()))
    with pytest.raises(UserError, match="student, before training org/t5 states none"):
        make()
    make("apache-2.0")


def test_each_judge_is_named_with_its_tasks_and_its_training_sets(run: Run) -> None:
    text = run.recipe_file.read_text()
    run.recipe_file.write_text(text + f'[tasks.paraphrase]\njudge = "{EMBEDDED_MPNET_JUDGE}"\n')
    said = card(run)
    assert "| judge of summary (it chose, it wrote nothing) | embedded:nli-minilm |" in said
    assert "| judge of paraphrase (it chose, it wrote nothing) | embedded:nli-mpnet |" in said
    assert said.count("| LingNLI |") == 2
    run.recipe_file.write_text(text + '[tasks.paraphrase]\njudge = "org/judge"\n')
    with pytest.raises(UserError, match="what the judge org/judge was trained on is not said"):
        card(run)
