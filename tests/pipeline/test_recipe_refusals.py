"""Recipes that are refused: every mistake in one line with its key, all of them at once, before a model loads."""

import pytest
from toy_recipe import CATALOGUE, GOOD, lines

from filters.base import FilterError
from pipeline.errors import UserError
from pipeline.recipe import load
from pipeline.recipe_errors import RecipeError
from pipeline.stages import check_arithmetic, check_selectors


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return written


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


def test_a_key_of_a_filter_without_keys_says_how_it_is_written():
    with pytest.raises(RecipeError, match=r"has none: write tasks\.summary\.panel\.asked=\{\}"):
        load("news", ["tasks.summary.panel.asked.x=1"])
    load("news", ["tasks.summary.panel.asked={}"])


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
        (
            "tasks.summary.judge_frame='{} and {}'",
            "tasks.summary.judge_frame: got '{} and {}'; wanted a statement with {} once, where the sentence goes",
        ),
        ("name='my news'", "name: got 'my news'; wanted letters, digits, _ . and -"),
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


@pytest.mark.parametrize(
    "override",
    [
        "tasks.summary.select.decontamination.against=['nowhere.jsonl']",
        "tasks.summary.select.influence_prune.table='nowhere.parquet'",
    ],
)
def test_files_of_selectors_are_looked_at_before_any_work(override):
    with pytest.raises(FilterError, match=r"nowhere.*no such file"):
        check_selectors(load("news", [override]))
    check_selectors(load("news"))


@pytest.mark.parametrize("key", ["panel.entailment", "select.duplicates"])
def test_int8_is_refused_before_any_work_where_it_cannot_be_had(key, monkeypatch):
    recipe = load("news", [f"tasks.summary.{key}.back_end=int8"])
    monkeypatch.setattr("pipeline.stages.why_not_int8", lambda device: f"{device} is too old")
    with pytest.raises(
        UserError, match=rf'tasks\.summary\.{key}\.back_end: int8 cannot be had, cpu is too old: take "auto"'
    ):
        check_arithmetic(recipe)
    check_arithmetic(load("news"))
    monkeypatch.setenv("RAY_ADDRESS", "there:6379")  # another machine may
    check_arithmetic(recipe)


def test_a_judge_on_a_gpu_is_not_asked_in_int8():
    for backend in ("local", "ray"):
        changes = ["tasks.summary.panel.entailment.back_end=int8", "run.resources.scores.gpus=1"]
        with pytest.raises(UserError, match="int8 cannot be had, the device is cuda"):
            check_arithmetic(load("news", [*changes, f"run.backend={backend}"]))


def test_an_end_that_no_sentence_has():
    with pytest.raises(RecipeError, match=r"candidates\.ends_in: got ','; wanted one or more of \. \? and !"):
        load("news", ["candidates.ends_in=','"])


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
        ("contexts.closings=['So:','']", "contexts.closings"),
        ("contexts.closings=['So: ']", "contexts.closings"),
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
        ("tasks.summary.rewrites.entailment={}", "tasks.summary.rewrites.entailment"),
        ("tasks.summary.rewrites.lenght={}", "tasks.summary.rewrites.lenght"),
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
