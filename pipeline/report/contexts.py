"""The section of a report on yield by context: how many pairs each context brought, and which brought most."""

from collections import Counter
from collections.abc import Sequence

import pyarrow.compute as pc

from pipeline.report.blocks import Block, Note, Section, section, table
from pipeline.report.blocks import Picture as Drawn
from pipeline.report.figures import bars
from pipeline.run_tables import corpus_rows, judged_rows, stage_rows
from pipeline.store import Run

GROUPS = ("0", "1", "2", "3", "4", "5-9", "10+")
SHOWN = 10
LONGEST = 160


def by_context(run: Run, rounds: Sequence[int]) -> Section:
    """One picture and one table a round that has a corpus."""
    blocks: list[Block] = []
    for number in rounds:
        blocks += _round(run, number)
    missing = Note("Pairs of a context are counted once there is a corpus.", missing=True)
    return section("contexts", "Yield by context", *(blocks or [missing]))


def _round(run: Run, number: int) -> list[Block]:
    kept = corpus_rows(run, number)
    if not kept.num_rows:
        return []
    texts = _texts(run, number) or _texts(run, 0)
    sampled = Counter(stage_rows(run, number, "candidates", ["context_id"])["context_id"].to_pylist())
    judged = judged_rows(run, number, ["context_id", "dropped_by"])
    passed = Counter(judged.filter(pc.is_null(judged["dropped_by"]))["context_id"].to_pylist())
    tasks = {task: _counted(kept, task) for task in sorted(set(kept["task"].to_pylist()))}
    total = Counter(kept["context_id"].to_pylist())
    every = sorted({*texts, *sampled, *total})
    rows = [
        (_short(texts.get(name, name)), sampled[name], passed[name], *(counts[name] for counts in tasks.values()))
        for name in sorted(every, key=lambda name: (-total[name], -passed[name], name))[:SHOWN]
    ]
    head = ("context", "sampled", "past all filters", *(f"{task} pairs" for task in tasks))
    caption = f"The {len(rows)} contexts of round {number} that brought most"
    return [_picture(number, every, tasks), table(caption, head, rows)]


def _texts(run: Run, number: int) -> dict[str, str]:
    rows = stage_rows(run, number, "contexts", ["context_id", "text"])
    return dict(zip(rows["context_id"].to_pylist(), rows["text"].to_pylist(), strict=True))


def _counted(kept: object, task: str) -> "Counter[str]":
    return Counter(kept.filter(pc.equal(kept["task"], task))["context_id"].to_pylist())  # type: ignore[attr-defined,index]


def _picture(number: int, every: Sequence[str], tasks: "dict[str, Counter[str]]") -> Drawn:
    heights = {task: _grouped([counts[name] for name in every]) for task, counts in tasks.items()}
    none = ", ".join(f"{values[0]:,} of {len(every):,} brought no {task} pair" for task, values in heights.items())
    return Drawn(
        f"Contexts of round {number} by the pairs they brought to the corpus",
        f"Bar chart of how many contexts brought 0, 1, 2 and more pairs. {none}.",
        bars(f"contexts-{number}", GROUPS, heights, "pairs of the context in the corpus", "contexts"),
        table("Contexts by pairs brought", ("pairs", *heights), zip(GROUPS, *heights.values(), strict=True)),
    )


def _grouped(counts: Sequence[int]) -> list[int]:
    found = Counter(min(count, 5) if count < 10 else 6 for count in counts)
    return [found[place] for place in range(len(GROUPS))]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} ..."
