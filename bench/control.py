"""`make bench-control`: does a student write the length, and the newness, that it is asked for?

    python -m bench.control --model data/runs/news/round-1/student/model --text sentences.jsonl:text

For every control word: the share of rewrites that lie in its bucket, by the word alone (the likeliest of the beams) and
with the choice among candidates that `--length` makes; the mean ratio or share of new bigrams; and the share that the
judge finds entailed at 0.5. The last line is JSON: the shares for lengths, and whether the mean ratio rises.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer

from bench.machine import machine, table
from filters.models import EMBEDDED_JUDGE
from filters.nli_judge import JudgeSpec, open_judge
from pipeline.__main__ import told
from student.controls import LENGTHS, NOVELTIES, Controls, length_bucket, length_ratio, novel_bigrams, novelty_bucket
from student.dataset import prompt
from student.generate import Rewriter, Writer
from student.settings import Decoding
from student.text import chunks

HEADS = ("asked", "in it, word alone", "in it, chosen", "mean ratio", "mean new bigrams", "entailed")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    model: Annotated[Path, typer.Option(help="Folder of a trained student.")],
    text: Annotated[str, typer.Option(help="Sentences to rewrite: a file and its column, FILE:COLUMN.")],
    task: Annotated[str, typer.Option()] = "summary",
    count: Annotated[int, typer.Option(min=1)] = 200,
) -> None:
    """Print the table and the JSON line."""
    sources = [each for each in chunks([text], 1) if each.count(". ") == 0 and len(each.split()) > 12][:count]
    rewriter, write = Rewriter(model), Writer(str(model)).open()
    ask = open_judge(JudgeSpec(EMBEDDED_JUDGE))
    rows, shares, ratios = [], {}, []
    for wanted in [Controls(length=word) for word in LENGTHS] + [Controls(novelty=word) for word in NOVELTIES]:
        prompts = [prompt(rewriter.instruction(task), source, wanted) for source in sources]
        alone = [found[0].text for found in write(prompts, Decoding(), 0)]
        chosen = [found[0].text for found in rewriter.rewrite(task, sources, wanted)]
        pairs = list(zip(sources, chosen, strict=True))
        inside = [_share(sources, texts, wanted) for texts in (alone, chosen)]
        ratio, new = mean(length_ratio(*pair) for pair in pairs), mean(novel_bigrams(*pair) for pair in pairs)
        entailed = mean(float(score) >= 0.5 for score in ask(pairs))
        rows.append((wanted.words.strip(), *(f"{value:.2f}" for value in (*inside, ratio, new, entailed))))
        if wanted.length:
            shares[wanted.length] = round(inside[1], 3)
            ratios.append(ratio)
    print(machine(), table(HEADS, rows), sep="\n\n", end="\n\n")
    summary = {"in_asked_length": shares, "mean": round(mean(shares.values()), 3), "rises": ratios == sorted(ratios)}
    print(json.dumps(summary))


def _share(sources: Sequence[str], texts: Sequence[str], wanted: Controls) -> float:
    """Share of the texts that lie in the bucket asked for."""
    bucket = length_bucket if wanted.length else novelty_bucket
    return mean(bucket(x, y) == (wanted.length or wanted.novelty) for x, y in zip(sources, texts, strict=True))


if __name__ == "__main__":
    told(app)
