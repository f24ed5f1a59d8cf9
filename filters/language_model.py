"""What every filter that asks a small language model takes: which one, and how it computes."""

from typing import ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import Cost, Role
from filters.batches import of_worker
from filters.models import EMBEDDED_FLUENCY
from filters.nli_back_ends import BackEnd
from filters.token_likelihood import TOKEN_BUDGET, Reader, open_reader


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OfLanguageModel:
    """A filter says what it makes of the answers. Those alike in these fields share one set of weights a process, and
    one memory of sentences.
    """

    cost: ClassVar[Cost] = "model"
    role: ClassVar[Role | None] = "fluency"

    model: str = EMBEDDED_FLUENCY
    revision: str = ""
    token_budget: int = Field(default=TOKEN_BUDGET, ge=1, le=1 << 20)
    threads: int = Field(default=0, ge=0, le=256)  # 0: those of the worker
    back_end: BackEnd = "auto"

    def reader(self, device: str) -> Reader:
        """Each token's likelihood, for the filters that need it; weights are loaded at the first sentence."""
        own = (self.model, self.revision, self.token_budget, of_worker(self.threads))
        return open_reader(*own, device, self.back_end)
