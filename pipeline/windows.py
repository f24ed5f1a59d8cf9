"""Contexts from the user's own text: windows of consecutive sentences, and an account of all that is left out."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import nupunkt
import pyarrow as pa

from pipeline.contexts import closed
from pipeline.reading import Row, SourceError, read
from pipeline.recipe_sections import Contexts
from pipeline.records import CONTEXT, context_id, spaced_seed
from pipeline.stage import Output

ASIDE = pa.schema([("unit", pa.string()), ("row", pa.int64()), ("text", pa.string()), ("reason", pa.string())])
"""What is set aside: whole rows (unit "row") and sentences ("sentence"); text is cut at SHOWN characters."""

SHOWN = 500
ROWS_PER_OUTPUT = 1000
MIN_CHARACTERS = 3

_CLOSERS = "\"'”’)\\]»"
_END = re.compile(rf"[.?!][{_CLOSERS}]*$")
_BREAK = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_SPACE = re.compile(r"\s+")
_MOST_QUOTED = 5


@dataclass(frozen=True)
class Cut:
    """How text is cut. Lengths are drawn from `seed` and the window's first sentence, from nothing else."""

    seed: int
    min_sentences: int = 1
    max_sentences: int = 5
    max_characters: int = 1500
    closings: tuple[str, ...] = ()

    def text(self, window: Sequence[str]) -> str:
        """The context that a window makes: its sentences and, where there are closings, one of them."""
        return closed(" ".join(window), self.closings, spaced_seed(self.seed, "closings", window[0]))

    def length(self, first_sentence: str) -> int:
        """How many sentences a window that starts here has, at most."""
        drawn = spaced_seed(self.seed, "windows", first_sentence) >> 20
        return self.min_sentences + drawn % (self.max_sentences - self.min_sentences + 1)


def cut_source(settings: Contexts, seed: int) -> Iterator[Output]:
    """The contexts of a recipe whose source is the user's own text. SourceError if not one comes of it."""
    rows = read(settings.source, settings.text.column, settings.text.format)
    cut = Cut(seed, settings.min_sentences, settings.max_sentences, settings.text.max_characters, settings.closings)
    made, left_out = 0, Counter[str]()
    for output in contexts(rows, settings.source, cut, settings.count):
        made += output.table.num_rows
        left_out.update({key: n for key, n in output.counts.items() if key.startswith("rows/dropped/")})
        yield output
    if not made:
        why = (
            ", ".join(f"{n} {key.removeprefix('rows/dropped/')}" for key, n in left_out.most_common()) or "it is empty"
        )
        raise SourceError(
            f"{settings.source}: no context came of its rows ({why}); wanted sentences that end in . ? or !"
        )


def contexts(rows: Iterable[Row], origin: str, cut: Cut, count: int | None = None) -> Iterator[Output]:
    """Windows of the rows as tables of CONTEXT rows, ROWS_PER_OUTPUT input rows at a time, until `count` are made.

    Counts balance: rows/in = rows/out + all rows/dropped/<reason>, and the same for sentences/. A row is out when
    a window came of it. Memory holds one output and the ids of the windows so far.
    """
    seen: set[int] = set()
    ledger = _Ledger(origin)
    for number, row in enumerate(rows, 1):
        wanted = None if count is None else count - len(seen)
        _take(row, cut, wanted, seen, ledger)
        if count is not None and len(seen) >= count:
            break
        if number % ROWS_PER_OUTPUT == 0:
            yield ledger.output()
            ledger = _Ledger(origin)
    if ledger.counts:
        yield ledger.output()


def _take(row: Row, cut: Cut, wanted: int | None, seen: set[int], ledger: "_Ledger") -> None:
    """Enter one row: its windows, and what is left out of it with the reasons."""
    if row.reason or row.text is None or not row.text.strip():
        ledger.drop_row(row, row.reason or "blank")
        return
    reasons: Counter[str] = Counter()
    made = 0
    for window, reason in windows(sentences(row.text), cut):
        text = cut.text(window)
        key = int(context_id(text)[:16], 16)
        if reason is None and key in seen:
            reason = "duplicate"
        if reason is None and wanted is not None and made >= wanted:
            reason = "not_wanted"  # enough contexts already
        if reason is None:
            seen.add(key)
            made += 1
            ledger.keep(text, len(window))
        else:
            reasons[reason] += len(window)
            ledger.drop_sentences(row.number, window, reason)
    if made:
        ledger.keep_row()
    else:
        ledger.drop_row(row, max(reasons, key=reasons.__getitem__, default="blank"))


