"""From a run to files: the corpus row for row, the same bytes again, nothing private, nothing half done."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_release import TEACHER, toy_run

from pipeline.errors import UserError
from pipeline.hub.blocklist import read_blocklist
from pipeline.hub.public_names import public_name, public_recipe, public_writer
from pipeline.hub.release import DataOptions, Release, data_release
from pipeline.hub.release_manifest import MANIFEST, ReleaseFile, folder_digests, verified
from pipeline.hub.release_source import corpus, latest_round
from pipeline.shard import read_rows
from pipeline.store import Run


def released(run: Run, options: DataOptions | None = None, rows_of_a_file: int = 10**6) -> Release:
    return data_release(run, 0, "acme/toy", options or DataOptions(), lambda _: None, rows_of_a_file)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def pairs(release: Release, pattern: str = "*") -> list[dict]:
    files = sorted(path for path in release.folder.glob(f"data/{pattern}/*.parquet") if path.parent.name != "contexts")
    return [row for path in files for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return toy_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    shutil.copytree(made.folder, tmp_path / "toy")
    return Run(tmp_path / "toy")


def test_every_pair_of_the_corpus_and_no_other(run: Run) -> None:
    wanted = [row for table in corpus(run, 0).values() for row in table.to_pylist()]
    found = pairs(released(run))
    assert len(wanted) > 20
    assert {row["task"] for row in wanted} == {"summary", "paraphrase"}
    assert sorted(found, key=lambda row: row["pair_id"]) == sorted(wanted, key=lambda row: row["pair_id"])
    assert {row["split"] for row in found} == {"train", "validation", "test"}
    assert any(row["entailment"] is not None for row in found)
    for path in released(run).folder.glob("data/*/*.parquet"):
        stem, rows = path.name.partition("-")[0], pq.read_table(path).to_pylist()
        if path.parent.name != "contexts":
            assert {(row["task"], row["split"]) for row in rows} == {(path.parent.name, stem)}
            assert [row["pair_id"] for row in rows] == sorted(row["pair_id"] for row in rows)


def test_the_same_run_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    first = released(run)
    before = content(first.folder)
    shutil.copytree(run.folder, tmp_path / "elsewhere" / "toy")
    again = released(Run(tmp_path / "elsewhere" / "toy"))
    assert content(again.folder) == before
    assert again.root == first.root == released(run).root
    assert not list(run.folder.rglob("*.tmp"))


def test_shards_hold_so_many_rows(run: Run) -> None:
    whole, parts = pairs(released(run)), released(run, rows_of_a_file=3)
    names = {file.path for file in parts.files}
    assert any(name.startswith("data/summary/train-00001-of-") for name in names)
    assert all(pq.read_metadata(parts.folder / n).num_rows <= 3 for n in names if n.endswith(".parquet"))
    assert pairs(parts) == whole


def test_verify_finds_a_changed_byte(run: Run) -> None:
    release = released(run)
    assert verified(release.folder, "x")["root"] == release.root
    for path in sorted(p for p in release.folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        with pytest.raises(UserError, match=r"no manifest" if path.name == MANIFEST else f"{path.name} was changed"):
            verified(release.folder, "x")
        path.write_bytes(data)
    manifest = release.folder / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b'"run": "toy"', b'"run": "boy"'))
    with pytest.raises(UserError, match=r"manifest\.json itself was changed"):
        verified(release.folder, "x")


def test_verify_finds_missing_and_foreign_files(run: Run) -> None:
    folder = released(run).folder
    (folder / ".gitattributes").write_text("the Hub's own")
    verified(folder, "x")
    (folder / "data" / "more.txt").write_text("foreign")
    (folder / "recipe.toml").unlink()
    with pytest.raises(UserError, match=r"data/more.txt is not listed, recipe.toml is missing"):
        verified(folder, "x")
    with pytest.raises(UserError, match=r"no manifest\.json of a release"):
        verified(folder / "data", "x")


def test_digests_follow_content_and_names() -> None:
    files = [ReleaseFile("a", 1, "1"), ReleaseFile("d/b", 1, "2"), ReleaseFile("d/e/c", 1, "3")]
    digests = folder_digests(files)
    assert list(digests) == ["", "d", "d/e"]
    assert folder_digests(list(reversed(files))) == digests
    moved = folder_digests([*files[:2], ReleaseFile("d/f/c", 1, "3")])
    assert moved["d/f"] == digests["d/e"]
    assert moved["d"] != digests["d"]
    assert moved[""] != digests[""]


def test_contexts_of_the_teacher_are_part_of_it(run: Run) -> None:
    rows = pq.read_table(released(run).folder / "data/contexts/train-00000-of-00001.parquet")
    kept = pairs(released(run))
    assert any(row["also_in"] for row in kept)
    used = {row["context_id"] for row in kept} | {context for row in kept for context in row["also_in"]}
    assert set(rows["context_id"].to_pylist()) == used


def test_contexts_of_the_user_stay_here_unless_asked_for(tmp_path: Path) -> None:
    run = toy_run(tmp_path, source="/home/somebody/diary.txt")
    given = DataOptions(licence="cc-by-4.0")
    plain = released(run, given)
    everything = b"".join(content(plain.folder).values())
    assert b"Context number" not in everything
    assert b"somebody" not in everything  # neither does the recipe tell where things lie
    assert not (plain.folder / "data/contexts").exists()
    asked = released(run, DataOptions(licence="cc-by-4.0", upload_contexts=True))
    rows = pq.read_table(asked.folder / "data/contexts/train-00000-of-00001.parquet").to_pylist()
    assert {row["origin"] for row in rows} == {"local:diary.txt"}
    assert all(row["text"].startswith("Context number") for row in rows)


def test_sentences_of_the_user_stay_here_unless_asked_for(run: Run, tmp_path: Path) -> None:
    pairs_of = run.stage(0, "pairs")
    pairs_of.write_manifest((pairs_of.manifest() or {}) | {"spec": {"brought": True}})
    with pytest.raises(UserError, match="--upload-contexts"):
        released(run, DataOptions(licence="mit"))
    with pytest.raises(UserError, match=r"user's own text.*LICENSE="):
        released(run, DataOptions(upload_contexts=True))
    text = (released(run, DataOptions("mit", None, True)).folder / "README.md").read_text()
    assert "Pairs: brought by the publisher" in text
    assert "Part of the sentences came from a file" in text
    rewritten = toy_run(tmp_path, "rewritten", source="./mine.txt")
    shutil.copytree(rewritten.folder / "round-0", rewritten.folder / "round-1")
    released(rewritten, DataOptions(licence="mit"))  # the teacher's sentences after the user's contexts
    with pytest.raises(UserError, match="round 1: its pairs hold sentences of your own text"):
        data_release(rewritten, 1, "acme/toy", DataOptions(licence="mit"), lambda _: None)


def test_a_blocklist_takes_pairs_out(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "block.txt"
    file.write_text("# names\nthe  MAYOR\nunheard-of\n", encoding="utf-8-sig")
    with pytest.raises(UserError, match="leaves no pair"):
        released(run, DataOptions(blocklist=read_blocklist(_file(tmp_path, "the\nit\nriver"))))
    file.write_text("debate\n")
    before, after = pairs(released(run)), pairs(released(run, DataOptions(blocklist=read_blocklist(file))))
    hit = [row for row in before if "debate" in (row["source"] + row["target"]).casefold()]
    assert hit
    assert after == [row for row in before if row not in hit]
    assert f"took {len(hit)} more pairs out" in (run.folder / "release/round-0/README.md").read_text()


@pytest.mark.parametrize(("text", "said"), [("", "no entry"), ("# only\n\n", "no entry"), (None, "cannot be read")])
def test_blocklists_that_are_none(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "block.txt"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=said):
        read_blocklist(file)


def test_a_blocklist_finds_whole_words_in_any_case_and_script(tmp_path: Path) -> None:
    found = read_blocklist(_file(tmp_path, "cat\nstraße\nＢａｄ Name\nc++"))
    texts = ["A CAT sat.", "Concatenate.", "STRASSE", "a bad\nname", "bad names", "I like C++.", None, ""]
    rows = pa.table({"text": pa.array(texts, pa.string())})
    assert found.clean(rows, ["text"]).to_pylist() == [False, True, False, False, True, False, True, True]


def _file(folder: Path, text: str) -> Path:
    file = folder / "list.txt"
    file.write_text(text)
    return file


def test_half_a_run_is_refused(run: Run, tmp_path: Path) -> None:
    assert latest_round(run) == 0
    with pytest.raises(UserError, match="no corpus yet"):
        latest_round(Run(tmp_path / "none"))
    train = run.stage(0, "corpus").folder / "train.parquet"
    data = train.read_bytes()
    train.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match=r"half a run: corpus|changed since"):
        released(run)
    train.write_bytes(data)
    scores = run.stage(0, "scores")
    scores.manifest_file.rename(scores.folder / "manifest.gone")
    with pytest.raises(UserError, match="half a run: scores not finished"):
        released(run)
    (scores.folder / "manifest.gone").rename(scores.manifest_file)
    manifest = run.stage(0, "corpus").manifest() or {}
    run.stage(0, "corpus").write_manifest(manifest | {"inputs": ["of another time"]})
    with pytest.raises(UserError, match="older than its pairs and scores"):
        released(run)
    with pytest.raises(UserError, match="no corpus yet"):
        data_release(run, 1, "acme/toy", DataOptions(), lambda _: None)
    assert not (run.folder / "release").exists()


def test_the_corpus_is_what_the_split_files_say(run: Run) -> None:
    for split, table in corpus(run, 0).items():
        assert table.equals(read_rows(run.stage(0, "corpus").folder / f"{split}.parquet"))


def test_public_names() -> None:
    assert public_name(TEACHER) == TEACHER
    assert public_name("org/model") == "org/model"
    assert public_name("/home/me/gpt2/") == "local:gpt2"
    assert public_name("~/x/y.txt") == public_name("../y.txt") == "local:y.txt"
    assert public_name("s3://key:secret@bucket/text.txt?sig=1#f") == "s3://bucket/text.txt"
    assert public_writer("/home/me/gpt2@abc/float32/vllm") == "local:gpt2@abc/float32/vllm"
    assert public_writer("brought") == "brought"
    assert public_writer("org/m@c/bf16/vllm") == "org/m@c/bf16/vllm"
    text = public_recipe('a = "/x/y"\n[b]\nc = ["./z", "plain / slash"]\nd = 1\n')
    assert 'a = "local:y"' in text
    assert '["local:z", "plain / slash"]' in text
