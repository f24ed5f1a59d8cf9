"""`python -m pipeline explain`: everything known about one pair."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from pipeline.store import Run

RunName = Annotated[str, typer.Option("--run", help="Name of the run, a folder of data/runs.")]
PairId = Annotated[str, typer.Option("--pair", help="Its id, or how it begins.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Again = Annotated[bool, typer.Option("--regenerate", help="Decode the target again and compare.")]

TITLES = {
    "corpus": "In the corpus",
    "panel": "Filters",
    "group": "Among other pairs",
    "context": "Context",
    "source_written": "How the source was written",
    "target_written": "How the target was written",
    "decoder": "Decoder",
    "influence": "Influence",
    "audit": "Audit",
    "elsewhere": "The same pair elsewhere",
    "regenerated": "Decoded again",
}


def explain(pair: PairId, run: RunName = "news", as_json: AsJson = False, regenerate: Again = False) -> None:
    """Everything known about one pair: origin, scores and thresholds, verdict, group, split, influence, marks."""
    from pipeline.explain.pair import explain as told

    found = told(Run.existing(run), pair, again=regenerate)
    print(json.dumps(found, indent=1, ensure_ascii=False) if as_json else "\n".join(lines(found)))


def lines(found: Mapping[str, object]) -> Iterator[str]:
    """For a terminal: a head, then a block for each part."""
    yield f"{found['verdict']}  {found['task']} {found['pair_id']}  (run {found['run']}, round {found['round']})"
    yield f"  source  {plain(found['source'])}"
    yield f"  target  {plain(found['target'])}"
    for key, title in TITLES.items():
        if key in found:
            yield ""
            yield title
            yield from _panel(found[key]) if key == "panel" else _block(found[key], "  ")


def _panel(rows: object) -> Iterator[str]:
    for row in rows if isinstance(rows, Sequence) else ():
        moved = f"  (recipe now: {_inline(row['recipe_now'])})" if "recipe_now" in row else ""
        yield f"  {row['verdict']:<10}{row['filter']:<20}{_cell(row['score']):>9}  {_inline(row['thresholds'])}{moved}"


def _block(value: object, indent: str) -> Iterator[str]:
    """Names and values; what lies deeper is set in."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(each, Mapping | list) and each:
                yield f"{indent}{name}"
                yield from _block(each, indent + "  ")
            else:
                yield f"{indent}{name:<18}  {_cell(each)}"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from [f"{indent}{_inline(each)}"] if isinstance(each, Mapping) else [f"{indent}{_cell(each)}"]
    else:
        yield f"{indent}{_cell(value)}"


def _inline(value: object) -> str:
    return ", ".join(f"{name} {_cell(each)}" for name, each in value.items()) if isinstance(value, Mapping) else ""


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else plain(value)


def plain(value: object) -> str:
    """One line without control characters: text of a model must not steer a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(value).split()))
