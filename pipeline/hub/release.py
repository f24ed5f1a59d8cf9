"""From a run to the files of a release: parquet shards by task and split, card, recipe, manifest.

    <run>/release/round-<r>/README.md, recipe.toml, manifest.json
                            data/<task>/<split>-00000-of-00001.parquet
                            data/contexts/train-00000-of-00001.parquet

The same run gives the same bytes under the same names: rows are sorted by id, and no clock or machine has a say.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.hub.blocklist import Blocklist
from pipeline.hub.card import ConfigFiles
from pipeline.hub.data_card import CardParts, data_card
from pipeline.hub.licences import Lookup
from pipeline.hub.public_names import public_name, public_recipe, with_public_writers
from pipeline.hub.release_manifest import MANIFEST, ReleaseFile, files_in, manifest_bytes, release_manifest
from pipeline.hub.release_source import contexts, corpus, users_pairs
from pipeline.shard import ROW_GROUP, content_digest, sync, temporary_beside, write_atomically
from pipeline.store import Run

ROWS_OF_A_FILE = 1_000_000
ALL, CONTEXTS = "all", "contexts"
TEXTS = ("source", "target")


@dataclass(frozen=True)
class DataOptions:
    """What the publisher chose. An empty licence is derived; contexts of the user's own stay here unless asked for."""

    licence: str = ""
    blocklist: Blocklist | None = None
    upload_contexts: bool = False


@dataclass(frozen=True)
class Release:
    """A folder ready to be pushed; `root` is the digest over all of it."""

    folder: Path
    root: str
    files: tuple[ReleaseFile, ...]

    def default_tag(self, stem: str) -> str:
        """A tag that names the content: the same release again has the same tag, another one has another."""
        return f"{stem}-{self.root[:12]}"


def data_release(
    run: Run, round_number: int, repo: str, options: DataOptions, lookup: Lookup, rows_of_a_file: int = ROWS_OF_A_FILE
) -> Release:
    """Make the release of one round's corpus; what was there of an earlier one is replaced at once."""
    kept = corpus(run, round_number)
    if users_pairs(run, round_number) and not options.upload_contexts:
        raise UserError(
            f"run {run.name!r}, round {round_number}: its pairs hold sentences of your own text, which leave this "
            "machine only when asked for: add --upload-contexts, or publish another round"
        )
    splits, left_out = _cleaned(kept, options.blocklist)
    found = contexts(run, round_number, list(splits.values()), options.upload_contexts)
    if found is not None and options.blocklist:
        found = found.filter(options.blocklist.clean(found, ("text", "prefix")))
    tables = _tables(splits, found)
    parquet = {path: rows for config in tables for path, rows in _files(config, tables[config], rows_of_a_file)}
    files = {path: _parquet(rows) for path, rows in parquet.items()}
    configs = list(_configs(tables, {path: len(data) for path, data in files.items()}))
    files["recipe.toml"] = public_recipe(run.recipe_file.read_text(encoding="utf-8")).encode()
    parts = CardParts(repo, options.licence, options.blocklist, left_out, options.upload_contexts, found is not None)
    files["README.md"] = data_card(run, round_number, parts, configs, lookup).encode()
    made_from = {"run": run.name, "round": round_number, "corpus": {s: content_digest(t) for s, t in kept.items()}}
    return write_release(run.folder / "release" / f"round-{round_number}", files, made_from)


def _cleaned(splits: Mapping[str, pa.Table], blocklist: Blocklist | None) -> tuple[dict[str, pa.Table], int]:
    """The rows as they are published, by id, and how many the blocklist took."""
    rows = {split: with_public_writers(table).sort_by("pair_id") for split, table in splits.items()}
    clean = {s: t.filter(blocklist.clean(t, TEXTS)) if blocklist else t for s, t in rows.items()}
    left_out = sum(t.num_rows for t in rows.values()) - sum(t.num_rows for t in clean.values())
    clean = {split: table for split, table in clean.items() if table.num_rows}
    if not clean:
        raise UserError("blocklist: it leaves no pair: take entries out of it")
    return clean, left_out


