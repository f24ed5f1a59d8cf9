"""The gate's calibration: thresholds against brute force, both populations against the panel itself, the command."""

import math
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from toy_filters import SENTENCES

from filters.base import Panel, judge
from filters.entailment import Entailment
from filters.fluency import Fluency
from filters.length import Length
from filters.screen import Screen
from filters.similarity import Similarity
from filters.syntax import Syntax
from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.gate import (
    KINDS,
    Answers,
    Gate,
    _opened,
    answers,
    chosen,
    first_candidates,
    gated_tasks,
    largest_threshold,
    set_line,
    together,
)
from pipeline.gate_report import lines, of_task
from pipeline.recipe import Recipe, load
from pipeline.records import CANDIDATE
from pipeline.store import Run

RECIPE = """
seed = 1
[models]
judge = "{judge}"
encoder = "{encoder}"
[candidates]
min_words = 3
min_content_words = 1
[tasks.paraphrase]
instruction = "paraphrase: "
[tasks.paraphrase.panel.length]
min_ratio = 0.8
max_ratio = 1.5
[tasks.paraphrase.panel.overlap]
max_rouge_l = 0.5
[tasks.paraphrase.panel.similarity]
min_cosine = 0.9
threads = 1
[tasks.paraphrase.panel.entailment]
min_probability = 0.3
threads = 1
[tasks.paraphrase.panel.reverse_entailment]
min_probability = 0.3
threads = 1
[tasks.summary]
instruction = "summarize: "
[tasks.summary.panel.length]
below_ratio = 0.8
[tasks.summary.panel.overlap]
max_rouge_l = 0.5
[tasks.summary.panel.similarity]
min_cosine = 0.9
threads = 1
[tasks.summary.panel.entailment]
min_probability = 0.3
threads = 1
[run]
backend = "local"
"""


SCREENED = "tasks.paraphrase.panel.screen.both_ways=true"


def made_up(cosine: list[float], accepted: list[bool], task: str = "summary") -> Answers:
    contexts = np.arange(len(cosine), dtype=np.int64)
    return Answers(task, np.array(cosine, np.float32), np.array(accepted, bool), contexts, 2 * len(cosine), 0.6)


@pytest.fixture
def recipe(tmp_path: Path, tiny_judge: Path, tiny_encoder: Path) -> Recipe:
    file = tmp_path / "gated.toml"
    file.write_text(RECIPE.format(judge=tiny_judge, encoder=tiny_encoder))
    return load(file)


@pytest.fixture
def candidates() -> pa.Table:
    """Two contexts of toy sentences; the last of them never ended."""
    rows = []
    for context, texts in (("c0", SENTENCES), ("c1", SENTENCES[3:])):
        for number, text in enumerate(texts):
            row = {"candidate_id": f"{context}-{number}", "context_id": context, "context": "A town.", "text": text}
            ended = "sentence" if text.endswith(".") else "length"
            rows.append({**row, "mode": "parallel", "keywords": [], "ended": ended, "seed": 1, "round": 0})
    return pa.Table.from_pylist(rows, CANDIDATE)


@pytest.mark.parametrize("seed", range(20))
def test_the_largest_threshold_equals_brute_force(seed: int) -> None:
    draw = np.random.default_rng(seed)
    found = draw.uniform(-1, 1, draw.integers(1, 300)).astype(np.float32)
    for recall in (0.5, 0.9, 0.99, 1.0):
        threshold = largest_threshold(found, recall)
        assert (found >= np.float32(threshold)).mean() >= recall
        wider = np.round(np.arange(threshold + 0.001, 1.002, 0.001), 3).astype(np.float32)
        assert not any((found >= value).mean() >= recall for value in wider)


def test_thresholds_at_the_edges() -> None:
    hundred = np.linspace(0.5, 0.9, 100, dtype=np.float32)
    assert largest_threshold(hundred, 0.99) == math.floor(hundred[1] * 1000) / 1000  # one of a hundred may be lost
    assert largest_threshold(hundred[:99], 0.99) == 0.5  # of ninety-nine none
    assert largest_threshold(np.array([0.75], np.float32), 0.99) == 0.75
    assert largest_threshold(hundred, 0.0) == pytest.approx(0.9)  # all may be lost: the highest
    assert largest_threshold(np.array([-0.25], np.float32), 0.99) == -0.25


def test_what_a_threshold_does() -> None:
    found = made_up([0.1, 0.5, 0.6, 0.9], [False, True, False, True])
    at = found.at(0.6)
    assert at == Gate(0.6, 1, 2, 2, 4, 8)
    assert (at.recall, at.avoided, at.avoided_of_all) == (0.5, 0.5, 0.75)
    low, high = at.interval
    assert (round(low, 4), round(high, 4)) == (0.0126, 0.9874)
    assert found.calibrated(0.99).threshold == 0.5
    assert found.calibrated(0.5).threshold == 0.9


