"""From a matplotlib figure to an inline SVG that takes its colours and its font from the page around it.

Figures are drawn in a few stand-in colours; each becomes a CSS variable, so that one drawing serves light and dark.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, KEPT, DROPPED, OTHER = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", KEPT: "kept", DROPPED: "dropped", OTHER: "other"}
SERIES = (KEPT, DROPPED, OTHER, INK, MUTED)
"""Colours of lines, in order; each line has a dash of its own too, for those who do not tell colours apart."""
DASHES = ("-", "--", ":", "-.", (0, (1, 3)))
WIDTH = 4.2
"""Inches: 300 points, which a phone shows at about their own size."""

_STYLE = {
    "svg.fonttype": "none",  # text stays text: searchable, and in the reader's own font
    "text.parse_math": False,  # a dollar sign in the name of a task is a dollar sign
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "hatch.color": MUTED,
}


@contextmanager
def drawing(height: float, rows: int = 1, sharex: bool = False) -> Iterator[tuple["Figure", list["Axes"]]]:
    """A figure of one column and `rows` axes. No window system, no global state: the figure is this caller's alone."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(rows, 1, squeeze=False, sharex=sharex)
        yield figure, [row[0] for row in axes]


def inline_svg(figure: "Figure", key: str) -> str:
    """The figure as an <svg> element. `key`, one a figure, keeps the ids of two figures on one page apart."""
    import matplotlib

    sink = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": key}):
        figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _themed(_bare(sink.getvalue(), key))


def _bare(text: str, key: str) -> str:
    """Only the drawing: no prolog, metadata, style sheet, own size or id that nothing refers to."""
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text.replace("\n", " "), count=1)
    text = re.sub(r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text, count=1)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{key}-", text.replace("xlink:href", "href"))
    return re.sub(r"> +<", "><", re.sub(r" {2,}", " ", text))


def _themed(text: str) -> str:
    """Stand-in colours to CSS variables, the figure's font to the page's."""
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    return re.sub(r"font: (?:\w+ )*?([\d.]+)px [^;\"]*", r"font-size: \1px", text)
