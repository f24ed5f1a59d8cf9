"""`python -m pipeline report`: a run as one page and a markdown twin."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError
from pipeline.store import Run

RunName = Annotated[str, typer.Option("--run", help="Name of the run, a folder of data/runs.")]
Out = Annotated[Path | None, typer.Option("--out", help="The page's file (.html); default: report.html of the run.")]


def report(run: RunName = "news", out: Out = None) -> None:
    """One self-contained page about a run, and a markdown twin beside it. Changes nothing else."""
    from pipeline.report.page import write_report

    found = Run.existing(run)
    try:
        page, twin = write_report(found, out)
    except FileNotFoundError as error:
        raise UserError(f"run {run!r}: {error.filename} went away while it was read: run it again") from None
    for path in (page, twin):
        print(f"{path} ({path.stat().st_size / 1000:,.0f} kB)")
