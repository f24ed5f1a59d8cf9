"""Peak memory and wall time of a whole run, summed over all its processes.

    python -m bench.memory --contexts 120

Runs `python -m pipeline run` in a folder of its own that is deleted afterwards, and looks at every process below it
once a second. Two sums: RSS counts shared memory once for each process that shares it, so it is an upper bound; PSS
divides it among them, so it is what the machine gives. A peak shorter than a second may be missed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import psutil  # type: ignore[import-untyped]
import typer

from bench.machine import machine
from pipeline.__main__ import told

EVERY_SECONDS = 1.0
GIGABYTE = 1e9

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    recipe: str = "news",
    contexts: Annotated[int, typer.Option(min=1, help="contexts.count of the run.")] = 200,
    set_: Annotated[list[str] | None, typer.Option("--set", help="More changes to the recipe.")] = None,
) -> None:
    """Run the recipe once and print its peak."""
    print(machine(), flush=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-memory-"))
    command = [sys.executable, "-m", "pipeline", "run", "--recipe", recipe, "--run", "bench-memory"]
    changes = [part for change in (f"contexts.count={contexts}", *(set_ or [])) for part in ("--set", change)]
    try:
        status = watch([*command, *changes], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)


def watch(command: list[str], folder: Path) -> int:
    """Run the command with its runs in `folder`; print seconds and peaks; return its exit code."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"IMPOSSIBLE_RUNS": str(folder)})
    peaks = {"rss": (0, 0), "pss": (0, 0)}
    try:
        while process.poll() is None:
            for name, now in _sums(process.pid).items():
                peaks[name] = max(peaks[name], now)
            time.sleep(EVERY_SECONDS)
    finally:
        process.terminate()  # nothing, unless we were stopped
        process.wait()
    print(f"\nwall: {time.perf_counter() - started:.0f} s")
    for name, (peak, processes) in peaks.items():
        print(f"peak {name}: {peak / GIGABYTE:.2f} GB, in {processes} processes")
    return process.returncode


def _sums(root: int) -> dict[str, tuple[int, int]]:
    """Bytes of the process and all below it, and how many those are."""
    found = list(_tree(root))
    return {name: (sum(memory[name] for memory in found), len(found)) for name in ("rss", "pss")}


def _tree(root: int) -> Iterator[dict[str, int]]:
    try:
        processes = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        memory = _memory(process.pid)
        if memory:
            yield memory


def _memory(pid: int) -> dict[str, int]:
    """RSS and PSS of a process from the kernel's own sum; empty if it has gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    kilobytes = {
        line.split(":")[0].lower(): int(line.split()[1]) for line in lines if line.startswith(("Rss:", "Pss:"))
    }
    return {name: amount * 1024 for name, amount in kilobytes.items()}


if __name__ == "__main__":
    told(app)
