"""Decoding on vLLM, in process. The only file that imports vllm; import it late, it takes seconds.

One request a context with n samples: the children are scheduled together and share the prefix's cache, which needs
blocks smaller than a context (32 tokens: 2.3 times the tokens a second of 128 on a CPU, docs/lab-book.md).
"""

import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from pydantic.dataclasses import dataclass

from pipeline.teacher.decoder import (
    STRICT,
    Continuation,
    Decode,
    DecoderError,
    Engine,
    Request,
    Sampling,
    check_room,
)
from pipeline.teacher.keywords import Keywords
from pipeline.teacher.loading import TeacherFiles, device_of, dtype_of, files, window
from pipeline.teacher.nucleus import keep_nucleus
from pipeline.teacher.steering import Row, Vocabulary, steer

BLOCK_TOKENS = 32  # the smallest that vLLM's CPU attention takes

_SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # a worker holds its own engine; a second process loads 8 times slower
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the V2 runner has no place for custom logits processors
    "VLLM_LOGGING_LEVEL": "ERROR",
}


def available() -> bool:
    return importlib.util.find_spec("vllm") is not None


def knows(architecture: str) -> bool:
    """Whether vLLM has the model class. Read from its registry's file: importing vllm takes 8 seconds."""
    found = importlib.util.find_spec("vllm")
    if found is None or not found.submodule_search_locations:
        return False
    registry = Path(found.submodule_search_locations[0]) / "model_executor" / "models" / "registry.py"
    return f'"{architecture}"' in registry.read_text(encoding="utf-8")