def test_nothing_accepted() -> None:
    found = made_up([0.1, 0.5], [False, False])
    assert math.isnan(found.at(0.2).recall)
    assert math.isnan(found.held_out())
    assert chosen([found]) == {}
    assert "nothing accepted" in "\n".join(lines(found, "every pair", 0.99))


def test_recall_where_the_threshold_was_not_chosen() -> None:
    same = made_up([0.5] * 20, [True] * 20)
    assert same.held_out() == 1.0
    one_low = made_up([0.2] + [0.5] * 19, [True] * 20)  # its own fold's threshold is chosen without it
    assert one_low.held_out() == 0.95
    assert math.isnan(made_up([0.5], [True]).held_out())


@pytest.mark.parametrize("seed", range(10))
def test_two_gates_together_lose_no_more_than_one_may(seed: int) -> None:
    draw = np.random.default_rng(seed)
    size = int(draw.integers(1, 3000))
    accepted, context = draw.random(size) < 0.3, np.arange(size, dtype=np.int64)
    cosine, probability = (draw.random(size).astype(np.float32) for _ in range(2))
    found = [
        Answers("paraphrase", cosine, accepted, context, size, 0.6, "similarity", 2),
        Answers("paraphrase", probability, accepted, context, size, 0.02, "screen", 2),
    ]
    both = together(found, 0.9)
    thresholds = chosen(found, 0.9)
    passed = (cosine >= np.float32(thresholds["paraphrase", "similarity"])) & (
        probability >= np.float32(thresholds["paraphrase", "screen"])
    )
    assert (both.found, both.passed) == ((passed & accepted).sum(), passed.sum())
    assert not accepted.any() or both.recall >= 0.9
    for each in found:  # each alone may lose half of the tenth
        lost = int((each.scores[accepted] < np.float32(thresholds["paraphrase", each.gate])).sum())
        assert lost <= 0.05 * accepted.sum() + 1e-9


def test_the_lower_of_two_thresholds_is_taken_and_loads(recipe: Recipe, tmp_path: Path) -> None:
    both = [made_up([0.7, 0.2], [True, False]), made_up([0.4, 0.9], [True, True]), made_up([0.3], [False], "none")]
    assert chosen(both) == {("summary", "similarity"): 0.4}
    wanted = {("paraphrase", "similarity"): 0.853, ("paraphrase", "screen"): 0.0123, ("summary", "similarity"): 0.4}
    changed = load(tmp_path / "gated.toml", [SCREENED, set_line(wanted).removeprefix("--set ").strip("'")])
    standing = {
        (task, gate.name): getattr(gate, KINDS[gate.name].threshold)
        for task, gates in gated_tasks(changed).items()
        for gate in gates
    }
    assert standing == wanted


@pytest.mark.parametrize("every_pair", [False, True])
def test_populations_equal_the_panel_asked_pair_by_pair(recipe: Recipe, candidates: pa.Table, every_pair: bool) -> None:
    for found in answers(recipe, candidates, float(every_pair)):
        pairs = [pair for texts in (SENTENCES[:-1], SENTENCES[3:-1]) for pair in permutations(_fit(recipe, texts), 2)]
        rows = pa.table(dict(zip(("source", "target"), map(list, zip(*pairs, strict=True)), strict=True)))
        panel = {spec.name: spec for spec in recipe.panel(found.task)}
        gate = panel.pop("similarity")
        if every_pair:
            panel.pop("overlap")
        wanted = _passed(rows, [spec for spec in panel.values() if spec.cost == "cheap"])
        cosines = gate.open("cpu")(rows.take(pa.array(wanted))).to_numpy()
        accepted = set(_passed(rows, list(panel.values())))
        assert found.ordered == len(pairs)
        np.testing.assert_array_equal(np.sort(found.scores), np.sort(cosines))
        assert sorted(zip(found.scores.tolist(), found.accepted.tolist(), strict=True)) == sorted(
            zip(cosines.tolist(), (row in accepted for row in wanted), strict=True)
        )
        assert found.accepted.any()
        assert found.standing == 0.9


def test_a_screen_in_int8_is_calibrated_by_scores_that_are_for_any_threshold() -> None:
    (screen,) = _opened(Panel((Screen(min_probability=0.2, back_end="int8"),)), every_pair=False)
    assert screen == Screen(min_probability=0.0, back_end="auto")
    (same,) = _opened(Panel((Screen(min_probability=0.2, back_end="fp32"),)), every_pair=False)
    assert same == Screen(min_probability=0.0, back_end="fp32")


