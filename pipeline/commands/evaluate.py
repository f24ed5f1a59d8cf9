"""The command `evaluate`: a run's students, its teacher and the baselines on a benchmark."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.errors import UserError

Form = Annotated[
    Literal["readable", "raw"],
    typer.Option(help="What models read of tokenised, lower-case text: put together again, or as it is."),
]
Wanted = Annotated[
    list[str] | None,
    typer.Option(help="Students are also asked for this: short, rewritten, short+rewritten; may be repeated."),
]


def evaluate(
    run: Annotated[str, typer.Option(help="Name of the run, a folder of data/runs.")],
    data: Annotated[Path, typer.Option(help="Rows of source and references: .jsonl, .jsonl.gz or .parquet.")],
    task: Annotated[str, typer.Option(help="summary or paraphrase.")],
    rounds: Annotated[str, typer.Option(help="Students to evaluate, such as 1,2; default: all there are.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows.")] = None,
    teacher: Annotated[bool, typer.Option(help="Ask the recipe's teacher for the task outright.")] = True,
    sources: Form = "readable",
    judge: Annotated[
        str, typer.Option(help="An NLI model for faithfulness; default: the embedded one that did not judge the task.")
    ] = "",
    faithfulness: Annotated[bool, typer.Option(help="Ask that judge; it takes about a second for 40 outputs.")] = True,
    controls: Wanted = None,
    rerank: Annotated[
        bool, typer.Option(help="Show each student too as the run's panel chooses among its beams.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and of what is sampled.")] = 0,
) -> None:
    """Metrics with intervals for every student, the teacher zero-shot, and simple baselines."""
    from pipeline.evaluation.evaluate import Asked, evaluate_run
    from pipeline.recipe import load
    from pipeline.store import Run
    from student.controls import read_controls
    from student.evaluation_page import page

    found = Run.existing(run)
    recipe = load(found.recipe_file if found.recipe_file.exists() else "news")
    rerank = rerank and found.recipe_file.exists()  # a run without a recipe has no panel
    wanted = tuple(map(read_controls, controls or ()))
    asked = Asked(data, task, _rounds(rounds), limit, teacher, sources, judge, faithfulness, wanted, rerank, seed)
    evaluation, folder = evaluate_run(found, recipe, asked)
    _show(page(evaluation))
    print(f"written to {folder}")


def _show(text: str) -> None:
    """A table drawn for a terminal; markdown as it is for anything else."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    if console.is_terminal:
        console.print(Markdown(text))
    else:
        print(text)


def _rounds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise UserError(f"--rounds {text!r}: wanted numbers from 1, such as 1,2")
    return tuple(dict.fromkeys(map(int, parts)))
