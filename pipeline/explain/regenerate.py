"""A candidate decoded again: the same request, seed, context and sampling, and what came of it.

identical        the same sample has the same text, end, tokens and log-probability, to the last bit that is stored
equivalent       the same sample differs in white space or in its log-probability only, or another sample of the same
                 request has the text
not reproducible the text did not come again, or it cannot be asked for
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from filters.wellformed import Wellformed
from pipeline.errors import PipelineError, one_line
from pipeline.explain.find import Found
from pipeline.overgenerate import Overgenerate
from pipeline.plan import MapStep, Read, spec_changes
from pipeline.recipe import Recipe, load
from pipeline.recipe_sections import Modes
from pipeline.run_tables import stage_rows
from pipeline.shard import Header, canonical, read_header, read_rows
from pipeline.stage import Batch
from pipeline.store import Run
from pipeline.teacher.decoder import Decoder, Sampling
from student.errors import StudentError

Row = dict[str, object]
Verdict = Literal["identical", "equivalent", "not reproducible"]


@dataclass(frozen=True)
class Regenerated:
    """The verdict, why it is so, and the text that the same sample has now (None: it was not decoded)."""

    verdict: Verdict
    why: tuple[str, ...]
    text: str | None = None


@dataclass(frozen=True)
class Written:
    """A candidate's row and the shard that it lies in."""

    row: Row
    index: int
    header: Header


def written(run: Run, round_number: int, candidate_id: str) -> Written | None:
    """A candidate of a round by its id."""
    for index, path in run.stage(round_number, "candidates").shards().items():
        header = read_header(path)
        if header is not None:
            rows = read_rows(path)
            found = rows.filter(pc.equal(rows["candidate_id"], candidate_id))
            if found.num_rows:
                return Written(found.to_pylist()[0], index, header)
    return None


def regenerate(run: Run, found: Found, decoder: Decoder | None = None) -> Regenerated:
    """Decode the request of the pair's target again. `decoder`: instead of the recipe's teacher."""
    key = found.row.get("target_id")
    if found.early:
        return _never("it was dropped early, and of such pairs only the sentences are kept")
    if key is None:
        return _never("the pair was brought by the user: nobody here wrote it")
    target = written(run, found.round, str(key))
    if target is None:
        return _never(f"its candidate {key} is not in round {found.round} any more")
    try:
        recipe = load(run.recipe_file)
        if found.round:
            rows, why = _rewritten(run, recipe, found.round, target)
            return compare(_as_numbered(run, found.round, target), rows, why)
        rows, why = _decoded(run, recipe, target, decoder)
    except (PipelineError, StudentError, OSError, ImportError) as error:
        return _never(f"it cannot be decoded here: {one_line(error)}")
    return compare(target.row, rows, why)


def _as_numbered(run: Run, round_number: int, target: Written) -> Row:
    rows = read_rows(run.stage(round_number, "candidates").shard(target.index)).to_pylist()
    key = target.row["candidate_id"]
    return next(row for row in _numbered(rows, target.row) if row["candidate_id"] == key)


def compare(old: Row, rows: Sequence[Row], why: Sequence[str] = ()) -> Regenerated:
    """`rows`: what the same request wrote now. `why`: what is known to differ."""
    same = next((row for row in rows if _place(row) == _place(old)), None)
    text = str(same["text"]) if same else None
    if same and all(_bits(same[name]) == _bits(old[name]) for name in ("text", "ended", "tokens", "logprob")):
        return Regenerated("identical", tuple(why), text)
    if same and _plain(same) == _plain(old):
        return Regenerated("equivalent", (*why, _difference(old, same)), text)
    twin = next((row for row in rows if row["mode"] == old["mode"] and _plain(row) == _plain(old)), None)
    if twin:
        other = f"the text came as sample {_sample(twin)} of the request; it was sample {_sample(old)}"
        return Regenerated("equivalent", (*why, other), text)
    if not rows:
        return Regenerated("not reproducible", (*why, "the context does not fit this decoder's window"), None)
    usual = "the same model and settings give another text here: another machine, library or batch rounds otherwise"
    return Regenerated("not reproducible", tuple(why) or (usual,), text)


def _decoded(run: Run, recipe: Recipe, target: Written, decoder: Decoder | None) -> tuple[list[Row], list[str]]:
    """All samples of the target's context, by the settings that the shard names."""
    from pipeline.teacher.choose import decoder as chosen

    models = recipe.models
    teacher = decoder or chosen(models.teacher, models.teacher_revision or "", recipe.engine)
    stage = _stage(target.header, teacher)
    contexts = stage_rows(run, 0, "contexts")
    own = contexts.filter(pc.equal(contexts["context_id"], str(target.row["context_id"])))
    if not own.num_rows:
        own = pa.table({"context_id": [target.row["context_id"]], "text": [target.row["context"]]})
    rows = stage.open()(Batch(target.index, own.slice(0, 1))).table.to_pylist()
    return rows, _other_writer(target.row["writer"], teacher.fingerprint())


def _stage(header: Header, teacher: Decoder) -> Overgenerate:
    said = header.spec
    wellformed = TypeAdapter(Wellformed).validate_json(canonical(said.get("wellformed", {})))
    modes = Modes.model_validate_json(canonical(said["modes"]))
    sampling = TypeAdapter(Sampling).validate_json(canonical(said["sampling"]))
    return Overgenerate(teacher, sampling, modes, wellformed, int(str(said["seed"])))


def _rewritten(run: Run, recipe: Recipe, number: int, target: Written) -> tuple[list[Row], list[str]]:
    """What the student writes for the whole shard: its rewrites share one seed."""
    from pipeline.rounds.distill import Distillation

    steps = Distillation(recipe, run).writing(number)
    step = next(step for step in steps if isinstance(step, MapStep) and step.stage.name == "candidates")
    inputs = step.reads.inputs(run) if isinstance(step.reads, Read) else step.reads
    rows = step.stage.open()(Batch(target.index, inputs[target.index].load())).table.to_pylist()
    changes = [f"changed since: {change}" for change in spec_changes(target.header.spec, step.stage.spec())]
    return _numbered(rows, target.row), changes


def _numbered(rows: Iterable[Row], like: Row) -> list[Row]:
    """The rewrites of one sentence for one task, with their order: they share a seed."""
    own = [row for row in rows if all(row[name] == like[name] for name in ("context_id", "context", "mode"))]
    return [row | {"sample": place} for place, row in enumerate(own)]


def _other_writer(before: object, now: str) -> list[str]:
    return [] if before == now else [f"it was written by {before}, here is {now}"]


def _never(why: str) -> Regenerated:
    return Regenerated("not reproducible", (why,))


def _place(row: Row) -> object:
    return (row["mode"], row["seed"], row.get("sample"))


def _sample(row: Row) -> int:
    """Sample i of a request has seed + i, and requests lie 2**20 apart."""
    place = row.get("sample")
    return int(str(place)) if place is not None else int(str(row["seed"])) % (1 << 20)


def _plain(row: Row) -> str:
    return " ".join(str(row["text"]).split())


def _bits(value: object) -> object:
    """A number as it is stored, in 32 bits."""
    return np.float32(value).tobytes() if isinstance(value, float) else value


def _difference(old: Row, new: Row) -> str:
    before, now = (float(str(row["logprob"])) for row in (old, new))
    if old["text"] != new["text"]:
        return "only white space differs"
    if old["ended"] != new["ended"]:
        return f"the same text, which ended by {new['ended']} now and by {old['ended']} then"
    return f"the same text; its log-probability is {now:.6g}, it was {before:.6g}"