def test_a_screen_is_opened_wide_and_reported_with_the_other_gate(
    recipe: Recipe, candidates: pa.Table, tmp_path: Path
) -> None:
    strict = f"{SCREENED} tasks.paraphrase.panel.screen.min_probability=1 tasks.paraphrase.panel.screen.threads=1"
    screened = load(tmp_path / "gated.toml", [strict])
    alone = next(answers(recipe, candidates))
    cosine, screen = (found for found in answers(screened, candidates) if found.task == "paraphrase")
    np.testing.assert_array_equal(cosine.scores, alone.scores)
    np.testing.assert_array_equal(cosine.accepted, alone.accepted)
    np.testing.assert_array_equal(screen.accepted, alone.accepted)
    assert (cosine.gate, screen.gate, cosine.gates, screen.gates) == ("similarity", "screen", 2, 2)
    assert screen.standing == 1.0 and not np.isnan(screen.scores).any()
    assert screen.at(0.0).passed == len(screen.scores)
    text = "\n".join(of_task([cosine, screen], "every pair", 0.99))
    assert text.count("<- chosen") == 2 and "all gates together: recall 1.0000" in text


def test_a_screen_is_asked_before_a_judge_whose_table_stands_before_its_own(
    recipe: Recipe, candidates: pa.Table, tmp_path: Path
) -> None:
    nothing = f"{SCREENED} tasks.paraphrase.panel.screen.threads=1 tasks.paraphrase.panel.entailment.min_probability=1"
    screened = load(tmp_path / "gated.toml", [nothing])
    assert list(screened.tasks["paraphrase"].panel)[-1] == "screen"
    assert screened.panel("paraphrase").names[-3:] == ("screen", "entailment", "reverse_entailment")
    _, screen = (found for found in answers(screened, candidates) if found.task == "paraphrase")
    assert not screen.accepted.any() and not np.isnan(screen.scores).any()


def test_of_every_pair_the_judge_alone_says_what_is_accepted() -> None:
    panel = Panel((Length(below_ratio=0.8), Similarity(min_cosine=0.9), Fluency(), Syntax(), Entailment()))
    every, past = ([spec.name for spec in _opened(panel, every_pair)] for every_pair in (True, False))
    assert every == ["length", "similarity", "entailment"]
    assert past == ["length", "similarity", "fluency", "syntax", "entailment"]


def test_a_share_of_every_pair(recipe: Recipe, candidates: pa.Table) -> None:
    some, every = (list(answers(recipe, candidates, share)) for share in (0.5, 1.0))
    for few, all_of_them in zip(some, every, strict=True):
        assert few.ordered == round(all_of_them.ordered / 2)
        assert 0 < len(few.scores) < len(all_of_them.scores) < all_of_them.ordered
        kept = zip(all_of_them.scores.tolist(), all_of_them.accepted.tolist(), strict=True)
        assert set(zip(few.scores.tolist(), few.accepted.tolist(), strict=True)) < set(kept)


def _fit(recipe: Recipe, texts: tuple[str, ...]) -> list[str]:
    return [text for text in texts if recipe.candidate_filter().problem(text, "A town.") is None]


def _passed(rows: pa.Table, panel: list) -> list[int]:
    _, reasons = judge(rows, [(spec, spec.open("cpu")) for spec in panel])
    return [i for i, reason in enumerate(reasons.to_pylist()) if reason is None]


def test_the_report_marks_what_was_chosen_and_what_stands() -> None:
    text = "\n".join(lines(made_up([0.1, 0.55, 0.7, 0.9], [False, True, False, True]), "every pair", 0.99))
    marked = {line.rpartition("<-")[2].strip(): line.split()[0] for line in text.splitlines() if "<-" in line}
    assert marked == {"chosen": "0.550", "in the recipe": "0.600"}
    assert "4 of 8 ordered pairs, 2 accepted" in text
    assert "only 2 accepted" in text


def test_a_recipe_without_a_gate_and_a_run_without_candidates(tmp_path: Path) -> None:
    bare = '[tasks.summary]\ninstruction = "summarize: "\n[tasks.summary.panel.length]\nbelow_ratio = 0.8\n'
    (tmp_path / "bare.toml").write_text(bare)
    with pytest.raises(UserError, match="no task has a gate"):
        gated_tasks(load(tmp_path / "bare.toml"))
    with pytest.raises(UserError, match="no candidates yet"):
        first_candidates(Run(tmp_path / "empty"), 3)


def test_the_command_refuses_a_run_that_is_not_there_and_a_recall_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path))
    for words, wanted in [((), "not found"), (("--recall", "0"), "--recall"), (("--recall", "1.01"), "--recall")]:
        monkeypatch.setattr(sys, "argv", ["pipeline", "calibrate-gate", "--run", "none-such", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert wanted in capsys.readouterr().err
