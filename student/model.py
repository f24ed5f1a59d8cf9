"""Where a student's T5 comes from: embedded, a folder, or the hub; and which version of it."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from student.errors import StudentError

EMBEDDED = "embedded:t5"
_FOLDERS = {EMBEDDED: "t5"}
_VERSIONED = {".safetensors", ".bin", ".pt", ".json", ".model", ".txt"}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LOADING = (OSError, ValueError, KeyError, ImportError, RuntimeError, AttributeError)


@dataclass(frozen=True)
class Place:
    """Where a model is. `folder` is None for one on the hub."""

    reference: str
    folder: Path | None
    revision: str | None

    @property
    def name(self) -> str:
        """What `from_pretrained` is given."""
        return str(self.folder or self.reference)


@dataclass(frozen=True)
class Loaded:
    """A T5 in float32 and its tokenizer."""

    model: Any
    tokenizer: Any


def home() -> Path:
    """The project's root: IMPOSSIBLE_HOME, else the folder that holds this package."""
    given = os.environ.get("IMPOSSIBLE_HOME")
    return Path(given) if given else Path(__file__).resolve().parent.parent


def locate(reference: str, revision: str = "") -> Place:
    """Find a model without loading it. A hub id is not looked up here."""
    if not reference.startswith("embedded:"):
        folder = Path(reference).expanduser()
        hub = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", reference) and not folder.exists()
        return Place(reference, None if hub else _existing(folder, reference), revision or None)
    if reference not in _FOLDERS:
        raise StudentError(f"student {reference}: there is no such embedded model; there is {', '.join(_FOLDERS)}")
    return Place(reference, _existing(home() / "data" / "models" / _FOLDERS[reference], reference), None)


def _existing(folder: Path, reference: str) -> Path:
    if (folder / "config.json").is_file():
        return folder
    raise StudentError(f"student {reference}: no model in {folder}; wanted a folder with a config.json, or a hub id")


def revision_of(reference: str, revision: str = "") -> str:
    """The version for a fingerprint: the commit of a hub model, else blake2b-128 of the folder's files."""
    place = locate(reference, revision)
    if place.folder is None:
        return _commit(place)
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(p for p in place.folder.iterdir() if p.suffix in _VERSIONED):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _commit(place: Place) -> str:
    """The commit that a branch or tag of the hub stands for."""
    if place.revision and _COMMIT.fullmatch(place.revision):
        return place.revision
    from huggingface_hub import HfApi

    try:
        found: str = HfApi().model_info(place.reference, revision=place.revision).sha
    except Exception as error:
        reason = str(error).strip().splitlines()[:1]
        raise StudentError(
            f"student {place.reference}: not found on the hub ({''.join(reason)}); "
            "check the name and the network, or give a folder"
        ) from None
    return found


def load(reference: str, revision: str = "", dropout: float | None = None) -> Loaded:
    """An encoder-decoder in float32 and its tokenizer. `dropout` None leaves the model's own."""
    from huggingface_hub.utils import enable_progress_bars
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # of shards read and written
    enable_progress_bars()  # of a download
    place = locate(reference, revision)
    more = {} if dropout is None else {"dropout_rate": dropout}
    try:
        config = AutoConfig.from_pretrained(place.name, revision=place.revision, **more)
        _check_kind(config, reference)
        tokenizer = AutoTokenizer.from_pretrained(place.name, revision=place.revision)
        model = AutoModelForSeq2SeqLM.from_pretrained(
            place.name, config=config, revision=place.revision, dtype="float32"
        )
    except (*_LOADING, SafetensorError) as error:
        reason = str(error).strip().splitlines()[:1]
        raise StudentError(
            f"student {reference}: it does not load ({''.join(reason)}); wanted a T5 in {place.name}"
        ) from None
    _check_vocabulary(model, tokenizer, reference)
    return Loaded(model, tokenizer)


def _check_kind(config: Any, reference: str) -> None:
    if not getattr(config, "is_encoder_decoder", False) or "t5" not in str(config.model_type):
        raise StudentError(f"student {reference}: it is a {config.model_type}; wanted a T5 (t5, mt5, ...)")


def _check_vocabulary(model: Any, tokenizer: Any, reference: str) -> None:
    entries, rows = len(tokenizer), model.get_input_embeddings().num_embeddings
    if entries < rows / 2:  # transformers makes a tokenizer without entries where there is no file of one
        raise StudentError(
            f"student {reference}: its tokenizer has {entries} entries for weights of {rows}; "
            "wanted its tokenizer files (tokenizer.json) beside the weights"
        )
    if entries > rows:
        raise StudentError(
            f"student {reference}: its tokenizer has {entries} entries, its weights {rows}; "
            "wanted the tokenizer that the model was trained with"
        )
