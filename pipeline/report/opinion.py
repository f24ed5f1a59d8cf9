"""The section of a report on what a judge says of the corpus that had no say in it."""

from collections.abc import Sequence

from pipeline.evaluation.second_opinion import second_opinion_block
from pipeline.report.blocks import Note, Section, section, table
from pipeline.store import Run

HEAD = ("round", "task", "by", "verdict", "pairs", "the same", "share, and its 95% interval")


def opinion(run: Run, rounds: Sequence[int]) -> Section:
    """Agreement by round, task and verdict; says where nobody was asked."""
    found = [block for number in rounds if (block := second_opinion_block(run, number)) is not None]
    if not found:
        missing = f"Not asked: run `python -m pipeline second-opinion --run {run.name}`."
        return section("opinion", "A second opinion", Note(missing, missing=True))
    rows = [
        (x.round, r.task, r.judge, r.verdict, r.pairs, r.agrees, f"{r.share:.3f} ({r.low:.3f} to {r.high:.3f})")
        for x in found
        for r in x.rows
    ]
    stale = [str(block.round) for block in found if block.stale]
    note = Note(f"The corpus has changed since: round {', '.join(stale)}.", missing=True) if stale else None
    return section(
        "opinion", "A second opinion", table("Judges that did not choose the pairs, at 0.5", HEAD, rows), note
    )
