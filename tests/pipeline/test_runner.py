"""Skip what is finished, make the rest, lose nothing, say what happened."""

import dataclasses
import hashlib
import json
import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from toy_stages import ASIDE, ROWS, Gather, Halve, Spread, Trouble, files_of, numbers, three_steps

from filters.base import FilterError
from pipeline.backend import LocalBackend
from pipeline.errors import StageError, UserError
from pipeline.plan import Input, Read
from pipeline.progress import Tick, add_counts, unbalanced
from pipeline.runner import run_fold, run_map, run_step, run_steps
from pipeline.shard import read_rows
from pipeline.stage import Output
from pipeline.store import Run

LOCAL = LocalBackend()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.named("news", tmp_path)


def computed(diary: Path) -> list[str]:
    """The rows computed since the last look."""
    lines = diary.read_text().splitlines() if diary.exists() else []
    diary.unlink(missing_ok=True)
    return lines


def test_a_second_run_does_nothing_and_changes_nothing(run: Run) -> None:
    first = run_steps(run, three_steps(), LOCAL)
    before, stamps = files_of(run), {p: p.stat().st_mtime_ns for p in run.folder.rglob("*") if p.is_file()}
    second = run_steps(run, three_steps(), LOCAL)
    assert files_of(run) == before
    assert {p: p.stat().st_mtime_ns for p in run.folder.rglob("*") if p.is_file()} == stamps
    assert [(r.made, r.kept) for r in second] == [(0, 12), (0, 12), (0, 1)]
    assert [(r.rows, r.counts) for r in first] == [(r.rows, r.counts) for r in second]


def test_two_runs_are_the_same_to_the_byte(tmp_path: Path) -> None:
    runs = [Run.named(name, tmp_path) for name in ("a", "b")]
    for each in runs:
        run_steps(each, three_steps(), LOCAL)
    assert files_of(runs[0]) == files_of(runs[1])


def test_every_row_ends_in_exactly_one_place(run: Run) -> None:
    run_map(run, 0, Spread(limit=7), numbers(5), LOCAL)
    folder = run.stage(0, "spread")
    kept = [row for path in folder.shards().values() for row in read_rows(path)["id"].to_pylist()]
    aside = [read_rows(folder.aside(index)) for index in (2, 3, 4)]
    over = [row for table in aside for row in table["id"].to_pylist()]
    assert Counter(kept + over) == Counter(f"{n}-{copy}" for n in range(15) for copy in range(4))
    assert {reason for table in aside for reason in table["reason"].to_pylist()} == {"over"}
    assert not folder.aside(0).exists()


def test_new_thresholds_compute_nothing_again(run: Run, tmp_path: Path) -> None:
    """Rows of a stale shard with the same facts are handed on; the outcome is that of a run from nothing."""
    diary = tmp_path / "diary"
    run_map(run, 0, Spread(limit=7, diary=str(diary)), numbers(5), LOCAL)
    assert len(computed(diary)) == 60
    run_map(run, 0, Spread(limit=3, diary=str(diary)), numbers(5), LOCAL)
    fresh = Run.named("fresh", tmp_path)
    tight = computed(diary)
    run_map(fresh, 0, Spread(limit=3), numbers(5), LOCAL)
    assert files_of(run) == files_of(fresh)
    assert len(tight) == 60 - 8 * 4  # only the rows that had been set aside are asked again
    run_map(run, 0, Spread(limit=3, factor=9, diary=str(diary)), numbers(5), LOCAL)
    assert len(computed(diary)) == 60


def test_more_inputs_extend_a_run(run: Run, tmp_path: Path) -> None:
    """Full shards are not touched; the last, partial one is made again and gets its own old rows."""
    diary = tmp_path / "diary"
    stage = Spread(diary=str(diary))
    partial = [*numbers(2), Input.planned(pa.table({"n": [6, 7]}))]
    run_map(run, 0, stage, partial, LOCAL)
    before = {index: path.read_bytes() for index, path in run.stage(0, "spread").shards().items()}
    assert len(computed(diary)) == 32
    result = run_map(run, 0, stage, numbers(4), LOCAL)
    after = {index: path.read_bytes() for index, path in run.stage(0, "spread").shards().items()}
    assert (result.made, result.kept, result.why) == (2, 2, ("its input changed",))
    assert [after[0], after[1]] == [before[0], before[1]]
    assert sorted(computed(diary)) == sorted(f"{n}-{copy}" for n in (8, 9, 10, 11) for copy in range(4))


