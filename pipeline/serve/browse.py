"""The page of pairs: what a person's address asks for, and the choices beside it."""

from collections.abc import Mapping
from urllib.parse import urlencode

from pipeline.errors import UserError
from pipeline.funnel import Level, levels
from pipeline.round_queries import round_files
from pipeline.run_tables import of_round, rounds
from pipeline.serve.live import statuses
from pipeline.serve.pairs import Asked, find
from pipeline.store import Run

FARTHEST = 1_000_000
"""Pages."""


def pairs_page(run: Run, given: Mapping[str, str]) -> dict[str, object]:
    """What the template shows."""
    there = rounds(run)
    asked = asked_by(given, there[-1] if there else 0)
    files = round_files(run, asked.round)
    found = [level for level in levels(of_round(statuses(run), asked.round)) if level.task not in ("", "candidates")]
    return {
        "asked": asked,
        "page": find(files, asked),
        "names": files.names,
        "rounds": there,
        "tasks": sorted({level.task for level in found}),
        "verdicts": _verdicts(found),
        "link": lambda number: _link(given, number),
    }


def asked_by(given: Mapping[str, str], last_round: int) -> Asked:
    """UserError for what is no number."""
    verdict, _, by = given.get("verdict", "").partition(":")
    return Asked(
        round=whole_of(given, "round", last_round, 0),
        words=given.get("words", "")[:500],
        task=given.get("task", ""),
        verdict=verdict,
        by=by,
        sort=given.get("sort", ""),
        up=given.get("order") == "up",
        least=number_of(given, "least"),
        most=number_of(given, "most"),
        page=min(whole_of(given, "page", 1, 1), FARTHEST),
    )


def _verdicts(found: list[Level]) -> list[tuple[str, str]]:
    """The verdicts to choose from: (value, what it is called)."""
    dropped = sorted({name for level in found if level.stage == "scores" for name in level.dropped})
    left_out = sorted({name for level in found if level.stage == "corpus" for name in level.dropped})
    return [
        ("kept", "kept"),
        ("left out", "left out by a selector"),
        *((f"left out:{name}", f"left out by {name}") for name in left_out),
        ("passed", "passed all filters"),
        ("dropped", "dropped by a filter"),
        *((f"dropped:{name}", f"dropped by {name}") for name in dropped),
    ]


def _link(given: Mapping[str, str], number: int) -> str:
    """The same search, another page."""
    kept = {name: value for name, value in given.items() if value and name != "page"}
    return f"/pairs?{urlencode(kept | {'page': str(number)})}"


def whole_of(given: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > 9 or int(text) < least:
        raise UserError(f"{name} {text!r}: wanted a whole number from {least}")
    return int(text)


def number_of(given: Mapping[str, str], name: str) -> float | None:
    text = given.get(name, "")
    try:
        return float(text) if text else None
    except ValueError:
        raise UserError(f"{name} {text!r}: wanted a number") from None
