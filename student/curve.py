"""A training's curve as a file and as a picture. What the clock said stays out: the same training, the same bytes."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMNS = ("step", "loss", "learning_rate", "tokens", "validation_loss")


def write_csv(curve: Sequence[Mapping[str, Any]], place: Path) -> None:
    with place.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(curve)


def draw(curve: Sequence[Mapping[str, Any]], place: Path) -> None:
    """Training and validation loss by step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({"svg.hashsalt": "curve"}):
        figure, axes = pyplot.subplots(figsize=(6, 3), layout="constrained")
        axes.plot([p["step"] for p in curve], [p["loss"] for p in curve], label="training", linewidth=1)
        measured = [p for p in curve if p["validation_loss"] is not None]
        axes.plot([p["step"] for p in measured], [p["validation_loss"] for p in measured], "o-", label="validation")
        axes.set(xlabel="step", ylabel="loss (nats a token)")
        axes.legend()
        figure.savefig(place, metadata={"Date": None})
        pyplot.close(figure)
