"""What a report is made of: sections of notes, tables, pictures and examples. The page and its markdown twin both
show these blocks, so neither tells anything that the other does not."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

import numpy as np

_NUMBER = re.compile(
    r"-|[-+]?[\d,.]+(?:e[-+]\d+)? ?(%|s|kB|MB)?( to [\d,.]+)?|[-+]?[\d.]+ \([-+]?[\d.]+ to [-+]?[\d.]+\)"
)

LONG_CELL = 40


@dataclass(frozen=True)
class Note:
    """A paragraph. `missing` marks one that says what is not there yet."""

    kind: ClassVar[str] = "note"
    text: str
    missing: bool = False


@dataclass(frozen=True)
class Table:
    """Cells are text; a column of nothing but numbers is set to the right, unless it is the first, which names rows."""

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.head)
        found = [bool(column) and all(_NUMBER.fullmatch(cell) for cell in column) for column in columns]
        return (False, *found[1:])

    @property
    def long(self) -> tuple[bool, ...]:
        """Columns with sentences in them: they are not squeezed on a narrow screen."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.head)
        return tuple(any(len(cell) > LONG_CELL for cell in column) for column in columns)


@dataclass(frozen=True)
class Picture:
    """A drawing as inline SVG, what it shows in words, and the numbers behind it."""

    kind: ClassVar[str] = "picture"
    title: str
    alt: str
    svg: str
    table: Table | None = None


@dataclass(frozen=True)
class Tiles:
    """The few figures that a reader looks for first: (figure, what it is)."""

    kind: ClassVar[str] = "tiles"
    tiles: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Example:
    """One pair that was kept or rejected, why, and what every filter said of it."""

    verdict: str  # "kept" or "rejected"
    reason: str
    task: str
    round: int
    pair_id: str
    source: str
    target: str
    scores: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Examples:
    """Pairs to look through, and the choices that narrow them down."""

    kind: ClassVar[str] = "examples"
    examples: tuple[Example, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(sorted({example.task for example in self.examples}))

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(sorted({example.reason for example in self.examples}))


Block = Note | Table | Picture | Tiles | Examples


@dataclass(frozen=True)
class Section:
    """One part of the report. `key` is its anchor."""

    key: str
    title: str
    blocks: tuple[Block, ...]

    @property
    def groups(self) -> list[tuple[str, list[Block]]]:
        """Neighbours of one kind together: pictures stand side by side where there is room."""
        return [(kind, list(blocks)) for kind, blocks in groupby(self.blocks, key=lambda block: block.kind)]


def section(key: str, title: str, *blocks: Block | None) -> Section:
    """A section of those blocks that there are."""
    return Section(key, title, tuple(block for block in blocks if block is not None))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    return Table(caption, tuple(head), tuple(tuple(cell(value) for value in row) for row in rows))


def records(caption: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """A table of rows by name; what a row does not have is a dash."""
    head = list(dict.fromkeys(name for row in rows for name in row))
    return table(caption, head, ([row.get(name) for name in head] for row in rows))


def cell(value: object) -> str:
    """A value as a person reads it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else str(value)


def short(value: float) -> str:
    """Up to three decimals, as few as it takes: a threshold, a score."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if np.isfinite(value) else str(value)


def number(value: float) -> str:
    """Three decimals below ten, one below a thousand, none above; very small ones as powers of ten."""
    if not np.isfinite(value):
        return str(value)
    size = abs(value)
    if size and size < 0.0005:
        return f"{value:.1e}"
    return f"{value:,.3f}" if size < 10 else f"{value:,.1f}" if size < 1000 else f"{value:,.0f}"
