"""The pictures of a report: numbers in, inline SVG out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.report.ink import DASHES, DROPPED, INK, KEPT, MUTED, OTHER, SERIES, drawing, inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]
Points = Sequence[tuple[float, float]]
Axis = tuple[str, Sequence[str]]
"""Title and names of the buckets."""
BINS = 30
DARKEST = 0.55
"""Of a heat map's cells: text on them stays readable, in light and in dark."""


def funnel_bars(key: str, levels: Sequence[tuple[str, int]], whole: bool) -> str:
    """A bar a step, centred, on a logarithmic scale: a step from a million to a hundred can be seen at all.

    `whole`: the last step is the corpus, and stands out.
    """
    widths = [np.log10(1 + number) for _, number in levels]
    with drawing(0.42 * len(levels) + 0.3) as (figure, (axes,)):
        axes.barh(range(len(levels)), widths, left=[-w / 2 for w in widths], height=0.72, color=KEPT, alpha=0.4)
        if whole:
            axes.barh(len(levels) - 1, widths[-1], left=-widths[-1] / 2, height=0.72, color=KEPT)
        edge = max([*widths, 1.0]) / 2
        for place, (name, number) in enumerate(levels):
            axes.text(-edge * 1.05, place, name, ha="right", va="center")
            axes.text(edge * 1.05, place, f"{number:,}", ha="left", va="center")
        axes.set(xlim=(-edge * 2.7, edge * 1.9), ylim=(len(levels) - 0.5, -0.5))
        axes.axis("off")
        return inline_svg(figure, key)


def bars(key: str, names: Sequence[str], heights: Mapping[str, Sequence[float]], x: str, y: str) -> str:
    """Bars side by side: one group a name, one colour a series."""
    hatches = ("", "///", "...")
    with drawing(2.6) as (figure, (axes,)):
        wide = 0.8 / max(len(heights), 1)
        for i, (label, values) in enumerate(heights.items()):
            places = [j + (i - (len(heights) - 1) / 2) * wide for j in range(len(names))]
            axes.bar(places, values, wide * 0.94, label=label, color=SERIES[i % 3], hatch=hatches[i % 3], alpha=0.8)
        axes.set(xlabel=x, ylabel=y, xticks=range(len(names)), xticklabels=names)
        axes.grid(axis="y")
        if len(heights) > 1:
            _legend(axes)
        return inline_svg(figure, key)


def distribution(
    key: str,
    all_scores: FloatArray,
    kept: FloatArray,
    thresholds: Mapping[str, float],
    curves: Mapping[str, Points],
) -> str:
    """Above: scores of the stored pairs, those accepted filled, thresholds as lines. Below: the yield as each moves."""
    rows = 2 if curves else 1
    with drawing(1.8 * rows, rows, sharex=True) as (figure, axes):
        edges = _edges(all_scores)
        axes[0].hist(all_scores, edges, histtype="stepfilled", color=MUTED, alpha=0.3, label="judged")
        axes[0].hist(kept, edges, color=KEPT, label="kept by all filters")
        axes[0].set_ylabel("pairs")
        _logarithmic(axes[0])
        for i, (name, points) in enumerate(curves.items()):
            axes[-1].plot(*zip(*points, strict=True), color=SERIES[i], linestyle=DASHES[i], label=name)
            axes[-1].set(ylabel="kept if moved", ylim=(0, None))
        for each in axes:
            for i, value in enumerate(thresholds.values()):
                each.axvline(value, color=SERIES[i], linestyle=DASHES[i], linewidth=1)
            each.grid(axis="y")
            _legend(each)
        axes[-1].set_xlabel("score, and value of the threshold" if curves else "score")
        axes[-1].locator_params(axis="x", nbins=6)
        return inline_svg(figure, key)


