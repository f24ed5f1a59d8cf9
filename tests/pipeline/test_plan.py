"""Keys chain by content; what is stale says why."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from toy_stages import Gather, Halve, Spread, numbers, three_steps

from pipeline.backend import LocalBackend
from pipeline.errors import UserError
from pipeline.plan import Input, Read, fold_header, plan_fold, plan_map, spec_changes
from pipeline.runner import run_map, run_steps
from pipeline.status import run_status
from pipeline.store import Run

LOCAL = LocalBackend()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.named("news", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": {"c": 0.8}}}, {"a": {"b": {"c": 0.7}}}, ["a.b.c: 0.8 -> 0.7"]),
        ({"a": 1}, {"b": "x"}, ["a: 1 -> (none)", 'b: (none) -> "x"']),
        ({"a": [1, 2]}, {"a": (1, 3)}, ["a: [1,2] -> [1,3]"]),
        ({"a": [{"n": 1}, {"n": 2}]}, {"a": [{"n": 1}, {"n": 3}]}, ["a.1.n: 2 -> 3"]),
        ({"a": [{"n": 1}]}, {"a": []}, ['a: [{"n":1}] -> []']),
        ({"a": None}, {"a": False}, ["a: null -> false"]),
        ({"a": 1}, {"a": 1.0}, ["a: 1 -> 1.0"]),
        ({"a": {"b": 1}}, {"a": 1}, ['a: {"b":1} -> 1']),
        ({"a": "x" * 90}, {"a": ""}, [f'a: "{"x" * 56}... -> ""']),
        (1, 2, ["spec: 1 -> 2"]),
    ],
)
def test_spec_changes(old: object, new: object, said: list[str]) -> None:
    assert list(spec_changes(old, new)) == said


def test_missing_then_done_then_stale_with_the_reason(run: Run) -> None:
    stage, inputs = Spread(), numbers(3)
    assert plan_map(run, 0, stage, inputs).state == "missing"
    run_map(run, 0, stage, inputs[:2], LOCAL)
    partial = plan_map(run, 0, stage, inputs)
    assert (partial.state, [shard.state for shard in partial.shards]) == ("partial", ["done", "done", "missing"])
    run_map(run, 0, stage, inputs, LOCAL)
    assert plan_map(run, 0, stage, inputs).state == "done"
    stale = plan_map(run, 0, replace(stage, limit=3, copies=2), inputs)
    assert stale.state == "stale"
    assert stale.why == ("copies: 4 -> 2", "limit: 1000000 -> 3")
    assert all(shard.task.known for shard in stale.shards)
    other_facts = plan_map(run, 0, replace(stage, factor=4), inputs)
    assert other_facts.why == ("factor: 3 -> 4",)
    assert not any(shard.task.known for shard in other_facts.shards)


def test_machine_settings_make_nothing_stale(run: Run) -> None:
    run_map(run, 0, Spread(), numbers(2), LOCAL)
    assert plan_map(run, 0, Spread(pause=1.0, diary="x"), numbers(2)).state == "done"


def test_other_columns_make_a_stage_stale(run: Run) -> None:
    class Wider(Spread):
        writes = Spread.writes.append(pa.field("more", pa.int8()))

    run_map(run, 0, Spread(), numbers(1), LOCAL)
    assert plan_map(run, 0, Wider(), numbers(1)).why == ("the layout of its file changed",)


def test_only_the_shards_whose_input_changed_are_stale(run: Run) -> None:
    run_map(run, 0, Spread(), numbers(3), LOCAL)
    changed = [*numbers(2), Input.planned(pa.table({"n": [99]}))]
    plan = plan_map(run, 0, Spread(), changed)
    assert [shard.state for shard in plan.shards] == ["done", "done", "stale"]
    assert plan.why == ("its input changed",)


def test_a_change_that_changes_no_row_stops_there(run: Run) -> None:
    """Keys chain by content: a new limit that no value reaches runs one stage again, and no other."""
    run_steps(run, three_steps(3, limit=1000), LOCAL)
    results = run_steps(run, three_steps(3, limit=2000), LOCAL)
    assert [(result.made, result.kept) for result in results] == [(3, 0), (0, 3), (0, 1)]


def test_shards_that_are_gone_or_torn_are_missing(run: Run) -> None:
    run_map(run, 0, Spread(limit=4), numbers(4), LOCAL)
    folder = run.stage(0, "spread")
    folder.shard(0).unlink()
    folder.shard(1).write_bytes(folder.shard(1).read_bytes()[:100])
    folder.aside(2).unlink()
    plan = plan_map(run, 0, Spread(limit=4), numbers(4))
    assert [shard.state for shard in plan.shards] == ["missing", "missing", "missing", "done"]


def test_rows_set_aside_by_another_recipe_do_not_count(run: Run) -> None:
    """Killed between the two files of a shard, then back to the old recipe: the newer aside file is noticed."""
    run_map(run, 0, Spread(limit=0), numbers(1), LOCAL)
    old = run.stage(0, "spread").shard(0).read_bytes()
    run_map(run, 0, Spread(limit=1), numbers(1), LOCAL)
    run.stage(0, "spread").shard(0).write_bytes(old)
    assert plan_map(run, 0, Spread(limit=0), numbers(1)).state == "missing"


def test_an_input_must_be_finished(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"a\.parquet: not a finished shard"):
        Input.stored(tmp_path / "a.parquet")


def test_planned_and_stored_rows_have_one_digest(run: Run) -> None:
    run_map(run, 0, Spread(), numbers(1), LOCAL)
    stored = Input.stored(run.stage(0, "spread").shard(0))
    assert stored.content == Input.planned(stored.load()).content


def test_a_fold_is_stale_when_spec_or_input_changed(run: Run) -> None:
    run_steps(run, three_steps(3), LOCAL)
    folder, rows = run.stage(0, "gather"), Read(0, "halve").inputs(run)
    assert plan_fold(folder, fold_header(Gather(), {"rows": rows})) == ("done", ())
    assert plan_fold(folder, fold_header(Gather(split=1), {"rows": rows})) == ("stale", ("split: 20 -> 1",))
    assert plan_fold(folder, fold_header(Gather(), {"rows": rows[1:]})) == ("stale", ("its input changed",))


def test_status_as_the_recipe_has_it(run: Run) -> None:
    def states(steps: list) -> list[str]:
        return [status.state for status in run_status(run, steps)]

    assert states(three_steps(3)) == ["missing"] * 3
    run_map(run, 0, Spread(limit=30), numbers(2), LOCAL)
    assert states(three_steps(3)) == ["partial", "missing", "missing"]
    run_steps(run, three_steps(3), LOCAL)
    assert states(three_steps(3)) == ["done"] * 3
    assert states(three_steps(3, limit=2)) == ["stale"] * 3
    assert states(three_steps(4)) == ["partial", "partial", "stale"]
    spread = run_status(run, three_steps(3, limit=2))[0]
    assert spread.why == ("limit: 30 -> 2",)
    assert spread.counts == {"in": 36, "out": 36, "dropped/over": 0}
    assert (spread.rows, spread.shards, spread.planned) == (36, 3, 3)


def test_status_as_the_disk_has_it(run: Run) -> None:
    assert run_status(run) == []
    run_steps(run, three_steps(3), LOCAL)
    assert [(s.round, s.stage, s.state) for s in run_status(run)] == [
        (0, "gather", "done"),
        (0, "halve", "done"),
        (0, "spread", "done"),
    ]
    run.stage(0, "halve").shard(1).unlink()
    assert run_status(run)[1].state == "partial"
    run_map(run, 0, Halve(), Read(0, "spread").inputs(run), LOCAL)
    assert run_status(run)[1].state == "done"
