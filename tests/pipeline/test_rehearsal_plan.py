"""What a student learns and rehearses is planned before there is anything to learn."""

from pathlib import Path

import pyarrow as pa

from pipeline.recipe import load
from pipeline.rounds.distill import Distillation
from pipeline.rounds.train_student import TrainStudent, sentences
from pipeline.store import Run


def reads(run: Run) -> set[str]:
    return set(Distillation(load("news"), run).learning(1).reads)  # type: ignore[arg-type]


def test_a_cold_start_plans_what_a_begun_run_plans(tmp_path: Path) -> None:
    """Else a student of `make run` would be stale at once, and would not have rehearsed the teacher's sentences."""
    run = Run(tmp_path / "cold")
    assert reads(run) == {"corpus-0", "candidates"}
    for stage in ("contexts", "candidates", "pairs"):
        run.stage(0, stage).folder.mkdir(parents=True)
        assert reads(run) == {"corpus-0", "candidates"}


def test_brought_pairs_have_no_candidates(tmp_path: Path) -> None:
    run = Run(tmp_path / "brought")
    run.stage(0, "pairs").folder.mkdir(parents=True)
    assert reads(run) == {"corpus-0"}


def test_own_text_that_was_rewritten_is_rehearsed(tmp_path: Path) -> None:
    plan = Distillation(load("news", ["rounds.source=own.txt"]), Run(tmp_path / "own"))
    both = {"corpus-0", "candidates"}
    assert [set(plan.learning(number).reads) for number in (1, 2, 3)] == [
        both,
        both | {"corpus-1", "contexts-1"},
        both | {"corpus-1", "corpus-2", "contexts-1", "contexts-2"},
    ]


def test_what_holds_both_ways_is_learned_both_ways_where_that_is_asked(tmp_path: Path) -> None:
    for changes, turned in (([], ()), (["student.both_ways=true"], ("paraphrase",))):
        stage = Distillation(load("news", changes), Run(tmp_path / "any")).learning(1).stage
        assert isinstance(stage, TrainStudent) and stage.training.turned == turned


def test_sentences_of_candidates_and_contexts_that_are_not_measured_on() -> None:
    corpus = pa.table({"context_id": ["a", "b", "c"], "split": ["train", "validation", "test"]})
    candidates = pa.table(
        {
            "context_id": ["a", "a", "b", "d", "d"],
            "text": [
                "The first one ends here.",
                "The second one does not",
                "This one is held back.",
                "The  free one is read.",
                "",
            ],
            "ended": ["sentence", "length", "sentence", "sentence", "sentence"],
        }
    )
    own = pa.table(
        {
            "context_id": ["e", "c", "a"],
            "text": ["Our own one comes too.", "This is held back too.", "The first one ends here."],
        }
    )
    assert sentences([candidates, own], corpus) == [
        "Our own one comes too.",
        "The first one ends here.",
        "The free one is read.",
    ]
    assert sentences([], corpus) == []
