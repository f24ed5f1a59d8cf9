"""`python -m filters.training`: make a judge, measure it, calibrate it, write it as it is committed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from filters.base import FilterError
from filters.models import EMBEDDED_JUDGE, home
from filters.mpnet_judge import export_mpnet_judge
from filters.nli_judge import JudgeSpec, open_judge
from filters.training.build import Sources, build
from filters.training.calibrate import (
    Readings,
    answered,
    area,
    best_temperature,
    measured_at,
    pooled,
    read,
    reliability,
    threshold_for,
)
from filters.training.card import labelled_table, reliability_plot
from filters.training.export import export
from filters.training.packaged_base import unpack_mpnet

app = typer.Typer(add_completion=False, no_args_is_help=True)
READINGS = [home() / "data" / "readings" / name for name in ("news.jsonl", "news-2.jsonl")]
CACHE = home() / "data" / "cache"
SHOWN = (0.5, 0.6, 0.7, 0.75, 0.8, 0.82, 0.85, 0.9, 0.92, 0.95)


@app.command()
def judge(
    labelled: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="labelled pairs: .jsonl(.gz) of premise, hypothesis, label, origin"
        ),
    ],
    candidates: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="a run's candidates folder: what the judge will meet")
    ],
    text: Annotated[
        list[Path], typer.Option(exists=True, dir_okay=False, help="plain text as .jsonl(.gz), for hard pairs")
    ],
    base: Annotated[str, typer.Option(help="the larger encoder; empty: the packaged all-mpnet-base-v2")] = "",
    wordnet: Annotated[Path | None, typer.Option(help="WordNet's dict folder, for words of the same meaning")] = None,
    questions: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="candidates folder of a run of questions, if any")
    ] = None,
    work: Annotated[Path, typer.Option(help="where it is made; a killed one goes on")] = CACHE / "judge",
    out: Annotated[Path, typer.Option(help="where the weights are written")] = CACHE / "judge" / "export",
) -> None:
    """Train the embedded judges anew: a larger one first, then the small one and seven of its layers on its answers."""
    sources = Sources(
        labelled, text, candidates, base or str(unpack_mpnet(CACHE)), wordnet=wordnet, questions=questions
    )
    trained = build(sources, work)
    export(trained, out, window=128)
    typer.echo(
        f"{out}: copy it over data/models/nli-minilm when `calibrate --model {trained}` likes it; it has learned from "
        "the larger judge's answers, so the second opinion of `pipeline second-opinion` is then no longer independent: "
        "name another judge there (--judge)"
    )
    typer.echo(f"{work / 'shorter' / 'model'}: the larger one; `export-mpnet` writes it as data/models/nli-mpnet is")


@app.command()
def calibrate(
    model: Annotated[str, typer.Option(help="embedded:..., a folder or a hub id")] = EMBEDDED_JUDGE,
    readings: Annotated[list[Path], typer.Option(exists=True, dir_okay=False, help="pairs that were read")] = READINGS,
    precision: Annotated[float, typer.Option(min=0, max=1, help="wanted of accepted pairs")] = 0.9,
    plot: Annotated[Path | None, typer.Option(help="reliability plot (.svg, .png)")] = None,
) -> None:
    """AUC, temperature, and for each task the threshold that reaches a precision, from pairs that were read: for each
    file, and where there are several for all together."""
    rows = [(path.name, read(path)) for path in readings]  # all of them before a model is loaded
    ask = open_judge(JudgeSpec(model))
    parts = [(name, answered(found, ask)) for name, found in rows]
    together = pooled([part for _, part in parts])
    typer.echo(f"temperature that fits best: {best_temperature(together):.2f}")
    for name, part in parts if len(parts) > 1 else ():
        _tell(part, precision, f"{name}, ")
    lines = _tell(together, precision, "all together, " if len(parts) > 1 else "")
    if plot:
        reliability_plot(reliability(together, [n / 10 for n in range(11)]), plot)
    typer.echo(json.dumps(lines))


def _tell(found: Readings, precision: float, where: str) -> dict[str, dict[str, float | None]]:
    """Each task's figures as lines; its AUC and threshold are returned."""
    lines: dict[str, dict[str, float | None]] = {}
    for task in dict.fromkeys(found.task):
        rows = found.of_task(task)
        chosen = threshold_for(precision, rows.where(rows.first_half == 1))
        typer.echo(f"{where}{task}: AUC {area(rows)}, {len(rows.task)} pairs")
        for threshold in sorted({*SHOWN, *([round(chosen, 4)] if chosen else [])}):
            at = measured_at(threshold, rows)
            typer.echo(f"  at {threshold:.3f}: precision {at.precision}, recall {at.recall}")
        if chosen is not None:
            other = measured_at(chosen, rows.where(rows.first_half == 0))
            typer.echo(f"  chosen on one half: {chosen:.3f}; on the other: {other.precision}, recall {other.recall}")
        lines[task] = {"auc": round(area(rows).value, 3), "threshold": chosen and round(chosen, 3)}
    return lines


@app.command()
def evaluate(
    rows: Annotated[list[Path], typer.Option(exists=True, dir_okay=False, help="labelled pairs")],
    model: Annotated[str, typer.Option(help="embedded:..., a folder or a hub id")] = EMBEDDED_JUDGE,
    held_out: Annotated[bool, typer.Option(help="only the rows that no judge is trained on")] = True,
    most: Annotated[int, typer.Option(min=1, help="rows of each origin at most")] = 2000,
) -> None:
    """Accuracy, AUC, precision and recall on labelled pairs, by origin, as a table."""
    typer.echo(labelled_table(model, rows, held_out, most))


@app.command("export")
def export_command(
    model: Annotated[Path, typer.Option(help="a trained judge's folder")],
    out: Annotated[Path, typer.Option(help="where the weights are written")],
    temperature: Annotated[float, typer.Option(min=0.01, help="divides the logits")] = 1.0,
) -> None:
    """Write a trained judge as it is committed: half precision, no word embeddings."""
    export(model, out, window=128, temperature=temperature)


@app.command("export-mpnet")
def export_mpnet_command(
    model: Annotated[Path, typer.Option(help="a trained larger judge's folder")],
    out: Annotated[Path, typer.Option(help="where the change is written")],
    rank: Annotated[int, typer.Option(min=1, help="of the change of every matrix")] = 64,
) -> None:
    """Write a larger judge as it is committed: a low-rank change of the packaged base."""
    export_mpnet_judge(model, unpack_mpnet(CACHE), rank, 128, out)


def main() -> None:
    """Run, and tell a mistake in one line."""
    try:
        app(standalone_mode=True)
    except (FilterError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
