"""Entailment by an NLI model, one way or the other (Impossible Distillation: 0.75; a paraphrase needs both)."""

from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role, Scorer
from filters.batches import of_worker
from filters.models import EMBEDDED_JUDGE
from filters.nli_back_ends import JudgeBackEnd
from filters.nli_judge import FRAME, TOKEN_BUDGET, Ask, JudgeSpec, NliJudge, open_judge
from filters.pairwise import at_least


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Entailment:
    """P(source entails target), in 0..1. Null where either is null or blank.

    `back_end`: the arithmetic; auto is bf16 where the device computes it, else fp32. int8, for CPUs with AVX-512's VNNI
    and bfloat16, is 1.3 (nli-minilm) to 1.6 times as fast (nli-mpnet), and asks once more in bf16 where a score is near
    `min_probability`. Its scores are for that threshold alone: a dry run cannot move it, and another one asks about all
    pairs anew.

    Source: Impossible Distillation, filters (0.75, by RoBERTa-large trained on WANLI).
    Why: the published value is the default. The news recipe asks nli-mpnet for 0.95 of a summary, for a
    precision of .9 on pairs that were read (data/readings, `make bench-readings`), and for 0.87 of a paraphrase: of 28
    that a run accepted at 0.75, 9 of 10 were right from there on, 9 of 18 below.
    """

    name: ClassVar[str] = "entailment"
    cost: ClassVar[Cost] = "model"
    role: ClassVar[Role | None] = "judge"
    premise: ClassVar[str] = "source"
    hypothesis: ClassVar[str] = "target"

    model: str = EMBEDDED_JUDGE
    revision: str = ""
    min_probability: float = Field(default=0.75, ge=0, le=1)
    entailment_label: str | None = None
    token_budget: int = Field(default=TOKEN_BUDGET, ge=1, le=1 << 20)
    threads: int = Field(default=0, ge=0, le=256)  # 0: those of the worker
    back_end: JudgeBackEnd = "auto"
    frame: str = Field(default="", pattern=FRAME)  # a statement with {} for each sentence: "We know the answer to: {}"

    def open(self, device: str) -> Scorer:
        ask = self.ask(device).at(self.min_probability)
        return lambda rows: probabilities(rows, ask, self.premise, self.hypothesis)

    @property
    def scored_by(self) -> tuple[str, ...]:
        """Thresholds on which the scores hang too: int8 looks twice near its own."""
        return ("min_probability",) if self.back_end == "int8" else ()

    def ask(self, device: str) -> NliJudge:
        """The model itself: pairs of texts in, probabilities out."""
        own = (self.model, self.revision, self.entailment_label, self.token_budget, of_worker(self.threads))
        return open_judge(JudgeSpec(*own, device, self.back_end, self.frame))

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, self.min_probability)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ReverseEntailment(Entailment):
    """P(target entails source), in 0..1. Null where either is null or blank.

    Source: Impossible Distillation, filters (0.75, for paraphrases).
    Why: as for `entailment`. Asked second, so only about pairs that hold forward.
    """

    name: ClassVar[str] = "reverse_entailment"
    premise: ClassVar[str] = "target"
    hypothesis: ClassVar[str] = "source"


def probabilities(rows: pa.Table, ask: Ask, premise: str, hypothesis: str) -> pa.Array:
    """Ask about every row that has text on both sides."""
    texts = list(zip(rows.column(premise).to_pylist(), rows.column(hypothesis).to_pylist(), strict=True))
    askable = np.array([has_text(a) and has_text(b) for a, b in texts], dtype=bool)
    scores = np.zeros(len(texts), dtype=np.float32)
    scores[askable] = ask([texts[row] for row in np.flatnonzero(askable)])
    return pa.array(scores, pa.float32(), mask=~askable)


def has_text(text: str | None) -> bool:
    return text is not None and bool(text.strip())
