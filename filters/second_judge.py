"""A second judge, which no filter asks: the lower layers of the packaged SmolLM2 with a low-rank change and a head.

It shares neither architecture nor pretraining with the judge of the panels (a causal language model there, a
bidirectional encoder here), so that what was accepted is measured by something that had no say in accepting it. Only
the change is stored: for every matrix two thin factors whose product is added to the package's weights
(low-rank as in LoRA, Hu et al. 2021, 2106.09685, but cut from a full training by its singular values).
"""

import json
from pathlib import Path
from typing import Any

import torch

from filters.models import EMBEDDED_FLUENCY, load_language_model

SEPARATOR, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
FACTORS = "delta.safetensors"


def base_classifier(layers: int) -> tuple[Any, Any]:
    """The package's first `layers` layers under an untrained head for three labels, and a tokenizer for pairs."""
    from transformers import LlamaForSequenceClassification

    language_model = load_language_model(EMBEDDED_FLUENCY)
    tokenizer = pair_tokenizer(language_model.tokenizer)
    config = language_model.model.config
    config.num_hidden_layers, config.pad_token_id = layers, tokenizer.pad_token_id
    config.id2label = {0: "entailment", 1: "neutral", 2: "contradiction"}
    config.label2id = {label: place for place, label in config.id2label.items()}
    model = LlamaForSequenceClassification(config)
    stored = language_model.model.model.state_dict()
    kept = {name: stored[name] for name in model.model.state_dict()}
    model.model.load_state_dict(kept)
    return model.float(), tokenizer


def pair_tokenizer(tokenizer: Any) -> Any:
    """Reads a pair as premise, separator, hypothesis, end; the head looks at the end."""
    from tokenizers.processors import TemplateProcessing

    special = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (SEPARATOR, END)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"$A {END}", pair=f"$A {SEPARATOR} $B {END}", special_tokens=special
    )
    tokenizer.pad_token, tokenizer.padding_side = PAD, "right"
    return tokenizer


def load_second_judge(folder: Path) -> tuple[Any, Any]:
    """The base with the stored change added."""
    from safetensors.torch import load_file

    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model, tokenizer = base_classifier(settings["layers"])
    weights = model.state_dict()
    for name, change in changes(load_file(folder / FACTORS)).items():
        weights[name] += change
    tokenizer.model_max_length = settings["window"]
    return model, tokenizer


def changes(factors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """name -> what is added to that weight: the product of its `.left` and `.right`, or the stored tensor."""
    whole = {name: value.float() for name, value in factors.items() if not name.endswith((".left", ".right"))}
    thin = {name.removesuffix(".left") for name in factors if name.endswith(".left")}
    return whole | {name: factors[f"{name}.left"].float() @ factors[f"{name}.right"].float() for name in thin}


def export_second_judge(trained: Any, layers: int, rank: int, window: int, folder: Path) -> None:
    """Write the difference of a trained classifier to its base, in half precision."""
    from safetensors.torch import save_file

    before, _ = base_classifier(layers)
    start, end = before.state_dict(), trained.state_dict()
    factors: dict[str, torch.Tensor] = {}
    for name, weight in end.items():
        difference = (weight - start[name]).float()
        if difference.any():
            factors |= _factors(name, difference, rank)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in factors.items()}, folder / FACTORS)
    settings = {"layers": layers, "rank": rank, "window": window}
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _factors(name: str, difference: torch.Tensor, rank: int) -> dict[str, torch.Tensor]:
    if difference.ndim < 2 or min(difference.shape) <= rank:
        return {name: difference}
    left, values, right = torch.linalg.svd(difference, full_matrices=False)
    root = values[:rank].sqrt()
    return {f"{name}.left": left[:, :rank] * root, f"{name}.right": root[:, None] * right[:rank]}
