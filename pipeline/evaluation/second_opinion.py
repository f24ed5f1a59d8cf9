"""What a judge that had no say in a task says of what was accepted there.

round-N/second-opinion.parquet   pair_id, task, verdict, forward, reverse: every pair of the corpus, and a draw of those
                                 that the judge of the panel rejected, so that a judge who says yes to all is found out
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.entailment import Entailment, ReverseEntailment
from filters.models import JUDGES, locate, revision_of
from pipeline.errors import UserError
from pipeline.recipe import Recipe, load
from pipeline.run_tables import corpus_rows, judged_rows
from pipeline.shard import Header, canonical, fingerprint, read_header, read_rows, write_shard
from pipeline.store import Run

FILE = "second-opinion.parquet"
OPINION = pa.schema(
    [
        ("pair_id", pa.string()),
        ("task", pa.string()),
        ("verdict", pa.string()),  # of the run: "accepted", or "rejected" by a filter with a model
        ("forward", pa.float32()),  # P(source entails target)
        ("reverse", pa.float32()),  # P(target entails source); null where the task needs one direction only
    ]
)
THRESHOLD = 0.5
REJECTED = 200
Z = 1.959964
"""Standard normal quantile of a two-sided 95% interval."""


@dataclass(frozen=True)
class Asking:
    """Who is asked. `rejected`: most rejected pairs of each task, drawn by `seed`."""

    judge: str = ""  # of every task; none: for each task the embedded judge that its panel does not ask
    rejected: int = REJECTED
    seed: int = 0
    threads: int = 2
    device: str = "cpu"


@dataclass(frozen=True)
class Agreement:
    """To how many pairs of a task and verdict an outside judge gives the same verdict; a 95% interval of the share.

    Rejected pairs show that it does not say yes to all; many are right, for a panel's threshold asks for precision.
    """

    task: str
    judge: str
    verdict: str
    pairs: int
    agrees: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class SecondOpinion:
    """The agreements, and whose they are. `stale`: the corpus has changed since."""

    round: int
    threshold: float
    rows: tuple[Agreement, ...]
    stale: bool = False

    def data(self) -> dict[str, object]:
        """As plain data, for JSON."""
        return dataclasses.asdict(self)


def second_opinion(run: Run, round_number: int = 0, asking: Asking | None = None) -> SecondOpinion:
    """Ask about what was accepted and some of what was not, write the answers, tell the agreement.

    Answers that are there already, of the same judge on the same pairs, are not asked for again.
    """
    asking = asking or Asking()
    recipe = load(run.recipe_file if run.recipe_file.exists() else "news")
    judges = {task: outside_judge(recipe, task, asking.judge) for task in recipe.tasks}
    pairs = pairs_to_ask(run, round_number, asking)
    revisions = {task: revision_of(judge) for task, judge in judges.items()}
    spec = {"judges": judges, "revisions": revisions, "corpus": _corpus_digest(run, round_number)}
    frames = {task: own.judge_frame for task, own in recipe.tasks.items() if own.judge_frame}
    spec |= {"frames": frames} if frames else {}
    one_way = recipe.builder.one_way_tasks
    header = Header("second-opinion", fingerprint([spec, one_way, pairs["pair_id"].to_pylist()]), spec)
    there = read_header(_file(run, round_number))
    if there is None or there.key != header.key:
        write_shard(_file(run, round_number), _answers(pairs, one_way, asking, judges, frames), header)
    found = second_opinion_block(run, round_number)
    if found is None:
        raise UserError(f"{_file(run, round_number)}: cannot be read back: look at the disk and start again")
    return found


def second_opinion_block(run: Run, round_number: int = 0) -> SecondOpinion | None:
    """The agreement as it is stored; None where no outside judge was asked."""
    header = read_header(_file(run, round_number))
    if header is None:
        return None
    judges = header.spec.get("judges")
    known = judges if isinstance(judges, dict) else {}  # none in a file of an older version
    rows = tuple(agreements(read_rows(_file(run, round_number)), known))
    stale = not known or header.spec.get("corpus") != _corpus_digest(run, round_number)
    return SecondOpinion(round_number, THRESHOLD, rows, stale)


def outside_judge(recipe: Recipe, task: str, wanted: str = "") -> str:
    """A judge that had no say in a task: the wanted one, else the first embedded one that neither filter nor selector
    asks."""
    inside = recipe.judges_of(task)
    if wanted and any(_same(wanted, judge) for judge in inside):
        raise UserError(f"--judge {wanted}: it chose the pairs of {task}: give another one, or none")
    free = (judge for judge in JUDGES if not any(_same(judge, other) for other in inside))
    found = wanted or next(free, "")
    if not found:
        raise UserError(f"task {task}: both embedded judges had a say in it: give another one with --judge")
    return found


def _same(judge: str, other: tuple[str, str]) -> bool:
    """By name; folders by content, for one may be a copy of the other. The hub is not asked."""
    if judge == other[0]:
        return True
    folders = locate(judge).folder, locate(*other).folder
    return None not in folders and revision_of(judge) == revision_of(*other)


def pairs_to_ask(run: Run, round_number: int, asking: Asking) -> pa.Table:
    """All pairs of the corpus, and of each task those rejected ones that the seed draws; sorted by id."""
    names = ["pair_id", "task", "source", "target"]
    accepted = corpus_rows(run, round_number).select(names)
    if not accepted.num_rows:
        needed = f"distill RUN={run.name} ROUND={round_number + 1}" if round_number else f"filter RUN={run.name}"
        raise UserError(f"run {run.name!r}: no pairs in the corpus of round {round_number}: run `make {needed}` first")
    judged = judged_rows(run, round_number, [*names, "dropped_by"])
    rejected = judged.filter(pc.is_valid(judged["dropped_by"])).select(names)
    parts = [_with_verdict(accepted, "accepted")]
    for task in sorted(set(accepted["task"].to_pylist())):
        of_task = rejected.filter(pc.equal(rejected["task"], task))
        parts.append(_with_verdict(_drawn(of_task, asking.rejected, asking.seed), "rejected"))
    return pa.concat_tables(parts).sort_by([("verdict", "ascending"), ("pair_id", "ascending")])


def _with_verdict(rows: pa.Table, verdict: str) -> pa.Table:
    return rows.append_column("verdict", pa.array([verdict] * rows.num_rows, pa.string()))


def _drawn(rows: pa.Table, number: int, seed: int) -> pa.Table:
    """Those whose id hashes lowest with the seed: the same from any order, and a pair that is there twice only once."""
    places: dict[str, int] = {}
    for place, name in enumerate(rows["pair_id"].to_pylist()):
        places.setdefault(name, place)
    order = sorted(places, key=lambda name: hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest())
    return rows.take(pa.array([places[name] for name in order[:number]], pa.int64()))


def _answers(
    pairs: pa.Table, one_way: Sequence[str], asking: Asking, judges: Mapping[str, str], frames: Mapping[str, str]
) -> pa.Table:
    """The outside judges' probabilities, both ways where the task needs both; by verdict and id, as `pairs`."""
    parts = [OPINION.empty_table()]
    for task in sorted(set(pairs["task"].to_pylist())):
        rows = pairs.filter(pc.equal(pairs["task"], task)).combine_chunks()
        judge, reverse = judges[task], pa.nulls(rows.num_rows, pa.float32())
        how = {"model": judge, "threads": asking.threads, "frame": frames.get(task, "")}
        forward = Entailment(**how).open(asking.device)(rows)  # type: ignore[arg-type]
        if task not in one_way:
            reverse = ReverseEntailment(**how).open(asking.device)(rows)  # type: ignore[arg-type]
        columns = [*(rows[name] for name in ("pair_id", "task", "verdict")), forward, reverse]
        parts.append(pa.table(dict(zip(OPINION.names, columns, strict=True)), schema=OPINION))
    return pa.concat_tables(parts).sort_by([("verdict", "ascending"), ("pair_id", "ascending")])


