"""vLLM's settings on a CPU, each changed alone and measured in a fresh process.

    python -m bench.tuning                      all of them, as a markdown table
    python -m bench.tuning --only block,dtype   some

Every cell loads the teacher, decodes the contexts once for warming up and then `repeats` times with other seeds. The
default cell is measured again at the end: what it differs by is the noise of the table.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from bench.machine import machine, table
from pipeline.__main__ import told
from pipeline.recipe import load
from pipeline.records import spaced_seed
from pipeline.teacher.decoder import Engine, Request, Sampling

CONTEXTS = (
    "The city council voted on Monday to close two of its five libraries. The mayor said that the money would be "
    "spent on roads and schools instead.",
    "Heavy rain and strong winds hit the coast on Tuesday night. More than 300 people had to leave their homes, and "
    "the railway line to the port was under water in three places.",
    "Doctors at the university hospital said that patients were waiting longer than ever. They blamed a lack of "
    "nurses, many of whom had left for better paid work abroad.",
    "The car maker said that sales of its electric vehicles had fallen for the third quarter in a row. It plans to "
    "cut prices in the spring, and a smaller model will follow next year.",
)
PRELOAD = Path(sys.prefix) / "lib" / "libiomp5.so"
ANSWER = "bench.tuning cell: "


@dataclass(frozen=True)
class Cell:
    """One row of the table; what is left at its default is as the project ships it."""

    group: str = "default"
    value: str = "as shipped"
    dtype: str = ""
    block_tokens: int = 0
    max_sequences: int = 0
    threads_bind: str = ""
    preload: bool = False
    nucleus: str = "ours"  # ours, vllm or none
    logprobs: bool = True

    def environment(self) -> dict[str, str]:
        found = dict(os.environ)
        if self.threads_bind:
            found["VLLM_CPU_OMP_THREADS_BIND"] = self.threads_bind
        if self.preload:
            found["LD_PRELOAD"] = ":".join(filter(None, (str(PRELOAD), found.get("LD_PRELOAD"))))
        return found


def cells() -> list[Cell]:
    """Every setting alone, the default first and last."""
    return [
        Cell(),
        *(Cell("dtype", kind, dtype=kind) for kind in ("float32", "bfloat16")),
        *(Cell("block size", str(size), block_tokens=size) for size in (32, 64, 128)),
        *(Cell("max_num_seqs", str(rows), max_sequences=rows) for rows in (64, 128, 256, 512)),
        *(Cell("VLLM_CPU_OMP_THREADS_BIND", bind, threads_bind=bind) for bind in ("auto", "nobind", "0-1")),
        *([Cell("libiomp5", "preloaded", preload=True)] if PRELOAD.exists() else []),
        Cell("nucleus", "vLLM's top_p", nucleus="vllm"),
        Cell("nucleus", "none", nucleus="none"),
        Cell("logprobs", "off", logprobs=False),
        Cell("default", "again"),
    ]


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    recipe: str = "news",
    repeats: Annotated[int, typer.Option(min=1, help="Measured calls of each cell.")] = 3,
    only: Annotated[str, typer.Option(help="Groups to measure, by the start of their names, with commas.")] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", help="Changes to the recipe: 'key=value ...'.")] = None,
    cell: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure the cells and print them as they come, as a markdown table at the end."""
    if cell:
        print(ANSWER + json.dumps(measure(Cell(**json.loads(cell)), recipe, set_ or [], repeats)))
        return
    load(recipe, set_ or [])  # a mistake in it is told here once, and is no setting that vLLM refuses
    print(machine(), flush=True)
    starts = tuple(filter(None, only.split(",")))
    chosen = [each for each in cells() if not starts or each.group.startswith((*starts, "default"))]
    rows = [_row(each, [*_passed_on(recipe, repeats, set_ or [])]) for each in chosen]
    print("\n" + table(("setting", "value", "tokens/s", "min", "max", "load s"), rows))


def _passed_on(recipe: str, repeats: int, changes: Sequence[str]) -> list[str]:
    return ["--recipe", recipe, "--repeats", str(repeats), *(part for each in changes for part in ("--set", each))]


def _row(cell: Cell, arguments: Sequence[str]) -> list[object]:
    """One cell in its own process. A setting that vLLM refuses is a row too."""
    command = [sys.executable, "-m", "bench.tuning", *arguments, "--cell", json.dumps(vars(cell))]
    found = subprocess.run(command, env=cell.environment(), capture_output=True, text=True, check=False)
    answers = [line.removeprefix(ANSWER) for line in found.stdout.splitlines() if line.startswith(ANSWER)]
    if found.returncode or not answers:
        reason = (found.stderr.strip() or "no answer").splitlines()[-1]
        print(f"{cell.group} {cell.value}: failed: {reason}", flush=True)
        return [cell.group, cell.value, "failed", "", "", ""]
    answer = json.loads(answers[-1])
    speeds = answer["tokens_per_second"]
    print(f"{cell.group} {cell.value}: {median(speeds):.0f} tokens/s", flush=True)
    return [cell.group, cell.value, median(speeds), min(speeds), max(speeds), answer["load_seconds"]]


def measure(cell: Cell, recipe: str, changes: Sequence[str], repeats: int) -> dict[str, object]:
    """In the cell's own process: load, warm up, decode."""
    from pipeline.teacher import vllm_decoder

    chosen = load(recipe, changes)
    given = {"dtype": cell.dtype, "max_sequences": cell.max_sequences}
    engine = Engine(**vars(chosen.engine) | {name: value for name, value in given.items() if value})
    vllm_decoder.BLOCK_TOKENS = cell.block_tokens or vllm_decoder.BLOCK_TOKENS
    started = time.perf_counter()
    decoder = vllm_decoder.VllmDecoder(chosen.models.teacher, chosen.models.teacher_revision or "", engine)
    session: Any = decoder.open()
    loaded = time.perf_counter() - started
    speeds = [_speed(session, cell, chosen.sampling, repeat) for repeat in range(repeats + 1)]
    return {"load_seconds": loaded, "tokens_per_second": speeds[1:]}


def _speed(session: Any, cell: Cell, sampling: Sampling, repeat: int) -> float:
    """Tokens a second of one call with all contexts.

    The engine is called past our session, which always asks for log-probabilities and its own nucleus.
    """
    requests = [Request(text, spaced_seed(0, "tuning", text, repeat)) for text in CONTEXTS]
    prompts = [{"prompt_token_ids": session.tokenizer.encode(text)} for text in CONTEXTS]
    parameters = [_parameters(session, cell, request, sampling) for request in requests]
    session.llm.reset_prefix_cache()
    started = time.perf_counter()
    outputs = session.llm.generate(prompts, parameters, use_tqdm=False)
    spent = time.perf_counter() - started
    return sum(len(sample.token_ids) for output in outputs for sample in output.outputs) / spent


def _parameters(session: Any, cell: Cell, request: Request, sampling: Sampling) -> Any:
    """What the session would send to vLLM, with the cell's changes."""
    found = session._parameters(request, sampling)
    extra = {name: value for name, value in found.extra_args.items() if name != "top_p" or cell.nucleus == "ours"}
    found.extra_args = extra
    if cell.nucleus == "vllm":
        found.top_p = sampling.top_p
    if not cell.logprobs:
        found.logprobs = None
    return found


if __name__ == "__main__":
    told(app)
