"""Small random classifiers of the kinds that the judge's forward pass knows, and rows for them."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    MPNetConfig,
    MPNetForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from filters.batches import Tokens

WORDS = 50
SHAPE: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "vocab_size": WORDS,
    "max_position_embeddings": 66,
    "num_labels": 3,
}
"""Wide enough that rows of a length share their products."""


def bert(**more: Any) -> BertForSequenceClassification:
    return BertForSequenceClassification(BertConfig(**SHAPE | more))


def roberta(**more: Any) -> RobertaForSequenceClassification:
    return RobertaForSequenceClassification(RobertaConfig(**SHAPE | {"pad_token_id": 1, "type_vocab_size": 1} | more))


def xlm_roberta() -> XLMRobertaForSequenceClassification:
    return XLMRobertaForSequenceClassification(
        XLMRobertaConfig(**SHAPE | {"pad_token_id": 1, "type_vocab_size": 1, "hidden_act": "gelu_new"})
    )


def mpnet(**more: Any) -> MPNetForSequenceClassification:
    """Its relative bias is as strong as the rest, so that a forward pass without it would show."""
    model = MPNetForSequenceClassification(MPNetConfig(**SHAPE | more))
    with torch.no_grad():
        model.mpnet.encoder.relative_attention_bias.weight.normal_(0, 1)
    return model


def deberta() -> DebertaV2ForSequenceClassification:
    return DebertaV2ForSequenceClassification(DebertaV2Config(**SHAPE))


KNOWN = [bert, lambda: bert(hidden_act="gelu_new"), roberta, xlm_roberta, mpnet]


def opened(make: Callable[[], PreTrainedModel]) -> Any:
    """A random classifier whose answers differ from row to row."""
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.05)
    return model


def some_rows(count: int, longest: int = 60) -> list[Tokens]:
    draw = random.Random(1)
    lengths = [draw.choice([3, 5, 9, draw.randint(10, longest)]) for _ in range(count)]
    return [Tokens(tuple(draw.choices(range(2, WORDS), k=n)), (0,) * (n // 2) + (1,) * (n - n // 2)) for n in lengths]


def without_types(rows: Sequence[Tokens]) -> list[Tokens]:
    return [Tokens(row.ids) for row in rows]


class Padding:
    """As much of a tokenizer as a back end looks at."""

    pad_token_id = 0
    model_input_names = ("input_ids", "token_type_ids", "attention_mask")
