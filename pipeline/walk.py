"""From a command's words to finished stages: resolve the recipe, hold the run, walk its steps, show what came out."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from pipeline import display
from pipeline.errors import INTERRUPTED, UserError
from pipeline.local_backend import Backend
from pipeline.plan import Step
from pipeline.progress import StageResult
from pipeline.recipe import Recipe, load
from pipeline.status import StageStatus
from pipeline.store import Run


def work(
    run_name: str,
    recipe_name: str,
    changes: Sequence[str] | None,
    plan: Callable[[Recipe, Run], list[Step]],
    needs: str = "",
) -> str:
    """Resolve the recipe, hold the run, walk its steps, show the funnel. Returns the name of the run."""
    from pipeline.runner import run_steps
    from pipeline.stages import check_arithmetic, check_devices, check_models, check_selectors

    run = Run.named(run_name or recipe_name.removesuffix(".toml").rpartition("/")[2] or "news")
    recipe = recipe_of(run, recipe_name, changes or [])
    if needs and not run.stage(0, needs).tables():
        raise UserError(f"run {run.name!r}: no {needs} yet: {_remedy(run)}")
    steps = plan(recipe, run)
    check_devices(recipe, steps)
    check_arithmetic(recipe)
    check_selectors(recipe)
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


def _remedy(run: Run) -> str:
    """Where the candidates of a run without any should come from."""
    if run.stage(0, "pairs").tables():
        return "it judges pairs of a file: give PAIRS again"
    return f"run `make generate RUN={run.name}` first"


def _refuse_nothing(run: Run, results: Sequence[StageResult]) -> None:
    """A run without one context or candidate is a mistake in what was asked for, and says so."""
    for result in results:
        if result.stage in ("contexts", "candidates") and not result.rows:
            reasons = [
                f"{n} {name.removeprefix('dropped/')}" for name, n in result.counts.items() if "dropped/" in name
            ]
            remedy = "give other sentences (rounds.source)" if result.round else "change the contexts or the teacher"
            raise UserError(
                f"run {run.name!r}: stage {result.stage} kept nothing "
                f"({', '.join(reasons) or 'nothing came in'}): {remedy}"
            )


def recipe_of(run: Run, name: str, changes: Sequence[str]) -> Recipe:
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


def steps_of(run: Run) -> list[Step] | None:
    """What the run's own recipe plans; None for a run of brought pairs, whose file may be gone."""
    from pipeline.commands.distill import all_steps

    if not run.recipe_file.exists() or not run.stage(0, "contexts").folder.exists():
        return None
    last = max((number for number, stage in run.stages() if stage == "student"), default=0)
    return all_steps(load(run.recipe_file), run, last)


def stages_of(run: Run, steps: list[Step] | None) -> list[StageStatus]:
    """The stages of a run in the order that data takes."""
    from pipeline.stages import ORDER
    from pipeline.status import run_status

    found = run_status(run, steps)
    return sorted(found, key=lambda s: (s.round, ORDER.index(s.stage) if s.stage in ORDER else len(ORDER)))


def _print_funnel(run: Run) -> None:
    stages = stages_of(run, None)
    console = Console()
    console.print(display.funnel_table(stages))
    console.print(display.summary(stages), highlight=False)


def print_pairs(run: Run, number: int, seed: int, round_number: int = 0) -> None:
    from pipeline.show import sample

    shown = sample(run, number, seed, round_number)
    if not shown and round_number:
        raise UserError(f"run {run.name!r}: round {round_number} has no pairs: see `make status RUN={run.name}`")
    if not shown:
        raise UserError(f"run {run.name!r}: no pairs yet: run `make filter RUN={run.name}` first")
    console = Console()
    for verdict, row in shown:
        console.print(display.pair_lines(row, verdict), highlight=False)
