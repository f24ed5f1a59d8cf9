"""How an NLI classifier is run: which arithmetic on which device, and which forward pass.

    back end    on a CPU                                                     on CUDA
    fp32        float32                                                      float32
    bf16        bfloat16 products, float32 sums (filters/nli_bert.py)        half precision, by autocast
    int8        int8 products; near a threshold asked again in bf16          -
    auto        bf16 where the processor computes it natively, else fp32     bf16

Scores of two back ends differ a little (bf16 from fp32, nli-minilm: 0.001 on average, 0.03 at most; docs/bench.md),
and stored scores are those of the back end that gave them. It is therefore part of what decides a score: a fingerprint
names what `auto` meant. Workers of unlike processors need a back end that is named in the recipe.
On a CPU, BERT, RoBERTa and MPNet go through filters/nli_bert.py, all else through transformers, in float32.

int8 moves a logit by 0.1, ten times as far as bf16, so its answer counts only where the threshold is further away than
DOUBT. A score is then one of that threshold: see `NliJudge.at`.
"""

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from filters.batches import FixedShapes, FloatArray, Forward, TokenBatch, Tokens, one_by_one
from filters.models import Judge

if TYPE_CHECKING:
    from filters.nli_packed import PackedRows

BackEnd = Literal["auto", "fp32", "bf16"]
JudgeBackEnd = Literal["auto", "fp32", "bf16", "int8"]
Answer = Callable[[Sequence[Tokens]], FloatArray]
"""Rows in, (rows, 1) P(entailment) out, in their order."""

PADDED_TOKENS = 256
"""Most tokens in a batch of the padded path on a CPU: larger ones are no faster, and leave more rows to fill up."""
CUDA_TOKENS = 16_384
TOLERANCE = {"fp32": 1e-3, "bf16": 0.1}
"""How far our forward pass may be from the model's own on made-up rows. Rounding stays far below."""
DOUBT = 0.1
"""How near a threshold, in logits, int8's answer is not good enough. Its errors have a standard deviation of 0.07
(nli-minilm) and 0.10 (nli-mpnet). docs/bench.md has the verdicts of this and of other values."""
MOST_ERROR = 0.2
"""Of int8 on made-up rows, in logits, root mean square: 0.05 (nli-minilm) and 0.12 (nli-mpnet). Where the products are
wrong (no bias, no GELU, zeros, outputs in another order) it is above 0.3."""
INT8_FLAGS = frozenset({"avx512_vnni", "avx512_bf16"})
"""Products of bytes, and bfloat16, in which their inputs come and in which doubts are settled."""
LOG = logging.getLogger(__name__)


def resolve(back_end: str, device: str = "cpu") -> str:
    """`auto` as the back end that it means on this machine."""
    if back_end != "auto":
        return back_end
    return "bf16" if device.startswith("cuda") or computes_bf16() else "fp32"


@lru_cache(maxsize=1)
def computes_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bfloat16 itself. Without torch: it is asked for fingerprints as well."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_flags(cpuinfo))


def why_not_int8(device: str = "cpu", cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What is missing for products in int8; empty where nothing is."""
    if not device.startswith("cpu"):
        return f"the device is {device}"
    missing = INT8_FLAGS.difference(_flags(cpuinfo))
    if missing:
        return f"the processor has no {', '.join(sorted(missing))}"
    from filters.int8_products import why_not

    return why_not()


def _flags(cpuinfo: Path) -> list[str]:
    return cpuinfo.read_text(encoding="utf-8").split() if cpuinfo.exists() else []


def open_quick(judge: Judge, close: Answer, token_budget: int, threads: int = 1) -> Answer:
    """The judge in int8, on a CPU that has it; `close`, in bf16, where the form of the model is not one for it."""
    from filters.int8_products import fits
    from filters.nli_bert import ENCODERS
    from filters.nli_packed import PackedRows, sample_rows

    name = judge.model.name_or_path
    if not isinstance(close, PackedRows) or not fits(getattr(judge.model, ENCODERS[judge.model.config.model_type])):
        LOG.warning("judge %s: products in int8 are not made for its form; it is asked as by bf16", name)
        return close
    quick = _packed(judge, "int8", token_budget, threads)
    rows = sample_rows(judge.window, judge.model.config.vocab_size)[::3]
    error = logits(quick(rows)) - logits(close(rows))
    if float(np.sqrt(np.mean(error**2))) <= MOST_ERROR:  # no number is not either
        return quick
    LOG.warning("judge %s: its answers in int8 are far off; it is asked as by bf16", name)
    return close


def logits(probabilities: FloatArray) -> npt.NDArray[np.float64]:
    """Without end for 0 and 1."""
    exact = probabilities.astype(np.float64)
    with np.errstate(divide="ignore"):
        found: npt.NDArray[np.float64] = np.log(exact / (1 - exact))
    return found


def open_back_end(judge: Judge, back_end: str, token_budget: int, device: str, threads: int = 1) -> Answer:
    """The judge as a function of rows. `threads`: those of our own forward pass, 0 for as many as torch has.

    Of int8 it is the close look, in bf16.
    """
    from filters.nli_bert import can_run

    chosen = resolve("bf16" if back_end == "int8" else back_end, device)
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

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}[chosen]
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
