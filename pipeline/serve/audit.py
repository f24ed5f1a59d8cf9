"""The page of the audit: the next pair to judge, without the pipeline's verdict, and what the marks say so far."""

from collections.abc import Mapping

from pipeline.errors import PipelineError, UserError
from pipeline.recipe import load
from pipeline.round_queries import RoundFiles, Row, round_files
from pipeline.run_tables import rounds
from pipeline.serve.audit_draw import Drawn, draw, whole
from pipeline.serve.audit_marks import Mark, Said, add_mark, history, marks
from pipeline.serve.audit_precision import TARGET, Judged, judged, precisions, sizes, suggestions
from pipeline.serve.browse import number_of, whole_of
from pipeline.store import Run, now

QUESTIONS = {
    "summary": "Is the target true to the source, shorter, and a sentence of its own?",
    "paraphrase": "Do both sentences say the same, in other words?",
}


def audit_page(run: Run, given: Mapping[str, str]) -> dict[str, object]:
    """What the template shows. `skip`: so many pairs are put off."""
    there = rounds(run)
    number, seed = whole_of(given, "round", there[-1] if there else 0, 0), whole_of(given, "seed", 0, 0)
    skip, target = whole_of(given, "skip", 0, 0), _target(given)
    files, said = round_files(run, number), marks(run, number)
    drawn, row = _next(files, said, seed, skip)
    found = judged(files, said)
    return {
        "round": number,
        "rounds": there,
        "seed": seed,
        "skip": skip,
        "target": target,
        "drawn": drawn,
        "row": row,
        "question": QUESTIONS.get(drawn.task, f"Is it a good {drawn.task}?") if drawn else "",
        "last": _last(run, number, found),
        "marked": len(said),
        "precisions": precisions(found),
        "suggestions": _suggestions(run, files, found, target),
    }


def mark_pair(run: Run, number: int, pair_id: str, said: str, seed: int) -> None:
    """UserError for a pair that was not drawn: only those stand for the others."""
    files = round_files(run, number)
    known = {drawn.pair_id: drawn for drawn in draw(files, seed)}
    if pair_id not in known and pair_id not in marks(run, number):
        raise UserError(f"pair {pair_id}: not among those drawn by seed {seed} in round {number}: load the page again")
    drawn = known.get(pair_id)
    verdict = f"dropped by {drawn.dropped_by}" if drawn and drawn.dropped_by else "accepted"
    word: Said = "right" if said == "right" else "wrong" if said == "wrong" else ""
    earlier = marks(run, number).get(pair_id)
    task = drawn.task if drawn else earlier.task if earlier else ""
    add_mark(run, Mark(pair_id, number, task, word, verdict, seed, now()))


def _next(files: RoundFiles, said: Mapping[str, Mark], seed: int, skip: int) -> tuple[Drawn | None, Row | None]:
    """The first pair without a mark that is still there."""
    for drawn in [drawn for drawn in draw(files, seed) if drawn.pair_id not in said][skip:]:
        row = whole(files, drawn)
        if row is not None:
            return drawn, row
    return None, None


def _last(run: Run, number: int, found: list[Judged]) -> Judged | None:
    """The mark made last, if it still holds."""
    made = [mark for mark in history(run) if mark.round == number]
    return next((each for each in found if made and each.mark == made[-1]), None)


def _suggestions(run: Run, files: RoundFiles, found: list[Judged], target: float) -> list[object]:
    """None without a recipe that this code can read."""
    if not found or not run.recipe_file.exists():
        return []
    try:
        recipe = load(run.recipe_file)
    except PipelineError:
        return []
    panels = {task: recipe.panel(task) for task in recipe.tasks}
    return list(suggestions(sizes(files), found, panels, target))


def _target(given: Mapping[str, str]) -> float:
    target = number_of(given, "target")
    if target is not None and not 0 < target < 1:
        raise UserError(f"target {target}: wanted a share between 0 and 1")
    return TARGET if target is None else target
