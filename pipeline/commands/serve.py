"""`python -m pipeline serve`: pages about a run on this machine."""

from typing import Annotated

import typer

from pipeline.store import Run

RunName = Annotated[str, typer.Option("--run", help="Name of the run, a folder of data/runs.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")]


def serve(run: RunName = "news", port: Port = 8765) -> None:
    """Follow a run live, browse its pairs, move thresholds, audit. Only this machine can see it."""
    from pipeline.serve.app import serve as start

    start(Run.existing(run), port)
