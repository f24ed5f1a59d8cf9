"""`make bench-judge`: the judge's runner against `CrossEncoder.predict`, same model, same 5,000 real pairs, one run.

    python -m bench.judge
    python -m bench.judge --pairs my_pairs.parquet --count 500 --repeats 1 --only bf16

The pairs are questions that a run of the default recipe put to the judge. Every arm takes turns with the opponent, and
a ratio is the median of such turns. Memory of answers and gate are off; tokenising is in every figure, loading and one
call to warm up are in none. Agreement is with the opponent's own float32 scores: the share of all pairs with the same
verdict, and the share of its accepted pairs that lose theirs, each at the worst of the thresholds in use.

int8 has an arm for each threshold in use: its scores are for that one alone, so no other is compared.

Arms marked "elsewhere" need `onnxruntime` or `openvino`; where those are not installed they are left out.
The last line is JSON, of the arm that it names: the slowest of int8's if that is faster than what `auto` means on this
machine and all its verdicts hold, else that of `auto`.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from bench import judge_rivals
from bench.machine import machine, table
from filters.batches import FloatArray, fixed_threads
from filters.models import EMBEDDED_JUDGE, Judge, home, load_judge
from filters.nli_back_ends import resolve, why_not_int8
from filters.nli_judge import Ask, JudgeSpec, NliJudge, Pair
from pipeline.__main__ import told
from pipeline.errors import UserError
from pipeline.recipe import load

SHARD_ROWS = 467
"""Pairs in a shard of the default recipe, on average."""
PUBLISHED_THRESHOLD = 0.75
OTHER_JUDGE = (0.85, 0.9, 0.92)
"""Where nli-minilm stood in the recipes before nli-mpnet did."""
LEAST_AGREEMENT, MOST_FLIPS = 0.995, 0.02
"""What verdicts must hold for an arm's speed to count."""
HEADS = ("arm", "pairs/s", "times", "min", "max", "largest difference", "agreement", "accepted that flip")

Predict = Callable[[Sequence[Pair]], FloatArray]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass
class Arm:
    """One way to judge. `seconds` and `opponent`: its times, and those of the opponent's turn just before each.

    `threshold`: the one that its scores are for; None: they are for any.
    """

    predict: Predict
    threshold: float | None = None
    seconds: list[float] = field(default_factory=list)
    opponent: list[float] = field(default_factory=list)
    scores: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))

    def ratios(self) -> list[float]:
        return [theirs / ours for ours, theirs in zip(self.seconds, self.opponent, strict=True)]

    def agreement(self, reference: FloatArray, limits: Sequence[float]) -> tuple[float, float]:
        return agreement(self.scores, reference, limits if self.threshold is None else [self.threshold])


@app.command()
def main(
    pairs: Annotated[Path | None, typer.Option(help="Parquet with columns premise and hypothesis.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Pairs.")] = 5000,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of each arm.")] = 3,
    model: Annotated[str, typer.Option(help="The judge: embedded, a folder or a hub id.")] = EMBEDDED_JUDGE,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    threshold: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="Where verdicts are compared; again for more.")
    ] = None,
    only: Annotated[str, typer.Option(help="Arms, by the start of their names, with semicolons; all if empty.")] = "",
) -> None:
    """Measure, print the table, end with one line of JSON."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    questions = read_pairs(pairs or home() / "data" / "fixtures" / "judge-pairs.parquet", count)
    print(machine())
    judge = load_judge(model)
    chosen, compared = f"ours, {resolve('auto')}", sorted(threshold or thresholds(model))
    with tempfile.TemporaryDirectory() as folder, fixed_threads(threads):
        opponent = cross_encoder(judge, Path(folder))
        arms = arms_of(judge, model, threads, Path(folder), compared)
        wanted = {name: arm for name, arm in arms.items() if name == chosen or name.startswith(tuple(only.split(";")))}
        reference = take_turns(wanted, opponent, questions, repeats)
    print(f"{len(questions)} pairs, {threads} threads, medians of {repeats}; auto is {resolve('auto')}\n")
    print(report(wanted, reference, compared))
    told_of = fastest(wanted, chosen, reference, compared)
    print(json.dumps(figures(wanted, told_of, reference, compared)))


def read_pairs(file: Path, count: int) -> list[Pair]:
    try:
        rows = pq.read_table(file, columns=["premise", "hypothesis"]).slice(0, count)
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0].rstrip(".") if file.exists() else "no such file"
        raise UserError(f"--pairs {file}: {reason}; wanted parquet with the columns premise and hypothesis") from None
    return list(zip(rows["premise"].to_pylist(), rows["hypothesis"].to_pylist(), strict=True))


def thresholds(model: str) -> list[float]:
    """Where verdicts are compared: at the published threshold, and at those of the default recipe if it asks this
    judge; else at those that the pages quote of nli-minilm."""
    recipe = load("news")
    if model != recipe.models.judge:
        return [PUBLISHED_THRESHOLD, *OTHER_JUDGE]
    specs: list[Any] = [spec for task in recipe.tasks for spec in (*recipe.panel(task), *recipe.selectors(task))]
    asking = (spec for spec in specs if getattr(spec, "model", None) == recipe.models.judge)
    return sorted({PUBLISHED_THRESHOLD, *(spec.min_probability for spec in asking)})


def cross_encoder(judge: Judge, folder: Path) -> Predict:
    """What a user would write: the same weights, `predict` with its defaults."""
    from sentence_transformers import CrossEncoder

    judge.model.save_pretrained(folder / "model")
    judge.tokenizer.save_pretrained(folder / "model")
    encoder = CrossEncoder(str(folder / "model"), max_length=judge.window, device="cpu")

    def predict(pairs: Sequence[Pair]) -> FloatArray:
        shares: Any = encoder.predict(list(pairs), apply_softmax=True, show_progress_bar=False)
        return np.asarray(shares[:, judge.entailment], np.float32)

    return predict


def arms_of(judge: Judge, model: str, threads: int, folder: Path, compared: Sequence[float]) -> Mapping[str, Arm]:
    ours = {name: NliJudge(JudgeSpec(model, threads=threads, back_end=name)) for name in ("fp32", "bf16")}
    found = {f"ours, {name}": Arm(_forgetting(asked, asked)) for name, asked in ours.items()}
    best = resolve("auto")
    found[f"ours, {best}, shard by shard"] = Arm(_in_shards(_forgetting(ours[best], ours[best])))
    if not why_not_int8():
        quick = NliJudge(JudgeSpec(model, threads=threads, back_end="int8"))
        found |= {f"ours, int8 at {value}": Arm(_forgetting(quick, quick.at(value)), value) for value in compared}
    others = judge_rivals.rivals(judge, threads, folder)
    return found | {name: Arm(predict) for name, predict in others.items()}


def _forgetting(judge: NliJudge, ask: Ask) -> Predict:
    """`ask` of the judge, where nothing is remembered from one call to the next, sentences' tokens included."""

    def predict(pairs: Sequence[Pair]) -> FloatArray:
        judge.forget()
        return ask(pairs)

    return predict


