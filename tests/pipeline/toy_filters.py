"""A judge without a model, that keeps a diary of what it was asked; and small recipes' worth of stages."""

import hashlib
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from filters.base import Cost, Panel, Role, Scorer
from filters.length import Length
from filters.overlap import Overlap
from filters.pairwise import at_least

SENTENCES = (
    "The city council approved the new budget for schools on Monday.",
    "The council of the city approved a new school budget on Monday.",
    "On Monday the city council approved the budget.",
    "The new budget for schools was approved by the council on Monday after a long debate about costs.",
    "The mayor said that the old bridge would be closed for repairs until the spring.",
    "The old bridge will be closed until the spring, the mayor said.",
    "Heavy rain flooded several streets near the river in the night.",
    "Several streets near the river were flooded by heavy rain.",
    "Short one.",
    "This one never comes to an end because",
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Diarist:
    """A probability from the hash of the pair. Null, and so never kept, where the source has "river" in it."""

    name: ClassVar[str] = "entailment"
    cost: ClassVar[Cost] = "model"
    role: ClassVar[Role | None] = None

    diary: str = ""
    min_probability: float = 0.5

    def open(self, device: str) -> Scorer:
        return self._score

    def _score(self, rows: pa.Table) -> pa.Array:
        texts = list(zip(rows["source"].to_pylist(), rows["target"].to_pylist(), strict=True))
        if self.diary:
            with Path(self.diary).open("a") as file:
                file.writelines(f"{source} | {target}\n" for source, target in texts)
        return pa.array(
            [None if "river" in source else chance(source, target) for source, target in texts], pa.float32()
        )

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, self.min_probability)


def chance(source: str, target: str) -> float:
    return hashlib.blake2b(f"{source}|{target}".encode()).digest()[0] / 255


def panels(diary: Path | str = "", min_probability: float = 0.5, max_rouge_l: float = 0.75) -> dict[str, Panel]:
    """Both tasks: cheap filters, then the diarist."""
    judge = Diarist(str(diary), min_probability)
    return {
        "paraphrase": Panel((Length(min_ratio=0.8, max_ratio=1.5), Overlap(max_rouge_l=max_rouge_l), judge)),
        "summary": Panel((Length(below_ratio=0.8), judge)),
    }


def asked(diary: Path) -> list[str]:
    return diary.read_text().splitlines() if diary.exists() else []
