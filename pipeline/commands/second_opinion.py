"""The command `second-opinion`: what a judge that was not in the loop says of a run's corpus."""

import json
from typing import Annotated

import typer


def second_opinion(
    run: Annotated[str, typer.Option(help="Name of the run, a folder of data/runs.")],
    round_: Annotated[int, typer.Option("--round", min=0, help="Whose corpus: 0 is the teacher's.")] = 0,
    judge: Annotated[
        str,
        typer.Option(help="An NLI model that chose nothing; default: the embedded one that did not judge the task."),
    ] = "",
    rejected: Annotated[int, typer.Option(min=0, help="Rejected pairs of each task to ask about as well.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Draws the rejected pairs.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the judge.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """The share of accepted and of rejected pairs on which a judge outside the loop agrees."""
    from pipeline.evaluation.second_opinion import Asking, lines, second_opinion
    from pipeline.store import Run

    found = second_opinion(Run.existing(run), round_, Asking(judge, rejected, seed, threads))
    print(json.dumps(found.data(), indent=1) if as_json else "\n".join(lines(found)))
