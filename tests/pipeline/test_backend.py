"""The same bytes on any number of workers, and no loss when workers raise, blame or die. One Ray for the module."""

import contextlib
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from toy_stages import Spread, Trouble, files_of, numbers, three_steps

from pipeline.backend import LocalBackend, RayBackend, available_cpus, fitting_workers
from pipeline.errors import DiskFullError, StageError, UserError
from pipeline.local_backend import attempt, fixed_threads
from pipeline.runner import run_map, run_steps
from pipeline.stage import Resources
from pipeline.store import Run


@pytest.fixture(scope="module")
def ray_backend() -> Iterator[RayBackend]:
    with RayBackend() as backend:
        yield backend


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.named("news", tmp_path)


def test_any_number_of_workers_gives_the_same_bytes(ray_backend: RayBackend, tmp_path: Path) -> None:
    local = Run.named("local", tmp_path)
    run_map(local, 0, Spread(limit=9), numbers(7), LocalBackend())
    for workers in (1, 2, 5):
        run, resources = Run.named(f"ray-{workers}", tmp_path), Resources(workers=workers, cpus=0.3)
        run_map(run, 0, Spread(limit=9, resources=resources), numbers(7), ray_backend)
        assert files_of(run) == files_of(local), workers


def test_rows_known_are_handed_on_by_workers_too(ray_backend: RayBackend, run: Run, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    stage = Spread(limit=7, diary=str(diary))
    run_map(run, 0, stage, numbers(3), ray_backend)
    assert len(diary.read_text().splitlines()) == 36
    result = run_map(run, 0, replace(stage, limit=10), numbers(3), ray_backend)
    assert len(diary.read_text().splitlines()) == 36 + 4  # the number that was set aside
    assert result.why == ("limit: 7 -> 10",)


def test_a_worker_that_is_killed_loses_and_doubles_nothing(ray_backend: RayBackend, run: Run, tmp_path: Path) -> None:
    stage = Trouble(dies_once=(0, 3), markers=str(tmp_path))
    result = run_map(run, 0, stage, numbers(5, each=1), ray_backend)
    assert (result.made, result.rows, result.counts) == (5, 5, {"in": 5, "out": 5})
    clean = Run.named("clean", tmp_path)
    run_map(clean, 0, Trouble(), numbers(5, each=1), LocalBackend())
    assert files_of(run) == files_of(clean)


def test_one_slip_is_forgiven_and_poison_fails_alone(ray_backend: RayBackend, run: Run, tmp_path: Path) -> None:
    stage = Trouble(raises_once=(1,), raises=(0,), markers=str(tmp_path))
    with pytest.raises(StageError, match=r"^stage trouble, shard 0: ValueError: poison 0 \(1 of 5 shards failed"):
        run_map(run, 0, stage, numbers(5, each=1), ray_backend)
    assert list(run.stage(0, "trouble").shards()) == [1, 2, 3, 4]
    assert "in work" in (run.stage(0, "trouble").folder / "failures.log").read_text()


def test_a_shard_that_kills_every_worker_fails_alone(ray_backend: RayBackend, run: Run) -> None:
    with pytest.raises(StageError, match=r"^stage trouble, shard 1: its worker died \(.*\), as did 2 before") as caught:
        run_map(run, 0, Trouble(dies=(1,)), numbers(4, each=1), ray_backend)
    assert "\n" not in str(caught.value)
    assert list(run.stage(0, "trouble").shards()) == [0, 2, 3]


def test_a_users_error_arrives_as_one(ray_backend: RayBackend, run: Run) -> None:
    with pytest.raises(UserError, match=r"^row 0: not a number of ours: give another$"):
        run_map(run, 0, Trouble(blames=(0,)), numbers(3, each=1), ray_backend)


def test_workers_that_die_while_opening_end_the_stage(ray_backend: RayBackend, run: Run) -> None:
    with pytest.raises(StageError, match="stage trouble: its workers died while opening it"):
        run_map(run, 0, Trouble(dies_opening=True), numbers(3, each=1), ray_backend)


def test_one_asking_too_much_is_told_and_does_not_hang(ray_backend: RayBackend, run: Run) -> None:
    for asked, unit, key in (
        (Resources(cpus=1000), "1000 CPU", "trouble.cpus"),
        (Resources(gpus=1, section="rewrites"), "1 GPU", "rewrites.gpus"),
    ):
        said = rf"stage trouble: one worker asks for {unit}, there are .*: lower run\.resources\.{key}"
        with pytest.raises(UserError, match=said):
            run_map(run, 0, Trouble(resources=asked), numbers(1), ray_backend)


def test_more_workers_than_fit_are_capped(ray_backend: RayBackend, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    many = Resources(workers=50, cpus=available_cpus() / 2)
    assert run_map(run, 0, Trouble(resources=many), numbers(3, each=1), ray_backend).made == 3
    assert "do not fit, 2 are used" in caplog.text


@pytest.mark.parametrize(
    ("resources", "wanted", "there", "fit"),
    [
        (Resources(cpus=0.3), 5, {"CPU": 2.0}, 5),
        (Resources(cpus=0.1), 20, {"CPU": 2.0}, 20),
        (Resources(cpus=1), 5, {"CPU": 2.0}, 2),
        (Resources(cpus=0), 5, {"CPU": 2.0}, 5),
        (Resources(cpus=1, gpus=0.5), 9, {"CPU": 8.0, "GPU": 1.0}, 2),
    ],
)
def test_fitting_workers(resources: Resources, wanted: int, there: dict[str, float], fit: int) -> None:
    assert fitting_workers("toy", resources, wanted, there) == fit


@dataclass(frozen=True)
class Look:
    """Work that tells what its worker sees."""

    name: str = "look"
    resources: Resources = field(default=Resources(workers=1, cpus=0.5, threads=2))

    def open(self) -> Callable[[str], str]:
        import torch

        opened = os.getpid()
        return lambda name: f"{opened} {os.getpid()} {torch.get_num_threads()} {os.environ.get(name)}"


def test_environment_threads_and_one_opening(ray_backend: RayBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPOSSIBLE_TEST", "1")
    monkeypatch.setenv("HF_TEST", "ä")
    monkeypatch.setenv("OTHER_TEST", "3")
    seen: list[str] = []
    names = ["IMPOSSIBLE_TEST", "HF_TEST", "OTHER_TEST", "OMP_NUM_THREADS"]
    assert ray_backend.map(Look(), names, seen.append) == []
    rows = [line.split() for line in seen]
    assert [row[3] for row in rows] == ["1", "ä", "None", "2"]
    assert {row[2] for row in rows} == {"2"}
    assert len({row[0] for row in rows}) == 1
    assert all(row[0] == row[1] != str(os.getpid()) for row in rows)


def test_threads_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    with fixed_threads(1):
        assert (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == (1, "1", "1")
    assert (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]) == (before, "7")
    assert "MKL_NUM_THREADS" not in os.environ


def test_errors_travel_as_data() -> None:
    class OddError(UserError):
        def __init__(self, left: int, right: int) -> None:
            super().__init__(f"{left} {right}\nmore")

    def fails(error: Exception) -> None:
        raise error

    odd = attempt(fails, OddError(1, 2))
    assert (type(odd.user), str(odd.user)) == (UserError, "1 2")
    assert type(attempt(fails, DiskFullError("full")).user) is DiskFullError
    assert attempt(fails, ValueError("")).line == "ValueError"
    assert attempt(fails, KeyError("x")).user is None


def test_no_tasks_start_nothing() -> None:
    backend = RayBackend()
    assert backend.map(Look(), [], print) == []
    assert backend._ray is None
    backend.close()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "127.0.0.1:port", "host.invalid:1"])
def test_an_address_where_no_cluster_is_fails_at_once(address: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"Ray could not be started at '{address}': ")):
        RayBackend(address).map(Look(), ["A"], print)


@pytest.mark.slow
def test_joining_a_cluster(tmp_path: Path) -> None:
    """A head of its own in other processes; the driver joins it and the rooms travel as modules."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", f"--port={port}", "--num-cpus=2"]
    quiet = ["--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=100000000"]
    ports = ["--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={tempfile.mkdtemp(prefix='r')}"]
    # A session of its own: Ray's processes end with it.
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # as on a cluster: both sides know it
    environment = os.environ | token | {"PYTHONPATH": str(Path(__file__).parents[2])}
    asked = [*command, *quiet, *ports]
    head = subprocess.Popen(asked, stdout=subprocess.DEVNULL, start_new_session=True, env=environment)
    try:
        asked = [sys.executable, str(Path(__file__).with_name("toy_stages.py")), str(tmp_path), "joined", "0"]
        until_open(port)
        address = f"127.0.0.1:{port}"
        ended = subprocess.run([*asked, address, "4"], capture_output=True, text=True, env=environment, timeout=120)
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr == ""
    finally:
        head.terminate()
        head.wait(30)
    alone = Run.named("alone", tmp_path)
    run_steps(alone, three_steps(4), LocalBackend())
    assert files_of(Run.named("joined", tmp_path)) == files_of(alone)


def until_open(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
