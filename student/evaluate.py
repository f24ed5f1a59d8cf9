"""Systems against each other on a benchmark: every metric with its interval, and paired differences.

No model writes here: outputs are handed in, and so is the judge of faithfulness.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from student import metrics
from student.benchmark import Benchmark
from student.bertscore import Encoder
from student.bleu import tokeniser_name
from student.bootstrap import RESAMPLES, Array, Estimate, Statistic, interval, resampled
from student.convention import Convention, detect, normaliser, readable
from student.diversity import diversity
from student.errors import StudentError
from student.metrics import Compared, Faithfulness

PAIRED = ("rouge1", "rouge2", "rougeL", "bertscore", "bleu", "ibleu", "bert_ibleu", "faithfulness")
OF_A_SET = ("self_bleu", "mtld", "msttr", "entropy_1", "entropy_2", "entropy_3", "distinct_1", "distinct_2")
"""Measured on all outputs of a system at once. No interval: drawing a text twice would itself be a repetition."""

Named = Mapping[str, Statistic]
Json = dict[str, object]


@dataclass(frozen=True)
class Options:
    """How a benchmark is scored. Without an encoder or a judge their metrics are absent."""

    encoder: Encoder | None = None
    judge: Faithfulness | None = None
    judge_name: str = ""
    resamples: int = RESAMPLES
    seed: int = 0


@dataclass(frozen=True)
class Difference:
    """Value of `a` minus value of `b` on the same rows."""

    a: str
    b: str
    metric: str
    estimate: Estimate


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and how."""

    benchmark: Benchmark
    task: str
    options: Options
    convention: Convention
    systems: Mapping[str, Mapping[str, Estimate]]
    paired: Sequence[Difference]
    words: int
    made: Mapping[str, object] = field(default_factory=dict)


def evaluate(
    benchmark: Benchmark,
    task: str,
    systems: Mapping[str, Sequence[str]],
    options: Options,
    made: Mapping[str, object] | None = None,
) -> Evaluation:
    """Score every system's outputs, one for each source, in order."""
    _check(benchmark, systems)
    convention = detect(benchmark.sources, [text for wanted in benchmark.references for text in wanted])
    compared = _compared(benchmark, systems, convention)
    found = _statistics(compared, convention, options)
    estimates, paired = _estimates(found, options)
    varied, size = diversity({name: texts.outputs for name, texts in compared.items()}, options.seed)
    for name, values in varied.items():
        estimates[name] |= {metric: Estimate(values[metric]) for metric in OF_A_SET}
    return Evaluation(benchmark, task, options, convention, estimates, paired, size, made or {})


def _check(benchmark: Benchmark, systems: Mapping[str, Sequence[str]]) -> None:
    if not systems:
        raise StudentError(f"{benchmark.name}: no system to evaluate: give at least one")
    for name, outputs in systems.items():
        if len(outputs) != len(benchmark):
            raise StudentError(
                f"{benchmark.name}: system {name} has {len(outputs)} outputs for {len(benchmark)} sources: "
                "give one for each, blank where there is none"
            )


def _compared(
    benchmark: Benchmark, systems: Mapping[str, Sequence[str]], convention: Convention
) -> dict[str, Compared]:
    """All texts in one convention."""
    normalise = normaliser(convention)
    sources = [normalise(source) for source in benchmark.sources]
    references = [[normalise(text) for text in wanted] for wanted in benchmark.references]
    return {name: Compared(sources, [*map(normalise, outputs)], references) for name, outputs in systems.items()}


def _statistics(
    compared: Mapping[str, Compared], convention: Convention, options: Options
) -> dict[str, dict[str, Statistic]]:
    tokenise = tokeniser_name(convention.tokenise)
    found = {name: metrics.overlap(texts, tokenise) | metrics.shape(texts) for name, texts in compared.items()}
    if options.encoder is not None:
        for name, more in metrics.meaning(compared, options.encoder.open(), tokenise).items():
            found[name] |= more
    if options.judge is not None:
        for name, texts in compared.items():
            found[name]["faithfulness"] = metrics.faithfulness(_readable(texts, convention), options.judge)
    return found


def _readable(texts: Compared, convention: Convention) -> Compared:
    """As people write it, source and outputs alike: a judge has learned from such text."""
    sources, outputs = ([readable(text, convention) for text in side] for side in (texts.sources, texts.outputs))
    return Compared(sources, outputs, texts.references)


def _estimates(found: Mapping[str, Named], options: Options) -> tuple[dict[str, dict[str, Estimate]], list[Difference]]:
    """Every value with its interval, and every difference, from one set of draws."""
    places = [(name, metric) for name, named in found.items() for metric in named]
    drawn = resampled([found[name][metric] for name, metric in places], options.resamples, options.seed)
    values = dict(zip(places, drawn, strict=True))
    estimates = {
        name: {metric: Estimate(named[metric].value(), *interval(values[name, metric])) for metric in named}
        for name, named in found.items()
    }
    return estimates, _differences(estimates, values)


def _differences(
    estimates: Mapping[str, Mapping[str, Estimate]], values: Mapping[tuple[str, str], Array]
) -> list[Difference]:
    """Later systems minus earlier ones, so that a student stands before its baselines."""
    found = []
    for earlier, later in combinations(estimates, 2):
        for metric in (metric for metric in PAIRED if (later, metric) in values):
            gap = estimates[later][metric].value - estimates[earlier][metric].value
            bounds = interval(values[later, metric] - values[earlier, metric])
            found.append(Difference(later, earlier, metric, Estimate(gap, *bounds)))
    return found


def results(found: Evaluation) -> Json:
    """The evaluation as plain data, ready for JSON. What could not be measured is null."""
    benchmark, options = found.benchmark, found.options
    return {
        "data": benchmark.name,
        "task": found.task,
        "rows": len(benchmark),
        "refused": [{"line": row.line, "reason": row.reason} for row in benchmark.refused],
        "columns": list(benchmark.columns),
        "encoder": options.encoder.name if options.encoder else None,
        "judge": options.judge_name or None,
        "convention": found.convention.says(),
        "bleu_tokens": tokeniser_name(found.convention.tokenise),
        "words_for_diversity": found.words,
        "resamples": options.resamples,
        "seed": options.seed,
        "systems": {
            name: {metric: _numbers(estimate) for metric, estimate in estimates.items()}
            for name, estimates in found.systems.items()
        },
        "paired": [
            {"a": each.a, "b": each.b, "metric": each.metric, "difference": number["value"]}
            | {bound: number[bound] for bound in ("low", "high")}
            for each in found.paired
            for number in [_numbers(each.estimate)]
        ],
        "made": {"data_digest": benchmark.digest(), **found.made},
    }


def _numbers(estimate: Estimate) -> dict[str, float | None]:
    return {name: known(getattr(estimate, name)) for name in ("value", "low", "high")}


def known(value: float) -> float | None:
    """Rounded, as floats differ in their last places from machine to machine; None for nan."""
    return None if math.isnan(value) else round(value, 6) + 0.0
