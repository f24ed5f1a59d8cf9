"""Matrix products in int8 on a CPU, by an operation that comes with vLLM: about 1.7 times as fast as in bfloat16.

Every token has a scale of its own, and so has every output. The sums are exact, so a token's result is the same in any
batch. Of vLLM's two such operations this is the one that keeps nothing between calls. The other, `onednn_scaled_mm`,
keeps its buffers with the weights: two threads on it spoil each other's, and nothing is said.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from filters.batches import fixed_threads

_AT: Any = torch.ops.aten

LEVELS = 127
"""Of an int8 weight, on either side of nought."""
BLOCK = 32
"""Widths are multiples of it, or the weights cannot be laid out."""


def fits(network: torch.nn.Module) -> bool:
    """Whether all its products can be done in int8."""
    layers = (layer for layer in network.modules() if isinstance(layer, torch.nn.Linear))
    return not any(width % BLOCK for layer in layers for width in layer.weight.shape)


def linear(weight: Tensor, bias: Tensor, then: str | None = None) -> Callable[[Tensor], Tensor]:
    """states @ weight.T + bias, (rows, inputs) to (rows, outputs) in bfloat16; GELU (`then`: "none", "tanh") after it.

    `weight`: (outputs, inputs) float32.
    """
    operations = _operations()
    scales = (weight.detach().abs().amax(1) / LEVELS).clamp(min=torch.finfo(torch.float32).tiny).contiguous()
    whole = torch.round(weight.detach() / scales[:, None]).to(torch.int8)
    with fixed_threads(0):  # a thread's first call of vLLM's gives it the number of threads that any thread set last
        packed, shift = operations.convert_weight_packed(whole), bias.detach().float().contiguous()

    def product(states: Tensor) -> Tensor:
        half = states.to(torch.bfloat16)
        found: Tensor = operations.int8_scaled_mm_with_quant(half, packed, scales, shift, torch.bfloat16, True)
        return found if then is None else _AT.gelu_(found, approximate=then)

    return product


def why_not() -> str:
    """Why vLLM's operations cannot be had; empty where they can."""
    if library() is None:
        return "vllm is not installed"
    try:
        _operations()
    except (OSError, AttributeError) as error:  # one for CUDA has a library of that name, with others in it
        return f"this build of vllm has no int8 products for CPUs ({str(error).splitlines()[0]})"
    return ""


def library() -> Path | None:
    """The file of vLLM's operations for this processor's kind."""
    found = find_spec("vllm")
    folders = found.submodule_search_locations if found and found.submodule_search_locations else ()
    return next((file for folder in folders for file in Path(folder).glob("_C.*so")), None)


@lru_cache(maxsize=1)
def _operations() -> Any:
    """Their library alone is loaded: vLLM itself takes seconds to import, and logs."""
    torch.ops.load_library(str(library()))  # type: ignore[no-untyped-call]
    found: Any = torch.ops._C
    found.int8_scaled_mm_with_quant  # noqa: B018  # asking for it is what fails
    return found
