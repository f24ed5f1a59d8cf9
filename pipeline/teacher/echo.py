"""A decoder without a model: it writes sentences of a list, chosen by seed. For tests, and for trying a recipe out."""

import random
from collections.abc import Sequence

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.records import content_id
from pipeline.teacher.decoder import STRICT, Continuation, Decode, Request, Sampling


@dataclass(frozen=True, config=STRICT)
class EchoDecoder:
    """Sample i of a request is drawn from seed + i alone. A word counts as a token."""

    sentences: tuple[str, ...]
    window: int = Field(default=512, ge=1)  # longest context, in words

    def fingerprint(self) -> str:
        return f"echo@{content_id(*self.sentences)}"

    def open(self) -> Decode:
        return self._decode

    def _decode(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Continuation]]:
        fits = [len(request.text.split()) <= self.window for request in requests]
        return [
            [self._one(request, sampling, request.seed + i) for i in range(sampling.n)] if fit else []
            for request, fit in zip(requests, fits, strict=True)
        ]

    def _one(self, request: Request, sampling: Sampling, seed: int) -> Continuation:
        draw = random.Random(seed)
        words = " ".join(draw.choice(self.sentences) for _ in range(request.sentences)).split()
        kept = words[: sampling.max_tokens]
        is_whole = kept == words and words[-1:] != [] and words[-1][-1] in ".?!"
        return Continuation(
            text=" " + " ".join(kept),
            logprob=-0.5 * len(kept),
            tokens=len(kept),
            decoded=len(kept) + is_whole,
            ended="sentence" if is_whole else "length",
            seed=seed,
        )
