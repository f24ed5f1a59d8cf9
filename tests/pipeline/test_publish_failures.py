"""Whatever goes wrong between us and the Hub: it is got over, or main stays as it was; nothing is sent twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_routes import Repo
from hub_server import DROP, HANG, HubServer, loopback
from toy_release import toy_run

from pipeline.errors import UserError
from pipeline.hub.publish import Target, connect, push
from pipeline.hub.release import DataOptions, Release, data_release
from pipeline.hub.release_manifest import MANIFEST
from pipeline.store import Run

HOUSE = Path(__file__).parents[2]
REPO, KEY = "acme/toy-pairs", ("datasets", "acme/toy-pairs")
TARGET = Target(REPO, "dataset")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return toy_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def release(made: Run) -> Release:
    return data_release(made, 0, REPO, DataOptions(), lambda _: None)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with loopback(monkeypatch, tmp_path) as server:
        yield server


def files_of(release: Release) -> dict[str, bytes]:
    return {path: (release.folder / path).read_bytes() for path in [MANIFEST, *(f.path for f in release.files)]}


def at_main(hub: HubServer) -> dict[str, bytes]:
    return {path: data for path, data in hub.repos[KEY].commits[-1].items() if path != ".gitattributes"}


CALLS = [
    ("GET", rf"/api/datasets/{REPO}$"),
    ("GET", rf"/api/models/{REPO}$"),
    ("POST", r"/api/repos/create"),
    ("GET", r"/refs$"),
    ("POST", r"/validate-yaml"),
    ("POST", r"/preupload/main"),
    ("POST", r"/info/lfs/objects/batch"),
    ("PUT", r"/large/"),
    ("POST", r"/commit/main"),
    ("POST", r"/tag/"),
]
NAMES = [path.strip("/$") for _, path in CALLS]


FAILURES = [(*call, status) for call in CALLS for status in (503, DROP)] + [(*CALLS[2], 429), (*CALLS[8], 429)]


@pytest.mark.parametrize(("method", "path", "status"), FAILURES, ids=lambda each: str(each).strip("/$"))
def test_a_failure_at_any_call_is_got_over(
    release: Release, hub: HubServer, method: str, path: str, status: int
) -> None:
    waits = list[float]()
    hub.fail(method, path, status, headers={"Retry-After": "7"} if status == 429 else {})
    pushed = push(connect(), TARGET, release, "one", waits.append)
    repo = hub.repos[KEY]
    assert at_main(hub) == files_of(release)
    assert (len(repo.commits), repo.tags, pushed.new) == (2, {"one": 1}, True)
    assert set(waits) <= ({7.0} if status == 429 else {1.0})
    sent = [line for line in hub.asked if line.startswith("PUT")]
    assert len(sent) == len(hub.large) + (method == "PUT")  # only what failed was sent again
    assert not push(connect(), TARGET, release, "one").new
    assert hub.count("^PUT") == len(sent)


@pytest.mark.parametrize(("method", "path"), CALLS, ids=NAMES)
def test_an_answer_that_is_lost_does_no_harm(release: Release, hub: HubServer, method: str, path: str) -> None:
    hub.fail(method, path, DROP, after=True)
    push(connect(), TARGET, release, "one", lambda _: None)
    assert at_main(hub) == files_of(release)
    assert (len(hub.repos[KEY].commits), hub.repos[KEY].tags) == (2, {"one": 1})


@pytest.mark.parametrize(("method", "path"), [CALLS[0], *CALLS[3:9]], ids=[NAMES[0], *NAMES[3:9]])
def test_an_interrupted_push_leaves_main_and_goes_on(release: Release, hub: HubServer, method: str, path: str) -> None:
    hub.repos[KEY] = Repo(False, [{"old.txt": b"of the release before", MANIFEST: b'{"root": "another"}'}], {"old": 0})
    before, waits = dict(hub.repos[KEY].commits[0]), list[float]()
    hub.fail(method, path, 500, times=10**6)
    with pytest.raises(UserError, match=r"the Hub said 500|cannot be reached"):
        push(connect(), TARGET, release, "new", waits.append)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert hub.repos[KEY].commits == [before]
    assert hub.repos[KEY].tags == {"old": 0}
    hub.failures.clear()
    there = set(hub.large)
    hub.asked.clear()
    push(connect(), TARGET, release, "new")
    assert at_main(hub) == files_of(release)
    assert hub.repos[KEY].tags == {"old": 0, "new": 1}
    assert hub.count("^PUT") == len(set(hub.large) - there)  # what the first try had sent is not sent again
    assert bool(there) == ("commit" in path)


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_process_that_is_stopped_before_the_commit(made: Run, hub: HubServer, sign: int, code: int) -> None:
    hub.fail("POST", "/commit/main", HANG)
    known = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "IMPOSSIBLE_RUNS": str(made.folder.parent)}
    asked = [sys.executable, "-m", "pipeline", "publish", "--run", made.name, "--repo", REPO]
    # A shell's background job ignores SIGINT, and so would its children.
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    env = os.environ | known
    with subprocess.Popen(asked, env=env, cwd=HOUSE, stderr=subprocess.PIPE, text=True, **heeds) as process:
        assert hub.hung.wait(60)
        process.send_signal(sign)
        said = process.communicate(timeout=30)[1]
        hub.free.set()
    assert process.returncode == code
    assert "Traceback" not in said
    assert len(hub.repos[KEY].commits) == 1
    sent = hub.count("^PUT")
    again = data_release(made, 0, REPO, DataOptions(), lambda _: None)
    push(connect(), TARGET, again, "one")
    assert at_main(hub) == files_of(again)
    assert hub.count("^PUT") == sent == len(hub.large)


def test_files_of_the_release_before_go(made: Run, hub: HubServer) -> None:
    many = data_release(made, 0, REPO, DataOptions(), lambda _: None, rows_of_a_file=3)
    push(connect(), TARGET, many, "many")
    before, few = set(at_main(hub)), data_release(made, 0, REPO, DataOptions(), lambda _: None)
    push(connect(), TARGET, few, "few")
    assert at_main(hub) == files_of(few)
    assert before - set(at_main(hub))
    assert len(hub.repos[KEY].commits) == 3


def test_a_hub_out_of_reach_is_one_line(release: Release, hub: HubServer) -> None:
    hub.fail("GET", "/api/datasets", DROP, times=99)
    with pytest.raises(UserError, match=r"cannot be reached at http://127.0.0.1:\d+ \(.*\): check the network"):
        push(connect(), TARGET, release, "one", lambda _: None)


def test_main_that_moved_meanwhile_is_not_written_over(release: Release, hub: HubServer) -> None:
    hub.fail("POST", "/commit/main", 412)
    with pytest.raises(UserError, match="its main has moved"):
        push(connect(), TARGET, release, "one", lambda _: None)
    assert len(hub.repos[KEY].commits) == 1
