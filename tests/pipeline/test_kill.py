"""Killed without warning, again and again: every row exactly once, and the bytes of a run that nobody disturbed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_stages import files_of, three_steps

from pipeline.backend import LocalBackend
from pipeline.runner import run_steps
from pipeline.shard import read_rows
from pipeline.status import run_status
from pipeline.store import Run

TOY = Path(__file__).with_name("toy_stages.py")
HOUSE = str(Path(__file__).parents[2])


def start(root: Path, pause: float, backend: str = "local", shards: int = 12) -> subprocess.Popen:
    """A process that works on the run; returns when it holds the lock."""
    asked = [sys.executable, str(TOY), str(root), "victim", str(pause), backend, str(shards)]
    environment = os.environ | {"PYTHONPATH": HOUSE}
    process = subprocess.Popen(
        asked,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests run as a background job ignore Ctrl-C
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def undisturbed(root: Path, shards: int = 12) -> Run:
    run = Run.named("undisturbed", root)
    with run.locked():
        run_steps(run, three_steps(shards), LocalBackend())
    return run


def test_kill_minus_nine_fifteen_times(tmp_path: Path) -> None:
    dice, victim = random.Random(20), Run.named("victim", tmp_path)
    finished: dict[str, bytes] = {}
    progress = []
    for _ in range(15):
        with start(tmp_path, pause=0.09) as process:
            time.sleep(dice.uniform(0.0, 0.5))
            process.send_signal(signal.SIGKILL)
        shards = {name: raw for name, raw in files_of(victim).items() if "/shard-" in name and "/." not in name}
        assert {name: shards[name] for name in finished} == finished  # what was finished stays, to the byte
        finished = shards
        progress.append(len(shards))
    assert len(set(progress)) > 5  # the kills fell on many places
    with start(tmp_path, pause=0.0) as process:
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert files_of(victim) == files_of(undisturbed(tmp_path))
    rows = [row for path in victim.stage(0, "gather").tables() for row in read_rows(path)["id"].to_pylist()]
    assert sorted(rows) == sorted(f"{n}-{copy}" for n in range(0, 31, 2) for copy in range(4))
    assert [status.state for status in run_status(victim, three_steps())] == ["done"] * 3


def test_control_c_ends_with_130_and_frees_the_run(tmp_path: Path) -> None:
    with start(tmp_path, pause=0.2) as process:
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "")
    victim = Run.named("victim", tmp_path)
    assert not (victim.folder / ".lock.json").exists()
    with victim.locked():
        run_steps(victim, three_steps(), LocalBackend())
    assert files_of(victim) == files_of(undisturbed(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_driver_of_workers_is_ended(tmp_path: Path, how: signal.Signals) -> None:
    """With Ray: the workers go with their driver, and the next start ends with the same bytes."""
    victim = Run.named("victim", tmp_path)
    with start(tmp_path, pause=0.4, backend="ray", shards=8) as process:
        deadline = time.monotonic() + 60
        while len(victim.stage(0, "spread").shards()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(how)
        process.communicate(timeout=60)
    assert process.returncode == (130 if how is signal.SIGINT else -signal.SIGKILL)
    assert 2 <= len(victim.stage(0, "spread").shards()) < 8
    with start(tmp_path, pause=0.0, backend="ray", shards=8) as process:
        _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")
    assert files_of(victim) == files_of(undisturbed(tmp_path, 8))
