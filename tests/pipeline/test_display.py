"""What a terminal and a log see of a stage that tells how far it is."""

import io

from rich.console import Console

from pipeline.display import live
from pipeline.progress import Tick, Within


def training(ticks: list[tuple[int, float]], terminal: bool, total: int = 200, number: int = 1) -> str:
    """All that is printed while a student makes these steps at these seconds."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    with live(console) as report:
        report(Tick(number, "student", 0, 1, 0, {}, 0.0))
        for step, seconds in ticks:
            report(Tick(number, "student", 0, 1, 0, {}, seconds, Within(step, total, f"loss {1 / step:.3f}")))
        report(Tick(number, "student", 1, 1, 57, {}, 99.0))
    return out.getvalue()


def test_a_log_gets_a_line_now_and_then() -> None:
    said = training([(1, 1.0), (2, 2.0), (11, 10.9), (12, 11.0), (20, 20.9), (41, 41.0), (200, 201.0)], False)
    assert said.splitlines()[:-1] == [
        "round 1, student: step 1 of 200, loss 1.000",
        "round 1, student: step 12 of 200, loss 0.083, 0:02:51 left",
        "round 1, student: step 41 of 200, loss 0.024, 0:02:39 left",
        "round 1, student: step 200 of 200, loss 0.005, 0:00:00 left",
    ]
    assert "200/200" in said.splitlines()[-1]  # what the other stages say, too


def test_a_training_that_was_stopped_says_where_it_goes_on() -> None:
    ticks = [(121, 5.0), (122, 6.0), (131, 15.0)]
    said = training(ticks, False, number=2).splitlines()
    assert said[0] == "round 2, student: goes on after step 120 of 200"
    assert said[1] == "round 2, student: step 121 of 200, loss 0.008"
    assert said[2] == "round 2, student: step 131 of 200, loss 0.008, 0:01:09 left"  # at the pace of this attempt
    shown = training(ticks, True)
    assert "round 1, student: goes on after step 120 of 200" in shown and "step 121 of" not in shown


def test_a_terminal_sees_steps_and_loss() -> None:
    shown = training([(1, 1.0), (50, 50.0)], True)
    assert "student" in shown and "goes on" not in shown
    last = shown[shown.rindex("student") :]
    assert "50/50" in last and "loss 0.020" in last  # it stopped before step 200: these were all


def test_other_stages_as_ever() -> None:
    out = io.StringIO()
    with live(Console(file=out, width=120)) as report:
        report(Tick(0, "pairs", 1, 3, 10, {}, 0.0))
        report(Tick(0, "pairs", 2, 3, 40, {}, 4.0))
        report(Tick(0, "pairs", 3, 3, 60, {}, 5.0))
    assert len(out.getvalue().splitlines()) == 1
    assert "3/3" in out.getvalue() and "20 rows/s" in out.getvalue()
