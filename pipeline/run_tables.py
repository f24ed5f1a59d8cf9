"""The tables of a run as far as they are there, for those who look at it: the report, the notebook, the exports."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.records import CANDIDATE, CONTEXT, PAIR, score_schema
from pipeline.shard import read_header
from pipeline.status import StageStatus
from pipeline.store import Run

SCHEMAS = {"contexts": CONTEXT, "candidates": CANDIDATE, "pairs": PAIR, "scores": score_schema([])}
STAGES = ("contexts", "candidates", "pairs", "scores", "corpus")
_ORDER = ("student", *STAGES, "monitors")
LEFT_OUT = "left_out"


def rounds(run: Run) -> list[int]:
    """The rounds that have at least one stage."""
    return sorted({number for number, _ in run.stages()})


def of_round(stages: Sequence[StageStatus], round_number: int) -> list[StageStatus]:
    """One round's stages in the order that data takes, a student before what it wrote."""
    found = [status for status in stages if status.round == round_number]
    return sorted(found, key=lambda s: (_ORDER.index(s.stage) if s.stage in _ORDER else len(_ORDER), s.stage))


def stage_rows(run: Run, round_number: int, stage: str, columns: Sequence[str] | None = None) -> pa.Table:
    """All finished shards of a map stage; without any, a table without rows."""
    paths = [path for path in run.stage(round_number, stage).shards().values() if read_header(path)]
    return _read(paths, columns, SCHEMAS[stage])


def judged_rows(run: Run, round_number: int, columns: Sequence[str] | None = None) -> pa.Table:
    """Pairs with their scores beside them, of the shards that are judged: those whose scores were made from them."""
    parts = [_side_by_side(pairs, scores) for pairs, scores in _judged_shards(run, round_number)]
    if not parts:
        return _chosen(pa.schema([*PAIR, ("dropped_by", pa.string())]).empty_table(), columns)
    return _chosen(pa.concat_tables(parts, promote_options="default"), columns)


def corpus_rows(run: Run, round_number: int, split: str = "", task: str = "") -> pa.Table:
    """The kept pairs, split by split as the files are named; of one split or task where it is given."""
    files = [path for path in _corpus_files(run, round_number) if split in ("", path.stem)]
    rows = _read(files, None, pa.schema([*PAIR, ("split", pa.string())]))
    return rows.filter(pc.equal(rows["task"], task)) if task else rows


def splits(run: Run, round_number: int) -> list[str]:
    """The splits of the corpus that have a file."""
    return [path.stem for path in _corpus_files(run, round_number)]


def left_out_rows(run: Run, round_number: int) -> pa.Table:
    """Pairs that passed all filters and that a selector left out; `left_out_by` names it."""
    path = run.stage(round_number, "corpus").folder / f"{LEFT_OUT}.parquet"
    schema = pa.schema([*PAIR, ("left_out_by", pa.string())])
    return _read([path] if path.exists() else [], None, schema)


def aside_rows(run: Run, round_number: int) -> pa.Table:
    """The examples that the pairs stage kept of what its cheap filters dropped; `reason` names the filter."""
    names = ("pair_id", "task", "source", "target", "context_id", "reason")
    files = sorted((run.stage(round_number, "pairs").folder / "aside").glob("shard-*.parquet"))
    return _read(files, None, pa.schema([(name, pa.string()) for name in names]))


def smallest(rows: pa.Table, number: int, key: str = "pair_id") -> pa.Table:
    """A draw without chance: ids are hashes of content, so the smallest ones are as good as any, and always the same.

    Rows with the same id count once.
    """
    if not rows.num_rows:
        return rows
    order = pc.select_k_unstable(rows, k=min(2 * number, rows.num_rows), sort_keys=[(key, "ascending")])
    found = rows.take(order).sort_by(key)
    seen: dict[object, int] = {}
    for place, value in enumerate(found[key].to_pylist()):
        seen.setdefault(value, place)
    return found.take(pa.array(list(seen.values())[:number], pa.int64()))


def _corpus_files(run: Run, round_number: int) -> list[Path]:
    return [path for path in run.stage(round_number, "corpus").tables() if path.stem != LEFT_OUT]


def _judged_shards(run: Run, round_number: int) -> Iterator[tuple[Path, Path]]:
    scores = run.stage(round_number, "scores").shards()
    for index, pairs in run.stage(round_number, "pairs").shards().items():
        made, judged = read_header(pairs), read_header(scores[index]) if index in scores else None
        if made is not None and judged is not None and judged.inputs == (made.content,):
            yield pairs, scores[index]


def _side_by_side(pairs: Path, scores: Path) -> pa.Table:
    left, right = (pq.read_table(path, partitioning=None).replace_schema_metadata(None) for path in (pairs, scores))
    for name in right.column_names:
        if name not in PAIR.names:
            place = left.column_names.index(name) if name in left.column_names else -1
            left = left.set_column(place, name, right[name]) if place >= 0 else left.append_column(name, right[name])
    return left


def _read(paths: Sequence[Path], columns: Sequence[str] | None, schema: pa.Schema) -> pa.Table:
    if not paths:
        return _chosen(schema.empty_table(), columns)
    tables = [pq.read_table(path, columns=columns, partitioning=None) for path in paths]
    return pa.concat_tables([each.replace_schema_metadata(None) for each in tables], promote_options="default")


def _chosen(rows: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    return rows if columns is None else rows.select([name for name in columns if name in rows.column_names])
