"""Pushing to a Hub on the loopback device with the real client: whole or not at all, once, and without the token."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_routes import READER, WRITER, Repo
from hub_server import HubServer, loopback
from toy_release import add_student, toy_run

from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.hub.publish import check_repo
from pipeline.hub.release_manifest import MANIFEST
from pipeline.hub.release_source import corpus
from pipeline.store import Run

REPO, KEY = "acme/toy-pairs", ("datasets", "acme/toy-pairs")
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return toy_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    shutil.copytree(made.folder, tmp_path / "runs" / "toy")
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path / "runs"))
    return Run(tmp_path / "runs" / "toy")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with loopback(monkeypatch, tmp_path) as server:
        yield server


@pytest.fixture
def call(run: Run, hub: HubServer, capfd: pytest.CaptureFixture[str]) -> Call:
    """A command in this process: exit code, output, errors. No token is ever in them, nor in the run's folder."""

    def go(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        before, sys.argv = sys.argv, ["pipeline", *words]
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(str(ended.code or 0))
        finally:
            sys.argv = before
        out, err = capfd.readouterr()
        written = b"".join(path.read_bytes() for path in run.folder.rglob("*") if path.is_file())
        for token in (WRITER, READER, "hf_unheardOf"):
            assert token not in out + err
            assert token.encode() not in written
        return code, out, err

    return go


def at_main(hub: HubServer) -> dict[str, bytes]:
    return {path: data for path, data in hub.repos[KEY].commits[-1].items() if path != ".gitattributes"}


def test_a_second_release_is_a_new_tag(run: Run, hub: HubServer, call: Call) -> None:
    words = ("publish", "--run", "toy", "--repo", REPO)
    assert call(*words)[0] == 0
    first, sent = dict(at_main(hub)), hub.count("^PUT")
    code, out, _ = call(*words)
    assert (code, hub.count("^PUT"), len(hub.repos[KEY].commits)) == (0, sent, 2)
    assert "there already" in out
    (run.folder / "block.txt").write_text("zürich\nrome\n")
    assert call(*words, "--blocklist", str(run.folder / "block.txt"))[0] == 0
    repo = hub.repos[KEY]
    assert len(repo.commits) == 3
    assert sorted(repo.tags.values()) == [1, 2]
    assert {p: d for p, d in repo.commits[1].items() if p != ".gitattributes"} == first
    assert call("verify", REPO)[0] == 0
    assert all(call("verify", REPO, "--revision", tag)[0] == 0 for tag in repo.tags)
    name = next(path for path in at_main(hub) if path.endswith(".parquet"))
    repo.commits[-1][name] = repo.commits[-1][name][:-5] + b"other"
    code, _, err = call("verify", REPO)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{name} was changed" in err


def test_a_dry_run_asks_nobody(run: Run, hub: HubServer, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    code, out, _ = call("publish", "--run", "toy", "--repo", REPO, "--dry-run")
    assert (code, hub.asked, hub.repos) == (0, [], {})
    assert "## Known limits" in out
    assert "data/summary/train-00000-of-00001.parquet" in out
    assert call("verify", str(run.folder / "release/round-0"))[0] == 0


def test_tokens(hub: HubServer, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("publish", "--run", "toy", "--repo", REPO)
    for token, said in (("", "no token"), ("hf_unheardOf", "does not take this token"), (READER, "may not write")):
        monkeypatch.setenv("HF_TOKEN", token)
        code, _, err = call(*words)
        assert (code, err.count("\n")) == (2, 1)
        assert said in err
    assert hub.repos == {}
    monkeypatch.setenv("HF_TOKEN", WRITER)
    for status in (400, 418):  # a Hub that says the token back
        hub.fail("POST", "/repos/create", status, body="you sent {authorization}")
        code, _, err = call(*words)
        assert (code, err.count("\n"), hub.repos) == (2, 1, {})
        assert "***" in err


def test_nothing_is_sent_where_something_is_wrong(run: Run, hub: HubServer, call: Call, tmp_path: Path) -> None:
    def refused(*words: str, repo: str = REPO) -> str:
        code, _, err = call("publish", "--run", "toy", "--repo", repo, *words)
        assert (code, err.count("\n")) == (2, 1), err
        assert hub.count("^POST|^PUT") == posted
        return err

    posted = 0
    for name in ("", "toy", "a/b/c", "acme/to y", "acme/../x", "-a/b", "acme/x.git", "acme/" + "x" * 100):
        assert "wanted REPO=org/name" in refused(repo=name)
    assert "no identifier" in refused("--licence", "free")
    assert "wanted up to 100 letters" in refused("--tag", "a b")
    assert "not found" in refused("--run", "none-such")
    assert "cannot be read" in refused("--blocklist", str(tmp_path / "none"))
    assert "no corpus yet" in refused("--round", "3")
    with run.locked():
        assert "works on it" in refused()
    hub.repos["models", REPO] = hub.repos["spaces", "acme/page"] = _repo_with({"model.safetensors": b"x"})
    assert "it is a model on the Hub, wanted a data set" in refused()
    assert "it is a space on the Hub" in refused(repo="acme/page")
    del hub.repos["models", REPO]
    hub.repos[KEY] = _repo_with({"mine.csv": b"a,b"})
    assert "it holds other content (mine.csv" in refused()
    hub.repos[KEY] = _repo_with({"mine.csv": b"", MANIFEST: b'{"manifest": "of an app"}'})
    assert "no manifest.json of ours" in refused()
    assert "it is public" in refused("--private")
    hub.repos[KEY] = _repo_with({})
    assert call("publish", "--run", "toy", "--repo", REPO, "--tag", "v1")[0] == 0
    posted = hub.count("^POST|^PUT")
    assert "its tag v1 holds other content" in refused("--tag", "v1", "--licence", "mit")
    recipe = run.recipe_file.read_text()
    run.write_recipe(recipe.replace("embedded:smollm2-135m-instruct", "org/unknown"))
    assert "LICENSE=" in refused()
    (run.stage(0, "scores").manifest_file).unlink()
    assert "half a run" in refused()


def _repo_with(files: dict[str, bytes], tags: dict[str, int] | None = None) -> Repo:
    return Repo(False, [{".gitattributes": b"", **files}], tags or {})


def test_a_private_repository(run: Run, hub: HubServer, call: Call) -> None:
    assert call("publish", "--run", "toy", "--repo", REPO, "--private")[0] == 0
    assert hub.repos[KEY].private
    assert call("publish", "--run", "toy", "--repo", REPO, "--private")[0] == 0


def test_a_student_as_a_model(run: Run, hub: HubServer, call: Call) -> None:
    words = ("publish-model", "--run", "toy", "--round", "1", "--repo", "acme/toy-t5")
    assert "no finished student" in call(*words)[2]
    add_student(run)
    assert "# A toy student" in call(*words, "--dry-run")[1]
    assert hub.repos == {}
    assert call(*words)[0] == 0
    files = hub.repos["models", "acme/toy-t5"].commits[-1]
    assert {"README.md", "model.safetensors", "config.json", MANIFEST} <= files.keys()
    assert "optimizer.pt" not in files
    assert call("verify", "acme/toy-t5")[0] == 0
    assert "no such data set or model" in call("verify", "acme/none-such")[2]


def test_names() -> None:
    for name in ("acme/toy", "A_b/c.d-e_f", "a/b"):
        check_repo(name)
    for name in ("toy", "acme/", "/toy", "acme/to/y", "ac me/toy", "a/" + "b" * 95):
        with pytest.raises(UserError, match="wanted REPO=org/name"):
            check_repo(name)


READ = """
import json, sys
from datasets import load_dataset
found = {}
for name in sys.argv[1:]:
    whole, streamed = load_dataset("acme/toy-pairs", name), load_dataset("acme/toy-pairs", name, streaming=True)
    found[name] = {split: [rows.to_list(), list(streamed[split])] for split, rows in whole.items()}
    found[name + " features"] = str(next(iter(whole.values())).features)
print(json.dumps(found))
"""


def test_what_datasets_loads_is_the_corpus_row_for_row(run: Run, hub: HubServer, call: Call, tmp_path: Path) -> None:
    assert call("publish", "--run", "toy", "--repo", REPO)[0] == 0
    known = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": READER}
    asked = [sys.executable, "-c", READ, "all", "summary", "paraphrase"]
    done = subprocess.run(asked, env=os.environ | known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "'also_in': List(Value('string'))" in found["all features"]
    for split, table in corpus(run, 0).items():
        wanted = table.sort_by("pair_id").to_pylist()
        for task in ("summary", "paraphrase"):
            rows = [row for row in wanted if row["task"] == task]
            assert found[task][split] == [rows, rows]
        whole, streamed = found["all"][split]
        assert whole == streamed
        assert sorted(whole, key=lambda row: row["pair_id"]) == wanted
