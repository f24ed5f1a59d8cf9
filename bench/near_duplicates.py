"""Near copies and decontamination at 10 thousand, 100 thousand and a million sentences.

    python -m bench.near_duplicates
    python -m bench.near_duplicates --text articles.jsonl.gz --text book.txt
    python -m bench.near_duplicates --sizes 1000,10000

Sentences are the candidates of the runs that are here (`make run`) and those of the files in --text; where more are
wanted, halves of two of them are put together and some words changed. One row in twenty is planted: an exact copy of
an earlier sentence, a near one (a word in eight changed, put in or left out, at least one) or a shuffled one. Every
size runs in a process of its own. Ends with one line of JSON.
"""

import json
import math
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from bench.machine import machine, table
from filters.decontamination import Decontamination, held_out_sentences
from filters.near_copies import Words
from filters.near_duplicates import NearDuplicates
from pipeline.__main__ import told
from pipeline.errors import UserError

MIN_JACCARD = 0.7
KINDS = ("exact", "near", "shuffled")
PLANTED_SHARE = 0.05
CHANGED_SHARE = 0.15
"""Words that are changed in a sentence made of two halves."""
SAMPLE = 200
"""Verdicts that are counted out against every sentence."""
RUNS = Path("data/runs")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    sizes: Annotated[str, typer.Option(help="Numbers of sentences, with commas.")] = "10000,100000,1000000",
    text: Annotated[list[str] | None, typer.Option(help="More real text: .txt, .jsonl[.gz], .parquet.")] = None,
    only: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Measure every size, print a table, end with one line of JSON."""
    if only:
        print(json.dumps(measure(only, text or [])))
        return
    wanted = _numbers(sizes)
    print(machine(), flush=True)
    found = [_in_a_process(size, text or []) for size in wanted]
    heads = ["sentences", "real", "near_duplicates s", "decontamination s", "peak GB", *(f"{k} %" for k in KINDS)]
    keys = ["sentences", "real", "seconds", "decontamination_seconds", "peak_gb"]
    rows = [[*(f[key] for key in keys), *(100 * f["recall"][kind] for kind in KINDS)] for f in found]
    print("\n" + table(heads, rows) + "\n")
    print(json.dumps(found[-1] | {"growth_exponents": [round(_exponent(a, b), 2) for a, b in pairwise(found)]}))


def _numbers(sizes: str) -> list[int]:
    parts = [part.strip() for part in sizes.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise UserError(f"--sizes {sizes}: wanted whole numbers from 1, with commas, such as 10000,100000")
    return [int(part) for part in parts]


def _in_a_process(size: int, text: Sequence[str]) -> dict[str, Any]:
    files = [part for file in text for part in ("--text", file)]
    command = [sys.executable, "-m", "bench.near_duplicates", "--only", str(size), *files]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(ended.stdout, end="", flush=True)
    if ended.returncode:
        sys.exit(ended.returncode)  # it has said why
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _exponent(small: dict[str, Any], large: dict[str, Any]) -> float:
    """k of seconds ~ sentences ** k, between two sizes."""
    return math.log(large["seconds"] / small["seconds"]) / math.log(large["sentences"] / small["sentences"])


def measure(size: int, text: Sequence[str]) -> dict[str, Any]:
    """One size: recall of what was planted, verdicts counted out, seconds and peak memory."""
    rng = random.Random(size)
    planted = int(size * PLANTED_SHARE)
    base, real = _base(rng, size - planted, text)
    copies = [_plant(rng, base, KINDS[i % 3], rng.randrange(len(base))) for i in range(planted)]
    pairs, scores = _tables(rng, base, copies)
    started, spent = time.perf_counter(), time.process_time()
    kept = (
        NearDuplicates(min_jaccard=MIN_JACCARD, match="sentence").select(pairs, scores).to_numpy(zero_copy_only=False)
    )
    seconds, spent = time.perf_counter() - started, time.process_time() - spent
    decontamination = _decontaminate(rng, pairs, base)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    stays = set(pairs["pair_id"].filter(pa.array(kept)).to_pylist())
    return {
        "sentences": size,
        "real": real,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(spent, 1),
        "peak_gb": round(peak, 2),
        "recall": _recall(copies, stays),
        "left_out": int((~kept).sum()),
        **_counted_out(rng, pairs, kept),
        **decontamination,
    }


def _base(rng: random.Random, wanted: int, text: Sequence[str]) -> tuple[list[str], int]:
    """So many sentences, and how many of them are real."""
    real = list(dict.fromkeys(s for s in _real(text) if len(_plain(s.split())) >= 8 and len(s.split()) <= 60))
    if len(real) < 2:
        raise UserError(f"bench: no candidates in {RUNS} and no --text: run `make run` first, or give --text FILE")
    rng.shuffle(real)
    base = real[:wanted]
    vocabulary = _vocabulary(real)
    while len(base) < wanted:
        left, right = rng.choice(real).split(), rng.choice(real).split()
        words = left[: len(left) // 2] + right[len(right) // 2 :]
        base.append(" ".join(rng.choice(vocabulary) if rng.random() < CHANGED_SHARE else word for word in words))
    return base, min(wanted, len(real))


def _real(text: Sequence[str]) -> Iterator[str]:
    for file in sorted(RUNS.glob("*/round-0/candidates/*.parquet")):
        yield from pq.read_table(file, columns=["text"])["text"].to_pylist()
    for name in text:
        yield from held_out_sentences(name)


def _vocabulary(real: Sequence[str]) -> list[str]:
    """Words as often as they come."""
    return [word for sentence in real[:20_000] for word in _plain(sentence.split())]


def _plain(words: Sequence[str]) -> list[str]:
    """Words of letters only: a figure with commas or "U.S." is two words and more to the filter."""
    return [word for word in words if word.isalpha()]


class Planted(NamedTuple):
    kind: str
    text: str
    of: int  # place of its original


def _plant(rng: random.Random, base: Sequence[str], kind: str, of: int) -> Planted:
    """A copy of a sentence. Words that are changed, put in or left out are plain ones, of letters."""
    words = base[of].split()
    if kind == "shuffled":
        rng.shuffle(words)
    for _ in range(max(1, len(words) // 8) if kind == "near" else 0):
        place = rng.choice([i for i, word in enumerate(words) if word.isalpha()] or [0])
        new = rng.choice(_plain(rng.choice(base).split()) or ["again"])
        change = rng.choice(("changed", "changed", "put in", "left out"))
        words[place : place + (change != "put in")] = [] if change == "left out" else [new]
    return Planted(kind, " ".join(words), of)


def _recall(planted: Sequence[Planted], stays: set[str]) -> dict[str, float]:
    """A copy must go where its original stays."""
    shares = {}
    for kind in KINDS:
        asked = [i for i, copy in enumerate(planted) if copy.kind == kind and f"base{copy.of:08}" in stays]
        shares[kind] = round(sum(f"{kind}{i:08}" not in stays for i in asked) / max(1, len(asked)), 5)
    return shares


def _tables(rng: random.Random, base: list[str], planted: list[Planted]) -> tuple[pa.Table, pa.Table]:
    """One sentence a pair; planted ones are weaker. In any order, as shards come."""
    rows = [(f"base{i:08}", sentence, 0.95) for i, sentence in enumerate(base)]
    rows += [(f"{copy.kind}{i:08}", copy.text, 0.9) for i, copy in enumerate(planted)]
    rng.shuffle(rows)
    ids, sources, strength = zip(*rows, strict=True)
    columns = {"pair_id": ids, "context_id": ids, "task": ["summary"] * len(rows), "source": sources}
    pairs = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    pairs = pairs.append_column("target", pa.nulls(len(rows), pa.string()))
    return pairs, pa.table({"entailment": pa.array(strength, pa.float32())})


def _decontaminate(rng: random.Random, pairs: pa.Table, base: Sequence[str]) -> dict[str, Any]:
    """A test set of near copies of one sentence in a hundred: the pairs that hold those must go."""
    held = rng.sample(range(len(base)), max(1, len(base) // 100))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "test.jsonl"
        lines = [json.dumps({"text": _plant(rng, base, "near", i).text}) for i in held]
        file.write_text("\n".join(lines), encoding="utf-8")
        started = time.perf_counter()
        kept = Decontamination((str(file),), MIN_JACCARD).select(pairs, pairs).to_pylist()
        seconds = time.perf_counter() - started
    stays = {name for name, stays in zip(pairs["pair_id"].to_pylist(), kept, strict=True) if stays}
    found = sum(f"base{i:08}" not in stays for i in held)
    return {"decontamination_seconds": round(seconds, 1), "decontamination_recall": round(found / len(held), 4)}


def _counted_out(rng: random.Random, pairs: pa.Table, kept: np.ndarray) -> dict[str, float]:
    """Of some sentences left out, how many have a near copy that stays (precision); of some that stay, how many have
    another that stays (missed): looked for among all that stay, and counted word by word by the bench itself."""
    texts = pairs["source"].combine_chunks()
    counts = Words.of(texts).counts.astype(np.float32)
    sizes, stays = np.diff(counts.indptr), np.flatnonzero(kept)
    others = counts[stays].T.tocsr()
    shares = {}
    for name, rows in (("precision", np.flatnonzero(~kept)), ("missed", stays)):
        asked = rng.sample(rows.tolist(), min(SAMPLE, len(rows)))
        found = 0
        for one in asked:
            common = (counts[[one]] @ others).toarray().ravel()
            near = common / np.maximum(1, sizes[one] + sizes[stays] - common) * (stays != one)
            best = int(stays[int(near.argmax())])
            found += best != one and _jaccard(texts[one].as_py(), texts[best].as_py()) >= MIN_JACCARD
        shares[name] = round(found / max(1, len(asked)), 4)
    return shares


def _jaccard(a: str | None, b: str | None) -> float:
    p, q = (Counter(re.findall(r"[^\W_]+", (text or "").lower())) for text in (a, b))
    return (p & q).total() / max(1, (p | q).total())


if __name__ == "__main__":
    told(app)
