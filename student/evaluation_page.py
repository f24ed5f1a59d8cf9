"""An evaluation as markdown: tables with intervals, the best in bold, and what one has to know to read them."""

import math
from collections.abc import Sequence

from student.bootstrap import Estimate
from student.evaluate import Evaluation
from student.metrics import ALPHA, BETA, PERCENT

TABLES = {
    "Against the references": (
        *("rouge1", "rouge2", "rougeL", "bertscore", "bleu"),
        *("rouge1_recall75", "rouge2_recall75", "rougeL_recall75"),
    ),
    "Against references and source": ("ibleu", "ibleu_sentence", "bert_ibleu", "source_bleu", "faithfulness"),
    "Shape": ("words", "compression", "novel_1", "novel_2", "empty"),
    "Diversity of the outputs": ("self_bleu", "mtld", "msttr", "entropy_1", "entropy_2", "entropy_3"),
}
LOWER = frozenset({"self_bleu", "empty"})
NEITHER = frozenset({"words", "compression", "novel_1", "novel_2", "source_bleu"})
"""Neither more nor less is better by itself: nothing is bold."""
HEADLINES = {"summary": ("rougeL", "bertscore"), "paraphrase": ("ibleu", "bert_ibleu")}
TITLES = {
    **{kind: kind.replace("rouge", "ROUGE-") for kind in ("rouge1", "rouge2", "rougeL")},
    **{f"rouge{n}_recall75": f"ROUGE-{n} recall, 75 bytes" for n in "12L"},
    "bertscore": "BERTScore",
    "bleu": "BLEU",
    "source_bleu": "BLEU with the source",
    "ibleu": "iBLEU",
    "ibleu_sentence": "iBLEU, sentences",
    "bert_ibleu": "BERT-iBLEU",
    "self_bleu": "self-BLEU",
    "mtld": "MTLD",
    "msttr": "MSTTR",
    **{f"entropy_{n}": f"entropy, {n}-grams" for n in (1, 2, 3)},
    **{f"novel_{n}": f"new {n}-grams" for n in (1, 2)},
}


def page(found: Evaluation) -> str:
    """The whole page."""
    parts = [f"# {found.benchmark.name}, {found.task}, {len(found.benchmark):,} rows", *_notes(found)]
    for title, metrics in TABLES.items():
        there = [metric for metric in metrics if any(metric in named for named in found.systems.values())]
        if there:
            parts += [f"## {title}", _table(found, there)]
    parts += ["## Differences on the same rows", _paired(found)] if len(found.systems) > 1 else []
    return "\n\n".join(parts) + "\n"


def _notes(found: Evaluation) -> list[str]:
    options, tokens = found.options, "at spaces" if found.convention.tokenise else "by 13a"
    encoder = f"BERTScore encoder: {options.encoder.name}." if options.encoder else "No encoder: BERTScore is absent."
    judge = (
        f"Faithfulness: the mean probability by {options.judge_name}, which did not choose this task's pairs."
        if options.judge
        else "Faithfulness is absent: no judge was asked."
    )
    notes = [
        f"{found.convention.says()} {encoder} {judge}",
        f"Brackets: 95% bootstrap intervals over rows ({options.resamples:,} resamples, seed {options.seed}). ROUGE "
        "F1: stemmed, best reference; ROUGE recall: first 75 bytes, mean over references. BLEU: sacrebleu, corpus, "
        f"tokens split {tokens}. iBLEU = {ALPHA} BLEU - {1 - ALPHA:.1f} BLEU with the source, of the corpus. "
        f"BERT-iBLEU: beta {BETA:g}, mean over rows. Diversity at {found.words:,} words each. Bold: the best.",
    ]
    if refused := found.benchmark.refused:
        first = "; ".join(f"line {row.line}: {row.reason}" for row in refused[:3])
        notes.append(f"{len(refused)} rows were refused ({first}{'; ...' if len(refused) > 3 else ''}).")
    return notes


def _table(found: Evaluation, metrics: Sequence[str]) -> str:
    best = {metric: _best(found, metric) for metric in metrics}
    rows = [["system", *(TITLES.get(metric, metric) for metric in metrics)]]
    for name, named in found.systems.items():
        cells = [_cell(metric, named.get(metric)) for metric in metrics]
        marked = [f"**{cell}**" if name in best[metric] else cell for metric, cell in zip(metrics, cells, strict=True)]
        rows.append([name, *marked])
    return _lines(rows)


def _best(found: Evaluation, metric: str) -> set[str]:
    """The systems with the best value as it is shown; several where they are equal, none where nothing is better."""
    shown = {
        name: round(named[metric].value, _places(metric))
        for name, named in found.systems.items()
        if metric in named and not math.isnan(named[metric].value)
    }
    if metric in NEITHER or len(set(shown.values())) < 2:
        return set()
    top = (min if metric in LOWER else max)(shown.values())
    return {name for name, value in shown.items() if value == top}


def _places(metric: str) -> int:
    return 1 if metric in PERCENT or metric in ("mtld", "words") else 2


def _cell(metric: str, estimate: Estimate | None) -> str:
    if estimate is None or math.isnan(estimate.value):
        return "-"
    places = _places(metric)
    value = f"{estimate.value:.{places}f}"
    if math.isnan(estimate.low):
        return value
    return f"{value} [{estimate.low:.{places}f}, {estimate.high:.{places}f}]"


def _paired(found: Evaluation) -> str:
    headlines = HEADLINES.get(found.task, ("rougeL", "ibleu"))
    there = [metric for metric in headlines if any(each.metric == metric for each in found.paired)]
    known = {(each.a, each.b, each.metric): each.estimate for each in found.paired}
    rows = [["", *(TITLES.get(metric, metric) for metric in there)]]
    for a, b in dict.fromkeys((each.a, each.b) for each in found.paired):
        rows.append([f"{a} - {b}", *(_signed(known[a, b, metric]) for metric in there)])
    return _lines(rows)


def _signed(estimate: Estimate) -> str:
    """A difference; bold where its interval is clear of 0. One row has no interval."""
    if estimate.low == estimate.high != 0:
        return f"{estimate.value:+.1f}"
    text = f"{estimate.value:+.1f} [{estimate.low:+.1f}, {estimate.high:+.1f}]"
    return f"**{text}**" if estimate.low > 0 or estimate.high < 0 else text


def _lines(rows: Sequence[Sequence[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    head, *body = ["| " + " | ".join(row) + " |" for row in escaped]
    rule = "|" + "---|" * len(rows[0])
    return "\n".join([head, rule, *body])
