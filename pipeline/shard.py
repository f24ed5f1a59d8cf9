"""One shard: a parquet file that says itself what it is. One file, one rename, nothing else to tear.

A shard is finished iff its file is there and the key in its own schema is the expected one. The bytes depend
on the rows and the header only: no clock, host, process or worker has a say, so a rerun gives the same file.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import FULL, DiskFullError
from pipeline.records import content_id

LAYOUT = 1
"""Version of the header and of the content digest. Part of every key."""

ROW_GROUP = 65_536
_HEADER = b"impossible.shard"
_TEMPORARY = ".tmp"

Json = Mapping[str, object]


@dataclass(frozen=True)
class Header:
    """What a shard says of itself, stored as sorted JSON in the Arrow schema of its file.

    `key` hashes all that decides the rows; `facts` all that decides a single row; `content` the rows themselves.
    `spec` and `inputs` are kept so that a stale shard can name what has changed since. `aside` counts the rows
    in the file of quarantined rows.
    """

    stage: str
    key: str
    spec: Json
    facts: str = ""
    inputs: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    content: str = ""
    aside: int = 0
    layout: int = LAYOUT


def canonical(data: object) -> str:
    """Plain data as JSON with sorted keys: equal data, equal text. Raises TypeError or ValueError for anything else."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(data: object) -> str:
    return content_id(canonical(data))


def content_digest(table: pa.Table) -> str:
    """blake2b-128 of the values of a table: names, types, then each column as nulls and values.

    Two tables with equal values have equal digests, however they are chunked or sliced and whatever
    lies in memory under a null. Floats count by their bits.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(canonical([[f.name, str(f.type)] for f in table.schema]).encode())
    digest.update(table.num_rows.to_bytes(8, "little"))
    for column in table.combine_chunks().columns:
        _feed(digest, pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type))
    return digest.hexdigest()


def _feed(digest: "hashlib.blake2b", array: pa.Array) -> None:
    """One array: where it is null, then the values that are not, children after parents."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    digest.update(np.packbits(array.is_null().to_numpy(zero_copy_only=False)).tobytes())
    present = array.drop_null()
    if pa.types.is_nested(array.type):
        _feed_nested(digest, present)
    elif isinstance(present, (pa.StringArray, pa.BinaryArray, pa.LargeStringArray, pa.LargeBinaryArray)):
        digest.update(_numbers(pc.binary_length(present).cast(pa.int64())))
        digest.update(_characters(present))
    elif pa.types.is_boolean(array.type):
        digest.update(np.packbits(present.to_numpy(zero_copy_only=False)).tobytes())
    elif pa.types.is_primitive(array.type):
        digest.update(_numbers(present))
    elif not pa.types.is_null(array.type):
        raise TypeError(f"column of type {array.type}: a shard holds numbers, text, booleans, lists and structs only")


def _feed_nested(digest: "hashlib.blake2b", array: pa.Array) -> None:
    if pa.types.is_struct(array.type):
        for child in array.flatten():
            _feed(digest, child)
        return
    digest.update(_numbers(pc.list_value_length(array).cast(pa.int64())))
    _feed(digest, array.flatten())


def _numbers(array: pa.Array) -> memoryview:
    """The little-endian bytes of a fixed-width array without nulls."""
    width = array.type.bit_width // 8
    return memoryview(array.buffers()[1] or b"")[array.offset * width : (array.offset + len(array)) * width]


def _characters(array: pa.Array) -> memoryview:
    """The bytes of all values of a text array without nulls, one after the other: they lie so in memory."""
    _, ends, values = array.buffers()
    if not len(array) or values is None:
        return memoryview(b"")
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    marks = np.frombuffer(ends, dtype=np.int64 if wide else np.int32)
    return memoryview(values)[marks[array.offset] : marks[array.offset + len(array)]]


def parquet_bytes(table: pa.Table, header: Header) -> bytes:
    """The file of a shard. Every option that the bytes depend on is fixed here."""
    stamp = {_HEADER: canonical(dataclasses.asdict(header)).encode()}
    bare = pa.schema([pa.field(f.name, f.type, f.nullable) for f in table.schema], metadata=stamp)
    whole = pa.table(table.combine_chunks().columns, schema=bare)
    sink = pa.BufferOutputStream()
    fixed = {"compression": "zstd", "compression_level": 3, "row_group_size": ROW_GROUP, "version": "2.6"}
    # Not "compliant": else list<item> would come back as list<element>, another type than was written.
    pq.write_table(whole, sink, use_compliant_nested_type=False, **fixed)
    return bytes(sink.getvalue())


def write_shard(path: Path, table: pa.Table, header: Header) -> Header:
    """Write a finished shard; returns its header, now with the digest of its content."""
    full = dataclasses.replace(header, content=content_digest(table))
    write_atomically(path, parquet_bytes(table, full))
    return full


def read_header(path: Path) -> Header | None:
    """The header of a shard; None where there is no such file, or it is none of ours, or it is damaged."""
    try:
        stamp = (pq.read_schema(path).metadata or {})[_HEADER]
        said = json.loads(stamp)
        return Header(**{**said, "inputs": tuple(said["inputs"])})
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None


def read_rows(path: Path) -> pa.Table:
    """The rows of a shard, without the header, so that it cannot stray into another file."""
    with pq.ParquetFile(path) as file:
        return file.read().replace_schema_metadata(None)


def count_rows(path: Path) -> int:
    rows: int = pq.read_metadata(path).num_rows
    return rows


def write_atomically(path: Path, data: bytes) -> None:
    """Aside, fsync, rename, fsync the folder: a reader sees the old file or the new one, also after a power cut."""
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(path) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def disk_full(path: Path) -> DiskFullError:
    return DiskFullError(f"{path}: the disk is full; finished shards are kept: free some space and start again")


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that no other process uses; leftovers are cleaned under the lock of the run."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{_TEMPORARY}")


def is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY)


def sync(path: Path) -> None:
    """Make a file's bytes or a folder's renames outlast a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
