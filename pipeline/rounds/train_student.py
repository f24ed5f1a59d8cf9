"""Corpora to a student, as a stage: the weights, their card and the curve appear at once when the training is done."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from filters.batches import fixed_threads
from pipeline.errors import UserError
from pipeline.progress import Within
from pipeline.stage import Counts, Resources, ShardWriter
from pipeline.store import StageFolder
from student.curve import draw, write_csv
from student.dataset import Pair, turned, usable
from student.errors import StudentError
from student.learning import Point
from student.model import revision_of
from student.text import clean
from student.train import Trained, TrainSpec, train

CURVE = pa.schema(
    [
        ("step", pa.int64()),
        ("loss", pa.float64()),
        ("learning_rate", pa.float64()),
        ("tokens", pa.int64()),
        ("validation_loss", pa.float64()),
    ]
)
CORPUS = "corpus"
"""Begins the names of corpora among what is read; the rest is sentences to rehearse."""
IDENTITY = ("pair_id", "task", "source", "target")
FEW = 8
"""Fewer validation pairs than this say nothing: then some of the training pairs are measured on instead."""
LEARNED_SHARE = 10


def silent(point: Point) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class TrainStudent:
    """Reads corpora (all splits), writes `model/`, `curve.parquet`, `curve.csv` and `curve.svg`.

    `origin` says whose weights are gone on from; "" starts from the recipe's T5.
    """

    name: ClassVar[str] = "student"
    training: TrainSpec
    origin: str
    resources: Resources = field(default_factory=Resources, compare=False)
    tell: Callable[[Point], None] = field(default=silent, compare=False)

    def telling(self, tell: Callable[[Within], None]) -> "TrainStudent":
        """Says each step and its loss."""
        return replace(self, tell=lambda point: tell(Within(point.step, point.total, f"loss {point.loss:.3f}")))

    def spec(self) -> Mapping[str, object]:
        spec = asdict(self.training)
        for ignored in ("base", "revision"):
            del spec[ignored]
        del spec["training"]["device_tokens"]  # decides memory; the weights only by dropout masks
        del spec["training"]["both_ways"]  # `turned` says what it comes to
        if not spec["turned"]:
            del spec["turned"]
        started = self._earlier() if self.origin else revision_of(self.training.base, self.training.revision)
        return spec | {"base": self.origin or self.training.base, "weights": started}

    def _earlier(self) -> object:
        """The key of the training that is gone on from: it hashes all that decides its weights."""
        return (StageFolder(Path(self.training.base).parent).manifest() or {}).get("key", "missing")

    def run(self, inputs: Mapping[str, pa.Table], out: ShardWriter) -> Counts:
        every = pa.concat_tables([_columns(table) for name, table in inputs.items() if name.startswith(CORPUS)])
        spare = [table for name, table in inputs.items() if not name.startswith(CORPUS)]
        rows = once(every)
        pairs, dropped = self._pairs(rows, "train")
        validation, _ = self._pairs(rows, "validation")
        if not pairs:
            raise UserError(
                "stage student: the corpus has no pair to learn from: loosen the filters or take more contexts"
            )
        learned, measured = enough(pairs, validation)
        extra = turned(learned, self.training.turned)
        try:
            rehearsed = sentences(spare, rows)
            made = self._train(([*learned, *extra], measured, out.directory("model"), out.work()), rehearsed)
        except StudentError as error:
            raise UserError(str(error)) from error
        write_csv(made.curve, out.file("curve.csv"))
        draw(made.curve, out.file("curve.svg"))
        out.write("curve", pa.Table.from_pylist([{n: p[n] for n in CURVE.names} for p in made.curve], schema=CURVE))
        both = {"turned": len(extra)} if self.training.turned else {}
        unused = {"repeated": every.num_rows - rows.num_rows, **dropped}
        return (
            _counts(every.num_rows, pairs, learned, measured, made)
            | both
            | {f"unused_{w}": n for w, n in unused.items()}
        )

    def _train(self, what: tuple[list[Pair], list[Pair], Path, Path], rehearsed: list[str]) -> Trained:
        """In this process, or on several workers."""
        needs = self.resources
        if needs.workers == 1:
            with fixed_threads(needs.threads):
                return train(self.training, *what, self.tell, rehearsed)
        from pipeline.rounds.train_together import Together, train_together

        return train_together(Together(self.training, *what, needs.threads, rehearsed), needs, self.tell)

    def _pairs(self, rows: pa.Table, split: str) -> tuple[list[Pair], Mapping[str, int]]:
        """The pairs of a split, in an order that follows from their content."""
        part = rows.filter(pc.equal(rows["split"], split)).sort_by("pair_id")
        return usable(part.to_pylist(), list(self.training.instructions))


def _columns(table: pa.Table) -> pa.Table:
    return table.select(["pair_id", "task", "source", "target", "context_id", "split"])


def once(rows: pa.Table) -> pa.Table:
    """Each pair where it comes first: a later round may have written it again, and put it into another split."""
    seen: set[object] = set()
    new = []
    for pair_id, *texts in zip(*(rows[name].to_pylist() for name in IDENTITY), strict=True):
        marks = {tuple(texts)} if pair_id is None else {tuple(texts), pair_id}
        new.append(seen.isdisjoint(marks))
        seen |= marks
    return rows.filter(pa.array(new, pa.bool_()))


def sentences(tables: Iterable[pa.Table], corpus: pa.Table) -> list[str]:
    """Whole sentences of candidates and contexts, without those of contexts that are measured on, in an order of their
    content."""
    held = pc.unique(corpus.filter(pc.not_equal(corpus["split"], "train"))["context_id"])
    found: set[str] = set()
    for table in tables:
        free = table.filter(pc.invert(pc.is_in(table["context_id"], held)))
        whole = free.filter(pc.equal(free["ended"], "sentence")) if "ended" in free.column_names else free
        found |= {text for each in pc.unique(whole["text"]).to_pylist() if (text := clean(each))}
    return sorted(found)


def enough(pairs: list[Pair], validation: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """(learned from, measured on). Every tenth pair is measured on where validation has too few; none of very few."""
    if len(validation) >= FEW or len(pairs) < FEW * LEARNED_SHARE:
        return pairs, validation
    held = pairs[::LEARNED_SHARE]
    return [pair for place, pair in enumerate(pairs) if place % LEARNED_SHARE], [*validation, *held]


def _counts(total: int, pairs: list[Pair], learned: list[Pair], measured: list[Pair], made: Trained) -> dict[str, int]:
    by_task = {f"pairs_{task}": sum(p.task == task for p in learned) for task in sorted({p.task for p in pairs})}
    return {
        "rows": total,
        **by_task,
        "measured_on": len(measured),
        "too_long": made.cut,
        "steps": made.steps,
        "best_step": made.best_step,
    }
