"""The sections of a report that tell how a run went: at a glance, the funnel, time and tokens."""

import tomllib
from collections.abc import Mapping, Sequence

from pipeline.funnel import Level, accepted, levels
from pipeline.report.blocks import Block, Note, Picture, Section, Table, Tiles, number, section, table
from pipeline.report.figures import funnel_bars
from pipeline.run_tables import STAGES, of_round
from pipeline.status import StageStatus
from pipeline.store import Run

SETTINGS = ("name", "description", "seed")
STEPS = {
    "contexts": "contexts",
    "candidates": "sampled",
    "usable": "usable",
    "formed": "pairs formed",
    "cheap": "past cheap filters",
    "judged": "past all filters",
    "corpus": "in the corpus",
}


def glance(run: Run, stages: Sequence[StageStatus], rounds: Sequence[int]) -> Section:
    """What came of it, what is not there yet, and what it was made with."""
    kept = accepted(of_round(stages, rounds[0])) if rounds else {}
    first = ", round 0" if len(rounds) > 1 else ""
    tiles = [(f"{count:,}", f"{task} pairs accepted{first}") for task, count in sorted(kept.items())]
    tiles += [(figure, what) for what, figure in _price(of_round(stages, rounds[0] if rounds else 0)).items()]
    head = ("round", "stage", "state", "shards", "rows", "seconds")
    rows = [(s.round, s.stage, _state(s), _shards(s), s.rows, s.seconds) for r in rounds for s in of_round(stages, r)]
    return section(
        "glance",
        "At a glance",
        Tiles(tuple(tiles)) if tiles else None,
        *(Note(text, missing=True) for text in _missing(stages, rounds)),
        table("How far each stage is", head, rows) if rows else None,
        _made_with(run),
    )


def _state(status: StageStatus) -> str:
    """A stage that holds no shards, such as a student, cannot be half done: it is there, or has no folder."""
    return "there" if status.stage not in STAGES and not status.shards else status.state


def _shards(status: StageStatus) -> str:
    return str(status.shards) if status.planned is None else f"{status.shards}/{status.planned}"


def _missing(stages: Sequence[StageStatus], rounds: Sequence[int]) -> list[str]:
    """One line for each stage that is not there or not finished. Brought pairs have no contexts and no candidates."""
    if not rounds:
        return ["Nothing is there yet: no stage of this run has written a shard."]
    lines = []
    for number_ in rounds:
        states = {status.stage: status for status in of_round(stages, number_)}
        if states.keys() == {"student"}:  # a run may well end with a student that has not written yet
            continue
        brought = not {"contexts", "candidates"} & states.keys()
        for name in STAGES[2:] if brought else STAGES[1:]:
            status = states.get(name)
            if status is None or status.state == "missing":
                lines.append(f"Round {number_}: {name} are not there yet." if name != "corpus" else _no_corpus(number_))
            elif status.state != "done":
                lines.append(f"Round {number_}: {name} are not finished ({_shards(status)} shards).")
    return lines


def _no_corpus(round_number: int) -> str:
    return f"Round {round_number}: the corpus is not there yet."


