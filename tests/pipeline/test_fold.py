"""A fold stage that was stopped finds its own checkpoints again, and leaves none behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest

from pipeline.errors import StageError, UserError
from pipeline.fold import run_fold
from pipeline.plan import Input, Read
from pipeline.stage import ShardWriter
from pipeline.store import Run

ROWS = Input.planned(pa.table({"n": [1, 2, 3]}))


@dataclass(frozen=True)
class Count:
    """Counts to three, one a start, and is stopped until it is there."""

    name: ClassVar[str] = "count"
    setting: int = 0
    error: type[Exception] = UserError

    def spec(self) -> Mapping[str, object]:
        return {"setting": self.setting}

    def run(self, inputs: Mapping[str, pa.Table], out: ShardWriter) -> Mapping[str, int]:
        note = out.work() / "note"
        reached = int(note.read_text()) + 1 if note.exists() else 1
        note.write_text(str(reached))
        out.file("picture.svg").write_text(f"<svg>{reached}</svg>")
        (out.directory("model") / "weights").write_text(str(reached))
        if reached < inputs["rows"].num_rows:
            raise self.error("stopped")
        out.write("curve", inputs["rows"])
        return {"reached": reached}


@pytest.mark.parametrize(("error", "raised"), [(UserError, UserError), (ValueError, StageError)])
def test_checkpoints_outlive_a_stop(tmp_path: Path, error: type[Exception], raised: type[Exception]) -> None:
    run, stage = Run.named("r", tmp_path), Count(error=error)
    for _ in range(2):
        with run.locked(), pytest.raises(raised):
            run_fold(run, 1, stage, {"rows": [ROWS]})
        assert run.stage(1, "count").manifest() is None
    with run.locked():
        made = run_fold(run, 1, stage, {"rows": [ROWS]})
    assert made.counts == {"reached": 3}
    folder = run.stage(1, "count").folder
    assert (folder / "picture.svg").read_text() == "<svg>3</svg>" and (folder / "model" / "weights").exists()
    assert not (run.folder / "unfinished").exists()


def test_other_settings_have_other_checkpoints(tmp_path: Path) -> None:
    run = Run.named("r", tmp_path)
    for setting in (1, 2, 1, 2):
        with pytest.raises(UserError):
            run_fold(run, 1, Count(setting), {"rows": [ROWS]})
    with pytest.raises(UserError):
        run_fold(run, 2, Count(1), {"rows": [ROWS]})  # another round counts on its own
    assert len(list((run.folder / "unfinished").iterdir())) == 3
    assert run_fold(run, 1, Count(1), {"rows": [ROWS]}).counts == {"reached": 3}
    assert [path.name[:8] for path in (run.folder / "unfinished").iterdir()] == ["2-count-"]


def test_a_file_has_a_plain_name_of_its_own(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Bad(Count):
        place: str = ""

        def run(self, inputs: Mapping[str, pa.Table], out: ShardWriter) -> Mapping[str, int]:
            out.write("curve", inputs["rows"])
            out.file(self.place)
            return {}

    for place in ("../up", "a/b", ".hidden", "curve.parquet"):
        with pytest.raises(StageError, match="wanted the plain name of a file that was not written before"):
            run_fold(Run.named("r", tmp_path), 1, Bad(place=place), {"rows": [ROWS]})


def test_files_that_may_be_missing(tmp_path: Path) -> None:
    run = Run.named("r", tmp_path)
    for _ in range(2):
        with pytest.raises(UserError):
            run_fold(run, 0, Count(), {"rows": [ROWS]})
    run_fold(run, 0, Count(), {"rows": [ROWS]})
    assert len(Read(0, "count", ("curve", "none"), where_there=True).inputs(run)) == 1
    for read in (Read(0, "count", ("curve", "none")), Read(0, "count", ("none",), where_there=True)):
        with pytest.raises(UserError, match="not a finished shard"):
            read.inputs(run)
