"""A dry run tells what the real one would: exactly where scores are stored, within its bounds where they are not."""

import itertools
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from toy_filters import asked, panels
from toy_marks import bounded
from toy_what_if import TASKS, contains, copy, exact, refilter, wanted

from filters.base import Panel
from filters.wellformed import Wellformed
from pipeline.errors import UserError
from pipeline.judge import JudgePairs
from pipeline.pair import FormPairs
from pipeline.shard import read_rows
from pipeline.store import Run
from pipeline.what_if import Wanted, what_if
from pipeline.what_if_filters import verdicts
from pipeline.yield_curve import curve


@pytest.fixture(scope="module")
def stored_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.named("r", tmp_path_factory.mktemp("runs"))
    refilter(run, wanted())
    return run


def test_as_it_is(stored_run: Run) -> None:
    found = what_if(stored_run, wanted())
    contains(found, stored_run)
    assert exact(found, ("pairs", "scores", "corpus"))
    assert found.asked_at_most == dict.fromkeys(TASKS, 0)
    assert all(span.most > 0 for span in found.accepted.values())


TIGHTER = [
    {"probability": 0.6},
    {"probability": 0.8},
    {"probability": 1.0},
    {"reverse": 0.7},
    {"rouge": 0.5},
    {"below": 0.6},
    {"rouge": 0.6, "below": 0.7, "probability": 0.7, "reverse": 0.4},
    {"cap": 2},
    {"probability": 0.7, "cap": 3},
]


@pytest.mark.parametrize("tighter", TIGHTER, ids=str)
@pytest.mark.parametrize("selector", [{}, {"sentence_once": True}, {"copies": 0.5}], ids=str)
def test_tightened(tmp_path: Path, tighter: dict[str, float], selector: dict[str, float]) -> None:
    run = Run.named("r", tmp_path)
    refilter(run, wanted(**selector))  # type: ignore[arg-type]
    stages = wanted(**tighter, **selector)  # type: ignore[arg-type]
    found = what_if(run, stages)
    again = copy(run, "again")
    refilter(again, stages)
    contains(found, again)
    assert exact(found, ("scores",))
    assert found.asked_at_most == dict.fromkeys(TASKS, 0)
    if tighter.keys() <= {"probability", "cap"}:
        # The weakest go first, so nothing that they had pushed out comes back: of a summary all is known.
        assert found.level("corpus", "summary").left.exact


LOOSER = [
    {"probability": 0.3},
    {"reverse": 0.0},
    {"rouge": 1.0},
    {"below": 2.0},
    {"rouge": 1.0, "probability": 0.7},
    {"below": 1.2, "rouge": 0.6, "reverse": 0.6},
    {"probability": 0.0, "reverse": 0.0, "rouge": 1.0, "cap": 2},
]


@pytest.mark.parametrize("looser", LOOSER, ids=str)
def test_loosened(stored_run: Run, tmp_path: Path, looser: dict[str, float]) -> None:
    diary = tmp_path / "diary"
    run = Run.named("r", tmp_path)
    refilter(run, wanted(diary))
    before = len(asked(diary))
    stages = wanted(diary, **looser)  # type: ignore[arg-type]
    found = what_if(run, stages)
    refilter(run, stages)
    contains(found, run)
    fresh = asked(diary)[before:]
    sides = {frozenset(line.split(" | ")) for line in fresh}
    assert len(sides) <= sum(found.asked_at_most.values())
    again = what_if(run, stages)  # now all is known
    contains(again, run)
    assert exact(again)


def test_every_pair_of_thresholds(tmp_path: Path) -> None:
    """From any to any: within bounds; and an answer, though a tighter threshold came between, is not asked for again.

    What the judge could not say is no answer: it alone is asked again.
    """
    run, diary = Run.named("r", tmp_path), tmp_path / "diary"
    values = ((0.2, 0.9), (0.8, 0.5), (0.5, 1.0), (0.9, 0.3), (0.2, 0.9))
    refilter(run, wanted(diary, probability=0.2, rouge=0.9))
    for probability, rouge in itertools.islice(values, 1, None):
        stages, before = wanted(diary, probability=probability, rouge=rouge), asked(diary)
        found = what_if(run, stages)
        refilter(run, stages)
        contains(found, run)
    assert before and all("river" in line.split(" | ")[0] for line in asked(diary)[len(before) :])