def _made_with(run: Run) -> Table | None:
    """What the recipe says of models and seed."""
    try:
        recipe = tomllib.loads(run.recipe_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    rows = [(f"recipe.{name}", recipe.get(name)) for name in SETTINGS]
    rows += [(f"models.{role}", model) for role, model in sorted(recipe.get("models", {}).items())]
    sampling = recipe.get("sampling", {})
    rows += [(f"sampling.{name}", str(sampling[name])) for name in ("n", "temperature", "top_p") if name in sampling]
    rows += [("code", code) for code in _versions(run)]
    return table("Made with", ("setting", "value"), [(name, value) for name, value in rows if value not in (None, "")])


def _versions(run: Run) -> list[str]:
    """The versions of the code that finished a stage."""
    manifests = [run.stage(round_number, stage).manifest() or {} for round_number, stage in run.stages()]
    return sorted({str(listed["code"]) for listed in manifests if "code" in listed})


def funnel(stages: Sequence[StageStatus], rounds: Sequence[int]) -> Section:
    """A picture a task and round, and every reason with its number."""
    blocks: list[Block] = [
        Note("Widths are on a logarithmic scale. In round 0 all sentences of a context are paired, both ways.")
    ]
    for number_ in rounds:
        found = levels(of_round(stages, number_))
        for task in sorted({x.task for x in found if x.stage in ("pairs", "scores", "corpus")} - {"", "candidates"}):
            blocks.append(_funnel_picture(found, task, number_, many=len(rounds) > 1))
        blocks.append(_funnel_table(found, number_))
    if not rounds:
        blocks = [Note("No stage has written anything yet.", missing=True)]
    return section("funnel", "The funnel", *blocks)


def _funnel_picture(found: Sequence[Level], task: str, round_number: int, many: bool) -> Picture:
    steps = funnel_steps(found, task)
    where = f", round {round_number}" if many else ""
    said = ", ".join(f"{name} {count:,}" for name, count in steps)
    svg = funnel_bars(f"funnel-{round_number}-{task.encode().hex()}", steps, steps[-1][0] == STEPS["corpus"])
    return Picture(f"Funnel: {task}{where}", f"Funnel of {task} pairs from top to bottom: {said}.", svg)


def funnel_steps(found: Sequence[Level], task: str) -> list[tuple[str, int]]:
    """One task's steps from contexts to corpus: those that have been reached."""
    by = {(level.stage, level.task): level for level in found}
    steps: dict[str, int] = {}
    if ("contexts", "") in by:
        steps["contexts"] = by["contexts", ""].left
    if ("pairs", "candidates") in by:
        steps |= {"candidates": by["pairs", "candidates"].entered, "usable": by["pairs", "candidates"].left}
    if ("pairs", task) in by:
        steps |= {"formed": by["pairs", task].entered, "cheap": by["pairs", task].left}
    for stage, step in (("scores", "judged"), ("corpus", "corpus")):
        if (stage, task) in by:
            steps[step] = by[stage, task].left
    return [(STEPS[step], count) for step, count in steps.items()]


def _funnel_table(found: Sequence[Level], round_number: int) -> Table:
    head = ("stage", "of", "in", "out", "dropped by")
    rows = [(x.stage, x.task or "all", x.entered, x.left, _reasons(x.dropped)) for x in found]
    return table(f"Funnel of round {round_number}, with every reason", head, rows)


def _reasons(dropped: Mapping[str, int]) -> str:
    ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {count:,}" for reason, count in ordered if count)


def costs(stages: Sequence[StageStatus], rounds: Sequence[int]) -> Section:
    """Seconds and tokens, in all and for each accepted pair."""
    rows, shares = [], []
    for number_ in rounds:
        found = of_round(stages, number_)
        kept = sum(accepted(found).values())
        for status in found:
            each = status.seconds / kept if kept else None
            rows.append((number_, status.stage, status.seconds, each))
        shares += [(number_, what, figure) for what, figure in _price(found).items()]
    if not rows:
        return section("cost", "Time and tokens", Note("No stage has run yet.", missing=True))
    return section(
        "cost",
        "Time and tokens",
        Note("Wall time of the stages on the machine that ran them, and tokens that the writer decoded."),
        table("For each accepted pair", ("round", "what", "figure"), shares)
        if shares
        else Note("No pair is accepted yet, so there is no price of one.", missing=True),
        table("Seconds by stage", ("round", "stage", "seconds", "seconds an accepted pair"), rows),
    )


def _price(found: Sequence[StageStatus]) -> dict[str, str]:
    """What one accepted pair took, in seconds and decoded tokens."""
    kept = sum(accepted(found).values())
    if not kept:
        return {}
    counts = {name: count for status in found for name, count in status.counts.items()}
    price = {"seconds for each accepted pair": number(sum(status.seconds for status in found) / kept)}
    decoded, used = counts.get("tokens_decoded", 0), counts.get("tokens_kept", 0)
    if decoded:
        price["decoded tokens for each accepted pair"] = number(decoded / kept)
    if decoded and used:
        price["of decoded tokens stand in a candidate"] = f"{used / decoded:.1%}"
    return price
