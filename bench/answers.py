"""The judge's answers kept in a file, so that a benchmark that is run again asks only what is new."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filters.base import FilterError
from filters.batches import FloatArray
from filters.nli_judge import Ask, Pair

REVISION = b"judge"
AT_ONCE = 2000
"""Questions after which the file is written: what a stopped run keeps."""


@dataclass
class Answers:
    """An `Ask` with a memory. `revision` is that of the judge: a file of another judge is refused."""

    ask: Ask
    file: Path | None
    revision: str
    known: dict[Pair, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is None or not self.file.exists():
            return
        found = pq.read_table(self.file)
        if (found.schema.metadata or {}).get(REVISION) != self.revision.encode():
            raise FilterError(f"{self.file}: answers of another judge; wanted {self.revision}; name another file")
        premises, hypotheses, values = (found[name].to_pylist() for name in ("premise", "hypothesis", "probability"))
        self.known.update(zip(zip(premises, hypotheses, strict=True), values, strict=True))

    def __call__(self, pairs: Sequence[Pair]) -> FloatArray:
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self.known]
        for start in range(0, len(new), AT_ONCE):
            part = new[start : start + AT_ONCE]
            self.known.update(zip(part, self.ask(part).tolist(), strict=True))
            self._write()
        return np.array([self.known[pair] for pair in pairs], dtype=np.float32)

    def _write(self) -> None:
        """Aside, then renamed."""
        if self.file is None:
            return
        premises, hypotheses = ([pair[i] for pair in self.known] for i in (0, 1))
        columns = {"premise": premises, "hypothesis": hypotheses, "probability": list(self.known.values())}
        aside = self.file.with_name(self.file.name + ".part")
        pq.write_table(pa.table(columns).replace_schema_metadata({REVISION: self.revision}), aside)
        aside.replace(self.file)