def test_an_answer_kept_beside_the_shard_is_known(stored_run: Run) -> None:
    run = copy(stored_run, "beside")
    refilter(run, wanted(probability=0.95))  # has no place for most answers of the second judge, nor for many rows
    assert list(run.folder.rglob("answers/*.parquet"))
    found = what_if(run, wanted())
    contains(found, stored_run)
    nulls = found.verdicts["paraphrase"].rows.scores("reverse_entailment").null_count
    assert found.asked_at_most["paraphrase"] <= nulls  # that it could not say is not put by
    least = what_if(stored_run, wanted()).level("scores", "paraphrase").left.least
    assert found.level("scores", "paraphrase").left.least == least > 0


@pytest.mark.parametrize(
    "selector",
    [{"max_hops": 0}, {"sentence_once": True}, {"share": 0.5}, {"probability": 0.8, "max_hops": 0}],
    ids=str,
)
def test_other_selectors_are_bounded(stored_run: Run, selector: dict[str, float]) -> None:
    found = what_if(stored_run, wanted(**selector))  # type: ignore[arg-type]
    again = copy(stored_run, f"selector-{abs(hash(str(selector)))}")
    refilter(again, wanted(**selector))  # type: ignore[arg-type]
    contains(found, again)
    assert not exact(found, ("corpus",))
    assert all(span.least > 0 for span in found.accepted.values())


def test_without_a_corpus_the_selectors_are_bounded(stored_run: Run) -> None:
    run = copy(stored_run, "bare")
    shutil.rmtree(run.stage(0, "corpus").folder)
    found = what_if(run, wanted())
    contains(found, stored_run)
    assert exact(found, ("scores",))
    assert not exact(found, ("corpus",))


def test_nulls_never_pass_and_are_no_question(stored_run: Run) -> None:
    found = what_if(stored_run, wanted(probability=0.0, reverse=0.0))
    for path in stored_run.stage(0, "pairs").tables():
        rows = read_rows(path)
        assert pc.any(pc.match_substring(rows["source"], "river")).as_py()
    seen = found.verdicts["summary"]
    nulls = seen.rows.scores("entailment").is_null().to_numpy(zero_copy_only=False)
    assert nulls.any()
    assert not (nulls & seen.possible()).any()
    assert found.asked_at_most["summary"] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: Wanted(w.pairs, JudgePairs(wanted("another").scores.tasks), w.corpus), "entailment.diary"),
        (lambda w: Wanted(FormPairs(w.pairs.tasks, Wellformed(min_words=2)), w.scores, w.corpus), "min_words: 6 -> 2"),
        (lambda w: Wanted(FormPairs(panels(), Wellformed()), JudgePairs(panels()), w.corpus), "entailment"),
        (lambda w: Wanted(_form(_with_task(w)), JudgePairs(_with_task(w)), w.corpus), "tasks.third"),
        (lambda w: Wanted(_form(_with_filter(w)), JudgePairs(_with_filter(w)), w.corpus), "has no stored scores"),
        (lambda w: Wanted(_form(_turned(w)), JudgePairs(_turned(w)), w.corpus), "length, overlap -> overlap, length"),
    ],
)
def test_what_scores_cannot_tell_is_refused(stored_run: Run, change: object, said: str) -> None:
    with pytest.raises(UserError) as error:
        what_if(stored_run, change(wanted()))  # type: ignore[operator]
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def _form(tasks: dict[str, Panel]) -> FormPairs:
    return FormPairs(tasks, Wellformed())


def _with_task(stages: Wanted) -> dict[str, Panel]:
    return {**stages.scores.tasks, "third": stages.scores.tasks["summary"]}


