"""`python -m bench.seeds RUN RUN ...`: the evaluations of several runs side by side, one run a seed of the student.

For every benchmark that the first run was evaluated on: each system's mean over the runs, with the smallest and
largest; and how often the 95% interval of a paired difference is clear of 0. Baselines are the same in every run; a run
may lack a student of a later round, and any but the first one a metric (`evaluate --no-faithfulness`). Differences in
ROUGE-L, BLEU and iBLEU also in the mean of the runs, with an interval over the rows: what a seed decides averages out.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from bench.machine import table
from pipeline.__main__ import told
from pipeline.errors import UserError
from pipeline.store import Run
from student.bleu import tokeniser_name
from student.bootstrap import RESAMPLES, Array, Statistic, interval, resampled
from student.convention import detect, normaliser
from student.metrics import Compared, overlap

METRICS = {
    "summary": ("rouge1", "rouge2", "rougeL", "rougeL_recall75", "bertscore", "compression", "novel_2", "faithfulness"),
    "paraphrase": ("bleu", "ibleu", "bert_ibleu", "bertscore", "novel_2", "faithfulness"),
}
OF_THE_MEAN = {"summary": ("rougeL", "ibleu"), "paraphrase": ("rougeL", "bleu", "ibleu")}
Results = Mapping[str, Any]


def main(names: Sequence[str]) -> None:
    """Print one table a benchmark and one of the differences."""
    if not names:
        raise UserError("bench.seeds: no run was named; wanted runs that were evaluated: python -m bench.seeds RUN RUN")
    runs = [Run.existing(name).folder / "evaluation" for name in names]
    for place in sorted(runs[0].glob("*/results.json")):
        missing = [run.parent.name for run in runs if not (run / place.parent.name / "results.json").exists()]
        if missing:
            print(f"### {place.parent.name}: left out, {', '.join(missing)} has no such evaluation\n")
            continue
        found = [json.loads((run / place.parent.name / "results.json").read_text()) for run in runs]
        print(f"### {place.parent.name}, {found[0]['rows']:,} rows\n")
        print(_means(found), end="\n\n")
        print(_differences(found), end="\n\n")
        files = [run / place.parent.name / "outputs.jsonl" for run in runs]
        print(_of_the_mean(files, found[0]["task"]), end="\n\n")


def _means(found: Sequence[Results]) -> str:
    metrics = [m for m in METRICS[found[0]["task"]] if m in next(iter(found[0]["systems"].values()))]
    rows = []
    for system in dict.fromkeys(name for each in found for name in each["systems"]):
        having = [each["systems"][system] for each in found if system in each["systems"]]
        cells = (_cell([scores[metric]["value"] for scores in having if metric in scores]) for metric in metrics)
        rows.append((system, *cells, len(having)))
    return table(("system", *metrics, "runs"), rows)


def _cell(values: Sequence[float]) -> str:
    """The mean; with the smallest and largest where the runs differ; a dash for nothing."""
    if not values:
        return "-"
    shown = f"{mean(values):.1f}" if abs(mean(values)) > 2 else f"{mean(values):.2f}"
    return shown if len(set(values)) == 1 else f"{shown} ({min(values):.1f} to {max(values):.1f})"


def _differences(found: Sequence[Results]) -> str:
    rows = []
    by_name = [{(pair["a"], pair["b"], pair["metric"]): pair for pair in each["paired"]} for each in found]
    for name in dict.fromkeys(name for pairs in by_name for name in pairs):
        if not name[0].startswith("student"):
            continue
        same = [pairs[name] for pairs in by_name if name in pairs]
        above = sum(each["low"] > 0 for each in same)
        below = sum(each["high"] < 0 for each in same)
        values = [each["difference"] for each in same]
        rows.append((f"{name[0]} - {name[1]}", name[2], _cell(values), f"{above} of {len(same)}", below))
    return table(("difference", "metric", "mean over seeds", "clear above 0", "clear below 0"), rows)


def _of_the_mean(files: Sequence[Path], task: str) -> str:
    """Every later system against every earlier one, where all runs have both."""
    runs = [_statistics(file) for file in files]
    shared = [name for name in runs[0] if all(name in each for each in runs)]
    rows = []
    for metric in OF_THE_MEAN[task]:
        values = {name: _mean([each[name][metric] for each in runs]) for name in shared}
        for b, a in combinations(shared, 2):
            if a.startswith("student"):
                gap, (low, high) = values[a][0] - values[b][0], interval(values[a][1] - values[b][1])
                rows.append((f"{a} - {b}", metric, *(f"{value:.2f}" for value in (gap, low, high))))
    return table(("difference on the same rows", "metric", "mean of the runs", "low", "high"), rows)


def _mean(statistics: Sequence[Statistic]) -> tuple[float, Array]:
    """The mean of the runs' values, and the same of every resample."""
    drawn = np.mean(resampled([*statistics], RESAMPLES, 0), axis=0)
    return float(np.mean([each.value() for each in statistics])), drawn


def _statistics(file: Path) -> dict[str, dict[str, Statistic]]:
    """What ROUGE and BLEU are made of, by system, as `evaluate` has it."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    wanted = [row["references"] for row in rows]
    convention = detect([row["source"] for row in rows], [text for each in wanted for text in each])
    normalise, tokenise = normaliser(convention), tokeniser_name(convention.tokenise)
    sources = [normalise(row["source"]) for row in rows]
    references = [[normalise(text) for text in each] for each in wanted]
    outputs = {name: [normalise(row["outputs"][name]) for row in rows] for name in rows[0]["outputs"]}
    return {name: overlap(Compared(sources, texts, references), tokenise) for name, texts in outputs.items()}


if __name__ == "__main__":
    told(lambda: main(sys.argv[1:]))
