"""Run names, the lock, leftovers, times."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import BusyError, UserError
from pipeline.shard import temporary_beside
from pipeline.store import ROOT_VARIABLE, Run, check_name, code_version, run_names, runs_root

TOY = Path(__file__).with_name("toy_stages.py")
HOUSE = str(Path(__file__).parents[2])


@pytest.mark.parametrize("name", ["a", "news-1", "A.b_c-9", "0", "x" * 100])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/etc", "../a", "a\\b", ".hidden", "-rf", "_a", "a b", "a\n", "ä", "a\0b", "~", "x" * 101],
)
def test_bad_names_get_one_line_and_a_name_that_works(name: str) -> None:
    with pytest.raises(UserError) as caught:
        Run.named(name)
    line = str(caught.value)
    assert "\n" not in line
    assert repr(name) in line
    check_name(line.rsplit("'", 2)[1])
    assert caught.value.exit_code == 2


def test_root_by_argument_variable_and_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert Run.named("a").folder == tmp_path / "a"
    assert Run.named("a", tmp_path / "b").folder == tmp_path / "b" / "a"
    monkeypatch.delenv(ROOT_VARIABLE)
    assert runs_root() == Path(HOUSE) / "data" / "runs"


def test_existing_names_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none yet"):
        Run.existing("news", tmp_path / "absent")
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
    assert run_names(tmp_path) == ["a", "b"]
    assert Run.existing("a", tmp_path).name == "a"
    with pytest.raises(UserError, match=r"'news': not found in .* \(there: a, b\)"):
        Run.existing("news", tmp_path)


def test_a_folder_that_cannot_be_made_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot make"), Run.named("a", tmp_path / "file").locked():
        pass


def test_two_processes_on_one_run(tmp_path: Path) -> None:
    """The second is told who is there; the lock of one killed without warning is free at once."""
    run = Run.named("news", tmp_path)
    environment = os.environ | {"PYTHONPATH": HOUSE}
    asked = [sys.executable, str(TOY), str(tmp_path), "news", "5"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            said = rf"run 'news': process {holder.pid} on \S+ works on it since 20\d\d-"
            with pytest.raises(BusyError, match=said), run.locked():
                pass
            second = subprocess.run(asked, capture_output=True, text=True, env=environment, timeout=60)
            assert second.returncode == 2
            assert len(second.stderr.strip().splitlines()) == 1
        finally:
            holder.send_signal(signal.SIGKILL)
    with run.locked():
        assert (run.folder / ".lock.json").exists()
    assert not (run.folder / ".lock.json").exists()


def test_leftovers_go_at_the_next_start_and_nothing_else(tmp_path: Path) -> None:
    run = Run.named("news", tmp_path)
    folder = run.stage(0, "spread")
    folder.folder.mkdir(parents=True)
    torn = temporary_beside(folder.shard(0))
    torn.write_bytes(b"PAR1 half a fi")
    half = temporary_beside(run.stage(0, "gather").folder)
    (half / "weights").mkdir(parents=True)
    (half / "weights" / "model.bin").touch()
    mine = [folder.folder / "notes.tmp", folder.folder / ".hidden", folder.shard(1)]
    for path in mine:
        path.touch()
    assert run.stages() == [(0, "spread")]
    with run.locked():
        assert not torn.exists()
        assert not half.exists()
        assert all(path.exists() for path in mine)


def test_the_recipe_is_kept_to_the_byte(tmp_path: Path) -> None:
    run = Run.named("news", tmp_path)
    run.write_recipe("name = 'näws'\r\n")
    assert run.recipe_file.read_bytes() == "name = 'näws'\r\n".encode()


def test_times_add_up_over_attempts_and_survive_torn_lines(tmp_path: Path) -> None:
    folder = Run.named("news", tmp_path).stage(0, "spread")
    assert (folder.seconds(), folder.planned()) == (0.0, None)
    folder.note_time(start="1", shards=4, kept=0)
    folder.note_time(index=0, seconds=1.0, elapsed=1.0)
    folder.note_time(index=1, seconds=1.0, elapsed=2.5)
    with (folder.folder / "times.jsonl").open("a") as file:
        file.write('\n{"index": 2, "sec')
    folder.note_time(start="2", shards=5, kept=2)
    folder.note_time(index=2, seconds=1.0, elapsed=1.5)
    assert (folder.seconds(), folder.planned()) == (4.0, 5)
    folder.note_time(start="3", shards=5, kept=0)
    assert folder.seconds() == 0.0


def test_a_manifest_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    folder = Run.named("news", tmp_path).stage(0, "spread")
    assert folder.manifest() is None
    folder.write_manifest({"key": "ä"})
    assert folder.manifest() == {"key": "ä"}
    folder.manifest_file.write_text('{"key": ')
    assert folder.manifest() is None


def test_code_version_is_a_commit_or_a_version() -> None:
    assert code_version().strip()
