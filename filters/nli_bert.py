"""The forward pass of a BERT, RoBERTa or MPNet, cut down to what a judge or an encoder needs, much faster on a CPU.

The function is the model's own; only the rounding differs.
- Tokens are packed (filters/nli_packed.py), so there is no padding and no mask.
- Weights are put into oneDNN's own layout once. For float32 alone that makes products more than twice as fast on
  processors that are not Intel's.
- In bfloat16 weights, inputs of products and attention are bfloat16, stored once instead of converted at each call.
  What is added up stays float32: the sums of residuals, the norms, the softmax, the classifier.
- In int8 (filters/int8_products.py) so do products with weights; all else is as in bfloat16.
- A classifier's last layer is computed for each row's first token only: it is all that is read of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding, layer_norm

from filters import int8_products
from filters.nli_packed import Packed, PackedForward

Linear = Callable[[Tensor], Tensor]
Bias = Callable[[int], Tensor]
"""What is added to the attention of rows of a length: (heads, length, length)."""

GELU = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
"""Activations that can be fused with the product before them, and the algorithm by which oneDNN knows them."""
ENCODERS = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "mpnet": "mpnet"}
"""Types of models that have this forward pass, and the attribute that holds their encoder."""
_OPS: Any = torch.ops.mkldnn


def can_run(model: Any, ending: str = "ForSequenceClassification") -> bool:
    """Whether the model is a plain classifier (or, with "Model", encoder) of a type known here, and torch has what this
    file builds on."""
    config = model.config
    return (
        config.model_type in ENCODERS
        and type(model).__name__.endswith(ending)
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and not getattr(config, "is_decoder", False)
        and config.hidden_act in GELU
        and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        and hasattr(_OPS, "_linear_pointwise")
    )


def open_forward(model: Any, output: int, dtype: torch.dtype) -> PackedForward:
    """P(`output`) of each row of a batch. `model` is in float32 on the CPU; `dtype`: float32, bfloat16 or int8."""
    encoder = getattr(model, ENCODERS[model.config.model_type])
    classify, run = _classifier(model, encoder), _layers(encoder, dtype)
    return lambda batch: classify(run(batch, batch.first)).softmax(-1)[:, output]


def open_encoding(encoder: Any, dtype: torch.dtype) -> PackedForward:
    """The mean of the last layer's states over each row's tokens, (rows, width). `encoder` is in float32 on the CPU."""
    run = _layers(encoder, dtype)
    return lambda batch: _means(run(batch, None), batch.groups)


def _means(states: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
    found, token = [], 0
    for rows, length in groups:
        own = states[token : token + rows * length].view(rows, length, states.shape[1])
        found.append(own.sum(1) / max(length, 1))  # a row without tokens is nowhere
        token += rows * length
    return torch.cat(found)


def _layers(encoder: Any, dtype: torch.dtype) -> Callable[[Packed, Tensor | None], Tensor]:
    """A batch, and for which of its tokens the last layer is wanted (all of them if None), to their states."""
    embed, config = _embedding(encoder), encoder.config
    layers = [_layer(layer, config, dtype) for layer in encoder.encoder.layer]
    bias = _relative_bias(encoder) if config.model_type == "mpnet" else None

    def run(batch: Packed, wanted: Tensor | None) -> Tensor:
        states = embed(batch)
        for layer in layers[:-1]:
            states = layer(states, batch.groups, None, bias)
        return layers[-1](states, batch.groups, wanted, bias)

    return run


def _embedding(encoder: Any) -> Callable[[Packed], Tensor]:
    part = encoder.embeddings
    words, places = (part.word_embeddings.weight.detach(), part.position_embeddings.weight.detach())
    types = part.token_type_embeddings.weight.detach() if hasattr(part, "token_type_embeddings") else None
    norm = _norm(part.LayerNorm)
    # All but BERT count positions from the one after their padding's.
    offset = 0 if encoder.config.model_type == "bert" else int(encoder.config.pad_token_id) + 1

    def embed(batch: Packed) -> Tensor:
        states = embedding(batch.ids, words) + embedding(batch.positions + offset, places)
        return norm(states if types is None else states + embedding(batch.types.clamp(max=len(types) - 1), types))

    return embed


def _relative_bias(encoder: Any) -> Bias:
    """MPNet's, the same for all layers. It depends on distance alone: a shorter row has a corner of the longest's."""
    longest = torch.empty(1, encoder.config.max_position_embeddings)
    table: Tensor = encoder.encoder.compute_position_bias(longest)[0].detach()
    return lambda length: table[:, :length, :length]


def _classifier(model: Any, encoder: Any) -> Linear:
    """The head over the first tokens, in float32. BERT's first half of it stands in the encoder, as its pooler."""
    bert = model.config.model_type == "bert"
    hidden, out = (
        (encoder.pooler.dense, model.classifier) if bert else (model.classifier.dense, model.classifier.out_proj)
    )
    first, last = (_linear(part.weight, part.bias, torch.float32) for part in (hidden, out))
    return lambda states: last(torch.tanh(first(states)))


