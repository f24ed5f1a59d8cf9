"""No pair that a test set holds already: one goes when its source or target is a near copy of any test sentence.

What is a near copy is said in filters/near_copies.py. The words are compared without their order, so a test sentence
is also found when it was shuffled, or tokenised in another way.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import nupunkt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import FilterError
from filters.near_copies import CHUNK, Documents, Index, Words, chunks

TEXTS = ("source", "target")
ENDINGS = (".txt", ".jsonl", ".parquet")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Decontamination:
    """Drops pairs with a sentence that is near one of the files `against`: .txt, .jsonl, either packed (.gz), or
    .parquet. Every text in a file counts, whatever its column, whole and sentence by sentence.

    `min_jaccard`: words in common over all words, from which on two sentences are near copies.

    Source: ours; a corpus must not hold what its student is tested on.
    Why: as for `near_duplicates`. No test set is named by default, and then nothing goes.
    """

    name: ClassVar[str] = "decontamination"
    within: ClassVar[Literal["context_id"] | None] = "context_id"  # no verdict depends on another pair at all

    against: tuple[str, ...] = ()
    min_jaccard: float = Field(default=0.7, ge=0.5, le=1)

    def check(self) -> None:
        """Refuse a test set that is not there or cannot be read, and one without a text: it would drop nothing."""
        for file in self.against:
            if not any(_texts(Path(file).expanduser())):
                raise FilterError(
                    f"selector decontamination: {file} holds no text; wanted the sentences of a test set, "
                    "mend it or take it out of `against`"
                )

    def select(self, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        held = [sentence for file in self.against for sentence in held_out_sentences(file)]
        near = near_any(
            pa.concat_arrays([pairs.column(name).combine_chunks() for name in TEXTS]), held, self.min_jaccard
        )
        return pc.invert(pa.array(near.reshape(len(TEXTS), pairs.num_rows).any(axis=0), pa.bool_()))


def near_any(sentences: pa.Array, held: Sequence[str], min_jaccard: float) -> np.ndarray:
    """Which sentences are near copies of any that is held."""
    found = np.zeros(len(sentences), dtype=bool)
    distinct = pa.array(dict.fromkeys(held), sentences.type)
    if not len(distinct) or not len(sentences):
        return found
    documents = Documents([Words.of(pa.concat_arrays([distinct, sentences]))], min_jaccard)
    index = Index(documents)
    for rows in chunks(len(distinct), CHUNK):
        stored = documents.filled(rows)
        index.add(stored, documents.signatures(stored))
    for rows in chunks(len(sentences), CHUNK):
        asked = documents.filled(rows + len(distinct))
        found[index.near(asked, documents.signatures(asked)).near - len(distinct)] = True
    return found


def held_out_sentences(file: str) -> Iterator[str]:
    """Every text of a test set, and where it is of several sentences, each of them too."""
    for text in _texts(Path(file).expanduser()):
        sentences = [str(part).strip() for part in nupunkt.sent_tokenize(text)]
        yield text
        if len(sentences) > 1:
            yield from sentences


def _texts(path: Path) -> Iterator[str]:
    name = path.name.lower().removesuffix(".gz")
    if not name.endswith(ENDINGS):
        raise FilterError(
            f"selector decontamination: {path}: wanted a file {', '.join(ENDINGS)} (the first two also .gz)"
        )
    if not path.is_file():
        raise FilterError(f"selector decontamination: {path}: no such file; check the path in `against`")
    try:
        if name.endswith(".parquet"):
            yield from _of_values(pq.read_table(path).to_pylist())
            return
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig") as lines
        ):
            filled = (line for line in lines if line.strip())
            yield from _of_values(map(json.loads, filled) if name.endswith(".jsonl") else filled)
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FilterError(
            f"selector decontamination: {path} cannot be read ({why}); check the path and the file"
        ) from None


def _of_values(values: Iterable[object]) -> Iterator[str]:
    """The texts in plain data, however deep: rows of a table, lists of sentences."""
    for value in values:
        if isinstance(value, str):
            yield value.strip()
        elif isinstance(value, dict):
            yield from _of_values(value.values())
        elif isinstance(value, list):
            yield from _of_values(value)