def _set_environment(engine: Engine) -> None:
    """vLLM reads these at import, so they are set before it; what the user has set stays."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if device_of(engine) == "cpu":
        os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")  # saves 17 s at the first log-probabilities


@dataclass(frozen=True, config=STRICT)
class VllmDecoder:
    """A causal language model on vLLM: hub id, local folder or embedded."""

    model: str
    revision: str = ""
    engine: Engine = Engine()

    def fingerprint(self) -> str:
        found = files(self.model, self.revision)
        return f"{self.model}@{found.revision}/{dtype_of(self.engine)}/vllm"

    def open(self) -> Decode:
        return _open(self)


@lru_cache(maxsize=1)
def _open(spec: VllmDecoder) -> Decode:
    """One engine a process: contexts and candidates share it where both stages run in one."""
    found = files(spec.model, spec.revision)
    _set_environment(spec.engine)
    with _contained():
        from vllm import LLM

        try:
            llm = LLM(**_arguments(found, spec.engine), logits_processors=[_steering_class(), _nucleus_class()])
        except (OSError, ValueError, RuntimeError) as error:
            raise DecoderError(
                f"teacher {spec.model}: vLLM cannot load it: {_first_line(error)}; "
                'try [engine] decoder = "transformers"'
            ) from error
    return _Session(llm, window(found, spec.engine))


@contextmanager
def _contained() -> Iterator[None]:
    """Without the notes of vLLM's dependencies on what is deprecated or not installed, and without its mark on torch.

    vLLM puts a function that does nothing in place of `torch.set_num_threads`; later stages in this process need the
    real one, for their threads are fixed by the recipe.
    """
    logging.getLogger("torch._library.triton").setLevel(logging.ERROR)
    set_threads = torch.set_num_threads
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        torch.set_num_threads = set_threads


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _arguments(found: TeacherFiles, engine: Engine) -> dict[str, Any]:
    on_cpu = device_of(engine) == "cpu"
    return {
        "model": found.path,
        "revision": found.revision if found.is_hub else None,
        "dtype": dtype_of(engine),
        "max_model_len": window(found, engine),
        "max_num_seqs": engine.max_sequences,
        "max_num_batched_tokens": max(8192, window(found, engine)),
        "block_size": BLOCK_TOKENS,
        "enable_prefix_caching": True,
        # a seeded request whose prompt is prefilled in parts breaks on a CPU (its generator has no offset to rewind)
        "enable_chunked_prefill": not on_cpu,
        "async_scheduling": False,  # processors must see every token that was sampled
        "enforce_eager": on_cpu,
        "gpu_memory_utilization": engine.gpu_memory_share,
        "kv_cache_memory_bytes": int(engine.kv_cache_gb * 2**30) if on_cpu else None,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "seed": 0,
    }


class _Session:
    """An open engine: requests in, continuations out."""

    def __init__(self, llm: Any, window_tokens: int) -> None:
        self.llm = llm
        self.window = window_tokens
        self.tokenizer = llm.get_tokenizer()
        self.vocabulary = Vocabulary(self.tokenizer, len(self.tokenizer))

    def __call__(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Continuation]]:
        check_room(self.window, sampling)
        prompts = [self.vocabulary.prompt(request.text) for request in requests]
        fits = [i for i, ids in enumerate(prompts) if len(ids) <= self.window - sampling.max_tokens]
        answers: list[list[Continuation]] = [[] for _ in requests]
        outputs = self.llm.generate(
            [{"prompt_token_ids": prompts[i]} for i in fits],
            [self._parameters(requests[i], sampling) for i in fits],
            use_tqdm=False,
        )
        for i, output in zip(fits, outputs, strict=True):
            answers[i] = [
                self._continuation(sample, requests[i].seed + sample.index)
                for sample in sorted(output.outputs, key=lambda sample: int(sample.index))
            ]
        return answers

    def _parameters(self, request: Request, sampling: Sampling) -> Any:
        from vllm import SamplingParams

        limits = sampling.constraints
        return SamplingParams(
            n=sampling.n,
            seed=request.seed,
            temperature=sampling.temperature,
            max_tokens=sampling.max_tokens,
            min_tokens=sampling.min_tokens if limits.structured else 0,
            logprobs=0,
            bad_words=list(limits.bad_words) or None,
            logit_bias={self.vocabulary.single(text): bias for text, bias in limits.logit_bias.items()} or None,
            structured_outputs=_structured(sampling),
            extra_args={
                "steer": (sampling, request.sentences, self.vocabulary.spellings(request.keywords)),
                "top_p": sampling.top_p,
            },
        )

    def _continuation(self, sample: Any, seed: int) -> Continuation:
        ids = list(sample.token_ids)
        logprobs = [step[token].logprob for token, step in zip(ids, sample.logprobs, strict=True)]
        kept = len(ids) - 1 if ids and ids[-1] == self.vocabulary.end else len(ids)
        return Continuation(
            text=self.vocabulary.continuation(ids[:kept]),
            logprob=float(sum(logprobs[:kept])),
            tokens=kept,
            decoded=len(ids),
            ended="length" if kept == len(ids) else "sentence",
            seed=seed,
        )


def _structured(sampling: Sampling) -> Any:
    from vllm.sampling_params import StructuredOutputsParams

    limits = sampling.constraints
    if not limits.structured:
        return None
    return StructuredOutputsParams(regex=limits.regex, grammar=limits.grammar, choice=list(limits.choice) or None)


def _steering_class() -> type:
    """vLLM wants a class, and its base class can only be named once vLLM is imported."""
    from vllm.v1.sample.logits_processor import LogitsProcessor

    class Steering(LogitsProcessor):  # type: ignore[misc]
        """Applies `steer` to the rows of the running batch. Interface: vLLM v1 custom logits processors."""

        def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
            from vllm.tokenizers import cached_tokenizer_from_config

            config = vllm_config.model_config
            self.rows: dict[int, Row] = {}
            self.vocabulary = Vocabulary(cached_tokenizer_from_config(config), config.get_vocab_size())

        def is_argmax_invariant(self) -> bool:
            return False

        def update_state(self, batch_update: Any) -> None:
            _follow(self.rows, batch_update, _row)

        def apply(self, logits: torch.Tensor) -> torch.Tensor:
            return steer(logits, sorted(self.rows.items()), self.vocabulary)

    return Steering


def _nucleus_class() -> type:
    from vllm.v1.sample.logits_processor import LogitsProcessor

    class Nucleus(LogitsProcessor):  # type: ignore[misc]
        """Exact top-p without a sort, in place of vLLM's own. It runs after temperature."""

        def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
            self.rows: dict[int, float] = {}

        def is_argmax_invariant(self) -> bool:
            return True  # the most probable token is always in the nucleus

        def update_state(self, batch_update: Any) -> None:
            _follow(self.rows, batch_update, lambda params, _: (params.extra_args or {}).get("top_p"))

        def apply(self, logits: torch.Tensor) -> torch.Tensor:
            if not self.rows:
                return logits
            shares = [self.rows.get(i, 1.0) for i in range(logits.shape[0])]
            return keep_nucleus(logits, torch.tensor(shares, device=logits.device))

    return Nucleus


def _row(params: Any, output_ids: list[int]) -> Row | None:
    """The steering state of a new sequence. A grammar steers alone: with it, none of our rules apply."""
    steering = (params.extra_args or {}).get("steer")
    if steering is None or steering[0].constraints.structured:
        return None
    sampling, sentences, spellings = steering
    return Row(output_ids, sampling, Keywords(spellings) if spellings else None, sentences)


def _follow(rows: dict[int, Any], update: Any, make: Any) -> None:
    """Keep `rows` (batch index -> state) in step with vLLM's batch: removed, then added, then moved."""
    if update is None:
        return
    for index in update.removed:
        rows.pop(index, None)
    for index, params, _, output_ids in update.added:
        state = make(params, output_ids)
        rows.pop(index, None)
        if state is not None:
            rows[index] = state
    for a, b, direction in update.moved:
        first, second = rows.pop(a, None), rows.pop(b, None)
        if first is not None:
            rows[b] = first
        if second is not None and direction.name == "SWAP":
            rows[a] = second
