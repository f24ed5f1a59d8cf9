"""One file, one rename: digests that see values only, bytes that depend on nothing else, and torn writes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.records import CANDIDATE, PAIR
from pipeline.shard import (
    Header,
    canonical,
    content_digest,
    fingerprint,
    parquet_bytes,
    read_header,
    read_rows,
    write_atomically,
    write_shard,
)

COLUMNS = {
    "text": pa.array(["", None, "naïve", "two\nlines", "\U0001f600", "a"], pa.string()),
    "score": pa.array([0.5, None, float("nan"), float("inf"), -0.0, 1.0], pa.float32()),
    "keep": pa.array([True, None, False, True, False, True]),
    "words": pa.array([["a", None], [], None, [""], ["b"], ["c", "d"]], pa.list_(pa.string())),
    "deep": pa.array([{"x": 1, "y": [1]}, None, {"x": None, "y": None}, {"x": 2, "y": []}] * 1 + [None] * 2),
    "nothing": pa.nulls(6),
    "kind": pa.array(["a", "b", "a", None, "b", "a"]).dictionary_encode(),
}
TABLE = pa.table(COLUMNS)
HEADER = Header("toy", "k" * 32, {"b": 1, "a": [0.1, "ä"]}, counts={"in": 6, "out": 6})


@pytest.mark.parametrize("cut", range(7))
def test_digest_does_not_see_chunks_or_slices(cut: int) -> None:
    chunked = pa.concat_tables([TABLE.slice(0, cut), TABLE.slice(cut)])
    padded = pa.concat_tables([TABLE, TABLE, TABLE]).slice(6, 6)
    assert content_digest(chunked) == content_digest(TABLE) == content_digest(padded)


def test_digest_does_not_see_what_lies_under_a_null() -> None:
    values = pa.array([1, 2, 3], pa.int64())
    masked = pa.Array.from_buffers(pa.int64(), 3, [pa.py_buffer(b"\x05"), values.buffers()[1]])
    assert masked.to_pylist() == [1, None, 3]
    assert content_digest(pa.table({"n": masked})) == content_digest(pa.table({"n": [1, None, 3]}))


def test_digest_sees_every_single_value() -> None:
    """Swap any one cell of any column for its neighbour's: wherever the values differ, so do the digests."""
    for name in TABLE.column_names:
        values = TABLE[name].to_pylist()
        for place in range(5):
            swapped = [*values[:place], values[place + 1], *values[place + 1 :]]
            column = pa.array(swapped, TABLE[name].type) if name != "kind" else pa.array(swapped).dictionary_encode()
            other = TABLE.set_column(TABLE.column_names.index(name), name, column)
            same = repr(values[place]) == repr(values[place + 1])
            assert (content_digest(other) == content_digest(TABLE)) is same, (name, place)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": ["ab", "c"]}, {"a": ["a", "bc"]}),
        ({"a": [["a"], ["b"]]}, {"a": [["a", "b"], []]}),
        ({"a": [""]}, {"a": pa.array([None], pa.string())}),
        ({"a": pa.array([[]], pa.list_(pa.string()))}, {"a": pa.array([None], pa.list_(pa.string()))}),
        ({"a": [0.0]}, {"a": [-0.0]}),
        ({"a": [1]}, {"b": [1]}),
        ({"a": pa.array([1], pa.int32())}, {"a": pa.array([1], pa.int64())}),
        ({"a": pa.array([], pa.int32())}, {"a": pa.array([], pa.int64())}),
        ({"a": pa.nulls(1)}, {"a": pa.nulls(2)}),
    ],
)
def test_digest_tells_neighbours_apart(one: dict, two: dict) -> None:
    assert content_digest(pa.table(one)) != content_digest(pa.table(two))


@pytest.mark.parametrize("schema", [CANDIDATE, PAIR, pa.schema([])])
def test_empty_tables_are_shards_too(schema: pa.Schema, tmp_path: Path) -> None:
    written = write_shard(tmp_path / "a.parquet", schema.empty_table(), HEADER)
    assert read_header(tmp_path / "a.parquet") == written
    assert read_rows(tmp_path / "a.parquet").schema == schema


