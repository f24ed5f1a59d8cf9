"""What judges make of pairs of questions that were read: data/readings/questions.jsonl, with and without a frame.

    python -m bench.questions [--judge embedded:nli-mpnet]...

An NLI model is trained on statements. `judge_frame` puts each question into one; this says what that is worth.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from filters.asked import Asked
from filters.entailment import Entailment, ReverseEntailment
from filters.models import EMBEDDED_JUDGE, EMBEDDED_MPNET_JUDGE
from filters.similarity import Similarity
from pipeline.__main__ import told
from pipeline.recipe import load

READINGS = Path(__file__).parent.parent / "data" / "readings" / "questions.jsonl"
PRECISIONS = (0.7, 0.75, 0.8, 0.85)
RECIPE = load("questions").tasks["paraphrase"]
FEWEST = 10
"""Pairs that have to pass before a precision is one."""


def main() -> None:
    """Print a row for each way of asking, and what the recipe's judge and cosine keep together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", action="append", help="again for more; the two embedded ones if none is named")
    judges = parser.parse_args().judge or [EMBEDDED_MPNET_JUDGE, EMBEDDED_JUDGE]
    read = [json.loads(line) for line in READINGS.read_text().splitlines()]
    rows = pa.table({name: [row[name] for row in read] for name in ("source", "target")})
    same = np.array([row["same"] for row in read])
    alike = Asked().open("cpu")(rows).to_numpy(zero_copy_only=False) == 1
    print(f"{len(read)} pairs, {same.sum()} of them the same question; `asked` drops {(~alike).sum()},")
    print(f"{(same & ~alike).sum()} of them the same; AUC of what is left, and recall at a precision of {PRECISIONS}:")
    cosine = Similarity().open("cpu")(rows).to_numpy(zero_copy_only=False)
    _tell("cosine of the encoder", cosine[alike], same[alike])
    for judge in judges:
        for frame in ("", RECIPE.judge_frame):
            scores = _lesser(rows, judge, frame)
            _tell(f"{judge}, {frame or 'no frame'}", scores[alike], same[alike])
        _tell_together(judge, alike & (cosine >= RECIPE.panel["similarity"]["min_cosine"]), scores, same)


def _lesser(rows: pa.Table, judge: str, frame: str) -> np.ndarray:
    """The lesser of both directions."""
    there, back = (kind(model=judge, frame=frame).open("cpu")(rows) for kind in (Entailment, ReverseEntailment))
    lesser: np.ndarray = np.minimum(*(each.to_numpy(zero_copy_only=False) for each in (there, back)))
    return lesser


def _tell(name: str, scores: np.ndarray, same: np.ndarray) -> None:
    shares = " ".join(f"{_recall(scores, same, share) * 100:5.0f}%" for share in PRECISIONS)
    print(f"  {name:60} {roc_auc_score(same, scores):.3f} {shares}", flush=True)


def _tell_together(judge: str, near: np.ndarray, framed: np.ndarray, same: np.ndarray) -> None:
    """What the recipe's cosine and the framed judge keep, at the recipe's threshold both ways."""
    threshold = RECIPE.panel["entailment"]["min_probability"]
    kept = near & (framed >= threshold)
    right = f", {same[kept].mean():.2f} of them right, recall {same[kept].sum() / same.sum():.2f}" if kept.any() else ""
    print(
        f"  {judge}, framed, at {threshold} both ways, with the recipe's cosine: {kept.sum()} pass{right}", flush=True
    )


def _recall(scores: np.ndarray, same: np.ndarray, precision: float) -> float:
    """The largest share of the right ones that passes some threshold at which the precision is reached."""
    best = 0.0
    for threshold in scores:
        passed = scores >= threshold
        if passed.sum() >= FEWEST and same[passed].mean() >= precision:
            best = max(best, float(same[passed].sum() / same.sum()))
    return best


if __name__ == "__main__":
    told(main)
