"""Writes a trained judge as it is committed: half precision, without its base's word embeddings."""

import json
from pathlib import Path

import torch

from filters.base import FilterError
from filters.models import EMBEDDED_ENCODER, WORD_EMBEDDINGS, locate

KEPT = (
    "architectures model_type hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act "
    "max_position_embeddings type_vocab_size vocab_size layer_norm_eps pad_token_id id2label label2id"
).split()


def export(model: Path, out: Path, window: int, temperature: float = 1.0) -> None:
    """`temperature` divides the logits; it goes into the head."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    own = weights.pop(f"bert.{WORD_EMBEDDINGS}")
    with safe_open(Path(locate(EMBEDDED_ENCODER).name) / "model.safetensors", "pt") as stored:
        if not torch.equal(own.half(), stored.get_tensor(WORD_EMBEDDINGS).half()):
            raise FilterError(
                f"{model}: its word embeddings are not those of {EMBEDDED_ENCODER}; train with them frozen"
            )
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name] / temperature
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.half().contiguous() for name, weight in weights.items()}, out / "body.safetensors")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    kept = {name: config[name] for name in KEPT if name in config} | {"window": window}
    (out / "config.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
