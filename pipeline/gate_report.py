"""The gate's calibration as text: recall against threshold, the threshold chosen, the calls it avoids."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.gate import KINDS, Answers, Gate, together

GRIDS = {
    "similarity": [float(value) for value in np.round(np.arange(0.30, 0.96, 0.05), 2)],
    "screen": [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
}
HEADS = ("recall", "95% interval", "calls avoided", "of all pairs", "")
SCORES = {"similarity": "cosine", "screen": "probability"}
FEW = 100
"""Accepted pairs under which the interval is too wide to rely on."""


def lines(found: Answers, title: str, min_recall: float) -> Iterator[str]:
    """One gate of a task in one population: a sentence, a table, and the outcome."""
    accepted = int(found.accepted.sum())
    gate = f", {found.gate}" if found.gates > 1 else ""
    pairs = f"{len(found.scores):,} of {found.ordered:,} ordered pairs"
    yield f"{found.task}, {title}{gate}: {pairs}, {accepted:,} accepted"
    if not accepted:
        yield "  nothing accepted, so nothing to calibrate on: more contexts, or a lower threshold of the judge"
        return
    best = found.calibrated(min_recall)
    yield from _table(found, best)
    yield f"  chosen: {best.threshold:g}, on contexts it was not chosen on recall {found.held_out(min_recall):.4f}"
    if accepted < FEW:
        yield f"  only {accepted} accepted pairs: the interval is wide, take more contexts before relying on it"


def of_task(found: Sequence[Answers], title: str, min_recall: float) -> Iterator[str]:
    """All gates of one task in one population, and what they do together."""
    for each in found:
        yield from lines(each, title, min_recall)
        yield ""
    if len(found) > 1 and found[0].accepted.any():
        both = together(found, min_recall)
        low, high = both.interval
        yield (
            f"{found[0].task}, {title}, all gates together: recall {both.recall:.4f} ({low:.4f}-{high:.4f}), "
            f"{both.avoided:.1%} of the calls avoided, {both.avoided_of_all:.1%} of all pairs"
        )
        yield ""


def _table(found: Answers, best: Gate) -> Iterator[str]:
    notes = {best.threshold: "chosen"}
    if 0 < found.standing <= 1:
        notes[found.standing] = f"{notes.get(found.standing, '')} in the recipe".strip()
    heads = (SCORES[found.gate], *HEADS)
    digits = len(str(KINDS[found.gate].steps)) - 1
    rows = [heads, *(_row(found.at(at), digits, notes.get(at, "")) for at in sorted({*GRIDS[found.gate], *notes}))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    for row in rows:
        yield "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(gate: Gate, digits: int, note: str) -> Sequence[str]:
    low, high = gate.interval
    cells = (f"{gate.threshold:.{digits}f}", f"{gate.recall:.4f}", f"{low:.4f}-{high:.4f}")
    return (*cells, f"{gate.avoided:.1%}", f"{gate.avoided_of_all:.1%}", f"<- {note}" if note else "")
