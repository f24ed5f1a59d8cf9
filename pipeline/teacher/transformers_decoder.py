"""Decoding with transformers' generate: the reference, and for architectures that vLLM lacks (BioGPT)."""

from collections.abc import Sequence
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


@dataclass(frozen=True, config=STRICT)
class TransformersDecoder:
    """A causal language model on transformers: hub id, local folder or embedded. One request at a time."""

    model: str
    revision: str = ""
    engine: Engine = Engine()

    def fingerprint(self) -> str:
        found = files(self.model, self.revision)
        return f"{self.model}@{found.revision}/{dtype_of(self.engine)}/transformers"

    def open(self) -> Decode:
        from safetensors import SafetensorError

        found = files(self.model, self.revision)
        try:
            return _Session(*_load(found, self.engine), window(found, self.engine))
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise DecoderError(f"teacher {self.model}: transformers cannot load it: {error}".splitlines()[0]) from error


def _load(found: TeacherFiles, engine: Engine) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    revision = found.revision if found.is_hub else None
    model = AutoModelForCausalLM.from_pretrained(found.path, revision=revision, dtype=getattr(torch, dtype_of(engine)))
    return model.to(device_of(engine)).eval(), AutoTokenizer.from_pretrained(found.path, revision=revision)


class _Session:
    """An open model: requests in, continuations out."""

    def __init__(self, model: Any, tokenizer: Any, window_tokens: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.window = window_tokens
        self.vocabulary = Vocabulary(tokenizer, model.config.vocab_size)

    def __call__(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Continuation]]:
        if sampling.constraints.structured:
            raise DecoderError(
                "sampling.constraints: regex, grammar and choice need vLLM, and this teacher runs on transformers; "
                'remove them or set [engine] decoder = "vllm"'
            )
        check_room(self.window, sampling)
        return [self._one(request, sampling) for request in requests]

    @torch.inference_mode()
    def _one(self, request: Request, sampling: Sampling) -> list[Continuation]:
        prompt = torch.tensor([self.vocabulary.prompt(request.text)], device=self.model.device)
        if prompt.shape[1] > self.window - sampling.max_tokens:
            return []
        chooser = _Chooser(self.vocabulary, self._rows(request, sampling), prompt.shape[1], request.seed, sampling)
        output = self.model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            num_return_sequences=sampling.n,
            num_beams=1,
            do_sample=True,  # of a distribution that the chooser has narrowed to one token
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=sampling.max_tokens,
            pad_token_id=self.vocabulary.end,
            eos_token_id=self.vocabulary.end,
            logits_processor=[chooser],
        )
        chosen = output[:, prompt.shape[1] :].tolist()
        return [self._continuation(i, ids, chooser, request.seed + i) for i, ids in enumerate(chosen)]

    def _rows(self, request: Request, sampling: Sampling) -> list[Row]:
        spellings = self.vocabulary.spellings(request.keywords)
        return [
            Row([], sampling, Keywords(spellings) if spellings else None, request.sentences) for _ in range(sampling.n)
        ]

    def _continuation(self, i: int, ids: list[int], chooser: "_Chooser", seed: int) -> Continuation:
        end = self.vocabulary.end
        kept = ids.index(end) if end in ids else len(ids)
        return Continuation(
            text=self.vocabulary.continuation(ids[:kept]),
            logprob=float(sum(step[i] for step in chooser.logprobs[:kept])),
            tokens=kept,
            decoded=min(kept + 1, len(ids)),
            ended="sentence" if end in ids else "length",
            seed=seed,
        )


class _Chooser:
    """A logits processor that picks each row's next token itself, from the row's own random numbers.

    So sample i depends on seed + i alone, not on how many siblings it has. Logits in: [rows, vocabulary], the model's
    own; out: 0 for the chosen token, -inf for the rest.
    """

    def __init__(self, vocabulary: Vocabulary, rows: list[Row], prompt: int, seed: int, sampling: Sampling) -> None:
        self.vocabulary = vocabulary
        self.rows = rows
        self.prompt = prompt
        self.sampling = sampling
        self.random = [torch.Generator().manual_seed(seed + i) for i in range(len(rows))]
        self.logprobs: list[list[float]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for row, ids in zip(self.rows, input_ids[:, self.prompt :].tolist(), strict=True):
            row.ids = ids
        plain = scores.float().log_softmax(dim=1)
        logits = steer(plain.clone(), list(enumerate(self.rows)), self.vocabulary)
        self._add_bias(logits)
        chosen = self._draw(logits)
        self.logprobs.append(plain.gather(1, chosen[:, None]).squeeze(1).tolist())
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)

    def _add_bias(self, logits: torch.Tensor) -> None:
        for text, bias in self.sampling.constraints.logit_bias.items():
            logits[:, self.vocabulary.single(text)] += bias

    def _draw(self, logits: torch.Tensor) -> torch.Tensor:
        """One token a row [rows], by inverting the distribution function at the row's next uniform number."""
        if self.sampling.temperature < 1e-5:
            return logits.argmax(dim=1)
        share = torch.full((logits.shape[0],), self.sampling.top_p, device=logits.device)
        mass = keep_nucleus(logits / self.sampling.temperature, share).softmax(dim=1).cumsum(dim=1)
        uniform = torch.stack([torch.rand(1, generator=generator) for generator in self.random])
        return torch.searchsorted(mass, uniform.to(mass.device) * mass[:, -1:]).squeeze(1).clamp(max=mass.shape[1] - 1)
