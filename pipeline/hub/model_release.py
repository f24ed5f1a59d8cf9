"""From a student to the files of a model repository: weights, tokenizer, losses, card, manifest."""

import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path

import yaml

from pipeline.errors import UserError
from pipeline.hub import card_facts
from pipeline.hub.card import Json, Licence, figure, plain, render, yaml_text
from pipeline.hub.data_card import asked_in, licence_of
from pipeline.hub.licences import Lookup, terms
from pipeline.hub.release import Release, write_release
from pipeline.hub.release_source import check_files
from pipeline.store import Run, StageFolder

LOG = logging.getLogger(__name__)
CARD = "README.md"
_PUBLISHED = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja", ".md"})
"""Weights without code in them, settings, vocabularies. A pickle is never published."""
_BESIDE = ("curve.parquet", "curve.svg")


def model_release(run: Run, round_number: int, repo: str, licence: str, lookup: Lookup) -> Release:
    """Make the release of student r; it lies beside that of the data."""
    stage = run.stage(round_number, "student")
    model = stage.folder / "model"
    _check(run, round_number, stage, model)
    files: dict[str, bytes | Path] = {
        path.relative_to(model).as_posix(): path
        for path in sorted(model.rglob("*"))
        if path.is_file() and path.suffix in _PUBLISHED and not path.name.startswith(".")
    }
    files |= {name: stage.folder / name for name in _BESIDE if (stage.folder / name).is_file()}
    skipped = sorted(path.name for path in model.rglob("*") if path.is_file() and path.suffix not in _PUBLISHED)
    if skipped:
        LOG.warning("left out: %s", ", ".join(skipped))
    files[CARD] = model_card(run, round_number, repo, licence, lookup, set(files)).encode()
    made_from = {"run": run.name, "round": round_number, "student": str((stage.manifest() or {}).get("key", ""))}
    return write_release(run.folder / "release" / f"student-{round_number}", files, made_from)


def _check(run: Run, round_number: int, stage: StageFolder, model: Path) -> None:
    where = f"run {run.name!r}, student {round_number}"
    if not stage.manifest() or not (model / "config.json").is_file():
        remedy = f"run `make distill RUN={run.name} ROUND={max(round_number, 1)}` to its end first"
        raise UserError(f"{where}: no finished student there: {remedy}")
    check_files(stage, where)
    if not list(model.glob("*.safetensors")):
        raise UserError(f"{where}: no .safetensors in {model}: save the model so; pickled weights are not published")


def model_card(run: Run, round_number: int, repo: str, given: str, lookup: Lookup, files: set[str]) -> str:
    """README.md of a model: the student's own card, and where it comes from."""
    recipe = tomllib.loads(run.recipe_file.read_text(encoding="utf-8"))
    # Student r learned from what round r - 1 and those before it came to.
    licence = licence_of(run, recipe, round_number, asked_in(max(round_number - 1, 0)), given, lookup)
    head, body = _own_card(run.stage(round_number, "student").folder / "model" / CARD)
    facts = {
        "metadata": _metadata(head, licence, recipe, run),
        "body": body.strip() or f"# {repo.rpartition('/')[2]}\n\nA small T5 that summarises and paraphrases sentences.",
        "repo": repo,
        "round": round_number,
        "recipe": {"name": recipe.get("name", "")},
        "learned_from": _learned_from(recipe, round_number),
        "made": _training(run, round_number),
        "teacher": terms(str(recipe.get("models", {}).get("teacher", "")), lookup),
        "judges": licence.judges,
        "curve": "curve.parquet" in files,
        "picture": "curve.svg" in files,
        "code": (run.stage(round_number, "student").manifest() or {}).get("code", "not recorded"),
        "evaluations": [_table(found) for found in card_facts.evaluations(run)],
        "licence": licence,
    }
    return render("model_card.md.j2", facts)


def _own_card(file: Path) -> tuple[Json, str]:
    """The YAML head and the text of the card that the student came with; both empty where it has none."""
    if not file.is_file():
        return {}, ""
    text = file.read_text(encoding="utf-8")
    if not text.startswith("---\n") or "\n---" not in text[4:]:
        return {}, text
    head, _, body = text[4:].partition("\n---")
    try:
        read = yaml.safe_load(head)
    except yaml.YAMLError as error:
        raise UserError(f"{file}: the YAML at its head cannot be read: mend it, or train again") from error
    return read if isinstance(read, dict) else {}, body.partition("\n")[2]


def _metadata(head: Json, licence: Licence, recipe: Mapping[str, Json], run: Run) -> str:
    """The student's own entries stand, save for the licence."""
    ours = {
        "license": licence.id,
        "language": ["en"],
        "library_name": "transformers",
        "tags": ["summarization", "paraphrase", "self-distillation", str(recipe.get("name") or run.name)],
    }
    return yaml_text(ours | head | {"license": licence.id})


def _learned_from(recipe: Mapping[str, Json], round_number: int) -> str:
    every = recipe.get("rounds", {}).get("corpora", "all") == "all" and round_number > 1
    return f"rounds 0 to {round_number - 1}" if every else f"round {round_number - 1}"


def _training(run: Run, round_number: int) -> str:
    """What the student's manifest says of its training, in one line."""
    manifest = run.stage(round_number, "student").manifest() or {}
    counts = manifest.get("counts")
    return plain(counts) if isinstance(counts, dict) else "no parameter"


def _table(found: Json) -> Json:
    """One benchmark as rows of cells: every system by every metric."""
    systems = found.get("systems", {})
    metrics = list(dict.fromkeys(metric for row in systems.values() for metric in row))
    rows = [{"name": name, "cells": [_measured(row.get(m)) for m in metrics]} for name, row in systems.items()]
    return {"data": found.get("data", ""), "task": found.get("task", ""), "rows": found.get("rows", "?")} | {
        "metrics": metrics,
        "systems": rows,
    }


def _measured(cell: Json | None) -> str:
    if not cell or cell.get("value") is None:
        return ""
    if cell.get("low") is None or cell.get("high") is None:
        return figure(cell["value"])
    return f"{figure(cell['value'])} ({figure(cell['low'])}-{figure(cell['high'])})"
