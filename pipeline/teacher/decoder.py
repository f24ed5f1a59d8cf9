"""What a decoder is: a frozen spec that opens into a function from requests to sampled sentences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass as plain
from typing import Literal, Protocol

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from pipeline.errors import UserError

STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class DecoderError(UserError):
    """A decoder cannot be opened, or was asked for what it cannot do."""


@dataclass(frozen=True, config=STRICT)
class Constraints:
    """vLLM's own constraints, passed through. At most one of regex, grammar and choice.

    Source: vLLM structured outputs and sampling parameters; `transformers` decoders take bad words, logit bias and
    min/max tokens only.
    """

    regex: str | None = None
    """A regular expression that candidates match."""
    grammar: str | None = None
    """A grammar that candidates follow, in EBNF."""
    choice: tuple[str, ...] = ()
    """The only texts that may be written."""
    bad_words: tuple[str, ...] = ()
    """What may not be written."""
    logit_bias: dict[str, float] = Field(default_factory=dict)
    """Text of one token, and what is added to its logit."""

    @property
    def structured(self) -> bool:
        return bool(self.regex or self.grammar or self.choice)


@dataclass(frozen=True, config=STRICT)
class Sampling:
    """How continuations are sampled. Defaults: 2305.16635 v4, candidates, with fewer samples."""

    n: int = Field(default=64, ge=1, le=4096)
    """Candidates of each context."""
    temperature: float = Field(default=0.7, ge=0.0, le=5.0)
    """Sampling temperature of candidates."""
    top_p: float = Field(default=0.9, gt=0.0, le=1.0)
    """Nucleus mass of candidates."""
    min_tokens: int = Field(default=0, ge=0)
    """Fewest tokens of a candidate."""
    max_tokens: int = Field(default=64, ge=1, le=4096)
    """Most tokens of a candidate."""
    no_repeat_ngram: int = Field(default=3, ge=0, le=10)
    """No run of so many tokens twice in a candidate, whatever its context has; 0: may be."""
    ban_newline: bool = True
    """Never write a line break."""
    stop_at_sentence: bool = True
    """End decoding inside the engine when the sentence has ended."""
    constraints: Constraints = Field(default_factory=Constraints)
    """vLLM's own constraints."""


@dataclass(frozen=True, config=STRICT)
class Engine:
    """Where and how the teacher runs; decides speed, not the distribution (dtype aside)."""

    decoder: Literal["auto", "vllm", "transformers"] = "auto"
    """auto: vLLM where it knows the architecture."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Arithmetic of the teacher."""
    max_sequences: int = Field(default=256, ge=1)
    """Sequences decoded at once."""
    max_context_tokens: int = Field(default=512, ge=16)
    """Context and continuation together; at most the model's own window."""
    kv_cache_gb: float = Field(default=3.0, gt=0)
    """Memory for keys and values on processors."""
    gpu_memory_share: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes."""


@plain(frozen=True)
class Request:
    """One context to be continued `n` times; sample i draws from seed + i."""

    text: str
    seed: int
    keywords: tuple[str, ...] = ()  # sequential mode: to be found in every continuation
    sentences: int = 1  # end decoding after so many, where sampling.stop_at_sentence


@plain(frozen=True)
class Continuation:
    """One sampled continuation. `logprob` sums the kept tokens under the unmodified model, in nats.

    `text` keeps the space that it begins with: " has" is a word of its own after the context, "'s" is not.
    """

    text: str
    logprob: float
    tokens: int  # kept: those the text is made of
    decoded: int  # decoded: kept + look-ahead + end token
    ended: Literal["sentence", "length", "stop"]
    seed: int


def check_room(window: int, sampling: Sampling) -> None:
    """Some context must fit before the tokens that are to be written."""
    if sampling.max_tokens >= window:
        raise DecoderError(
            f"max_tokens {sampling.max_tokens} leaves no room for a context in a window of {window} tokens; lower it "
            "(sampling.max_tokens, contexts.teacher.max_tokens), or raise engine.max_context_tokens"
        )


Decode = Callable[[Sequence[Request], Sampling], list[list[Continuation]]]
"""Requests in, for each its n continuations, in sample order."""


class Decoder(Protocol):
    """A frozen spec of a language model that continues text."""

    def fingerprint(self) -> str:
        """Model, revision, weights' type and library: what a candidate's `writer` column says."""

    def open(self) -> Decode:
        """Load the model, once a worker."""
