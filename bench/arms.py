"""The two sides of every comparison, each in a process of its own.

An engine changes its process: vLLM pins threads to cores and replaces `torch.set_num_threads`. So that neither side
is measured in what the other left behind, each is a child process that waits while the other works.
"""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from pipeline.recipe import Recipe
from pipeline.stage import Batch, Output
from pipeline.teacher.decoder import Continuation, Decode, Request, Sampling

PAUSE_SECONDS = 0.5
"""Between two calls: idle OpenMP threads of the one side spin for a moment and would slow the other."""


@dataclass(frozen=True)
class Samples:
    """Texts of each context, and the tokens decoded for them: padding after a sequence's own end is not counted."""

    texts: list[list[str]]
    tokens: int


class Child:
    """An object in a fresh process. `child("method", ...)` gives the result and the seconds that it took there."""

    def __init__(self, kind: type, *arguments: object) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, kind, arguments), daemon=True)
        self._process.start()
        self.load_seconds = self._receive()[1]

    def __call__(self, method: str, *arguments: object) -> tuple[Any, float]:
        time.sleep(PAUSE_SECONDS)
        self._pipe.send((method, arguments))
        return self._receive()

    def _receive(self) -> tuple[Any, float]:
        try:
            result, seconds, trace = self._pipe.recv()
        except EOFError:
            raise RuntimeError("an arm's process died; is there enough memory for two teachers?") from None
        if trace:
            raise RuntimeError(f"an arm failed:\n{trace}")
        return result, seconds

    def close(self) -> None:
        self._pipe.close()
        self._process.join(timeout=20)
        if self._process.is_alive():
            self._process.terminate()


def _serve(pipe: Any, kind: type, arguments: Sequence[object]) -> None:
    """The child's life: build the object, then answer until the pipe is closed."""
    arm, seconds, trace = _attempt(kind, arguments)
    pipe.send((None, seconds, trace))
    while not trace:
        try:
            name, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(_attempt(getattr(arm, name), arguments))


def _attempt(work: Callable[..., Any], arguments: Sequence[object]) -> tuple[Any, float, str]:
    """The result, the seconds it took, and what was raised, as text."""
    started = time.perf_counter()
    try:
        return work(*arguments), time.perf_counter() - started, ""
    except Exception:
        return None, 0.0, traceback.format_exc()


class OurArm:
    """This project's vLLM decoder and the stages before the filters, as the recipe sets them."""

    def __init__(self, recipe: Recipe) -> None:
        from pipeline.plan import MapStep
        from pipeline.stages import generate_steps
        from pipeline.teacher.choose import decoder

        contexts, candidates = (step.stage for step in generate_steps(recipe) if isinstance(step, MapStep))
        self._contexts, self._candidates = contexts.open(), candidates.open()
        teacher = decoder(recipe.models.teacher, recipe.models.teacher_revision or "", recipe.engine)
        self._decode: Any = teacher.open()  # the same engine: a process has one

    def contexts(self, slots: pa.Table) -> Output:
        return self._contexts(Batch(0, slots))

    def candidates(self, contexts: pa.Table) -> Output:
        self._forget()
        return self._candidates(Batch(0, contexts))

    def decode(self, requests: Sequence[Request], sampling: Sampling) -> Samples:
        self._forget()
        return samples(self._decode(requests, sampling))

    def _forget(self) -> None:
        """No call profits from the prompts that an earlier one has read."""
        if hasattr(self._decode, "llm"):
            self._decode.llm.reset_prefix_cache()


def samples(answers: Sequence[Sequence[Continuation]]) -> Samples:
    texts = [[sample.text.strip() for sample in answer] for answer in answers]
    return Samples(texts, sum(sample.decoded for answer in answers for sample in answer))


class TransformersArm:
    """`model.generate` as a user would write it, in float32 and bfloat16, and our own transformers decoder."""

    DTYPES = ("float32", "bfloat16")

    def __init__(self, recipe: Recipe) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, logging

        from pipeline.teacher.loading import files
        from pipeline.teacher.steering import Vocabulary

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self._path = files(recipe.models.teacher, recipe.models.teacher_revision or "").path
        self._tokenizer = AutoTokenizer.from_pretrained(self._path)
        self._models = {
            name: AutoModelForCausalLM.from_pretrained(self._path, dtype=getattr(torch, name)).eval()
            for name in self.DTYPES
        }
        vocabulary = Vocabulary(self._tokenizer, len(self._tokenizer))
        self._newlines = [[token] for token in vocabulary.newlines.tolist()]
        self._end = vocabulary.end
        self._recipe = recipe
        self._own: Decode | None = None

    def plain(self, dtype: str, requests: Sequence[Request], sampling: Sampling) -> Samples:
        """One context after the other; n sequences of each at once."""
        found = [self._generate(self._models[dtype], request, sampling) for request in requests]
        texts = [self._tokenizer.batch_decode(ids, skip_special_tokens=True) for ids in found]
        return Samples(texts, sum(len(row) for ids in found for row in ids))

    def own(self, requests: Sequence[Request], sampling: Sampling) -> Samples:
        """Our transformers decoder: the reference that vLLM's is tested against."""
        from pipeline.teacher.transformers_decoder import TransformersDecoder

        engine = replace(self._recipe.engine, decoder="transformers")
        self._own = self._own or TransformersDecoder(self._recipe.models.teacher, "", engine).open()
        return samples(self._own(requests, sampling))

    def _generate(self, model: Any, request: Request, sampling: Sampling) -> list[list[int]]:
        """The new tokens of each sequence, up to and with its own end.

        top_k=0 for the published distribution, which has no top-k. The n-gram ban of transformers looks at the prompt
        too; it is what the option does, so it is left so.
        """
        import torch

        torch.manual_seed(request.seed)
        inputs = self._tokenizer(request.text, return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(
                **inputs,
                num_return_sequences=sampling.n,
                do_sample=True,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=0,
                no_repeat_ngram_size=sampling.no_repeat_ngram,
                bad_words_ids=self._newlines,
                max_new_tokens=sampling.max_tokens,
                eos_token_id=self._end,
                pad_token_id=self._end,
            )
        return [self._up_to_end(row) for row in output[:, inputs["input_ids"].shape[1] :].tolist()]

    def _up_to_end(self, ids: list[int]) -> list[int]:
        return ids[: ids.index(self._end) + 1] if self._end in ids else ids