def sentences(text: str) -> list[str]:
    """The sentences of a text. A line break ends one; a quotation is not cut in the middle."""
    lines = (_SPACE.sub(" ", line).strip() for line in _BREAK.split(text))
    return [sentence for line in lines if line for sentence in _whole_quotations(_split(line))]


def _split(line: str) -> list[str]:
    """nupunkt finds the boundaries of pysbd and more, forty times as fast; it knows decimals and abbreviations."""
    return [part for start, end in nupunkt.sent_spans(line) if (part := line[start:end].strip())]


def _whole_quotations(parts: Sequence[str]) -> Iterator[str]:
    """Put together the sentences of one quotation; one that does not end within _MOST_QUOTED is a stray mark."""
    start = 0
    while start < len(parts):
        ends = range(start + 1, min(start + _MOST_QUOTED, len(parts)) + 1)
        end = next((end for end in ends if not _is_open(" ".join(parts[start:end]))), start + 1)
        yield " ".join(parts[start:end])
        start = end


def _is_open(text: str) -> bool:
    """Whether a double quotation begins in `text` and does not end in it."""
    return text.count('"') % 2 == 1 or text.count("“") > text.count("”")


def windows(parts: Iterable[str], cut: Cut) -> Iterator[tuple[list[str], str | None]]:
    """Windows of consecutive qualifying sentences (None), and the sentences left out, each with its reason.

    Every sentence comes exactly once. A sentence left out ends the window before it.
    """
    window: list[str] = []
    for part in parts:
        reason = disqualified(part, cut.max_characters)
        is_full = window and (
            len(window) == cut.length(window[0]) or len(" ".join([*window, part])) > cut.max_characters
        )
        if window and (reason or is_full):
            yield window, _too_few(window, cut)
            window = []
        if reason:
            yield [part], reason
        else:
            window.append(part)
    if window:
        yield window, _too_few(window, cut)


def _too_few(window: list[str], cut: Cut) -> str | None:
    return "too_few" if len(window) < cut.min_sentences else None


def disqualified(sentence: str, max_characters: int) -> str | None:
    """Why a sentence does not qualify (2305.16635 v4, contexts: 3 characters, no newline, ends in . ? or !)."""
    if len(sentence) < MIN_CHARACTERS:
        return "too_short"
    if len(sentence) > max_characters:
        return "too_long"
    return None if _END.search(sentence) and not _BREAK.search(sentence) else "no_end"


@dataclass
class _Ledger:
    """The rows of one output while it is being filled."""

    origin: str
    counts: Counter[str] = field(default_factory=Counter)
    kept: list[dict[str, object]] = field(default_factory=list)
    aside: list[dict[str, object]] = field(default_factory=list)

    def keep(self, text: str, length: int) -> None:
        row = {"context_id": context_id(text), "text": text, "sentences": length, "origin": self.origin}
        self.kept.append({**row, "prefix": "", "seed": None})
        self.counts.update({"sentences/in": length, "sentences/out": length})

    def keep_row(self) -> None:
        self.counts.update(["rows/in", "rows/out"])

    def drop_row(self, row: Row, reason: str) -> None:
        self.counts.update(["rows/in", f"rows/dropped/{reason}"])
        self._set_aside("row", row.number, row.text, reason)

    def drop_sentences(self, number: int, parts: list[str], reason: str) -> None:
        self.counts.update({"sentences/in": len(parts), f"sentences/dropped/{reason}": len(parts)})
        for part in parts:
            self._set_aside("sentence", number, part, reason)

    def _set_aside(self, unit: str, number: int, text: str | None, reason: str) -> None:
        self.aside.append({"unit": unit, "row": number, "text": text and text[:SHOWN], "reason": reason})

    def output(self) -> Output:
        kept, aside = pa.Table.from_pylist(self.kept, CONTEXT), pa.Table.from_pylist(self.aside, ASIDE)
        return Output(kept, dict(self.counts), aside)
