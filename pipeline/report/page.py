"""A run as one page and its markdown twin: self-contained, offline, the same bytes for the same run.

Reads what is on disk and takes no lock, so it works while a run goes on; what is not there yet says so.
"""

import base64
import hashlib
import html
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UserError
from pipeline.report.blocks import Section
from pipeline.report.contexts import by_context
from pipeline.report.corpus import examples, length_and_novelty, varied
from pipeline.report.evaluation import evaluation
from pipeline.report.opinion import opinion
from pipeline.report.rounds import adapter, influence, side_by_side
from pipeline.report.run import costs, funnel, glance
from pipeline.report.scores import scores
from pipeline.run_tables import rounds
from pipeline.shard import write_atomically
from pipeline.status import run_status
from pipeline.store import Run

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parents[1] / "templates"
MOST_BYTES = 5_000_000
_MARKDOWN = re.compile(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w))")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
"""What no page may hold, and marks that would turn the direction of all text behind them."""


def sections(run: Run) -> list[Section]:
    """All of the report, as data."""
    stages, numbers = run_status(run), rounds(run)
    found = [
        glance(run, stages, numbers),
        funnel(stages, numbers),
        by_context(run, numbers),
        scores(run),
        opinion(run, numbers),
        length_and_novelty(run, numbers),
        varied(run, numbers),
        side_by_side(run, stages, numbers),
        evaluation(run),
        adapter(run),
        influence(run),
        costs(stages, numbers),
        examples(run, numbers),
    ]
    return [part for part in found if part is not None]


def write_report(run: Run, out: Path | None = None) -> tuple[Path, Path]:
    """Write the page and its twin; returns both paths. `out`: the page's file, instead of report.html of the run."""
    page = out or run.folder / "report.html"
    if page.suffix not in (".html", ".htm"):
        raise UserError(f"--out {page}: wanted a file that ends in .html: the twin beside it ends in .md")
    twin = page.with_suffix(".md")
    if out and twin.exists() and not page.exists():
        raise UserError(f"--out {page}: its twin {twin} would take the place of what is there: give another file")
    found = sections(run)
    for file, text in ((page, as_html(run.name, found)), (twin, as_markdown(run.name, found))):
        try:
            write_atomically(file, text.encode())
        except OSError as error:
            raise UserError(f"--out {page}: {file} cannot be written: {error.strerror}: give another file") from None
    return page, twin


def as_html(name: str, found: list[Section]) -> str:
    """The page. Text is escaped by the template engine; drawings are ours and are not."""
    style, script = (_file(name) for name in ("report.css", "report.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page: str = (
        _environment()
        .get_template("report.html.jinja")
        .render(name=name, sections=found, style=style, script=script, digest=digest)
    )
    if len(page.encode()) > MOST_BYTES:
        raise UserError(f"run {name!r}: its report has {len(page.encode()):,} bytes, wanted at most {MOST_BYTES:,}")
    return page


def as_markdown(name: str, found: list[Section]) -> str:
    text: str = _environment().get_template("report.md.jinja").render(name=name, sections=found)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@cache
def _environment() -> "Environment":
    """Pages escape by themselves; in markdown every word goes through `md`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"md": markdown_text, "clean": clean}
    return made


def clean(text: str) -> str:
    """Control characters become the sign for what cannot be shown."""
    return _CONTROL.sub("\ufffd", text)


def markdown_text(text: str) -> str:
    """Text that markdown shows as it is: nothing in it is a tag, a link, a table's edge or emphasis."""
    line = " ".join(clean(text).split())
    return _MARKDOWN.sub(r"\\\1", html.escape(line, quote=False)).replace("://", "&#58;//").replace("@", "&#64;")


def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").strip()
