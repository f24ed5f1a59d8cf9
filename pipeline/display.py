"""What a person sees in the terminal: progress, the state of the stages, the funnel, pairs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.table import Table
from rich.text import Text

from pipeline.funnel import Level, accepted, levels
from pipeline.progress import Progress as Report
from pipeline.progress import Tick
from pipeline.status import StageStatus

Row = Mapping[str, object]
Key = tuple[int, str]
"""Round and stage."""

LINE_SECONDS = 10.0
"""Where no bar can be drawn, a training says a line no more often."""


@contextmanager
def live(console: Console) -> Iterator[Report]:
    """A bar a stage: shards done, rows a second, time left; of a training, steps done and the loss."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>14}"),
        TimeElapsedColumn(),
        Remaining(),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        say = partial(progress.console.print, markup=False, highlight=False, soft_wrap=True)
        shown = console.is_terminal and not console.is_dumb_terminal  # a dumb one draws no bars
        bars, lines = _Bars(progress), _Lines(say, None if shown else LINE_SECONDS)

        def report(tick: Tick) -> None:
            bars(tick)
            lines(tick)

        yield report


class _Bars:
    """Feeds ticks to the bars. The first tick of a stage brings what was there before, later ones are its work."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.bars: dict[Key, TaskID] = {}
        self.made: dict[Key, int] = {}
        self.steps: dict[Key, int] = {}

    def __call__(self, tick: Tick) -> None:
        key = (tick.round, tick.stage)
        if key not in self.bars:
            name = f"{tick.round} {tick.stage}" if tick.round else tick.stage
            self.bars[key] = self.progress.add_task(name, total=tick.total, completed=tick.done, rate="")
            self.made[key] = 0
        elif tick.within:
            self.steps[key] = tick.within.done
            self.progress.update(
                self.bars[key], total=tick.within.total, completed=tick.within.done, rate=tick.within.note
            )
        elif key in self.steps:  # it may have stopped before its last step: then these were all
            self.progress.update(self.bars[key], total=self.steps[key], completed=self.steps[key])
        else:
            self._shard(key, tick)

    def _shard(self, key: Key, tick: Tick) -> None:
        self.made[key] += tick.rows
        rate = f"{self.made[key] / tick.seconds:,.0f} rows/s" if tick.seconds > 0 else ""
        self.progress.update(self.bars[key], completed=tick.done, rate=rate)


class _Lines:
    """Says where a training goes on that was stopped; and, no more often than `every` seconds, how far it is."""

    def __init__(self, say: Callable[[str], None], every: float | None) -> None:
        self.say, self.every = say, every
        self.first: dict[Key, Tick] = {}
        self.due: dict[Key, float] = {}

    def __call__(self, tick: Tick) -> None:
        if tick.within is None:
            return
        key, name = (tick.round, tick.stage), f"round {tick.round}, {tick.stage}"
        if key not in self.first and tick.within.done > 1:
            self.say(f"{name}: goes on after step {tick.within.done - 1:,} of {tick.within.total:,}")
        first = self.first.setdefault(key, tick)
        if self.every is not None and tick.seconds >= self.due.get(key, 0.0):
            self.due[key] = tick.seconds + self.every
            left = _left(first, tick)
            until = "" if left is None else f", {timedelta(seconds=round(left))} left"
            self.say(f"{name}: step {tick.within.done:,} of {tick.within.total:,}, {tick.within.note}{until}")


def _left(first: Tick, now: Tick) -> float | None:
    """Seconds until the last step at the pace since the first tick; None as long as there is no pace."""
    if first.within is None or now.within is None or now.within.done <= first.within.done:
        return None
    pace = (now.seconds - first.seconds) / (now.within.done - first.within.done)
    return pace * (now.within.total - now.within.done)


def stages_table(stages: Sequence[StageStatus]) -> Table:
    table = Table("stage", "round", "state", "shards", "rows", "seconds", title="Stages", title_justify="left")
    for status in stages:
        shards = f"{status.shards}/{status.planned}" if status.planned is not None else str(status.shards)
        cells = (str(status.round), status.state, shards, f"{status.rows:,}", f"{status.seconds:,.1f}")
        table.add_row(status.stage, *cells)
    return table


def funnel_table(stages: Sequence[StageStatus]) -> Table:
    found = levels(stages)
    several = any(level.round for level in found)
    head = ("round",) if several else ()
    table = Table(*head, "stage", "of", "in", "out", "dropped by", title="Funnel", title_justify="left")
    for level in found:
        first = (str(level.round),) if several else ()
        cells = (level.task or "all", f"{level.entered:,}", f"{level.left:,}", _dropped(level))
        table.add_row(*first, level.stage, *cells)
    return table


def _dropped(level: Level) -> str:
    parts = sorted(level.dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {number:,}" for reason, number in parts) or "-"


def summary(stages: Sequence[StageStatus]) -> str:
    """One line: what was accepted, and what it cost in tokens."""
    last = max((status.round for status in stages if status.stage == "candidates"), default=0)
    kept = accepted(status for status in stages if status.round == last)
    counts = {n: number for status in stages if status.round == last for n, number in status.counts.items()}
    decoded, used = counts.get("tokens_decoded", 0), counts.get("tokens_kept", 0)
    line = "accepted: " + ", ".join(f"{number:,} {task}" for task, number in sorted(kept.items()))
    if last:
        line = f"round {last} {line}"
    if decoded and used:
        line += f"; tokens decoded {decoded:,}, kept {used / decoded:.1%}"
    if counts.get("keywords_asked"):
        line += f"; keywords found {counts['keywords_found'] / counts['keywords_asked']:.1%}"
    return line


def pair_lines(row: Row, verdict: str) -> Text:
    """One pair, its verdict and its scores. Text of a model is never read as markup."""
    scores = {k: v for k, v in row.items() if isinstance(v, float) and k not in ("logprob",)}
    shown = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
    text = Text()
    text.append(f"{verdict} ", style="bold green" if verdict.startswith("kept") else "bold red")
    text.append(f"{row['task']} {row['pair_id']}\n", style="dim")
    text.append(f"  source  {row['source']}\n  target  {row['target']}\n")
    text.append(f"  {shown}\n" if shown else "", style="dim")
    return text
