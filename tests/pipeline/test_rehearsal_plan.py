"""What a student rehearses is planned before there is anything to rehearse."""

from pathlib import Path

from pipeline.recipe import load
from pipeline.rounds.distill import Distillation
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
