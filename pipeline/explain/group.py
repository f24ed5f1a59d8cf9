"""Which pair stands for one that a selector left out, and which pairs a kept one stands for.

Selectors store only what they left out, so the group is formed anew, from the pairs that stood when it was their turn.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.base import FilterError, Selector
from filters.batches import of_worker
from filters.duplicates import Duplicates
from filters.near_copies import Documents, Links, Words
from filters.near_duplicates import TEXTS, NearDuplicates
from filters.nli_judge import open_judge
from filters.one_per_source import OnePerSource
from filters.similarity import open_encoder
from pipeline.errors import PipelineError, one_line
from pipeline.explain.find import Found
from pipeline.recipe import load
from pipeline.round_queries import Row, ask, rows_at, scan
from pipeline.run_tables import corpus_rows
from pipeline.serve.pairs import with_fates
from pipeline.store import Run

Told = dict[str, object]
MOST_COMPARED = 200_000
"""Kept pairs that one is compared with, word by word."""


def group(run: Run, found: Found) -> Told | None:
    """None for a pair that never met a selector; where it cannot be told, `cannot_be_told` says why."""
    if found.row["dropped_by"] is not None:
        return None
    by = found.row.get("left_out_by")
    try:
        if by in (None, Duplicates.name):
            return _meaning(run, found)
        told = {
            "repeat": _repeat,
            NearDuplicates.name: _near_copy,
            OnePerSource.name: _same_source,
            "max_pairs_per_context": _same_context,
        }.get(str(by))
        stands = told(run, found) if told else None
    except (FilterError, PipelineError, OSError, ImportError, ValueError) as error:
        return {"left_out_by": by, "cannot_be_told": one_line(error)}
    return {"left_out_by": by, "stands_for_it": stands or "cannot be told from what is stored"}


def _meaning(run: Run, found: Found) -> Told | None:
    """The pairs of one meaning in the context, by mutual entailment: asks the judge."""
    selector = _selector(run, str(found.row["task"]), Duplicates)
    if not isinstance(selector, Duplicates) or found.row["context_id"] is None:
        return None
    rows = _siblings(found, selector)
    if len(rows) < 2:
        return {"selector": selector.name, "pairs_of_this_meaning": 1}
    heads = _heads(selector, rows)
    own = next(place for place, row in enumerate(rows) if row["pair_id"] == found.row["pair_id"])
    members = [row for place, row in enumerate(rows) if heads[place] == heads[own] and place != own]
    told: Told = {"selector": selector.name, "pairs_of_this_meaning": len(members) + 1}
    if heads[own] != own:
        head = _short(rows[heads[own]])
        return told | {"left_out_by": selector.name, "stands_for_it": head}
    return told | ({"stands_for": [_short(row) for row in members]} if members else {})


def _siblings(found: Found, selector: Duplicates) -> list[Row]:
    """The accepted pairs of its task and context that `duplicates` was asked about; those left out before are not."""
    question = (
        f"SELECT p.file_index AS f, p.file_row_number AS r FROM {found.files.judged} "
        "WHERE p.context_id = ? AND p.task = ? AND s.dropped_by IS NULL ORDER BY p.pair_id"
    )
    at = ask(question, [found.row["context_id"], found.row["task"]])
    rows = with_fates(found.files, rows_at(found.files, [(int(str(row["f"])), int(str(row["r"]))) for row in at]))
    before = ("repeat", OnePerSource.name)
    return [row for row in rows if row.get("left_out_by") not in before]


def _heads(selector: Duplicates, rows: Sequence[Row]) -> list[int]:
    pairs = pa.table({name: [row[name] for row in rows] for name in ("pair_id", "task", "context_id", *TEXTS)})
    names = dict.fromkeys(name for row in rows for name in _scores(row))
    scores = pa.table({name: pa.array([_scores(row).get(name) for row in rows], pa.float32()) for name in names})
    threads = of_worker(selector.threads)
    encoder = open_encoder(
        *(selector.encoder, selector.encoder_revision, selector.token_budget, threads, selector.device)
    )
    return selector.heads(open_judge(selector.judge).at(selector.min_probability), encoder, pairs, scores)


def _scores(row: Row) -> Mapping[str, float | None]:
    scores: Mapping[str, float | None] = row["scores"]  # type: ignore[assignment]
    return scores


def _selector(run: Run, task: str, kind: type[Selector]) -> Selector | None:
    recipe = load(run.recipe_file)
    chosen = recipe.selectors(task) if task in recipe.tasks else ()
    return next((selector for selector in chosen if isinstance(selector, kind)), None)


def _repeat(_: Run, found: Found) -> Told | None:
    """The same pair in a smaller context."""
    rows = ask(f"SELECT * FROM {scan(found.files.kept)} WHERE pair_id = ?", [found.row["pair_id"]])
    return _short(rows[0]) if rows else None


def _near_copy(run: Run, found: Found) -> Told | None:
    """A kept pair that has nearly the same words."""
    selector = _selector(run, str(found.row["task"]), NearDuplicates)
    kept = corpus_rows(run, found.round, task=str(found.row["task"]))
    if not isinstance(selector, NearDuplicates) or not 0 < kept.num_rows <= MOST_COMPARED:
        return None
    here = {name: pa.array([found.row[name], *kept[name].to_pylist()], pa.string()) for name in TEXTS}
    count = kept.num_rows
    near = np.zeros(count, np.int64)
    far = np.arange(1, count + 1)
    if selector.match == "pair":
        documents = Documents([Words.of(here[name], name) for name in TEXTS], selector.min_jaccard)
        places = documents.verified(Links(near, far)).far - 1
    else:
        documents = Documents([Words.of(pa.concat_arrays([here[name] for name in TEXTS]))], selector.min_jaccard)
        width = count + 1
        links = [Links(near + a * width, far + b * width) for a in (0, 1) for b in (0, 1)]
        places = np.concatenate([documents.verified(each).far % width - 1 for each in links])
    return _short(kept.slice(int(places.min()), 1).to_pylist()[0]) if len(places) else None


def _same_source(run: Run, found: Found) -> Told | None:
    """The rewrite of the same sentence that was chosen."""
    where = "p.source = ? AND p.task = ? AND s.dropped_by IS NULL"
    question = f"SELECT p.file_index AS f, p.file_row_number AS r FROM {found.files.judged} WHERE {where}"
    at = ask(question, [found.row["source"], found.row["task"]])
    rows = with_fates(found.files, rows_at(found.files, [(int(str(row["f"])), int(str(row["r"]))) for row in at]))
    chosen = [row for row in rows if row.get("left_out_by") not in ("repeat", OnePerSource.name)]
    return _short(chosen[0]) if chosen else None


def _same_context(run: Run, found: Found) -> Told | None:
    """The kept pair of the context that is least surely entailed and still went before."""
    kept = corpus_rows(run, found.round, task=str(found.row["task"]))
    rows = kept.filter(pc.equal(kept["context_id"], str(found.row["context_id"]))).to_pylist()
    return _short(min(rows, key=lambda row: float(str(row.get("entailment") or 0)))) if rows else None


def _short(row: Row) -> Told:
    told = {name: row[name] for name in ("pair_id", "source", "target", "context_id")}
    return told | ({"verdict": row["verdict"]} if "verdict" in row else {})
