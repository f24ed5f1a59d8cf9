"""The gate's calibration as text: recall against threshold, the threshold chosen, the calls it avoids."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.gate import Answers, Gate

GRID = np.round(np.arange(0.30, 0.96, 0.05), 2)
HEADS = ("cosine", "recall", "95% interval", "calls avoided", "of all pairs", "")
FEW = 100
"""Accepted pairs under which the interval is too wide to rely on."""


def lines(found: Answers, title: str, min_recall: float) -> Iterator[str]:
    """One task in one population: a sentence, a table, and the outcome."""
    accepted = int(found.accepted.sum())
    yield f"{found.task}, {title}: {len(found.cosine):,} of {found.ordered:,} ordered pairs, {accepted:,} accepted"
    if not accepted:
        yield "  nothing accepted, so nothing to calibrate on: more contexts, or a lower threshold of the judge"
        return
    best = found.calibrated(min_recall)
    yield from _table(found, best)
    yield f"  chosen: {best.threshold:g}, on contexts it was not chosen on recall {found.held_out(min_recall):.4f}"
    if accepted < FEW:
        yield f"  only {accepted} accepted pairs: the interval is wide, take more contexts before relying on it"


def _table(found: Answers, best: Gate) -> Iterator[str]:
    notes = {best.threshold: "chosen"}
    if 0 < found.standing <= 1:
        notes[found.standing] = f"{notes.get(found.standing, '')} in the recipe".strip()
    rows = [HEADS, *(_row(found.at(cosine), notes.get(cosine, "")) for cosine in sorted({*map(float, GRID), *notes}))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    for row in rows:
        yield "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(gate: Gate, note: str) -> Sequence[str]:
    low, high = gate.interval
    cells = (f"{gate.threshold:.3f}", f"{gate.recall:.4f}", f"{low:.4f}-{high:.4f}")
    return (*cells, f"{gate.avoided:.1%}", f"{gate.avoided_of_all:.1%}", f"<- {note}" if note else "")
