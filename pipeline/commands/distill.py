"""`python -m pipeline distill --round R`: students, and what they write for the next."""

from typing import Annotated

import typer

from pipeline.errors import UserError
from pipeline.plan import Step
from pipeline.recipe import Recipe
from pipeline.store import Run


def distill(
    round_: Annotated[int, typer.Option("--round", min=1, help="Ends with the student of this round.")] = 1,
    run: Annotated[str, typer.Option("--run", help="Name of the run, a folder of data/runs.")] = "",
    recipe: Annotated[
        str, typer.Option("--recipe", help="A shipped recipe or a TOML file; default: the run's own, else news.")
    ] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Changes to the recipe: 'key=value key=value'; may be repeated.")
    ] = None,
) -> None:
    """Trains the student of a round, first making every earlier round that is missing."""
    from pipeline.walk import work

    work(run, recipe, set_, lambda resolved, of: all_steps(resolved, of, round_))


def all_steps(recipe: Recipe, run: Run, rounds: int) -> list[Step]:
    """Round 0 and all that ends with student `rounds`. A run of brought pairs has its corpus, and keeps it."""
    from pipeline.rounds.distill import Distillation, pairs_alone
    from pipeline.stages import teacher_steps

    steps = Distillation(recipe, run).steps(rounds)
    if not pairs_alone(run):
        return [*teacher_steps(recipe), *steps]
    if not run.stage(0, "corpus").tables():
        raise UserError(
            f"run {run.name!r}: its pairs were brought and are not judged yet: run `make filter` to its end"
        )
    if rounds > 1 and recipe.rounds.source == "teacher":
        raise UserError(
            f"run {run.name!r}: it has no teacher's sentences to rewrite, since its pairs were brought: "
            "give text with SET='rounds.source=sentences.txt'"
        )
    return steps
