"""Rewriting with CTranslate2: the same weights, converted once and kept beside the other caches."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from student.choice import Rewrite
from student.errors import StudentError
from student.generate import batch_seed, batched, coded
from student.model import home, load, revision_of
from student.settings import Decoding

ARITHMETIC = "float32"
"""int8 is a fifth faster at the embedded size and changes more words (docs/bench.md)."""


def opened(model: str, revision: str, threads: int, device: str, arithmetic: str = ARITHMETIC) -> "CTranslate2Engine":
    import ctranslate2
    from transformers import AutoTokenizer

    folder = converted(model, revision)
    how = {"device": device, "inter_threads": 1, "intra_threads": threads, "compute_type": arithmetic}
    start = partial(ctranslate2.Translator, str(folder), **how)
    return CTranslate2Engine(start, AutoTokenizer.from_pretrained(folder / "tokenizer"))


def converted(model: str, revision: str) -> Path:
    """The converted model, made at first use; its folder is named by the very weights."""
    place = home() / "data" / "cache" / "ctranslate2" / revision_of(model, revision)
    if (place / "model.bin").exists():
        return place
    from ctranslate2.converters import TransformersConverter

    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as aside:
        loaded = load(model, revision)
        plain = Path(aside) / "plain"
        loaded.model.save_pretrained(plain)
        loaded.tokenizer.save_pretrained(plain)
        made = Path(aside) / "made"
        try:
            TransformersConverter(str(plain)).convert(str(made))
        except (ValueError, NotImplementedError, RuntimeError) as error:
            reason = str(error).splitlines()[:1]
            raise StudentError(
                f"student {model}: CTranslate2 cannot convert it ({''.join(reason)}); take the engine transformers"
            ) from None
        loaded.tokenizer.save_pretrained(made / "tokenizer")
        shutil.rmtree(place, ignore_errors=True)
        made.replace(place)
    return place


@dataclass(frozen=True)
class CTranslate2Engine:
    start: Callable[[], Any]
    tokenizer: Any
    shared: list[Any] = field(default_factory=list)
    """The translator of all that is not drawn, once there is one."""

    def write(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[list[Rewrite]]:
        """The rewrites of each prompt."""
        ids = coded(prompts, self.tokenizer, decoding.most_source_tokens)
        found: list[list[Rewrite]] = [[] for _ in prompts]
        for rows in batched([len(row) for row in ids], decoding.batch_tokens):
            drawn = batch_seed(seed, [prompts[row] for row in rows]) if decoding.temperature else None
            made = self._batch([ids[row] for row in rows], decoding, self._translator(drawn))
            for row, rewrites in zip(rows, made, strict=True):
                found[row] = rewrites
        return found

    def _translator(self, seed: int | None) -> Any:
        """One that draws is made anew: its thread takes the seed that is set at its first draw, and no later one."""
        if seed is None:
            if not self.shared:
                self.shared.append(self.start())
            return self.shared[0]
        import ctranslate2

        ctranslate2.set_random_seed(seed)
        return self.start()

    def _batch(self, ids: Sequence[Sequence[int]], decoding: Decoding, translator: Any) -> list[list[Rewrite]]:
        pieces = [self.tokenizer.convert_ids_to_tokens(row) for row in ids]
        made = translator.translate_batch(
            pieces,
            max_decoding_length=decoding.max_tokens,
            no_repeat_ngram_size=decoding.no_repeat_ngram,
            num_hypotheses=decoding.samples,
            return_scores=True,
            return_end_token=True,
            max_batch_size=0,
            **_how(decoding),
        )
        return [
            [self._rewrite(tokens, score) for tokens, score in zip(row.hypotheses, row.scores, strict=True)]
            for row in made
        ]

    def _rewrite(self, pieces: Sequence[str], score: float) -> Rewrite:
        """Scores are means over the tokens, as the length penalty of 1 has it."""
        ids = self.tokenizer.convert_tokens_to_ids(list(pieces))
        ended = bool(ids) and ids[-1] == self.tokenizer.eos_token_id
        return Rewrite(
            self.tokenizer.decode(ids, skip_special_tokens=True).strip(), float(score) * len(ids), len(ids), ended
        )


def _how(decoding: Decoding) -> dict[str, Any]:
    if decoding.temperature:
        return {
            "beam_size": 1,
            "sampling_topk": 0,
            "sampling_topp": decoding.top_p,
            "sampling_temperature": decoding.temperature,
        }
    return {"beam_size": max(decoding.beams, decoding.samples)}
