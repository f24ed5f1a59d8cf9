"""Where the bench of the judge compares verdicts: at thresholds that mean something for the judge that is benched."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from bench.judge import Arm, app, fastest, thresholds
from filters.batches import FloatArray
from filters.models import EMBEDDED_JUDGE
from filters.nli_back_ends import why_not_int8
from pipeline.recipe import load


def test_the_recipes_judge_is_compared_at_its_own_thresholds() -> None:
    recipe = load("news")
    own = {recipe.tasks[task].panel["entailment"]["min_probability"] for task in recipe.tasks}
    assert {0.75, *own} <= set(thresholds(recipe.models.judge))


def test_another_judge_is_compared_where_its_pages_quote_it() -> None:
    assert thresholds(EMBEDDED_JUDGE) == [0.75, 0.85, 0.9, 0.92]
    assert load("news").models.judge != EMBEDDED_JUDGE


def arm(seconds: float, scores: FloatArray, threshold: float | None = None) -> Arm:
    return Arm(lambda pairs: scores, threshold, [seconds], [4.0], scores)


def test_the_last_line_is_of_int8_only_where_all_its_verdicts_hold_and_it_gains() -> None:
    reference = np.linspace(0, 1, 1000, dtype=np.float32)
    wrong = np.where(np.abs(reference - 0.6) < 0.01, 1.2 - reference, reference).astype(np.float32)
    auto, limits = {"auto": arm(2, reference)}, [0.5, 0.6]
    good = {"int8 at 0.5": arm(1, reference, 0.5), "int8 at 0.6": arm(1.5, reference, 0.6)}
    assert fastest(auto | good, "auto", reference, limits) == "int8 at 0.6"
    assert fastest(auto, "auto", reference, limits) == "auto"
    slow = {"int8 at 0.5": arm(1, reference, 0.5), "int8 at 0.6": arm(3, reference, 0.6)}
    assert fastest(auto | slow, "auto", reference, limits) == "auto"
    assert fastest(auto | good | {"int8 at 0.6": arm(1.5, wrong, 0.6)}, "auto", reference, limits) == "auto"
    # Elsewhere than at its own threshold an arm may say what it likes.
    assert fastest(auto | good | {"int8 at 0.5": arm(1.6, wrong, 0.5)}, "auto", reference, limits) == "int8 at 0.5"


def test_a_whole_bench(tmp_path: Path) -> None:
    pairs = [("A man is walking his dog.", "A man walks."), ("It rained all night.", "It was dry."), ("Yes.", "No.")]
    table = pa.table({"premise": [a for a, _ in pairs * 4], "hypothesis": [b for _, b in pairs * 4]})
    pq.write_table(table, tmp_path / "pairs.parquet")
    given = ["--pairs", str(tmp_path / "pairs.parquet"), "--repeats", "1", "--threads", "1", "--threshold", "0.5"]
    result = CliRunner().invoke(app, [*given, "--only", "ours, int8"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.splitlines()[-1])
    assert found.keys() == {"speedup_vs_crossencoder", "agreement", "pairs_per_second", "arm"}
    assert ("| ours, int8 at 0.5 " in result.output) != bool(why_not_int8())
    assert found["agreement"] == 1 and found["pairs_per_second"] > 0
