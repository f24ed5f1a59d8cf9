"""Tables and the plot for a judge's card."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from filters.base import FilterError
from filters.batches import FloatArray
from filters.training.evaluate import ENTAILMENT, accuracy, auc, precision_at, recall_at
from filters.training.rows import Row, is_held_out, read_rows
from filters.training.soft_labels import probabilities

HEAD = """| set | n | 3-way accuracy | entail-or-not | AUC | precision / recall at .75 | at .9 |
|---|---:|---:|---:|---:|---:|---:|"""


def labelled_table(model: str, paths: Sequence[Path], held_out: bool, most: int) -> str:
    """One line a set: of every file, the rows of each origin (the first `most`)."""
    rows = [row for path in paths for row in read_rows(path) if not held_out or is_held_out(row)]
    if not rows:
        raise FilterError(
            f"{', '.join(map(str, paths))}: no row to ask about; wanted labelled pairs{', some held out' * held_out}; "
            f"give another file{', or --no-held-out' * held_out}"
        )
    by_origin: dict[str, list[Row]] = {}
    for row in rows:
        by_origin.setdefault(row.origin or "all", []).append(row)
    asked = {origin: found[:most] for origin, found in sorted(by_origin.items())}
    said = probabilities(model, [row for found in asked.values() for row in found]).numpy()
    lines, start = [HEAD], 0
    for origin, found in asked.items():
        lines.append(_line(origin, found, said[start : start + len(found)]))
        start += len(found)
    return "\n".join(lines)


def _line(origin: str, rows: Sequence[Row], said: FloatArray) -> str:
    positive = np.array([row.target[ENTAILMENT] == 1 for row in rows], np.float32)
    score, ones = said[:, ENTAILMENT], np.ones(len(rows), np.float32)
    either = ((said.argmax(-1) == ENTAILMENT) == (positive == 1)).mean()
    at = [
        f"{precision_at(t)(score, positive, ones):.3f} / {recall_at(t)(score, positive, ones):.3f}" for t in (0.75, 0.9)
    ]
    area = auc(score, positive, ones)
    return f"| {origin} | {len(rows)} | {accuracy(said, rows):.3f} | {either:.3f} | {area:.3f} | {at[0]} | {at[1]} |"


def reliability_plot(bins: Sequence[tuple[float, float, int]], path: Path) -> None:
    """Mean probability against the share that a reader agreed with; the diagonal is perfect."""
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(4, 4), layout="constrained")).subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
    axes.plot([mean for mean, _, _ in bins], [share for _, share, _ in bins], marker="o")
    for mean, share, number in bins:
        axes.annotate(str(number), (mean, share), textcoords="offset points", xytext=(4, -10), fontsize=7)
    axes.set(xlabel="the judge's P(entailment), mean", ylabel="a reader agreed, share", xlim=(0, 1), ylim=(0, 1))
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
