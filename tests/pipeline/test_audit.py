"""Marks that survive, draws that a seed fixes, and what follows from them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from report_runs import small_run

from filters.base import Panel
from filters.entailment import Entailment
from pipeline.errors import UserError
from pipeline.round_queries import RoundFiles, round_files
from pipeline.run_tables import aside_rows
from pipeline.serve.audit_draw import draw, whole
from pipeline.serve.audit_marks import FILE, Mark, add_mark, marks
from pipeline.serve.audit_precision import Judged, Suggestion, judged, precisions, sizes, suggestions
from pipeline.store import Run

NOTHING = RoundFiles((), (), (), (), (), (), 0)


def mark(pair_id: str, said: str = "right", task: str = "summary") -> Mark:
    return Mark(pair_id, 0, task, said, "accepted", 0, "2026-01-01T00:00:00+00:00")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("audit"))


def test_the_last_word_counts(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert marks(run, 0) == {}
    for said in ("right", "wrong"):
        add_mark(run, mark("a", said))
    add_mark(run, mark("b"))
    add_mark(run, mark("c"))
    add_mark(run, mark("c", ""))
    assert {key: each.said for key, each in marks(run, 0).items()} == {"a": "wrong", "b": "right"}
    assert marks(run, 1) == {}


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    run = Run(tmp_path)
    add_mark(run, mark("a"))
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes() + b'\n{"pair_id": "torn')
    add_mark(run, mark("b"))
    path.write_bytes(path.read_bytes() + b'\n[1]\nnull\n{"pair_id": "x"}\n\xff\xfe')
    assert list(marks(run, 0)) == ["a", "b"]


def test_marks_of_many_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: add_mark(Run(tmp_path), mark(f"pair {i}")), range(100)))
    assert len(marks(Run(tmp_path), 0)) == 100


def test_a_kill_loses_nothing_that_was_marked(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from pipeline.store import Run; "
        "from pipeline.serve.audit_marks import Mark, add_mark; "
        "[add_mark(Run(Path(sys.argv[1])), Mark(str(i), 0, 't', 'right', 'kept', 0, '')) for i in range(5)]; "
        "os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -9
    assert list(marks(Run(tmp_path), 0)) == list("01234")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be kept"):
        add_mark(Run(tmp_path), mark("a"))


def test_a_seed_always_draws_the_same(run: Run) -> None:
    files = round_files(run, 0)
    drawn = draw(files, 1)
    draw.cache_clear()
    assert drawn == draw(files, 1)
    assert drawn != draw(files, 2)
    assert {each.pair_id for each in drawn} == {each.pair_id for each in draw(files, 2)}
    assert len({each.pair_id for each in drawn}) == len(drawn)
    first = [bool(each.dropped_by) for each in drawn[:10]]
    assert first.count(True) == 5  # as many accepted as rejected
    for each in drawn:
        row = whole(files, each)
        assert row is not None and row["pair_id"] == each.pair_id
    early = {row["pair_id"]: row["reason"] for row in aside_rows(run, 0).to_pylist()}
    assert {each.pair_id: each.dropped_by for each in drawn if each.shard < 0} == early


def test_precision_of_each_verdict(run: Run) -> None:
    files = round_files(run, 0)
    drawn = draw(files, 0)
    said = {each.pair_id: mark(each.pair_id, "wrong") for each in drawn[:20]} | {"gone": mark("gone")}
    found = judged(files, said)
    assert len(found) == 20
    told = {(each.by == ""): each for each in precisions(found)}
    assert (told[True].agree, told[False].agree) == (0, told[False].marks)
    assert told[True].interval[0] == 0 < told[True].interval[1] < 0.5
    assert sum(sizes(files).values()) == 36
    assert judged(NOTHING, said) == precisions([]) == [] and sizes(NOTHING) == {}


def scored(number: int, score: float | None, said: str, dropped_by: str = "") -> Judged:
    return Judged(mark(f"{number} {score}", said), dropped_by, {"entailment": score})


PANELS = {"summary": Panel((Entailment(min_probability=0.5),))}


def suggest(found: list[Judged], pairs: dict[tuple[str, str], int], target: float) -> Suggestion:
    (only,) = suggestions(pairs, found, PANELS, target)
    return only


def test_of_scores_that_are_for_one_threshold_no_other_is_suggested() -> None:
    pairs, found = {("summary", ""): 400}, [scored(i, 0.5 + i / 1000, "right") for i in range(400)]
    assert len(list(suggestions(pairs, found, PANELS, 0.9))) == 1
    int8 = {"summary": Panel((Entailment(min_probability=0.5, back_end="int8"),))}
    assert list(suggestions(pairs, found, int8, 0.9)) == []


def test_the_lowest_threshold_that_reaches_the_target() -> None:
    pairs = {("summary", ""): 400, ("summary", "entailment"): 1000}
    found = [scored(i, 0.5 + i / 1000, "right" if i >= 100 else "wrong") for i in range(400)]
    at = suggest(found, pairs, 0.9)
    below = [i for i in range(400) if suggest_share(i) >= 0.9]
    assert 0.5 + below[0] / 1000 <= (at.value or 0) <= 0.62
    assert at.low >= 0.9 and not at.few and at.share < 0.95
    assert suggest(found[:100], pairs, 0.9).value is None


def suggest_share(first: int) -> float:
    return 300 / (400 - first) if first <= 100 else 1.0


def test_few_marks_go_by_the_estimate() -> None:
    pairs = {("summary", ""): 10}
    found = [scored(i, 0.6 + i / 100, "right") for i in range(6)]
    at = suggest(found, pairs, 0.9)
    assert (at.value, at.share, at.few) == (0.6, 1.0, True)
    assert suggest(found[:4], pairs, 0.9).value is None
    assert suggest([scored(1, None, "right")], pairs, 0.9).value is None


def test_dropped_pairs_weigh_as_many_as_there_are() -> None:
    """Ten marks stand for ten accepted pairs, ten for ten thousand dropped ones, half of them right."""
    pairs = {("summary", ""): 10, ("summary", "entailment"): 10_000}
    found = [scored(i, 0.9, "right") for i in range(10)]
    found += [scored(i, 0.4, "right" if i % 2 else "wrong", "entailment") for i in range(10)]
    found += [scored(i, 0.1, "wrong", "length") for i in range(50)]  # another filter's: no threshold of this one helps
    at = suggest(found, pairs, 0.7)
    assert at.value == pytest.approx(0.9, abs=1e-3)
    assert suggest(found, pairs, 0.45).value == pytest.approx(0.4, abs=1e-3)
