"""The command line: `python -m pipeline COMMAND`, wrapped by `make`."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from filters.base import FilterError
from pipeline import display
from pipeline.errors import INTERRUPTED, PipelineError, UserError
from pipeline.local_backend import Backend
from pipeline.plan import Step
from pipeline.progress import StageResult
from pipeline.recipe import Recipe, load, shipped_names
from pipeline.recipe_errors import RecipeError
from pipeline.status import StageStatus
from pipeline.store import Run
from pipeline.teacher.decoder import DecoderError

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

    _work(run, recipe, set_, generate_steps)


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
        _work(run or f"pairs-{pairs.stem}", recipe, set_, lambda resolved: brought_steps(resolved, pairs))
    else:
        _work(run, recipe, set_, filter_steps, needs="candidates")


@app.command("run")
def run_(run: RunName = "", recipe: RecipeName = "", set_: Changes = None) -> None:
    """Everything, from contexts to the corpus, and a few pairs to look at."""
    from pipeline.stages import teacher_steps

    name = _work(run, recipe, set_, teacher_steps)
    _print_pairs(Run.existing(name), 3, 0)


@app.command()
def status(run: RunName = "news", as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Where a run stands, and its funnel."""
    from pipeline.funnel import report

    found = Run.existing(run)
    stages = _stages(found, _steps_of(found))
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
    seed: Annotated[int | None, typer.Option(help="Draws the pairs; default: another draw every time.")] = None,
) -> None:
    """Random kept and rejected pairs with scores and reasons."""
    drawn = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    _print_pairs(Run.existing(run), number, drawn)


@app.command("calibrate-gate")
def calibrate_gate(
    run: RunName = "news",
    recipe: RecipeName = "",
    set_: Changes = None,
    contexts: Annotated[int, typer.Option(min=1, help="The first contexts of the run.")] = 100,
    recall: Annotated[float, typer.Option(min=0, max=1, help="Share of accepted pairs that has to pass.")] = 0.99,
    every_pair: Annotated[
        float, typer.Option(min=0, max=1, help="Ask the judge also about this share of all ordered pairs.")
    ] = 0.0,
) -> None:
    """Where the gate before the judge may stand, for this teacher and this judge. Changes nothing."""
    from pipeline import gate, gate_report

    found = Run.existing(run)
    chosen = _recipe(found, recipe, set_ or [])
    candidates = gate.first_candidates(found, contexts)
    answers = []
    populations = {"past the other cheap filters": 0.0}
    if every_pair:
        populations[f"every pair ({every_pair:.0%} of them)"] = every_pair
    for title, share in populations.items():
        for each in gate.answers(chosen, candidates, share):
            print("\n".join(gate_report.lines(each, title, recall)), end="\n\n", flush=True)
            answers.append(each)
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
    recipe = _recipe(run, recipe_name, changes)
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


def _work(
    run_name: str,
    recipe_name: str,
    changes: Sequence[str] | None,
    plan: Callable[[Recipe], list[Step]],
    needs: str = "",
) -> str:
    """Resolve the recipe, hold the run, walk its steps, show the funnel. Returns the name of the run."""
    from pipeline.runner import run_steps
    from pipeline.stages import check_devices, check_models, check_test_sets

    run = Run.named(run_name or recipe_name.removesuffix(".toml").rpartition("/")[2] or "news")
    recipe = _recipe(run, recipe_name, changes or [])
    if needs and not run.stage(0, needs).tables():
        raise UserError(f"run {run.name!r}: no {needs} yet: run `make generate RUN={run.name}` first")
    steps = plan(recipe)
    check_devices(recipe, steps)
    check_test_sets(recipe)
    check_models(steps)
    with run.locked():
        run.write_recipe(recipe.to_toml())
        console = Console(stderr=True)
        console.print(f"run {run.folder}, recipe {recipe.name} ({recipe.fingerprint()[:8]})", highlight=False)
        try:
            with _backend(recipe) as backend, display.live(console) as progress:
                results = run_steps(run, steps, backend, progress)
        except KeyboardInterrupt:
            console.print("stopped: what is finished is kept; start again to go on")
            raise SystemExit(INTERRUPTED) from None
    _print_funnel(run)
    _refuse_nothing(run, results)
    return run.name


def _refuse_nothing(run: Run, results: Sequence[StageResult]) -> None:
    """A run without one context or candidate is a mistake in what was asked for, and says so."""
    for result in results:
        if result.stage in ("contexts", "candidates") and not result.rows:
            reasons = [
                f"{n} {name.removeprefix('dropped/')}" for name, n in result.counts.items() if "dropped/" in name
            ]
            raise UserError(
                f"run {run.name!r}: stage {result.stage} kept nothing ({', '.join(reasons) or 'nothing came in'}): "
                "change the contexts or the teacher"
            )


def _recipe(run: Run, name: str, changes: Sequence[str]) -> Recipe:
    """The named recipe, else the run's own, else the default; with the changes."""
    chosen = name or (str(run.recipe_file) if run.recipe_file.exists() else "news")
    return load(chosen, changes)


@contextmanager
def _backend(recipe: Recipe) -> Iterator[Backend]:
    from pipeline.backend import LocalBackend, RayBackend

    if recipe.run.backend == "local":
        yield LocalBackend()
        return
    with RayBackend(os.environ.get("RAY_ADDRESS") or None, retries=recipe.run.retries) as ray:
        yield ray


def _steps_of(run: Run) -> list[Step] | None:
    """What the run's own recipe plans; None for a run of brought pairs, whose file may be gone."""
    from pipeline.stages import teacher_steps

    if not run.recipe_file.exists() or not run.stage(0, "contexts").folder.exists():
        return None
    return teacher_steps(load(run.recipe_file))


def _stages(run: Run, steps: list[Step] | None) -> list[StageStatus]:
    """The stages of a run in the order that data takes."""
    from pipeline.stages import ORDER
    from pipeline.status import run_status

    found = run_status(run, steps)
    return sorted(found, key=lambda s: (s.round, ORDER.index(s.stage) if s.stage in ORDER else len(ORDER)))


def _print_funnel(run: Run) -> None:
    stages = _stages(run, None)
    console = Console()
    console.print(display.funnel_table(stages))
    console.print(display.summary(stages), highlight=False)


def _print_pairs(run: Run, number: int, seed: int) -> None:
    from pipeline.show import sample

    shown = sample(run, number, seed)
    if not shown:
        raise UserError(f"run {run.name!r}: no pairs yet: run `make filter RUN={run.name}` first")
    console = Console()
    for verdict, row in shown:
        console.print(display.pair_lines(row, verdict), highlight=False)


def main() -> None:
    """Every error that a user can mend is one line on stderr and exit code 2; Ctrl-C is 130."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        app()
    except (PipelineError, DecoderError, FilterError) as error:
        problems = error.problems if isinstance(error, RecipeError) else (str(error).splitlines() or [""])[:1]
        sys.stderr.write("\n".join(problems) + "\n")
        sys.exit(getattr(error, "exit_code", 2))


if __name__ == "__main__":
    main()