def _turned(stages: Wanted) -> dict[str, Panel]:
    return {name: Panel(panel.filters[::-1]) for name, panel in stages.scores.tasks.items()}


def _with_filter(stages: Wanted) -> dict[str, Panel]:
    summary = stages.scores.tasks["summary"]
    from filters.numbers import Numbers

    return {**stages.scores.tasks, "summary": Panel((Numbers(), *summary.filters))}


def test_scores_that_are_not_finished(stored_run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no scores yet"):
        what_if(Run.named("none", tmp_path), wanted())
    run = copy(stored_run, "torn")
    run.stage(0, "scores").shard(1).unlink()
    with pytest.raises(UserError, match="not of the candidates"):
        what_if(run, wanted())


def test_the_curve_is_what_brute_force_counts(stored_run: Run) -> None:
    rows = curve(what_if(stored_run, wanted()).verdicts)
    assert {(row[0], row[1]) for row in rows} == {
        *(("paraphrase", name) for name in ("length", "overlap", "entailment", "reverse_entailment")),
        *(("summary", name) for name in ("length", "overlap", "entailment")),
    }
    table = pa.concat_tables([_beside(stored_run, index) for index in (0, 1)])
    summaries = table.filter(pc.equal(table["task"], "summary")).to_pylist()
    for task, name, _, value, kept, share, at_most, _ in rows:
        if (task, name) == ("summary", "entailment"):
            assert isinstance(value, float)
            passing = [r for r in summaries if (r["entailment"] or 0.0) >= np.float32(value)]
            passing = [r for r in passing if r["entailment"] is not None]
            assert kept == at_most == len(passing)
            assert share == pytest.approx(len(passing) / len(summaries), abs=1e-6)
    for task in TASKS:
        left = what_if(stored_run, wanted()).level("scores", task).left.least
        own = [row for row in rows if row[0] == task and row[-1] == 1]
        assert own
        assert {row[4] for row in own} == {left}
    open_ = [row for row in rows if row[:2] == ("paraphrase", "entailment") and row[4] < row[6]]  # type: ignore[operator]
    assert all(row[3] < 0.5 for row in open_)  # type: ignore[operator]
    assert open_


def _beside(run: Run, index: int) -> pa.Table:
    scores = read_rows(run.stage(0, "scores").shard(index))
    return scores.append_column("task", read_rows(run.stage(0, "pairs").shard(index))["task"])


def test_a_whole_number_has_a_curve(stored_run: Run) -> None:
    rows = what_if(stored_run, wanted()).verdicts["summary"].rows
    marks = rows.columns.append_column("marks", pa.array(np.arange(len(rows)) % 4, pa.float32()))
    found = curve({"summary": verdicts(type(rows)(marks), Panel((bounded(0)(1),)))})
    kept = {value: number for _, _, name, value, number, *_ in found if name == "max_more"}
    assert [*kept] == [0, 1, 2, 3]
    assert kept == {most: int((np.arange(len(rows)) % 4 <= most).sum()) for most in range(4)}


def test_a_threshold_that_scores_hang_on_has_one_row_its_own(stored_run: Run) -> None:
    seen = what_if(stored_run, wanted()).verdicts["summary"]
    name = seen.panel.of_cost("model").names[0]
    before = [row for row in curve({"summary": seen}) if row[1] == name]
    spec = next(each for each in seen.panel if each.name == name)

    class Fixed(type(spec)):  # type: ignore[misc]
        scored_by = ("min_probability",)

    held = Fixed(**asdict(spec))
    panel = Panel(tuple(held if each.name == name else each for each in seen.panel))
    after = [row for row in curve({"summary": replace(seen, panel=panel)}) if row[1] == name]
    assert len(before) > 1 and after == [row for row in before if row[-1] == 1]


def test_no_rows(stored_run: Run) -> None:
    rows = what_if(stored_run, wanted()).verdicts["summary"].rows
    none = type(rows)(rows.columns.slice(0, 0))
    assert verdicts(none, wanted().scores.tasks["summary"]).certain().tolist() == []