def test_fewer_inputs_move_shards_aside(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run_map(run, 0, Spread(limit=0), numbers(4), LOCAL)
    folder = run.stage(0, "spread")
    last, aside = folder.shard(3).read_bytes(), folder.aside(3).read_bytes()
    with caplog.at_level(logging.WARNING):
        result = run_map(run, 0, Spread(limit=0), numbers(3), LOCAL)
    assert (result.made, result.kept) == (0, 3)
    assert "shard 3 is no longer wanted" in caplog.text
    assert list(folder.shards()) == [0, 1, 2]
    (kept,) = (folder.folder / "stale").glob("shard-00003.*.parquet")
    (kept_aside,) = (folder.folder / "stale" / "aside").glob("shard-00003.*.parquet")
    assert (kept.read_bytes(), kept_aside.read_bytes()) == (last, aside)
    assert len(folder.manifest()["shards"]) == 3


def test_stale_shards_are_announced(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run_map(run, 0, Spread(), numbers(2), LOCAL)
    with caplog.at_level(logging.WARNING):
        result = run_map(run, 0, Spread(limit=4), numbers(2), LOCAL)
    assert result.why == ("limit: 1000000 -> 4",)
    assert "2 of 2 shards are stale (limit: 1000000 -> 4); 2 of them hand on what they know" in caplog.text


def test_the_manifest_tells_it_all(run: Run) -> None:
    run_map(run, 1, Spread(limit=4), numbers(2), LOCAL)
    folder = run.stage(1, "spread")
    manifest = json.loads(folder.manifest_file.read_text())
    assert (manifest["stage"], manifest["round"], manifest["rows"]) == ("spread", 1, 20)
    assert manifest["spec"] == {"factor": 3, "limit": 4, "copies": 4}
    assert manifest["counts"] == {"dropped/over": 4, "in": 24, "out": 20}
    assert manifest["code"]
    assert manifest["seconds"] >= 0
    for index, entry in enumerate(manifest["shards"]):
        raw = folder.shard(index).read_bytes()
        assert entry["sha256"] == hashlib.sha256(raw).hexdigest()
        assert (entry["index"], entry["file"]) == (index, f"shard-0000{index}.parquet")
        assert entry["rows"] == read_rows(folder.shard(index)).num_rows


def test_a_manifest_that_was_never_written_is_written_later(run: Run) -> None:
    run_map(run, 0, Spread(), numbers(2), LOCAL)
    file = run.stage(0, "spread").manifest_file
    before = json.loads(file.read_text())
    file.unlink()
    assert run_map(run, 0, Spread(), numbers(2), LOCAL).made == 0
    after = json.loads(file.read_text())
    assert {**before, "finished": ""} == {**after, "finished": ""}


def test_ticks_add_up_to_the_result(run: Run) -> None:
    run_map(run, 0, Spread(limit=20), numbers(3), LOCAL)
    ticks: list[Tick] = []
    result = run_map(run, 0, Spread(limit=20), numbers(8), LOCAL, ticks.append)
    assert [(tick.done, tick.total) for tick in ticks] == [(done, 8) for done in range(3, 9)]
    assert sum(tick.rows for tick in ticks) == result.rows
    assert add_counts(tick.counts for tick in ticks) == result.counts
    assert sorted(tick.seconds for tick in ticks) == [tick.seconds for tick in ticks]


def test_a_poisonous_shard_fails_alone(run: Run) -> None:
    with pytest.raises(StageError) as caught:
        run_map(run, 0, Trouble(raises=(3,)), numbers(4, each=1), LOCAL)
    line = str(caught.value)
    assert line.startswith("stage trouble, shard 3: ValueError: poison 3 (1 of 4 shards failed, the others are kept")
    assert "\n" not in line
    assert list(run.stage(0, "trouble").shards()) == [0, 1, 2]
    assert "Traceback" in (run.stage(0, "trouble").folder / "failures.log").read_text()
    assert run_map(run, 0, Trouble(), numbers(4, each=1), LOCAL).made == 1


def test_one_slip_is_forgiven(run: Run, tmp_path: Path) -> None:
    stage = Trouble(raises_once=(1,), markers=str(tmp_path))
    assert run_map(run, 0, stage, numbers(3, each=1), LOCAL).made == 3


def test_a_users_error_stops_at_once_with_its_own_line(run: Run) -> None:
    with pytest.raises(UserError, match=r"^row 1: not a number of ours: give another$"):
        run_map(run, 0, Trouble(blames=(1,)), numbers(3, each=1), LOCAL)
    assert list(run.stage(0, "trouble").shards()) == [0]


@dataclass(frozen=True)
class Wrong:
    """Breaks the word that a stage gives, in the way asked for."""

    name: ClassVar[str] = "wrong"
    writes: ClassVar[pa.Schema] = ROWS
    resources: ClassVar[object] = Spread().resources
    how: str = ""

    def spec(self):
        return {}

    facts = spec

    def open(self):
        if self.how == "open":
            raise FilterError("no entailment label in\nits config")
        if self.how == "import":
            raise ModuleNotFoundError("No module named 'x'")
        return self.work

    def work(self, batch) -> Output:
        empty = ROWS.empty_table()
        return {
            "columns": Output(empty.drop_columns(["score"])),
            "type": Output(empty.set_column(2, "score", pa.array([], pa.float64()))),
            "order": Output(empty.select(["value", "id", "score"])),
            "reason": Output(empty, aside=empty),
            "sum": Output(empty, {"in": 3, "out": 1, "dropped/a": 1}),
            "task": Output(empty, {"in": 0, "out": 0, "summary/in": 2, "summary/out": 1, "paraphrase/in": 0}),
            "fine": Output(
                empty, {"in": 3, "out": 1, "dropped/a": 1, "dropped/b": 1, "tokens": 7}, ASIDE.empty_table()
            ),
        }[self.how]


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("columns", r"does not|do not have the columns that it declares: \[\('score', 'float'\)\]"),
        ("type", r"\[\('score', 'double'\), \('score', 'float'\)\]"),
        ("order", r"columns"),
        ("reason", r"need a `reason` column"),
        ("sum", r"funnel of all rows does not balance: in - out - dropped = 1"),
        ("task", r"funnel summary does not balance: in - out - dropped = 1"),
        ("import", r"could not be opened: ModuleNotFoundError: No module named 'x'"),
    ],
)
def test_a_stage_that_breaks_its_word(run: Run, how: str, line: str) -> None:
    with pytest.raises(StageError, match=line):
        run_map(run, 0, Wrong(how), numbers(1), LOCAL)
    assert not run.stage(0, "wrong").shards()