def _tables(splits: Mapping[str, pa.Table], found: pa.Table | None) -> dict[str, dict[str, pa.Table]]:
    """Rows by task and split, and the contexts; what has no row is not there."""
    tasks = sorted({task for rows in splits.values() for task in pc.unique(rows["task"]).to_pylist()})
    if clash := {ALL, CONTEXTS} & set(tasks):
        raise UserError(f"task {clash.pop()!r}: a data set has a part of that name already: call the task otherwise")
    tables = {task: {s: t.filter(pc.equal(t["task"], task)) for s, t in splits.items()} for task in tasks}
    tables = {task: {s: t for s, t in by_split.items() if t.num_rows} for task, by_split in tables.items()}
    if found is not None and found.num_rows:
        names = [public_name(origin) for origin in found["origin"].to_pylist()]
        place = found.column_names.index("origin")
        tables[CONTEXTS] = {"train": found.set_column(place, "origin", pa.array(names, pa.string()))}
    return tables


def _files(config: str, by_split: Mapping[str, pa.Table], most: int) -> Iterator[tuple[str, pa.Table]]:
    """The parquet files of one config: at most so many rows each."""
    for split, rows in by_split.items():
        parts = -(-rows.num_rows // most)
        for i in range(parts):
            yield f"data/{config}/{split}-{i:05d}-of-{parts:05d}.parquet", rows.slice(i * most, most)


def _configs(tables: Mapping[str, Mapping[str, pa.Table]], sizes: Mapping[str, int]) -> Iterator[ConfigFiles]:
    """`all` first, over the files of every task; then each task; then the contexts."""
    tasks = [name for name in tables if name != CONTEXTS]
    splits = dict.fromkeys(split for task in tasks for split in tables[task])
    every = {s: pa.concat_tables([tables[task][s] for task in tasks if s in tables[task]]) for s in splits}
    yield _config(ALL, every, {s: [t for t in tasks if s in tables[t]] for s in splits}, sizes)
    for name in tables:
        yield _config(name, tables[name], {split: [name] for split in tables[name]}, sizes)


def _config(
    name: str, rows: Mapping[str, pa.Table], folders: Mapping[str, Sequence[str]], sizes: Mapping[str, int]
) -> ConfigFiles:
    stems = {split: [f"data/{folder}/{split}-" for folder in found] for split, found in folders.items()}
    bytes_of = {s: sum(n for path, n in sizes.items() if path.startswith(tuple(found))) for s, found in stems.items()}
    return ConfigFiles(name, rows, {s: [f"{stem}*.parquet" for stem in found] for s, found in stems.items()}, bytes_of)


def _parquet(rows: pa.Table) -> bytes:
    """A file of a release. Every option that the bytes depend on is fixed here.

    Pages are cut by content, so that a later release shares most of its bytes with this one on the Hub's storage.
    """
    bare = pa.table(rows.combine_chunks().columns, schema=rows.schema.remove_metadata())
    sink = pa.BufferOutputStream()
    fixed = {"compression": "zstd", "compression_level": 3, "row_group_size": ROW_GROUP, "version": "2.6"}
    pq.write_table(bare, sink, use_content_defined_chunking=True, write_page_index=True, **fixed)
    return bytes(sink.getvalue())


def write_release(place: Path, files: Mapping[str, bytes | Path], made_from: Mapping[str, object]) -> Release:
    """Write the files and their manifest aside, then put the folder in its place."""
    aside = temporary_beside(place)
    try:
        for path, content in files.items():
            _write(aside / path, content)
        listed = files_in(aside)
        manifest = release_manifest(listed, made_from)
        write_atomically(aside / MANIFEST, manifest_bytes(manifest))
        shutil.rmtree(place, ignore_errors=True)  # made anew from the run at any time
        aside.replace(place)
        sync(place.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Release(place, str(manifest["root"]), tuple(files_in(place)))


def _write(path: Path, content: bytes | Path) -> None:
    if isinstance(content, bytes):
        write_atomically(path, content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(content, path)
