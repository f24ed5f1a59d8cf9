"""Rewriting with transformers' `generate`: the reference, and the engine of GPUs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from student.choice import Rewrite
from student.generate import batch_seed, batched, coded
from student.learning import collate
from student.model import load
from student.settings import Decoding


def opened(model: str, revision: str, device: str) -> "TransformersEngine":
    import torch

    loaded = load(model, revision)
    half = torch.bfloat16 if device.startswith("cuda") and torch.cuda.is_bf16_supported() else torch.float32
    return TransformersEngine(loaded.model.eval().to(device, half), loaded.tokenizer, device)


@dataclass(frozen=True)
class TransformersEngine:
    model: Any
    tokenizer: Any
    device: str

    def write(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[list[Rewrite]]:
        """The rewrites of each prompt."""
        ids = coded(prompts, self.tokenizer, decoding.most_source_tokens)
        found: list[list[Rewrite]] = [[] for _ in prompts]
        for rows in batched([len(row) for row in ids], decoding.batch_tokens):
            made = self._batch([ids[row] for row in rows], decoding, batch_seed(seed, [prompts[row] for row in rows]))
            for row, rewrites in zip(rows, made, strict=True):
                found[row] = rewrites
        return found

    def _batch(self, ids: Sequence[Sequence[int]], decoding: Decoding, seed: int) -> list[list[Rewrite]]:
        import torch

        torch.manual_seed(seed)
        batch = collate(ids, [[0]] * len(ids), self.tokenizer.pad_token_id)
        with torch.inference_mode():
            made = self.model.generate(
                input_ids=batch.sources.to(self.device),
                attention_mask=batch.mask.to(self.device),
                num_return_sequences=decoding.samples,
                max_new_tokens=decoding.max_tokens,
                no_repeat_ngram_size=decoding.no_repeat_ngram,
                return_dict_in_generate=True,
                output_scores=True,
                **_how(decoding),
            )
            steps = self.model.compute_transition_scores(
                made.sequences, made.scores, getattr(made, "beam_indices", None), normalize_logits=True
            )
        texts = self.tokenizer.batch_decode(made.sequences, skip_special_tokens=True)
        flat = [
            self._rewrite(text, row[1:].tolist(), scores.tolist())
            for text, row, scores in zip(texts, made.sequences, steps, strict=True)
        ]
        return [flat[start : start + decoding.samples] for start in range(0, len(flat), decoding.samples)]

    def _rewrite(self, text: str, ids: Sequence[int], scores: Sequence[float]) -> Rewrite:
        end = self.tokenizer.eos_token_id
        length = ids.index(end) + 1 if end in ids else len(ids)
        return Rewrite(text.strip(), sum(scores[:length]), length, end in ids)


def _how(decoding: Decoding) -> dict[str, Any]:
    if decoding.temperature:
        return {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
    return {"do_sample": False, "num_beams": max(decoding.beams, decoding.samples)}
