"""A corpus in the forms that other tools read. Nothing is lost: every column of the corpus is in every form.

    jsonl        a JSON object a row
    csv          text in quotes, null as nothing between the commas, lists as JSON
    parquet      the columns with their types
    chat         JSON lines with `messages`: the recipe's instruction and the source, answered by the target
    instruction  JSON lines with `prompt` and `completion`, both text

The same corpus gives the same bytes. What is there already stays: equal files are left alone, others are refused.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.errors import FULL, UserError
from pipeline.manifest import sha256
from pipeline.shard import ROW_GROUP, disk_full, sync, temporary_beside

Row = dict[str, object]
Tables = Mapping[str, pa.Table]
"""By the name of the split."""
BATCH = 10_000


def write_export(tables: Tables, form: str, out: Path, instructions: Mapping[str, str]) -> dict[Path, int]:
    """Write every table, all or none; returns the rows of each file. `out`: a folder of a file a split, or one file."""
    suffix, write = FORMS[form]
    planned = {out: pa.concat_tables(tables.values())} if out.suffix == suffix else _files(tables, out, suffix)
    aside: dict[Path, Path] = {}
    try:
        for path, rows in planned.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            aside[path] = temporary_beside(path)
            with aside[path].open("wb") as file:
                write(rows, file, instructions)
            sync(aside[path])
        _put(aside)
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(out) from error
        raise UserError(f"--out {out}: cannot be written: {error.strerror}: give another place") from None
    finally:
        for temporary in aside.values():
            temporary.unlink(missing_ok=True)
    return {path: rows.num_rows for path, rows in planned.items()}


def _files(tables: Tables, out: Path, suffix: str) -> dict[Path, pa.Table]:
    if out.is_file():
        raise UserError(f"--out {out}: is a file; wanted a folder, or a file that ends in {suffix}")
    return {out / f"{split}{suffix}": rows for split, rows in tables.items()}


def _put(aside: Mapping[Path, Path]) -> None:
    """Rename all into place, once none of them would replace anything else."""
    for path, temporary in aside.items():
        if path.exists() and (path.is_dir() or sha256(path) != sha256(temporary)):
            raise UserError(f"--out {path}: is there with other content: give another place, or move it away")
    for path, temporary in aside.items():
        if not path.exists():
            temporary.replace(path)
            sync(path.parent)


def _jsonl(rows: pa.Table, file: BinaryIO, _: Mapping[str, str]) -> None:
    file.writelines(_line(row) for row in _each(rows))


def _chat(rows: pa.Table, file: BinaryIO, instructions: Mapping[str, str]) -> None:
    for row in _each(rows):
        turns = (("user", _prompt(row, instructions)), ("assistant", row["target"]))
        file.write(_line({"messages": [{"role": role, "content": said} for role, said in turns], **row}))


def _instruction(rows: pa.Table, file: BinaryIO, instructions: Mapping[str, str]) -> None:
    for row in _each(rows):
        file.write(_line({"prompt": f"{_prompt(row, instructions)}\n", "completion": row["target"], **row}))


def _prompt(row: Row, instructions: Mapping[str, str]) -> str:
    """What the recipe lets a student read: the task's instruction, then the source."""
    task = str(row["task"])
    return f"{instructions.get(task) or f'{task}: '}{row['source']}"


def _csv(rows: pa.Table, file: BinaryIO, _: Mapping[str, str]) -> None:
    for place, field in enumerate(rows.schema):
        if pa.types.is_nested(field.type):
            texts = [None if value is None else _json(value) for value in rows[field.name].to_pylist()]
            rows = rows.set_column(place, field.name, pa.array(texts, pa.string()))
    pa.csv.write_csv(rows, file)


def _parquet(rows: pa.Table, file: BinaryIO, _: Mapping[str, str]) -> None:
    fixed = {"compression": "zstd", "compression_level": 3, "row_group_size": ROW_GROUP, "version": "2.6"}
    pq.write_table(rows.combine_chunks().replace_schema_metadata(None), file, **fixed)


def _each(rows: pa.Table) -> Iterator[Row]:
    for batch in rows.to_batches(max_chunksize=BATCH):
        yield from batch.to_pylist()


def _line(row: Row) -> bytes:
    return _json(row).encode() + b"\n"


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise UserError("a score is no finite number, which JSON cannot hold: use --format parquet") from None


Writer = Callable[[pa.Table, BinaryIO, Mapping[str, str]], None]
FORMS: Mapping[str, tuple[str, Writer]] = {
    "jsonl": (".jsonl", _jsonl),
    "csv": (".csv", _csv),
    "parquet": (".parquet", _parquet),
    "chat": (".jsonl", _chat),
    "instruction": (".jsonl", _instruction),
}
