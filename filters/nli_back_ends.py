"""How an NLI classifier is run: which arithmetic on which device, and which forward pass.

    back end    on a CPU                                                     on CUDA
    fp32        float32                                                      float32
    bf16        bfloat16 products, float32 sums (filters/nli_bert.py)        half precision, by autocast
    auto        bf16 where the processor computes it natively, else fp32     bf16

Scores of two back ends differ a little (bf16 from fp32, nli-minilm: 0.001 on average, 0.03 at most; docs/bench.md),
and stored scores are those of the back end that gave them. It is therefore part of what decides a score: a fingerprint
names what `auto` meant. Workers of unlike processors need a back end that is named in the recipe.
On a CPU, BERT, RoBERTa and MPNet go through filters/nli_bert.py, all else through transformers, in float32.
"""

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from filters.batches import FixedShapes, FloatArray, Forward, TokenBatch, Tokens, one_by_one
from filters.models import Judge

if TYPE_CHECKING:
    from filters.nli_packed import PackedRows

BackEnd = Literal["auto", "fp32", "bf16"]
Answer = Callable[[Sequence[Tokens]], FloatArray]
"""Rows in, (rows, 1) P(entailment) out, in their order."""

PADDED_TOKENS = 256
"""Most tokens in a batch of the padded path on a CPU: larger ones are no faster, and leave more rows to fill up."""
CUDA_TOKENS = 16_384
TOLERANCE = {"fp32": 1e-3, "bf16": 0.1}
"""How far our forward pass may be from the model's own on made-up rows. Rounding stays far below."""
LOG = logging.getLogger(__name__)


def resolve(back_end: str, device: str = "cpu") -> str:
    """`auto` as the back end that it means on this machine."""
    if back_end != "auto":
        return back_end
    return "bf16" if device.startswith("cuda") or computes_bf16() else "fp32"


@lru_cache(maxsize=1)
def computes_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bfloat16 itself. Without torch: it is asked for fingerprints as well."""
    flags = cpuinfo.read_text(encoding="utf-8").split() if cpuinfo.exists() else []
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


def open_back_end(judge: Judge, back_end: str, token_budget: int, device: str, threads: int = 1) -> Answer:
    """The judge as a function of rows. `threads`: those of our own forward pass, 0 for as many as torch has."""
    from filters.nli_bert import can_run

    chosen = resolve(back_end, device)
    pad = judge.tokenizer.pad_token_id or 0
    if device.startswith("cuda"):
        return FixedShapes(_by_transformers(judge, device, chosen), judge.window, max(token_budget, CUDA_TOKENS), pad)
    own = _by_transformers(judge, device, "fp32")
    padded = FixedShapes(own, judge.window, min(token_budget, PADDED_TOKENS), pad)
    if not can_run(judge.model):
        return padded
    packed = _packed(judge, chosen, token_budget, threads)
    if _agree(packed, own, judge, chosen):
        return packed
    LOG.warning("judge %s: our forward pass is not the model's own; transformers' is used", judge.model.name_or_path)
    return padded


def _packed(judge: Judge, chosen: str, token_budget: int, threads: int) -> "PackedRows":
    import torch

    from filters.nli_bert import open_forward
    from filters.nli_packed import PackedRows, proven

    dtype = torch.bfloat16 if chosen == "bf16" else torch.float32
    width = int(judge.model.config.hidden_size)
    forward = open_forward(judge.model, judge.entailment, dtype)
    rows = PackedRows(forward, token_budget, width, threads or torch.get_num_threads())
    return proven(rows, judge.window, judge.model.config.vocab_size)


def _agree(packed: Answer, own: Forward, judge: Judge, chosen: str) -> bool:
    """Whether both forward passes are one function: a model of a known type may yet be built in another way."""
    from filters.nli_packed import sample_rows

    rows = sample_rows(judge.window, judge.model.config.vocab_size)[::3]
    if judge.tokenizer.model_input_names.count("token_type_ids"):
        rows = [Tokens(row.ids, (0,) * (len(row.ids) // 2) + (1,) * (len(row.ids) - len(row.ids) // 2)) for row in rows]
    return bool(np.abs(packed(rows) - one_by_one(own, rows)).max() <= TOLERANCE[chosen])


def _by_transformers(judge: Judge, device: str, chosen: str) -> Forward:
    """The model's own forward pass over padded rows."""
    import torch

    half: Any = torch.bfloat16 if device.startswith("cuda") and torch.cuda.is_bf16_supported() else torch.float16
    halved = chosen == "bf16" and device.startswith("cuda")

    def forward(batch: TokenBatch) -> FloatArray:
        inputs = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.types}
        given = {name: torch.from_numpy(value).to(device) for name, value in inputs.items() if value is not None}
        with torch.inference_mode(), torch.autocast("cuda", dtype=half, enabled=halved):
            logits = judge.model(**given).logits
        share: FloatArray = logits.float().softmax(-1)[:, judge.entailment, None].cpu().numpy()
        return share

    return forward