def test_a_filter_that_cannot_judge_is_the_users_error(run: Run) -> None:
    with pytest.raises(UserError, match=r"^no entailment label in$"):
        run_map(run, 0, Wrong("open"), numbers(1), LOCAL)


def test_a_stage_that_keeps_its_word(run: Run) -> None:
    assert run_map(run, 0, Wrong("fine"), numbers(1), LOCAL).counts["tokens"] == 7


def test_a_stage_without_shards(run: Run) -> None:
    result = run_map(run, 0, Spread(), [], LOCAL)
    assert (result.made, result.rows, result.counts) == (0, 0, {})
    assert run.stage(0, "spread").manifest()["shards"] == []


def test_unbalanced_sees_each_funnel_alone() -> None:
    assert unbalanced({"in": 5, "out": 2, "dropped/x": 3, "a/in": 1, "a/out": 0, "b/dropped/y": 9, "read": 4}) == {
        "a": 1
    }
    assert unbalanced({"a/b/in": 1, "a/b/dropped/z": 2, "in": 0}) == {"a/b": -1}
    assert unbalanced({}) == {}


def test_a_fold_appears_whole_or_not_at_all(run: Run) -> None:
    @dataclass(frozen=True)
    class Breaks(Gather):
        def run(self, inputs, out):
            super().run(inputs, out)
            raise ValueError("late")

    run_steps(run, three_steps(3), LOCAL)
    folder, before = run.stage(0, "gather"), files_of(run)
    rows = {"rows": Read(0, "halve").inputs(run)}
    with pytest.raises(StageError, match=r"stage gather: ValueError: late"):
        run_fold(run, 0, Breaks(split=3), rows)
    assert files_of(run) == before
    assert run_fold(run, 0, Gather(), rows).kept == 1
    assert run_fold(run, 0, Gather(split=3), rows).why == ("split: 20 -> 3",)
    assert read_rows(folder.folder / "low.parquet").num_rows == 3
    assert (folder.folder / "weights" / "model.bin").stat().st_size == 256
    manifest = folder.manifest()
    assert [entry["file"] for entry in manifest["tables"]] == ["high.parquet", "low.parquet"]
    assert [entry["file"] for entry in manifest["files"]] == ["weights/model.bin"]
    assert not [path for path in run.folder.rglob(".*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "low"])
def test_a_fold_writes_plain_new_names_only(run: Run, name: str) -> None:
    @dataclass(frozen=True)
    class Names(Gather):
        def run(self, inputs, out):
            out.write("low", inputs["rows"])
            out.write(name, inputs["rows"])
            return {}

    run_map(run, 0, Halve(), [Input.planned(ROWS.empty_table())], LOCAL)
    with pytest.raises(StageError, match="wanted the plain name"):
        run_fold(run, 0, Names(), {"rows": Read(0, "halve").inputs(run)})


def test_a_step_may_read_one_file_of_a_fold(run: Run) -> None:
    run_steps(run, three_steps(3), LOCAL)
    step = dataclasses.replace(three_steps()[1], round=1, reads=Read(0, "gather", ("low",)))
    assert run_step(run, step, LOCAL).rows == 20
    with pytest.raises(UserError, match=r"medium\.parquet: not a finished shard"):
        run_step(run, replace(step, reads=Read(0, "gather", ("medium",))), LOCAL)