def heat_map(
    key: str, counts: npt.NDArray[np.int64], x: tuple[str, Sequence[str]], y: tuple[str, Sequence[str]]
) -> str:
    """Counts as shades of one colour, with the numbers in the cells."""
    most = max(int(counts.max(initial=0)), 1)
    with drawing(3.6) as (figure, (axes,)):
        for (row, column), value in np.ndenumerate(counts):
            if value:
                shade = 0.12 + (DARKEST - 0.12) * value / most
                axes.fill_between([column, column + 1], row, row + 1, color=KEPT, alpha=shade, linewidth=0)
                axes.text(column + 0.5, row + 0.5, f"{value:,}", ha="center", va="center", fontsize=7)
        axes.set(xlim=(0, counts.shape[1]), ylim=(0, counts.shape[0]), xlabel=x[0], ylabel=y[0])
        axes.set_xticks(np.arange(len(x[1])) + 0.5, x[1], fontsize=7)
        axes.set_yticks(np.arange(len(y[1])) + 0.5, y[1], fontsize=7)
        return inline_svg(figure, key)


def lines(key: str, curves: Mapping[str, Points], x: str, y: str = "") -> str:
    """Curves over one axis, each with a colour and a dash of its own."""
    with drawing(2.6) as (figure, (axes,)):
        for i, (name, points) in enumerate(curves.items()):
            style = DASHES[i % len(DASHES)]
            mark = "o" if len(points) < 30 else None
            axes.plot(*zip(*points, strict=True), color=SERIES[i % 5], linestyle=style, label=name, marker=mark, ms=3)
        axes.set(xlabel=x, ylabel=y)
        axes.grid()
        if len(curves) > 1:
            _legend(axes)
        _whole_numbers(axes, curves)
        return inline_svg(figure, key)


def _edges(values: FloatArray) -> list[float]:
    return [float(edge) for edge in np.histogram_bin_edges(values, BINS)]


def _edges_at_zero(values: FloatArray) -> list[float]:
    """Bins of equal width, one of whose edges is 0: none holds values of both signs."""
    width = float(np.ptp([*values, 0.0])) / BINS or 1.0
    first, last = np.floor(values.min(initial=0.0) / width), np.ceil(values.max(initial=0.0) / width)
    return [float(place) * width for place in np.arange(first, last + 1)]


def _legend(axes: "Axes") -> None:
    """Above the axes, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8, borderaxespad=0.2)


def _logarithmic(axes: "Axes") -> None:
    """Up to ten as it is, then by powers of ten, written out."""
    from matplotlib.ticker import NullLocator, StrMethodFormatter

    axes.set_yscale("symlog", linthresh=10)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _whole_numbers(axes: "Axes", curves: Mapping[str, Points]) -> None:
    """Rounds and steps are whole: no tick between two of them."""
    from matplotlib.ticker import MaxNLocator

    if all(float(place).is_integer() for points in curves.values() for place, _ in points):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def intervals(key: str, rows: Sequence[tuple[str, float, float, float]], x: str) -> str:
    """A dot with its interval for each (name, value, low, high)."""
    with drawing(0.32 * len(rows) + 0.7) as (figure, (axes,)):
        for place, (_, value, low, high) in enumerate(rows):
            axes.plot([low, high], [place, place], color=MUTED, linewidth=3, alpha=0.6, solid_capstyle="round")
            axes.plot([value], [place], "o", color=KEPT)
        axes.set(xlabel=x, ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.grid(axis="x")
        return inline_svg(figure, key)


def extremes(key: str, values: FloatArray) -> str:
    """How influences are spread: those that harm and those that help, on one axis."""
    with drawing(2.2) as (figure, (axes,)):
        edges = _edges_at_zero(values)
        axes.hist(values[values < 0], edges, color=DROPPED, hatch="///", label="harms", alpha=0.8)
        axes.hist(values[values >= 0], edges, color=OTHER, label="helps", alpha=0.8)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set(xlabel="influence", ylabel="pairs")
        _logarithmic(axes)
        _legend(axes)
        return inline_svg(figure, key)
