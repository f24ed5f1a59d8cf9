"""The command line: `python -m pipeline COMMAND`, wrapped by `make`."""

import itertools
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from filters.base import FilterError
from pipeline import display
from pipeline.commands.distill import all_steps, distill
from pipeline.commands.diversity import diversity
from pipeline.commands.evaluate import evaluate
from pipeline.commands.explain import explain
from pipeline.commands.export import export
from pipeline.commands.publish import publish, publish_model, verify
from pipeline.commands.report import report
from pipeline.commands.rewrite import rewrite
from pipeline.commands.second_opinion import second_opinion
from pipeline.commands.serve import serve
from pipeline.errors import PipelineError, UserError
from pipeline.recipe import load, shipped_names
from pipeline.recipe_errors import RecipeError
from pipeline.store import Run
from pipeline.teacher.decoder import DecoderError
from pipeline.walk import print_pairs, recipe_of, stages_of, steps_of, work
from student.errors import StudentError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

RunName = Annotated[str, typer.Option("--run", help="Name of the run, a folder of data/runs.")]
RecipeName = Annotated[
    str, typer.Option("--recipe", help="A shipped recipe or a TOML file; default: the run's own, else news.")
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="Changes to the recipe: 'key=value key=value'; may be repeated.")
]


@app.command()
def generate(run: RunName = "", recipe: RecipeName = "", set_: Changes = None) -> None:
    """Contexts and candidates from the teacher."""
    from pipeline.stages import generate_steps

    work(run, recipe, set_, lambda resolved, _: generate_steps(resolved))


@app.command("filter")
def filter_(
    run: RunName = "",
    recipe: RecipeName = "",
    set_: Changes = None,
    pairs: Annotated[Path | None, typer.Option(help="Your own pairs (.jsonl, .parquet); no teacher is needed.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell the funnel that would be.")] = False,
    curve: Annotated[Path | None, typer.Option(help="Dry run: the yield against every threshold, as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Dry run: as JSON.")] = False,
) -> None:
    """Pairs, scores and the corpus, from the candidates of a run or from your own pairs."""
    if dry_run:
        if pairs is not None:
            raise UserError("--dry-run with --pairs: it reads the stored scores of a run: give --run alone")
        _what_if(run or "news", recipe, set_ or [], curve, as_json)
        return
    if curve is not None or as_json:
        raise UserError("--curve and --json go with --dry-run: add it")
    from pipeline.stages import brought_steps, filter_steps

    if pairs is not None:
        work(run or f"pairs-{pairs.stem}", recipe, set_, lambda resolved, _: brought_steps(resolved, pairs))
    else:
        work(run, recipe, set_, lambda resolved, _: filter_steps(resolved), needs="candidates")


@app.command("run")
def run_(run: RunName = "", recipe: RecipeName = "", set_: Changes = None) -> None:
    """Everything, from contexts to the corpus and the first student, and a few pairs to look at."""
    name = work(run, recipe, set_, lambda resolved, of: all_steps(resolved, of, 1))
    print_pairs(Run.existing(name), 3, 0)


@app.command()
def status(run: RunName = "news", as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Where a run stands, and its funnel."""
    from pipeline.funnel import report

    found = Run.existing(run)
    stages = stages_of(found, steps_of(found))
    if as_json:
        print(json.dumps(report(found.name, stages), indent=1))
        return
    console = Console()
    console.print(display.stages_table(stages), display.funnel_table(stages))
    console.print(display.summary(stages), highlight=False)
    for stage in stages:
        for change in stage.why:
            console.print(f"{stage.stage} is {stage.state}: {change}", markup=False, highlight=False)


@app.command()
def show(
    run: RunName = "news",
    number: Annotated[int, typer.Option("-n", min=1, help="Kept pairs to show, and as many rejected ones.")] = 5,
    seed: Annotated[int | None, typer.Option(min=0, help="Draws the pairs; default: another draw every time.")] = None,
    round_number: Annotated[int, typer.Option("--round", min=0, help="The teacher's pairs (0), or a student's.")] = 0,
) -> None:
    """Random kept and rejected pairs with scores and reasons."""
    drawn = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    print_pairs(Run.existing(run), number, drawn, round_number)


@app.command("calibrate-gate")
def calibrate_gate(
    run: RunName = "news",
    recipe: RecipeName = "",
    set_: Changes = None,
    contexts: Annotated[int, typer.Option(min=1, help="The first contexts of the run.")] = 100,
    recall: Annotated[float, typer.Option(min=0.01, max=1, help="Share of accepted pairs that has to pass.")] = 0.99,
    every_pair: Annotated[
        float, typer.Option(min=0, max=1, help="Ask the judge also about this share of all ordered pairs.")
    ] = 0.0,
) -> None:
    """Where the gates before the judge may stand, for this teacher and this judge. Changes nothing."""
    from pipeline import gate, gate_report

    found = Run.existing(run)
    chosen = recipe_of(found, recipe, set_ or [])
    candidates = gate.first_candidates(found, contexts)
    answers = []
    populations = {"past the other cheap filters": 0.0}
    if every_pair:
        populations[f"every pair ({every_pair:.0%} of them)"] = every_pair
    for title, share in populations.items():
        for _, gates in itertools.groupby(gate.answers(chosen, candidates, share), lambda each: each.task):
            answers += (of_task := list(gates))
            print("\n".join(gate_report.of_task(of_task, title, recall)), flush=True)
    thresholds = gate.chosen(answers, recall)
    if not thresholds:
        raise UserError(f"run {run!r}: the judge accepted no pair of {contexts} contexts: take more with --contexts")
    print(gate.set_line(thresholds))


@app.command()
def recipes() -> None:
    """The recipes that come with the project."""
    for name in shipped_names():
        print(f"{name:<14}{load(name).description}")


def _what_if(run_name: str, recipe_name: str, changes: Sequence[str], curve: Path | None, as_json: bool) -> None:
    """The funnel with other thresholds, from stored scores. Takes no lock, loads no model, changes nothing."""
    from pipeline.what_if import check_recipe, wanted_by, what_if
    from pipeline.what_if_display import what_if_data, what_if_lines, what_if_table
    from pipeline.yield_curve import curve as rows_of
    from pipeline.yield_curve import write_curve

    run = Run.existing(run_name)
    recipe = recipe_of(run, recipe_name, changes)
    check_recipe(run, recipe)
    found = what_if(run, wanted_by(recipe))
    if curve is not None:
        write_curve(curve, rows_of(found.verdicts))
    if as_json:
        print(json.dumps(what_if_data(run.name, found), indent=1))
        return
    console = Console()
    console.print(what_if_table(found))
    for line in what_if_lines(found):
        console.print(line, markup=False, highlight=False)


# Commands with a module of their own.
app.command()(distill)
app.command()(publish)
app.command("publish-model")(publish_model)
app.command()(verify)
app.command()(report)
app.command()(serve)
app.command()(explain)
app.command()(export)
app.command()(evaluate)
app.command()(rewrite)
app.command()(diversity)
app.command("second-opinion")(second_opinion)


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    told(app)


def told(command: Callable[[], object]) -> None:
    """Every error that a user can mend is one line on stderr and exit code 2; Ctrl-C is 130."""
    try:
        command()
    except (PipelineError, DecoderError, FilterError, StudentError) as error:
        problems = error.problems if isinstance(error, RecipeError) else (str(error).splitlines() or [""])[:1]
        sys.stderr.write("\n".join(problems) + "\n")
        sys.exit(getattr(error, "exit_code", 2))


if __name__ == "__main__":
    main()
