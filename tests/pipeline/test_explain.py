"""Everything about one pair, found by its id or how it begins, and decoded again."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from report_runs import HOSTILE, full_run
from toy_filters import SENTENCES

from filters.base import Panel
from filters.length import Length
from filters.overlap import Overlap
from filters.wellformed import Wellformed
from pipeline.assemble import Assemble
from pipeline.commands.explain import lines
from pipeline.errors import UserError
from pipeline.explain.find import find_pair
from pipeline.explain.pair import explain
from pipeline.explain.regenerate import compare, regenerate, written
from pipeline.judge import JudgePairs
from pipeline.local_backend import LocalBackend
from pipeline.overgenerate import Overgenerate
from pipeline.pair import FormPairs
from pipeline.plan import FoldStep, Input, MapStep, Read
from pipeline.recipe import load
from pipeline.recipe_sections import Corpus, Modes
from pipeline.records import CONTEXT, context_id
from pipeline.run_tables import aside_rows, corpus_rows, judged_rows
from pipeline.runner import run_steps
from pipeline.serve.audit_marks import Mark, add_mark
from pipeline.store import Run
from pipeline.teacher.decoder import Sampling
from pipeline.teacher.echo import EchoDecoder

ECHO = EchoDecoder(SENTENCES)
RECIPE = """
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
below_ratio = 0.9
[run]
backend = "local"
"""


def echo_run(root: Path, sources: int = 0) -> Run:
    """A run that the decoder without a model wrote, in two shards."""
    texts = [f"Context number {i} is about a town." for i in range(4)]
    rows = [{"context_id": context_id(text), "text": text, "sentences": 1, "origin": "mine"} for text in texts]
    contexts = pa.Table.from_pylist(rows, schema=CONTEXT)
    panels = {"summary": Panel((Length(below_ratio=0.9), Overlap(max_rouge_l=0.9)))}
    modes = Modes.model_validate({"sequential": {"sources": sources, "samples": 3, "keywords": 2}})
    steps = [
        MapStep(
            0,
            Overgenerate(ECHO, Sampling(n=8), modes, Wellformed(), 5),
            tuple(Input.planned(contexts.slice(i, 2)) for i in (0, 2)),
        ),
        MapStep(0, FormPairs(panels, Wellformed()), Read(0, "candidates")),
        MapStep(0, JudgePairs(panels), Read(0, "pairs")),
        FoldStep(0, Assemble({"summary": ()}, Corpus()), {name: Read(0, name) for name in ("pairs", "scores")}),
    ]
    (root / "echo.toml").write_text(RECIPE)
    run = Run.named("echo", root / "runs")
    with run.locked():
        run.write_recipe(load(root / "echo.toml").to_toml())
        run_steps(run, steps, LocalBackend())
    return run


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return full_run(tmp_path_factory.mktemp("explained"))


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return echo_run(tmp_path_factory.mktemp("echo"), sources=2)


def test_a_kept_pair(full: Run) -> None:
    row = corpus_rows(full, 0).to_pylist()[0]
    add_mark(full, Mark(row["pair_id"], 0, "summary", "wrong", "accepted", 0, "2026-01-01"))
    told = explain(full, row["pair_id"])
    assert (told["verdict"], told["round"], told["source"]) == ("kept", 0, row["source"])
    assert told["corpus"]["split"] == row["split"]
    assert [each["filter"] for each in told["panel"]] == ["length", "overlap", "numbers"]
    assert {each["verdict"] for each in told["panel"]} == {"passed"}
    assert told["panel"][0]["thresholds"]["below_ratio"] == 0.9
    assert told["panel"][0]["score"] == pytest.approx(row["length"])
    assert told["context"]["text"].endswith(HOSTILE)
    assert told["decoder"] == {"brought_by": "the user"}
    assert told["audit"]["said"] == "wrong"
    assert [each["where"] for each in told["influence"]] == ["round-1/influence"]
    assert told["elsewhere"] == [{"round": 1, "context_id": row["context_id"], "verdict": "kept"}]
    json.dumps(told, allow_nan=False)


def test_how_it_is_told(full: Run) -> None:
    key = corpus_rows(full, 0)["pair_id"][0].as_py()
    said = "\n".join(lines(explain(full, key)))
    for words in ("kept  summary", "source  ", "passed    length", "below_ratio 0.9", "Influence", "In the corpus"):
        assert words in said


def test_an_example_of_what_was_dropped_early(full: Run) -> None:
    key = aside_rows(full, 0)["pair_id"][0].as_py()
    told = explain(full, key)
    assert told["verdict"] == "dropped by wellformed"
    assert "decoder" not in told
    assert regenerate(full, find_pair(full, key)).verdict == "not reproducible"


def test_the_beginning_of_an_id_is_enough(full: Run) -> None:
    keys = corpus_rows(full, 0)["pair_id"].to_pylist()
    assert explain(full, f" {keys[0][:12].upper()} ")["pair_id"] == keys[0]
    with pytest.raises(UserError, match=r"pairs begin so: .*, .*, .*: give more"):
        find_pair(full, next(c for c in "0123456789abcdef" if sum(key.startswith(c) for key in keys) > 3))


@pytest.mark.parametrize("given", ["", "xyz", "%", "0" * 33, "'; --", "0" * 32])
def test_no_such_pair(full: Run, given: str) -> None:
    with pytest.raises(UserError) as error:
        find_pair(full, given)
    assert len(str(error.value).splitlines()) == 1


def test_near_ids_are_named(full: Run) -> None:
    key = corpus_rows(full, 0)["pair_id"][0].as_py()
    wrong = key[:20] + ("0" if key[20] != "0" else "1") + key[21:]
    with pytest.raises(UserError, match=f"nearest are {key}"):
        find_pair(full, wrong)


def test_a_run_without_pairs(tmp_path: Path) -> None:
    (tmp_path / "round-0" / "pairs").mkdir(parents=True)
    with pytest.raises(UserError, match="no judged pairs yet"):
        find_pair(Run(tmp_path), "ab")


def test_what_was_not_asked(echo: Run) -> None:
    rows = judged_rows(echo, 0)
    told = explain(echo, rows["pair_id"][0].as_py())
    assert told["decoder"]["teacher"] == ECHO.fingerprint()
    assert told["decoder"]["sampling"]["n"] == 8
    assert told["target_written"]["mode"] in ("parallel", "sequential")
    assert told["target_written"]["seed"] == rows["seed"][0].as_py()
    assert {each["filter"] for each in told["panel"]} == {"length", "overlap"}


@pytest.mark.parametrize("mode", ["parallel", "sequential"])
def test_decoded_again_it_is_identical(echo: Run, mode: str) -> None:
    seen = 0
    for key in judged_rows(echo, 0)["pair_id"].to_pylist():
        found = find_pair(echo, key)
        target = written(echo, 0, str(found.row["target_id"]))
        if target and target.row["mode"] == mode and seen < 3:
            seen += 1
            made = regenerate(echo, found, ECHO)
            assert (made.verdict, made.why, made.text) == ("identical", (), found.row["target"])
    assert seen


def test_another_decoder_is_named(echo: Run) -> None:
    found = find_pair(echo, judged_rows(echo, 0)["pair_id"][0].as_py())
    other = regenerate(echo, found, EchoDecoder(("Another sentence altogether.",)))
    assert other.verdict == "not reproducible"
    assert other.why[0].startswith(f"it was written by {ECHO.fingerprint()}")
    narrow = regenerate(echo, found, EchoDecoder(SENTENCES, window=1))
    assert (narrow.verdict, narrow.text) == ("not reproducible", None)


def test_identical_equivalent_or_not() -> None:
    old = {"mode": "parallel", "seed": 1 << 20, "text": "A b.", "ended": "sentence", "tokens": 3, "logprob": -1.5}
    other = {**old, "seed": (1 << 20) + 1, "text": "C d."}
    assert compare(old, [other, old]).verdict == "identical"
    assert compare(old, [other, {**old, "logprob": -1.5 + 1e-9}]).verdict == "identical"  # as 32 bits keep it
    moved = compare(old, [{**old, "logprob": -1.6}])
    assert (moved.verdict, "log-probability is -1.6" in moved.why[0]) == ("equivalent", True)
    assert compare(old, [{**old, "text": "A  b."}]).why == ("only white space differs",)
    swapped = compare(old, [{**old, "text": "C d."}, {**other, "text": "A b."}])
    assert (swapped.verdict, swapped.text) == ("equivalent", "C d.")
    assert swapped.why == ("the text came as sample 1 of the request; it was sample 0",)
    gone = compare(old, [{**old, "text": "C d."}, {**other, "mode": "sequential", "text": "A b."}])
    assert gone.verdict == "not reproducible" and "another machine" in gone.why[0]
    assert compare(old, [], ["why"]).why[0] == "why"


def test_brought_pairs_cannot_be_decoded(full: Run) -> None:
    told = explain(full, corpus_rows(full, 0)["pair_id"][0].as_py(), again=True)
    assert told["regenerated"]["verdict"] == "not reproducible"
    assert "brought by the user" in told["regenerated"]["why"][0]


def test_a_candidate_that_is_gone(echo: Run) -> None:
    found = find_pair(echo, judged_rows(echo, 0)["pair_id"][0].as_py())
    gone = dataclasses.replace(found, row=found.row | {"target_id": "0" * 32})
    assert "is not in round 0 any more" in regenerate(echo, gone, ECHO).why[0]


def test_a_repeat_names_the_pair_that_stands_for_it(echo: Run) -> None:
    """The decoder repeats its few sentences in all contexts, so most pairs are repeats of one in another context."""
    kept = corpus_rows(echo, 0)
    row = kept.filter(pc.greater(pc.list_value_length(kept["also_in"]), 0)).to_pylist()[0]
    told = explain(echo, row["pair_id"])
    assert told["verdict"] == "kept"
    assert {each["verdict"] for each in told["elsewhere"]} == {"left out by repeat"}
    assert told["corpus"]["also_in"] == row["also_in"]


def test_the_command_line(echo: Run) -> None:
    key = judged_rows(echo, 0)["pair_id"][0].as_py()
    for more, code, words in (
        (["--pair", key, "--json"], 0, f'"pair_id": "{key}"'),
        (["--pair", "zz"], 2, "wanted an id"),
    ):
        asked = [sys.executable, "-m", "pipeline", "explain", "--run", "echo", *more]
        environment = {"IMPOSSIBLE_RUNS": str(echo.folder.parent), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
        ended = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment)
        assert ended.returncode == code, ended.stderr
        assert words in (ended.stdout if code == 0 else ended.stderr)