def _norm(part: Any) -> Linear:
    weight, bias = part.weight.detach(), part.bias.detach()
    return lambda states: layer_norm(states, weight.shape, weight, bias, part.eps)


def _linear(weight: Tensor, bias: Tensor, dtype: torch.dtype, gelu: str | None = None) -> Linear:
    """A product with its weights in oneDNN's layout, and GELU at once where asked for."""
    if dtype == torch.int8:
        return int8_products.linear(weight, bias, gelu)
    shift = bias.detach().to(dtype).contiguous()
    packed = _OPS._reorder_linear_weight(weight.detach().to(dtype).contiguous())
    post, algorithm = ("gelu", gelu) if gelu else ("none", "")
    return lambda states: _OPS._linear_pointwise(states.to(dtype), packed, shift, post, [], algorithm)


@dataclass(frozen=True)
class _Layer:
    """One layer. Called with the states of all tokens, it gives those at `wanted` (all of them if None)."""

    queries: Linear
    keys_values: Linear
    attended: Linear
    up: Linear
    down: Linear
    norm_attended: Linear
    norm_out: Linear
    heads: int

    def __call__(
        self, states: Tensor, groups: Sequence[tuple[int, int]], wanted: Tensor | None, bias: Bias | None
    ) -> Tensor:
        asking = states if wanted is None else states[wanted]
        queries, keys_values = self.queries(asking), self.keys_values(states)
        mixed = attend(queries, keys_values, groups, self.heads, wanted is None, bias)
        asking = self.norm_attended(asking + self.attended(mixed))
        return self.norm_out(asking + self.down(self.up(asking)))


class _Attention(NamedTuple):
    """The parts of a layer's attention, under whatever names its type has for them."""

    query: Any
    key: Any
    value: Any
    out: Any
    norm: Any


def _attention(part: Any) -> _Attention:
    if hasattr(part, "attn"):  # MPNet's names
        return _Attention(part.attn.q, part.attn.k, part.attn.v, part.attn.o, part.LayerNorm)
    own = part.self
    return _Attention(own.query, own.key, own.value, part.output.dense, part.output.LayerNorm)


def _layer(part: Any, config: Any, dtype: torch.dtype) -> _Layer:
    own = _attention(part.attention)
    scale = (config.hidden_size // config.num_attention_heads) ** -0.5
    both = [torch.cat([getattr(own.key, name), getattr(own.value, name)]) for name in ("weight", "bias")]
    return _Layer(
        _linear(own.query.weight * scale, own.query.bias * scale, dtype),
        _linear(both[0], both[1], dtype),
        _linear(own.out.weight, own.out.bias, dtype),
        _linear(part.intermediate.dense.weight, part.intermediate.dense.bias, dtype, GELU[config.hidden_act]),
        _linear(part.output.dense.weight, part.output.dense.bias, dtype),
        _norm(own.norm),
        _norm(part.output.LayerNorm),
        config.num_attention_heads,
    )


def attend(
    queries: Tensor,
    keys_values: Tensor,
    groups: Sequence[tuple[int, int]],
    heads: int,
    each_token: bool,
    bias: Bias | None = None,
) -> Tensor:
    """Attention within each row. `queries`: of each token, or of each row's first; already scaled.

    By plain products: torch's fused attention calls a library for every head, which is dear for sentences.
    """
    mixed = torch.zeros_like(queries)  # filler stays zero
    size = queries.shape[1] // heads
    token = asked = 0
    for rows, length in groups:
        asking = length if each_token else 1
        mine = queries[asked : asked + rows * asking].view(rows, asking, heads, size).transpose(1, 2)
        theirs = keys_values[token : token + rows * length].view(rows, length, 2, heads, size).permute(2, 0, 3, 1, 4)
        keys, values = theirs.reshape(2, rows * heads, length, size)
        likeness = torch.bmm(mine.reshape(rows * heads, asking, size), keys.transpose(1, 2)).float()
        if bias is not None:
            likeness = (likeness.view(rows, heads, asking, length) + bias(length)[:, :asking]).view_as(likeness)
        shares = likeness.softmax(-1)
        found = torch.bmm(shares.to(values.dtype), values).view(rows, heads, asking, size).transpose(1, 2)
        mixed[asked : asked + rows * asking].view(rows, asking, heads, size).copy_(found)
        token, asked = token + rows * length, asked + rows * asking
    return mixed
