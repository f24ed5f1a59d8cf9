"""No answer is ever lost: tightened and loosened again, a threshold asks nothing; and the shards do not show it."""

from pathlib import Path

import pyarrow as pa
import pytest
from test_pair import candidates
from toy_filters import asked as every_question
from toy_filters import panels
from toy_stages import files_of

from filters.wellformed import Wellformed
from pipeline.answers import answers_file, keep_answers, kept_answers, recall
from pipeline.backend import LocalBackend
from pipeline.judge import JudgePairs
from pipeline.pair import FormPairs
from pipeline.plan import Input, MapStep, Read, plan_map
from pipeline.runner import run_steps
from pipeline.shard import fingerprint, read_rows
from pipeline.stage import Batch
from pipeline.store import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.named("r", tmp_path / "runs")


def asked(diary: Path) -> list[str]:
    """What the judge could say something of: a null, which costs no model call, is not put by."""
    return [line for line in every_question(diary) if "river" not in line.split(" | ")[0]]


def judge(run: Run, diary: Path | str = "", min_probability: float = 0.5, max_rouge_l: float = 0.75) -> JudgePairs:
    tasks = panels(diary, min_probability, max_rouge_l)
    table = candidates()
    steps = [
        MapStep(0, FormPairs(tasks, Wellformed()), (Input.planned(table),)),
        MapStep(0, JudgePairs(tasks), Read(0, "pairs")),
    ]
    run_steps(run, steps, LocalBackend())
    return steps[1].stage  # type: ignore[return-value]


def shards(run: Run) -> dict[str, bytes]:
    return {name: raw for name, raw in files_of(run).items() if "/answers/" not in name}


@pytest.mark.parametrize("tighter", [{"max_rouge_l": 0.3}, {"min_probability": 0.9}, {"max_rouge_l": 0.0}])
def test_tightened_and_loosened_again_asks_nothing(run: Run, tmp_path: Path, tighter: dict[str, float]) -> None:
    diary = tmp_path / "diary"
    judge(run, diary)
    before, fresh = asked(diary), shards(run)
    judge(run, diary, **tighter)
    judge(run, diary)
    assert asked(diary) == before
    assert shards(run) == fresh


def test_the_shards_do_not_depend_on_what_was_asked_before(run: Run, tmp_path: Path) -> None:
    other = Run.named("other", tmp_path / "runs")
    judge(run)
    judge(run, max_rouge_l=0.3)
    judge(run, max_rouge_l=0.6)
    judge(other, max_rouge_l=0.6)
    assert shards(run) == files_of(other)  # and a run whose thresholds never moved has no answers beside it


def test_answers_of_another_judge_are_kept_apart(run: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    judge(run, first)
    before = asked(first)
    judge(run, second)  # the diary's name stands for another judge
    assert asked(second) == before
    judge(run, first)
    assert asked(first) == before


def test_a_damaged_file_of_answers_is_as_none(run: Run, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    stage = judge(run, diary)
    judge(run, diary, max_rouge_l=0.3)
    shard, facts = run.stage(0, "scores").shard(0), fingerprint(stage.facts())
    found = kept_answers(shard, facts)
    assert found is not None
    assert found.column_names == ["pair_id", "entailment"]
    assert not set(found["pair_id"].to_pylist()) & set(read_rows(shard)["pair_id"].to_pylist())
    answers_file(shard, facts).write_bytes(b"PAR1")
    judge(run, diary)
    assert read_rows(shard).num_rows > 0
    assert len(asked(diary)) > len(set(asked(diary)))  # asked again


def test_answers_are_united(run: Run, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    for max_rouge_l in (0.75, 0.5, 0.3, 0.4, 0.0):
        stage = judge(run, diary, max_rouge_l=max_rouge_l)
    found = kept_answers(run.stage(0, "scores").shard(0), fingerprint(stage.facts()))
    assert found is not None
    assert len(set(found["pair_id"].to_pylist())) == found.num_rows
    assert found["entailment"].null_count == 0
    assert found.equals(found.sort_by("pair_id"))
    before = asked(diary)
    judge(run, diary)
    assert asked(diary) == before
    assert pa.types.is_float32(found["entailment"].type)


def test_killed_after_the_answers_and_before_the_shard(run: Run, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    judge(run, diary)
    before, fresh = asked(diary), shards(run)
    stage = JudgePairs(panels(diary, max_rouge_l=0.3))
    pairs = run.stage(0, "pairs").shard(0)
    table = read_rows(pairs).slice(0, 1)
    (task,) = plan_map(run, 0, stage, [Input.planned(table)]).todo
    keep_answers(stage, task, stage.open()(Batch(0, table, recall(stage, task))).table)
    assert shards(run) == fresh
    judge(run, diary, max_rouge_l=0.3)
    judge(run, diary)
    assert asked(diary) == before
    assert shards(run) == fresh
