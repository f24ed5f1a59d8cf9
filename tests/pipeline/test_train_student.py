"""A student's stage: it tells how far it is, goes on where it was stopped, and learns a pair of two rounds once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from toy_student import INSTRUCTIONS, QUICK, toy_pairs

from pipeline.local_backend import LocalBackend
from pipeline.plan import FoldStep, Read
from pipeline.progress import Progress, StageResult, Tick, silent
from pipeline.records import pair_id
from pipeline.rounds.train_student import TrainStudent, once
from pipeline.rounds.train_together import note_step, relayed
from pipeline.runner import run_step
from pipeline.shard import read_rows
from pipeline.stage import ShardWriter
from pipeline.store import Run
from student.dataset import Pair, turned
from student.learning import Point
from student.train import TrainSpec

Pairs = list[tuple[str, str, str]]
COLUMNS = ("pair_id", "task", "source", "target", "context_id", "split")


def corpus(pairs: Pairs, split: str = "train") -> pa.Table:
    """Triples of task, source and target."""
    rows = [(pair_id(*pair), *pair, f"c{place}", split) for place, pair in enumerate(pairs)]
    return pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows])


def triples(number: int, seed: int = 0) -> Pairs:
    return [(pair.task, pair.source, pair.target) for pair in toy_pairs(number, seed)]


@dataclass(frozen=True)
class Given:
    """Writes a corpus that is there."""

    name: ClassVar[str] = "corpus"
    table: pa.Table

    def spec(self) -> Mapping[str, object]:
        return {}

    def run(self, inputs: Mapping[str, pa.Table], out: ShardWriter) -> Mapping[str, int]:
        out.write("train", self.table)
        return {"rows": self.table.num_rows}


def trained(
    run: Run, base: Path, tables: list[pa.Table], progress: Progress = silent, both: tuple[str, ...] = ()
) -> StageResult:
    """A student of the rounds' corpora, some twenty steps; a checkpoint every few."""
    local, settings = LocalBackend(), replace(QUICK, epochs=2, validations_an_epoch=3)
    for number, table in enumerate(tables):
        run_step(run, FoldStep(number, Given(table)), local)
    reads = {f"corpus-{number}": Read(number, "corpus", ("train",)) for number in range(len(tables))}
    stage = TrainStudent(TrainSpec(str(base), INSTRUCTIONS, training=settings, turned=both), "")
    return run_step(run, FoldStep(len(tables), stage, reads), local, progress)


def weights(run: Run, number: int) -> bytes:
    return (run.stage(number, "student").folder / "model" / "model.safetensors").read_bytes()


def steps(ticks: list[Tick]) -> list[int]:
    return [tick.within.done for tick in ticks if tick.within]


def test_every_step_is_told_and_where_a_stopped_training_goes_on(tiny_t5: Path, tmp_path: Path) -> None:
    tables, whole, ticks = [corpus(triples(60))], Run.named("whole", tmp_path), list[Tick]()
    made = trained(whole, tiny_t5, tables, ticks.append)
    number = made.counts["steps"]
    within = [tick.within for tick in ticks if tick.within]
    assert [each.done for each in within] == list(range(1, number + 1)) and {each.total for each in within} == {number}
    assert {(tick.round, tick.stage, tick.rows) for tick in ticks if tick.within} == {(1, "student", 0)}
    assert [tick.within for tick in (ticks[0], ticks[-1])] == [None, None]
    curve = read_rows(whole.stage(1, "student").folder / "curve.parquet")
    assert [each.note for each in within] == [f"loss {loss:.3f}" for loss in curve["loss"].to_pylist()]

    stopped, later = Run.named("stopped", tmp_path), list[Tick]()

    def stop(tick: Tick) -> None:
        if tick.within and tick.within.done == number - 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(stopped, tiny_t5, tables, stop)
    assert trained(stopped, tiny_t5, tables, later.append).counts == made.counts
    assert 1 < steps(later)[0] <= number - 2 and steps(later) == list(range(steps(later)[0], number + 1))
    assert weights(stopped, 1) == weights(whole, 1)