def agreements(rows: pa.Table, judges: Mapping[str, str]) -> Iterator[Agreement]:
    """One for each task and verdict. A pair stands at the lesser of its directions; one without an answer at 0."""
    score = pc.min_element_wise(rows["forward"], rows["reverse"]).to_numpy(zero_copy_only=False)
    holds = np.nan_to_num(score, nan=0.0) >= THRESHOLD
    accepted = pc.equal(rows["verdict"], "accepted").to_numpy(zero_copy_only=False)
    tasks = np.array(rows["task"].to_pylist(), dtype=object)
    for task in sorted(set(tasks)):
        for verdict, of_verdict in (("accepted", accepted), ("rejected", ~accepted)):
            same = (holds == accepted)[(tasks == task) & of_verdict]
            if len(same):
                agrees = int(same.sum())
                share = (agrees / len(same), *wilson(agrees, len(same)))
                yield Agreement(task, judges.get(task, "?"), verdict, len(same), agrees, *share)


def lines(found: SecondOpinion) -> list[str]:
    """What was found, for people."""
    head = f"at {found.threshold}, round {found.round}" + " (the corpus has changed since)" * found.stale
    return [head] + [
        f"  {row.task} by {row.judge}: {row.agrees} of {row.pairs} {row.verdict} pairs the same, "
        f"{row.share:.1%} ({row.low:.1%} to {row.high:.1%})"
        for row in found.rows
    ]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927, JASA 22: 209-212)."""
    share, spread = successes / trials, Z * Z / trials
    middle = share + spread / 2
    half = Z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def _file(run: Run, round_number: int) -> Path:
    return run.folder / f"round-{round_number}" / FILE


def _corpus_digest(run: Run, round_number: int) -> str:
    """The accepted pairs, whatever their order or split."""
    ids = sorted(corpus_rows(run, round_number)["pair_id"].to_pylist())
    return hashlib.blake2b(canonical(ids).encode(), digest_size=16).hexdigest()
