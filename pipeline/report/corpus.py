"""The sections of a report on what was kept: length against novelty, diversity, and pairs to look at."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.report.blocks import Block, Example, Examples, Note, Picture, Section, section, short, table
from pipeline.report.figures import heat_map
from pipeline.run_tables import aside_rows, corpus_rows, judged_rows, left_out_rows, smallest, stage_rows
from pipeline.store import Run

KEPT, REJECTED = 60, 12
"""Examples of each task: kept pairs, and rejected ones for each reason; rounds share them."""
LONGEST = 600
LEAST_WORDS = 1000
"""Fewer tell nothing of a text that could be compared."""
MEASURES = ("distinct_1", "distinct_2", "distinct_3", "self_bleu", "mtld")
BUCKETS = ("compression_bucket", "novelty_bucket")
_NO_SCORE = {"logprob", "compression_ratio"}  # the second is what the filter `length` says
_NOT_THERE = Note("There is no corpus yet.", missing=True)


def length_and_novelty(run: Run, rounds: Sequence[int]) -> Section:
    """A heat map a task and round."""
    blocks: list[Block] = []
    for number in rounds:
        rows = corpus_rows(run, number)
        if rows.num_rows and set(BUCKETS) <= set(rows.column_names):
            for task in sorted(set(rows["task"].to_pylist())):
                blocks.append(_map(run, number, task, rows.filter(pc.equal(rows["task"], task))))
    return section("shape", "Length ratio against novelty", *(blocks or [_NOT_THERE]))


def _map(run: Run, number: int, task: str, rows: pa.Table) -> Picture:
    names = [_names(edges) for edges in _edges(run, number)]
    counts = np.zeros((len(names[1]), len(names[0])), np.int64)
    np.add.at(counts, (rows["novelty_bucket"].to_numpy(), rows["compression_bucket"].to_numpy()), 1)
    where = np.unravel_index(int(counts.argmax()), counts.shape)
    alt = (
        f"Heat map of {rows.num_rows:,} {task} pairs: length of the target over that of the source, against the share "
        f"of the target's word pairs that are new. Most, {counts.max():,}, have a ratio of {names[0][where[1]]} and a "
        f"novelty of {names[1][where[0]]}."
    )
    drawn = heat_map(f"shape-{number}-{task.encode().hex()}", counts, ("length ratio", names[0]), ("novelty", names[1]))
    body = [(names[1][i], *(int(n) for n in counts[i])) for i in reversed(range(len(names[1])))]
    twin = table("Pairs by novelty (rows) and length ratio (columns)", ("novelty", *names[0]), body)
    return Picture(f"{task}, round {number}: length ratio against novelty", alt, drawn, twin)


def _edges(run: Run, number: int) -> tuple[list[float], list[float]]:
    """The inner edges of the buckets, as the corpus was made with."""
    spec = (run.stage(number, "corpus").manifest() or {}).get("spec")
    said = spec.get("corpus", {}) if isinstance(spec, dict) else {}
    tenths = [i / 10 for i in range(1, 10)]
    return said.get("compression_edges", tenths), said.get("novelty_edges", tenths)


def _names(edges: Sequence[float]) -> list[str]:
    short = [f"{edge:g}".replace("0.", ".", 1) if edge < 1 else f"{edge:g}" for edge in edges]
    if not short:
        return ["all"]
    return [f"<{short[0]}", *(f"{a}-{b}" for a, b in pairwise(short)), f"≥{short[-1]}"]


def varied(run: Run, rounds: Sequence[int]) -> Section:
    """Diversity of sources and targets beside that of the contexts, all cut to the same number of words."""
    from student.diversity import diversity, words

    groups = {name: texts for number in rounds for name, texts in _texts(run, number)}
    large = {name: texts for name, texts in groups.items() if sum(len(words(t)) for t in texts) >= LEAST_WORDS}
    if not large:
        few = Note(f"A comparison takes at least {LEAST_WORDS:,} words in one of the texts.", missing=True)
        return section("diversity", "Diversity", few)
    found, size = diversity(large)
    rows = [(name, *(_told(found.get(name, {}).get(measure)) for measure in MEASURES)) for name in groups]
    about = (
        f"Every measure depends on length, so each text is cut to {size:,} words, in a random order that is always the "
        f"same; texts with fewer than {LEAST_WORDS:,} words have a dash. distinct_n: share of n-grams that are new. "
        "self_bleu (0-100): likeness of a sentence to the others, lower is more varied. mtld: higher is more varied."
    )
    return section("diversity", "Diversity", Note(about), table("Diversity at equal length", ("text", *MEASURES), rows))


def _told(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _texts(run: Run, number: int) -> Iterator[tuple[str, list[str]]]:
    contexts = stage_rows(run, number, "contexts", ["text"])
    if contexts.num_rows:
        yield f"round {number}: contexts", contexts["text"].to_pylist()
    rows = corpus_rows(run, number)
    for task in sorted(set(rows["task"].to_pylist())):
        for side in ("source", "target"):
            yield f"round {number}: {task} {side}s", rows.filter(pc.equal(rows["task"], task))[side].to_pylist()


def examples(run: Run, rounds: Sequence[int]) -> Section:
    """Kept and rejected pairs with reasons."""
    share = max(len(rounds), 1)
    kept, rejected = max(KEPT // share, 6), max(REJECTED // share, 2)
    found = [example for number in rounds for example in _examples(run, number, kept, rejected)]
    if not found:
        return section("pairs", "Pairs to look at", Note("No pair has been formed yet.", missing=True))
    good = sum(example.verdict == "kept" for example in found)
    about = (
        f"{good:,} kept and {len(found) - good:,} rejected pairs, drawn by their ids: up to {kept} kept of each round "
        f"and task, and {rejected} for each reason to reject. All of it was written by a model; "
        "names and events in it are not facts."
    )
    return section("pairs", "Pairs to look at", Note(about), Examples(tuple(found)))


def _examples(run: Run, number: int, kept: int, rejected: int) -> Iterator[Example]:
    rows = corpus_rows(run, number)
    why = pa.nulls(rows.num_rows, pa.string())
    yield from _drawn(rows.append_column("why", why), number, "kept", "kept", kept)
    judged = judged_rows(run, number)
    for verb, table_, column in (
        ("left out by", left_out_rows(run, number), "left_out_by"),
        ("dropped by", judged.filter(pc.is_valid(judged["dropped_by"])), "dropped_by"),
        ("dropped by", aside_rows(run, number), "reason"),
    ):
        yield from _drawn(table_.append_column("why", table_[column]), number, "rejected", verb, rejected)


def _drawn(rows: pa.Table, round_number: int, verdict: str, verb: str, most: int) -> Iterator[Example]:
    """Up to `most` rows for each task and reason."""
    for task in sorted(set(rows["task"].to_pylist())):
        of_task = rows.filter(pc.equal(rows["task"], task))
        for why in sorted(set(of_task["why"].to_pylist()), key=str):
            alike = of_task if why is None else of_task.filter(pc.equal(of_task["why"], why))
            for row in smallest(alike, most).to_pylist():
                yield _example(row, round_number, verdict, verb if why is None else f"{verb} {why}")


def _example(row: dict[str, object], round_number: int, verdict: str, reason: str) -> Example:
    scores = [(name, short(v)) for name, v in row.items() if isinstance(v, float) and name not in _NO_SCORE]
    source, target = (_cut(str(row[side])) for side in ("source", "target"))
    task, key = str(row["task"]), str(row["pair_id"])
    return Example(verdict, reason, task, round_number, key, source, target, tuple(scores))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text):,} characters)"
