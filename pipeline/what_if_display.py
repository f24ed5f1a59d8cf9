"""What a person sees of a dry run: the funnel that would be, and what a model would have to be asked."""

from collections.abc import Iterator

from rich.table import Table

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
        if kept.exact and not found.accepted[task].exact:
            yield f"{task}: the selectors would have to ask the judge: of {kept} pairs they keep {found.accepted[task]}"
    if not any(found.asked_at_most.values()):
        yield "no new pair would be asked about: every score is stored"
    yield "accepted: " + ", ".join(f"{span} {task}" for task, span in sorted(found.accepted.items()))


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
