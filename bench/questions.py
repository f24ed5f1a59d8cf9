"""What judges make of pairs of questions that were read: data/readings/questions.jsonl, with and without a frame.

    python -m bench.questions [--judge embedded:nli-mpnet]

An NLI model is trained on statements. `judge_frame` puts each question into one; this says what that is worth.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from filters.asked import Asked
from filters.entailment import Entailment, ReverseEntailment
from filters.models import EMBEDDED_MPNET_JUDGE
from filters.similarity import Similarity
from pipeline.recipe import load

READINGS = Path(__file__).parent.parent / "data" / "readings" / "questions.jsonl"
PRECISIONS = (0.7, 0.75, 0.8, 0.85)
FEWEST = 10
"""Pairs that have to pass before a precision is one."""


def main() -> None:
    """Print a row for each way of asking."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", default=EMBEDDED_MPNET_JUDGE)
    judge = parser.parse_args().judge
    read = [json.loads(line) for line in READINGS.read_text().splitlines()]
    rows = pa.table({name: [row[name] for row in read] for name in ("source", "target")})
    same = np.array([row["same"] for row in read])
    alike = Asked().open("cpu")(rows).to_numpy(zero_copy_only=False) == 1
    print(f"{len(read)} pairs, {same.sum()} of them the same question; `asked` drops {(~alike).sum()},")
    print(f"{(same & ~alike).sum()} of them the same; AUC of what is left, and recall at a precision of {PRECISIONS}:")
    for name, scores in _scores(rows, judge):
        shares = " ".join(f"{_recall(scores[alike], same[alike], share) * 100:5.0f}%" for share in PRECISIONS)
        print(f"  {name:60} {roc_auc_score(same[alike], scores[alike]):.3f} {shares}")


def _scores(rows: pa.Table, judge: str) -> Iterator[tuple[str, np.ndarray]]:
    """The lesser of both directions, for each frame; and the cosine."""
    for frame in ("", load("questions").tasks["paraphrase"].judge_frame):
        there, back = (kind(model=judge, frame=frame).open("cpu")(rows) for kind in (Entailment, ReverseEntailment))
        lesser = np.minimum(*(each.to_numpy(zero_copy_only=False) for each in (there, back)))
        yield f"{judge}, {frame or 'no frame'}", lesser
    yield "cosine of the encoder", Similarity().open("cpu")(rows).to_numpy(zero_copy_only=False)


def _recall(scores: np.ndarray, same: np.ndarray, precision: float) -> float:
    """The largest share of the right ones that passes some threshold at which the precision is reached."""
    best = 0.0
    for threshold in scores:
        passed = scores >= threshold
        if passed.sum() >= FEWEST and same[passed].mean() >= precision:
            best = max(best, float(same[passed].sum() / same.sum()))
    return best


if __name__ == "__main__":
    main()
