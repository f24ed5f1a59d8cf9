"""The licence of what is published: derived from what is known of the models and the text behind it, never invented.

Known are the embedded models, from their cards, and whatever states its licence in its own card: a model folder by the
head of its README.md, a hub model by its card there. What nothing is known of is asked for.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from filters.models import EMBEDDED_ENCODER, EMBEDDED_FLUENCY, JUDGES, home
from pipeline.errors import UserError
from pipeline.hub.public_names import public_name

Lookup = Callable[[str], Mapping[str, object] | None]
"""The metadata of a hub model's card; None where it cannot be had."""

HUB_LICENCES = (
    "apache-2.0 mit bsd-2-clause bsd-3-clause isc zlib unlicense cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 "
    "cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-4.0 "
    "cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 c-uda odbl odc-by pddl "
    "wtfpl artistic-2.0 gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 agpl-3.0 mpl-2.0 epl-2.0 eupl-1.2 gfdl openrail "
    "bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m llama2 llama3 llama3.1 "
    "llama3.2 llama3.3 gemma unknown other"
).split()
"""Identifiers that the Hub takes as a card's licence."""

_PACKAGED = {EMBEDDED_FLUENCY: "apache-2.0", EMBEDDED_ENCODER: "apache-2.0"}
_ROW = re.compile(r"\|([^|]+)\|([^|]+)\|([^|]+)\|")


@dataclass(frozen=True)
class TrainingSet:
    """What a model was trained on, as its card says."""

    name: str
    licence: str


@dataclass(frozen=True)
class ModelTerms:
    """What is known of a model: its licence ("" where none is stated) and its training sets (None: not known)."""

    model: str
    licence: str
    trained_on: tuple[TrainingSet, ...] | None = None


def terms(reference: str, lookup: Lookup) -> ModelTerms:
    """What is known of a model by its reference in the recipe."""
    name = public_name(reference)
    if reference in _PACKAGED:
        return ModelTerms(name, _PACKAGED[reference])
    if reference in JUDGES:
        return ModelTerms(name, "", _judge_sets(reference))
    folder = Path(reference).expanduser()
    if reference.startswith("embedded:"):
        said = _head(committed_card(reference))
    else:
        said = _head(folder / "README.md") if folder.is_dir() or name.startswith("local:") else lookup(reference)
    return _from_card(name, said or {})


def committed_card(reference: str) -> Path:
    """The card of an embedded model that lies in data/models."""
    return home() / "data" / "models" / reference.removeprefix("embedded:") / "README.md"


def check_licence(licence: str) -> str:
    """The licence, if the Hub has an identifier for it."""
    if licence in HUB_LICENCES:
        return licence
    near = difflib.get_close_matches(licence.casefold(), HUB_LICENCES, 1, 0.4) or ["apache-2.0"]
    raise UserError(f"licence {licence!r}: no identifier that the Hub takes; nearest is {near[0]}; `other` is one too")


def derived(parts: Sequence[tuple[str, ModelTerms]], users_text: bool, judges: Sequence[ModelTerms]) -> str:
    """The licence that all parts of the text share; UserError where one is not known, or they differ.

    Judges write no text, so that their licence is not asked; but what they learned from has to be known.
    """
    unknown = [f"the {role} {each.model} states none" for role, each in parts if not each.licence]
    unknown += ["contexts or pairs are the user's own text"] if users_text else []
    silent = (judge.model for judge in judges if not judge.trained_on)
    unknown += [f"what the judge {model} was trained on is not said in its card" for model in silent]
    found = {each.licence for _, each in parts if each.licence}
    if len(found) > 1:
        unknown.append(f"the parts differ ({', '.join(sorted(found))})")
    if unknown or not found:
        why = "; ".join(unknown) or "nothing is known of its parts"
        raise UserError(f"licence: not known, since {why}: say which with LICENSE=, as in LICENSE=cc-by-4.0")
    return check_licence(found.pop())


def _judge_sets(reference: str) -> tuple[TrainingSet, ...]:
    """The table of training sets in an embedded judge's own card."""
    lines = committed_card(reference).read_text(encoding="utf-8").splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("| training set |")), len(lines))
    found: list[TrainingSet] = []
    for line in lines[start + 2 :]:
        row = _ROW.fullmatch(line.strip())
        if row is None:
            break
        found.append(TrainingSet(row[1].strip(), row[3].strip()))
    return tuple(found)


def _head(file: Path) -> Mapping[str, object] | None:
    """The YAML at the head of a card; None where there is none."""
    try:
        parts = file.read_text(encoding="utf-8").split("---", 2)
        read = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return read if isinstance(read, dict) else None


def _from_card(name: str, said: Mapping[str, object]) -> ModelTerms:
    licence = said.get("license")
    listed = said.get("datasets")
    names = [str(each) for each in listed] if isinstance(listed, list) else [listed] if isinstance(listed, str) else []
    sets = tuple(TrainingSet(each, "not said here") for each in names)
    return ModelTerms(name, licence if isinstance(licence, str) else "", sets or None)
