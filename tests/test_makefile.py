"""What `make` hands on: RUN, RECIPE and SET reach the command whole, whichever target takes them."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHANGES = "models.judge=embedded:nli-minilm a.b=[1, 2]"
OUTER = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "RUN", "RECIPE", "SET"}
SET = f"--set '{CHANGES}'"


def told(target: str, *settings: str) -> str:
    """The last command that the target would run; what a `make test` around it was told does not count."""
    own = {name: value for name, value in os.environ.items() if name not in OUTER}
    command = ["make", "--no-print-directory", "-n", target, *settings]
    said = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    return " ".join(said.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("target", ["run", "generate", "filter", "distill", "calibrate-gate"])
def test_a_stage_is_told_run_recipe_and_changes(target: str) -> None:
    command = told(target, "RUN=mine", "RECIPE=reddit", f"SET={CHANGES}")
    assert all(words in command for words in ("--run 'mine'", "--recipe 'reddit'", SET))


@pytest.mark.parametrize("target", ["bench", "bench-readings"])
def test_a_bench_of_a_recipe_is_told_recipe_and_changes(target: str) -> None:
    assert told(target, "RECIPE=reddit", f"SET={CHANGES}").endswith(f"--recipe 'reddit' {SET}")
    assert told(target).endswith(f"python -m {target.replace('-', '.') if '-' in target else 'bench.run'}")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [((), "--run 'news'"), (("RECIPE=reddit",), "--run 'reddit'"), (("RUN=mine", "RECIPE=reddit"), "--run 'mine'")],
)
def test_a_bench_of_a_run_finds_it_as_other_commands_do(settings: tuple[str, ...], wanted: str) -> None:
    assert told("status", *settings).endswith(wanted)
    assert told("bench-filters", *settings).endswith(wanted)
    assert told("bench-filters", *settings, f"SET={CHANGES}").endswith(f"{wanted} {SET}")
    assert told("bench-graph", *settings).endswith(wanted.replace("'", "'data/runs/", 1))
