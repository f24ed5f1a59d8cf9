"""`make bench`: speed against transformers, tokens kept, accepted pairs a minute against the procedure as published.

    python -m bench.run
    python -m bench.run --contexts 2 --speed-contexts 2 --repeats 1 --published-contexts 2 --set 'sampling.n=8'

Prints tables and ends with one line of JSON. Both sides of a comparison run in turns, in this one run, on the same
contexts. Loading and warming up are not in any figure.
"""

import json
import time
from typing import Annotated

import pyarrow as pa
import typer

from bench import accepted, decoding
from bench.arms import Child, OurArm, TransformersArm
from bench.ladder import one_judge
from bench.machine import machine
from pipeline.__main__ import told
from pipeline.contexts import slots
from pipeline.errors import UserError
from pipeline.recipe import Recipe, load
from pipeline.stage import Output

WARM_UP = 1
"""Contexts that are written for warming up only."""


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    recipe: str = "news",
    contexts: Annotated[int, typer.Option(min=1, help="Contexts of the share of tokens kept.")] = 40,
    speed_contexts: Annotated[int, typer.Option(min=1, help="Contexts of tokens a second.")] = 2,
    repeats: Annotated[int, typer.Option(min=1, help="Times that the arms of tokens a second take turns.")] = 3,
    published_contexts: Annotated[int, typer.Option(min=1, help="Contexts of accepted pairs a minute.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Groups that those are cut into.")] = 2,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Changes to the recipe: 'key=value ...'.")] = None,
) -> None:
    """Measure all three, print the tables, end with one line of JSON."""
    started = time.perf_counter()
    chosen = one_judge(load(recipe, set_ or []))
    print(
        machine(), f"recipe: {chosen.name} ({chosen.fingerprint()[:8]}), n = {chosen.sampling.n}", sep="\n", flush=True
    )
    ours, other = Child(OurArm, chosen), Child(TransformersArm, chosen)
    _say("loading, in no figure", f"vLLM {ours.load_seconds:.1f} s, transformers {other.load_seconds:.1f} s")
    wanted = max(contexts, speed_contexts, published_contexts)
    given, warm_up = _contexts(ours, wanted)

    share = _kept_share(ours, chosen, given.slice(0, contexts))
    speeds = decoding.measure(ours, other, chosen, given.slice(0, speed_contexts), repeats)
    _say(f"tokens a second, {speed_contexts} contexts", decoding.report(speeds))
    dtype = decoding.PLAIN[speeds.opponent]
    comparison = accepted.open_comparison(chosen, ours, other, dtype, warm_up)
    turns = accepted.compare(comparison, given.slice(0, published_contexts), rounds)
    _say(f"accepted pairs a minute, {published_contexts} contexts, transformers in {dtype}", accepted.report(turns))
    for child in (ours, other):
        child.close()
    _say("all of it took", f"{time.perf_counter() - started:.0f} s")
    _print_json(speeds.ratio(), share, accepted.ratio(turns[accepted.OURS], turns[accepted.PUBLISHED]).value)


def _contexts(ours: Child, count: int) -> tuple[pa.Table, pa.Table]:
    """Contexts from the teacher as the recipe asks, and a few more for warming up. Some slots give none."""
    found: list[pa.Table] = []
    spent, rows = 0.0, 0
    for table in slots(2 * count + 8, max(count + WARM_UP, 2)):
        output, seconds = ours("contexts", table)
        found.append(output.table)
        spent, rows = spent + seconds, rows + output.table.num_rows
        if rows >= count + WARM_UP:
            break
    _say("contexts, in no figure", f"{rows} written in {spent:.1f} s")
    if rows < count + WARM_UP:
        raise UserError(f"bench: the teacher wrote {rows} contexts of {count + WARM_UP}; ask for fewer")
    everything = pa.concat_tables(found)
    return everything.slice(0, count), everything.slice(count, WARM_UP)


def _kept_share(ours: Child, recipe: Recipe, contexts: pa.Table) -> float:
    """Tokens of candidates that ended in a sentence over all tokens decoded, shard by shard as a run does it."""
    size, decoded, kept, spent = recipe.run.shard_contexts, 0, 0, 0.0
    for start in range(0, contexts.num_rows, size):
        output: Output
        output, seconds = ours("candidates", contexts.slice(start, size))
        decoded, kept = decoded + output.counts["tokens_decoded"], kept + output.counts["tokens_kept"]
        spent += seconds
    text = f"{kept} of {decoded} = {kept / decoded:.3f}, at {decoded / spent:.0f} tokens/s"
    _say(f"tokens kept, {contexts.num_rows} contexts", text)
    return kept / decoded


def _say(title: str, text: str) -> None:
    print(f"\n{title}\n\n{text}" if "\n" in text else f"\n{title}: {text}", flush=True)


def _print_json(speed: float, share: float, rate: float) -> None:
    figures = {
        "tokens_per_second_vs_transformers": round(speed, 2),
        "tokens_kept_share": round(share, 3),
        "accepted_per_minute_vs_published": round(rate, 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    told(app)
