"""The larger judge: all-mpnet-base-v2 with a low-rank change, trained on NLI.

The base comes in packages and is not committed;
only the change is. For every matrix these are two thin factors whose product is added to the base's weights (low-rank
as in LoRA, Hu et al. 2021, 2106.09685, but cut from a full training by its singular values), for every vector the
difference itself. The head, which the base lacks, is stored whole. A judge may have only some of the base's layers:
its settings name them, in their order.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filters.base import FilterError
from filters.training.packaged_base import unpack_mpnet

if TYPE_CHECKING:
    from torch import Tensor

CHANGE, SETTINGS, WEIGHTS = "delta.safetensors", "config.json", "model.safetensors"
LEFT, RIGHT = ".left", ".right"
PREFIX = "mpnet."
"""What the classifier's names have before those of the base."""
KEPT = "kept_layers"
"""In the settings of a trained judge: which of the base's layers it has. Absent: all."""
LAYER = re.compile(r"encoder\.layer\.(\d+)\.")


def load_committed(folder: Path, cache: Path) -> tuple[Any, Any, set[str]]:
    """The judge of a folder, its base put together in the cache from the packages at the first call."""
    return load_mpnet_judge(folder, unpack_mpnet(cache))


def load_mpnet_judge(folder: Path, base: Path) -> tuple[Any, Any, set[str]]:
    """The base with the stored change added: model, tokenizer, and the weights that are in neither."""
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, MPNetConfig, MPNetForSequenceClassification

    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    _check_base(base, settings["base_digest"])
    layers = settings.get(KEPT, [])
    weights = base_weights(base, layers)
    for name, change in changes(load_file(folder / CHANGE)).items():
        if name not in weights and name.startswith(PREFIX):
            raise FilterError(f"{folder / CHANGE}: changes {name}, which its base has not; get the folder anew")
        weights[name] = weights[name] + change if name in weights else change
    config = MPNetConfig.from_pretrained(base, id2label={int(n): label for n, label in settings["id2label"].items()})
    config.label2id = {label: place for place, label in config.id2label.items()}
    if layers:
        config.num_hidden_layers = len(layers)
        setattr(config, KEPT, layers)
    model, loading = MPNetForSequenceClassification.from_pretrained(
        None, config=config, state_dict=weights, dtype="float32", output_loading_info=True
    )
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.model_max_length = settings["window"]
    return model, tokenizer, set(loading["missing_keys"])


def export_mpnet_judge(trained: Path, base: Path, rank: int, window: int, out: Path) -> None:
    """Write a trained classifier as its change of the base, in half precision. `window`: longest pair in tokens."""
    from safetensors.torch import load_file, save_file

    own = json.loads((trained / SETTINGS).read_text(encoding="utf-8"))
    before, after = base_weights(base, own.get(KEPT, [])), load_file(trained / WEIGHTS)
    for name in before:
        if name not in after or after[name].shape != before[name].shape:
            raise FilterError(
                f"{trained}: its {name} is not like that of {base}; wanted a judge trained from that base"
            )
    stored: dict[str, Tensor] = {}
    for name, weight in after.items():
        if name not in before:
            stored[name] = weight
        elif (difference := weight.float() - before[name]).any():
            stored |= _factors(name, difference, rank)
    settings = {"base": base.name, "base_digest": _digest(base), "rank": rank, "window": window}
    settings |= {"id2label": own["id2label"]} | ({KEPT: own[KEPT]} if KEPT in own else {})
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in stored.items()}, out / CHANGE)
    (out / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def base_weights(base: Path, layers: Sequence[int] = ()) -> "dict[str, Tensor]":
    """The base's weights that a classifier keeps, in float32, by their names in it: no pooler, no table of places.

    Of its layers those named, numbered anew in that order; all if none is.
    """
    from safetensors.torch import load_file

    kept = ("embeddings.", "encoder.")
    return {
        PREFIX + new: weight.float()
        for name, weight in load_file(base / WEIGHTS).items()
        if name.startswith(kept) and weight.is_floating_point() and (new := _renumbered(name, layers))
    }


def _renumbered(name: str, layers: Sequence[int]) -> str:
    """A weight's name where only these layers are kept; empty where its layer is not one of them."""
    found = LAYER.match(name)
    if not layers or not found:
        return name
    number = int(found.group(1))
    return f"encoder.layer.{layers.index(number)}.{name[found.end() :]}" if number in layers else ""


def changes(stored: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """What is added to each weight, in float32: the product of its two factors, or the stored tensor."""
    whole = {name: value.float() for name, value in stored.items() if not name.endswith((LEFT, RIGHT))}
    thin = [name.removesuffix(LEFT) for name in stored if name.endswith(LEFT)]
    return whole | {name: stored[name + LEFT].float() @ stored[name + RIGHT].float() for name in thin}


def _factors(name: str, difference: "Tensor", rank: int) -> "dict[str, Tensor]":
    """The best product of two factors of that rank; the difference itself where factors would be no smaller."""
    import torch

    if difference.ndim != 2 or rank * sum(difference.shape) >= difference.numel():
        return {name: difference}
    tall = difference.shape[0] >= difference.shape[1]
    rows = difference if tall else difference.T
    squares, directions = torch.linalg.eigh(rows.T @ rows)  # the singular vectors, for a tenth of an SVD's time
    share = squares[-rank:].clamp(min=1e-12) ** 0.25  # evenly, so that neither factor leaves half precision's range
    left, right = rows @ directions[:, -rank:] / share, (directions[:, -rank:] * share).T
    return {name + LEFT: left, name + RIGHT: right} if tall else {name + LEFT: right.T, name + RIGHT: left.T}


def _check_base(base: Path, wanted: str) -> None:
    found = _digest(base)
    if found != wanted:
        raise FilterError(
            f"{base}: its weights are {found}, wanted {wanted}, from which this judge was made; "
            "remove the folder, and it is put together again"
        )


def _digest(base: Path) -> str:
    """blake2b-128 of the base's weights."""
    with (base / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