def _in_shards(predict: Predict) -> Predict:
    def in_shards(pairs: Sequence[Pair]) -> FloatArray:
        starts = range(0, len(pairs), SHARD_ROWS)
        return np.concatenate([predict(pairs[start : start + SHARD_ROWS]) for start in starts])

    return in_shards


def take_turns(arms: Mapping[str, Arm], opponent: Predict, pairs: Sequence[Pair], repeats: int) -> FloatArray:
    """Fills the arms with times and scores; returns the opponent's scores."""
    for predict in (opponent, *(arm.predict for arm in arms.values())):
        predict(pairs[:: max(1, len(pairs) // 200)])
    for _ in range(repeats):
        theirs, reference = _timed(opponent, pairs)
        for name, arm in arms.items():
            ours, arm.scores = _timed(arm.predict, pairs)
            arm.seconds.append(ours)
            arm.opponent.append(theirs)
            print(f"{name}: {len(pairs) / ours:.0f} pairs/s against {len(pairs) / theirs:.0f}", flush=True)
    return reference


def _timed(predict: Predict, pairs: Sequence[Pair]) -> tuple[float, FloatArray]:
    begun = time.perf_counter()
    scores = predict(pairs)
    return time.perf_counter() - begun, scores


def agreement(scores: FloatArray, reference: FloatArray, limits: Sequence[float]) -> tuple[float, float]:
    """The share of equal verdicts, and the share of accepted pairs that are no longer: each at its worst threshold."""
    kept = [(scores >= np.float32(limit), reference >= np.float32(limit)) for limit in limits]
    same = min(float((ours == theirs).mean()) for ours, theirs in kept)
    lost = max(float((theirs & ~ours).sum() / max(1, theirs.sum())) for ours, theirs in kept)
    return same, lost


def report(arms: Mapping[str, Arm], reference: FloatArray, limits: Sequence[float]) -> str:
    theirs = median(next(iter(arms.values())).opponent)
    rows: list[list[object]] = [["CrossEncoder.predict", round(len(reference) / theirs), *(["-"] * 6)]]
    for name, arm in arms.items():
        same, lost = arm.agreement(reference, limits)
        ratios = arm.ratios()
        times = [f"{value:.2f}" for value in (median(ratios), min(ratios), max(ratios))]
        moved = f"{np.abs(arm.scores - reference).max():.6f}"
        rows.append([name, round(len(reference) / median(arm.seconds)), *times, moved, f"{same:.4f}", f"{lost:.4f}"])
    return table(HEADS, rows) + f"\n\nthresholds: {', '.join(map(str, limits))}"


def fastest(arms: Mapping[str, Arm], chosen: str, reference: FloatArray, limits: Sequence[float]) -> str:
    """The arm that the last line is of. What int8 gains hangs on the threshold: the least is told."""
    quick = {name: arm for name, arm in arms.items() if arm.threshold is not None}
    found = [arm.agreement(reference, limits) for arm in quick.values()]
    slowest = min(quick, key=lambda name: median(quick[name].ratios()), default=chosen)
    hold = all(same >= LEAST_AGREEMENT and lost <= MOST_FLIPS for same, lost in found)
    return slowest if hold and median(arms[slowest].ratios()) > median(arms[chosen].ratios()) else chosen


def figures(
    arms: Mapping[str, Arm], name: str, reference: FloatArray, limits: Sequence[float]
) -> dict[str, float | str]:
    """Of the arm `name`; where that is one of int8's, with the agreement that is the least of them all."""
    arm = arms[name]
    alike = [arm] if arm.threshold is None else [each for each in arms.values() if each.threshold is not None]
    return {
        "speedup_vs_crossencoder": round(median(arm.ratios()), 2),
        "agreement": round(min(each.agreement(reference, limits)[0] for each in alike), 4),
        "pairs_per_second": round(len(reference) / median(arm.seconds), 1),
        "arm": name,
    }


if __name__ == "__main__":
    told(app)
