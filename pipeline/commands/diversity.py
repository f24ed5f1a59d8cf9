"""The command `diversity`: how varied a run's corpus is beside sets that people wrote."""

from typing import Annotated

import typer


def diversity(
    run: Annotated[str, typer.Option(help="Name of the run, a folder of data/runs.")],
    against: Annotated[
        list[str] | None, typer.Option(help="Another set: FILE or FILE:column (.jsonl, .jsonl.gz, .parquet).")
    ] = None,
    round_: Annotated[int, typer.Option("--round", min=0, help="Whose corpus: 0 is the teacher's.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Draws the texts.")] = 0,
) -> None:
    """Distinct n-grams, MTLD, MSTTR, entropy and self-BLEU at equal numbers of words."""
    from pipeline.evaluation.diversity import compare, page, write
    from pipeline.store import Run

    found = Run.existing(run)
    varied = compare(found, round_, against or [], seed)
    print(page(varied))
    print(f"written to {write(found, varied)}")