def test_unknown_types_are_refused() -> None:
    with pytest.raises(TypeError, match="decimal128"):
        content_digest(pa.table({"a": pa.array([None], pa.decimal128(5))}))


def test_bytes_do_not_depend_on_chunks_or_stray_metadata() -> None:
    stray = TABLE.replace_schema_metadata({b"pandas": b"{}", b"host": b"here"})
    chunked = pa.concat_tables([stray.slice(0, 2), stray.slice(2)]).unify_dictionaries()
    assert parquet_bytes(chunked, HEADER) == parquet_bytes(TABLE, HEADER)


def test_bytes_are_the_same_in_another_process() -> None:
    code = (
        "import hashlib, sys; sys.path[:0] = sys.argv[1:]; from test_shard import *;"
        "print(hashlib.sha256(parquet_bytes(TABLE, HEADER)).hexdigest())"
    )
    places = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    digests = set()
    for seed in ("0", "1"):
        asked = [sys.executable, "-c", code, *places]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        digests.add(subprocess.run(asked, capture_output=True, text=True, check=True, env=environment).stdout)
    assert len(digests) == 1


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "shard-00000.parquet"
    written = write_shard(path, TABLE, HEADER)
    assert written.content == content_digest(TABLE)
    assert read_header(path) == written
    back = read_rows(path)
    assert back.schema.metadata is None
    assert content_digest(back) == written.content
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_is_no_finished_shard_has_no_header(tmp_path: Path) -> None:
    good = tmp_path / "good.parquet"
    write_shard(good, TABLE, HEADER)
    (tmp_path / "torn.parquet").write_bytes(good.read_bytes()[:-20])
    (tmp_path / "empty.parquet").touch()
    pq.write_table(TABLE, tmp_path / "foreign.parquet")
    pq.write_table(TABLE.replace_schema_metadata({b"impossible.shard": b'{"key": 1}'}), tmp_path / "odd.parquet")
    for name in ("torn", "empty", "foreign", "odd", "absent"):
        assert read_header(tmp_path / f"{name}.parquet") is None, name


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text is not bytes")  # type: ignore[arg-type]
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", b"new")
    assert path.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "folder"]


def test_canonical_is_blind_to_order_and_strict_about_kind() -> None:
    assert canonical({"b": 1, "a": (1, 2)}) == canonical({"a": [1, 2], "b": 1}) == '{"a":[1,2],"b":1}'
    assert fingerprint({"a": 1}) != fingerprint({"a": 1.0})
    assert json.loads(canonical("ä\n")) == "ä\n"
    for wrong in (float("nan"), {1, 2}, Path("x"), b"x"):
        with pytest.raises((TypeError, ValueError)):
            canonical({"a": wrong})


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_a_full_disk_is_one_line_and_keeps_finished_shards(tmp_path: Path) -> None:
    """A real file system of 256 kB, full but for a little: exit code 2, then room again and the run goes on."""
    small = tmp_path / "small"
    small.mkdir()
    toy = f"{sys.executable} {Path(__file__).with_name('toy_stages.py')} {small} full"
    script = f"""
        mount -t tmpfs -o size=256k small {small} || exit 77
        head -c 200000 /dev/zero > {small}/ballast
        {toy}; echo code $?
        find {small} -name '*.tmp' | sed 's/^/leftover /'
        ls {small}/full/round-0/spread/*.parquet | wc -l | sed 's/^/kept /'
        rm {small}/ballast
        {toy}; echo code $?
    """
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    asked = ["unshare", "-rm", "sh", "-c", script]
    ended = subprocess.run(asked, capture_output=True, text=True, env=environment, timeout=60)
    if "code" not in ended.stdout:
        pytest.skip(f"cannot mount here: {ended.stderr.strip()}")
    words = ended.stdout.split("\n")
    assert [line for line in words if line.startswith("code")] == ["code 2", "code 0"]
    assert not [line for line in words if line.startswith("leftover")]
    assert 0 < int(next(line for line in words if line.startswith("kept")).split()[1]) < 12
    (line,) = ended.stderr.strip().splitlines()
    assert "disk is full" in line
    assert "shard-" in line
