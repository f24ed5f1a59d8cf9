"""What a person sees of a dry run: the funnel that would be, and what a model would have to be asked."""

from collections.abc import Iterator

from rich.table import Table

from filters import SELECTORS
from filters.base import HAS_A_SAY
from pipeline.what_if import WhatIf


def what_if_table(found: WhatIf) -> Table:
    table = Table("stage", "of", "in", "out", "dropped by", title="Funnel, dry run", title_justify="left")
    for level in found.funnel:
        reasons = ", ".join(f"{reason} {span}" for reason, span in level.reasons()) or "-"
        table.add_row(level.stage, level.task or "all", str(level.entered), str(level.left), reasons)
    return table


def what_if_lines(found: WhatIf) -> Iterator[str]:
    """In plain words: which pairs are open, and what would be accepted."""
    for task, asked in found.asked_at_most.items():
        kept = found.level("scores", task).left
        if asked:
            yield f"{task}: at most {asked:,} pairs would be asked about: kept by the filters {kept} (before selectors)"
        if again := _to_run_again(found, task):
            yield f"{task}: {again}: of {kept} pairs the selectors keep {found.accepted[task]}"
    if not any(found.asked_at_most.values()):
        yield "no filter would ask a model about a new pair: every score is stored"
    yield "accepted: " + ", ".join(f"{span} {task}" for task, span in sorted(found.accepted.items()))


def _to_run_again(found: WhatIf, task: str) -> str:
    """Which selectors what is stored does not settle, and what they would ask the judge; empty where it settles all."""
    opened = [
        name for name, span in found.level("corpus", task).dropped.items() if name in SELECTORS and not span.exact
    ]
    asking = [name for name in opened if getattr(SELECTORS[name], "role", None) in HAS_A_SAY]
    questions = f" ({', '.join(asking)} with {_bound(found.questions_at_most(task))})" if asking else ""
    return f"{', '.join(opened)} would have to run again{questions}" if opened else ""


def _bound(questions: int | None) -> str:
    return "a number of questions that nothing bounds" if questions is None else f"{questions:,} questions at most"


def what_if_data(name: str, found: WhatIf) -> dict[str, object]:
    """What `--dry-run --json` prints: numbers where they are known, else {"at_least", "at_most"}."""
    return {
        "run": name,
        "dry_run": True,
        "funnel": [level.data() for level in found.funnel],
        "kept_by_filters": {task: found.level("scores", task).left.data() for task in found.asked_at_most},
        "asked_at_most": dict(found.asked_at_most),
        "accepted": {task: span.data() for task, span in found.accepted.items()},
    }