def test_a_pair_of_two_rounds_is_learned_once(tiny_t5: Path, tmp_path: Path) -> None:
    first = triples(20)
    second = [*first[30:], *triples(10, seed=1)]
    both = len({*first} & {*second})
    assert 10 <= both < len(second)
    made = trained(Run.named("r", tmp_path), tiny_t5, [corpus(first), corpus(second)])
    assert made.counts["unused_repeated"] == both and made.counts["rows"] == len(first) + len(second)
    learned = made.counts["pairs_summary"] + made.counts["pairs_paraphrase"]
    assert learned == len({*first, *second})
    alone = trained(Run.named("alone", tmp_path), tiny_t5, [corpus(list(dict.fromkeys([*first, *second])))])
    assert alone.counts == {**made.counts} | {"rows": learned, "unused_repeated": 0}


def test_pairs_that_hold_both_ways_are_learned_both_ways(tiny_t5: Path, tmp_path: Path) -> None:
    """What is there both ways already comes once each way; a summary is never turned."""
    pairs = [("summary", "a b c.", "a b."), ("paraphrase", "a b.", "b a."), ("paraphrase", "b a.", "a b.")]
    pairs.append(("paraphrase", "Ü c.", "c Ü."))
    learned = [Pair(*pair) for pair in pairs]
    assert turned(learned, ["paraphrase"]) == [Pair("paraphrase", "c Ü.", "Ü c.")]
    assert turned(learned, []) == turned([], ["paraphrase"]) == []
    rows = [(task, x, y if task == "summary" else f"So {y}") for task, x, y in triples(20)]
    made = trained(Run.named("both", tmp_path), tiny_t5, [corpus(rows)], both=("paraphrase",))
    assert made.counts["turned"] == made.counts["pairs_paraphrase"] == 20
    assert "turned" not in trained(Run.named("one", tmp_path), tiny_t5, [corpus(rows)]).counts


def test_no_student_is_stale_for_what_it_does_not_use(tiny_t5: Path) -> None:
    plain = TrainStudent(TrainSpec(str(tiny_t5), INSTRUCTIONS), "").spec()
    other = replace(QUICK, both_ways=True)
    assert "turned" not in plain and "both_ways" not in plain["training"]  # type: ignore[operator]
    asked = TrainStudent(TrainSpec(str(tiny_t5), INSTRUCTIONS, training=other), "").spec()
    assert asked == TrainStudent(TrainSpec(str(tiny_t5), INSTRUCTIONS, training=QUICK), "").spec()
    assert TrainStudent(TrainSpec(str(tiny_t5), INSTRUCTIONS, turned=("paraphrase",)), "").spec() != plain


def test_the_first_place_of_a_pair_counts() -> None:
    pair, other = ("summary", "Ü b c.", "Ü b."), ("summary", "d e f.", "d e.")
    rows = pa.concat_tables([corpus([pair], "validation"), corpus([pair, other], "train")])
    assert once(rows).to_pylist() == [rows.to_pylist()[0], rows.to_pylist()[2]]
    assert once(rows.slice(0, 0)).num_rows == 0


def test_the_same_pair_by_its_id_or_by_its_text() -> None:
    rows = [
        ("1", "summary", "a", "b"),
        ("1", "summary", "a!", "b"),  # the same id
        ("2", "summary", "a", "b"),  # the same text
        ("3", "paraphrase", "a", "b"),
        (None, "summary", "c", "d"),
        (None, "summary", "c", "e"),  # no id is not one id
        (None, "summary", "c", "d"),
        ("4", "summary", None, None),
    ]
    names = ("pair_id", "task", "source", "target")
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    assert [tuple(row.values()) for row in once(table).to_pylist()] == [rows[n] for n in (0, 3, 4, 5, 7)]


def test_steps_noted_elsewhere_are_told_here(tmp_path: Path) -> None:
    file, told = tmp_path / "steps.jsonl", list[Point]()
    points = [Point(step, 1 / step, 0.1, 5, 0.2, None if step % 2 else 2.25, 10) for step in range(1, 5)]
    note_step(file, replace(points[0], step=9))  # of an attempt that was stopped
    with relayed(file, told.append):
        for point in points:
            note_step(file, point)
        with file.open("a") as half:
            half.write('{"step": 5, "lo')
    assert told == points
    with pytest.raises(ValueError, match="from inside"), relayed(file, told.append):
        raise ValueError("from inside")
    assert told == points
