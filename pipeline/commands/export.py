"""`python -m pipeline export`: the corpus of a run as JSON lines, CSV, parquet, chat or instruction files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from pipeline.errors import UserError
from pipeline.opened_run import OpenedRun, open_run

RunName = Annotated[str, typer.Option("--run", help="Name of the run, a folder of data/runs.")]
Form = Annotated[str, typer.Option("--format", help="jsonl, csv, parquet, chat or instruction.")]
Out = Annotated[Path, typer.Option("--out", help="A folder, for a file a split; or one file for all.")]
Task = Annotated[str, typer.Option("--task", help="Only this task; default: all.")]
Split = Annotated[str, typer.Option("--split", help="Only this split; default: all.")]
Round = Annotated[int | None, typer.Option("--round", min=0, help="0: the teacher; r: student r; default: the last.")]


def export(
    out: Out, run: RunName = "news", form: Form = "jsonl", task: Task = "", split: Split = "", round_: Round = None
) -> None:
    """The corpus in other forms, with every column. Other content is never overwritten."""
    from pipeline.export import FORMS, write_export

    if form not in FORMS:
        raise UserError(f"--format {form}: not known, wanted one of {', '.join(FORMS)}")
    opened = open_run(run)
    number = _round(opened, round_)
    found = {name: opened.corpus(name, task, number).arrow() for name in ([split] if split else opened.splits(number))}
    tables = {name: rows for name, rows in found.items() if rows.num_rows}
    if not tables:
        raise UserError(f"run {run!r}, round {number}: no pairs{_asked(task, split)}; it has {_there(opened, number)}")
    for path, rows in write_export(tables, form, out, _instructions(opened)).items():
        print(f"{path} ({rows:,} pairs of round {number})")


def _round(opened: OpenedRun, wanted: int | None) -> int:
    there = [number for number in opened.rounds if opened.splits(number)]
    if not there:
        raise UserError(f"run {opened.name!r}: no corpus yet: run `make filter RUN={opened.name}` first")
    if wanted is not None and wanted not in there:
        raise UserError(f"run {opened.name!r}: round {wanted} has no corpus; rounds with one: {_list(there)}")
    return there[-1] if wanted is None else wanted


def _instructions(opened: OpenedRun) -> dict[str, str]:
    tasks: dict[str, Any] = opened.recipe.get("tasks", {})
    return {name: str(task.get("instruction", "")) for name, task in tasks.items()}


def _asked(task: str, split: str) -> str:
    return "".join(f" of {what} {name!r}" for what, name in (("task", task), ("split", split)) if name)


def _there(opened: OpenedRun, number: int) -> str:
    rows: pa.Table = opened.corpus(round_number=number).arrow()
    return f"the tasks {_list(sorted(set(rows['task'].to_pylist())))} and the splits {_list(opened.splits(number))}"


def _list(names: Iterable[object]) -> str:
    return ", ".join(map(str, names)) or "none"
