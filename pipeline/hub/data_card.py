"""The card of a data set: everything that a reader has to know of a release, gathered from the run itself."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from filters import FILTERS, SELECTORS
from filters.base import HAS_A_SAY
from pipeline.hub import card_facts
from pipeline.hub.blocklist import Blocklist
from pipeline.hub.card import SAMPLES, ConfigFiles, Json, Licence, data_metadata, plain, render
from pipeline.hub.licences import Lookup, check_licence, derived, terms
from pipeline.hub.public_names import public_recipe
from pipeline.hub.release_source import brought, users_contexts, users_pairs
from pipeline.store import Run

NOT_DECISIVE = frozenset({"token_budget", "threads", "device", "back_end"})
"""How a filter runs, not what it lets through; the recipe has them."""
NOT_PAIRS = frozenset({"all", "contexts"})


@dataclass(frozen=True)
class CardParts:
    """What the publisher chose, as far as the card tells it; `left_out` counts the blocklist's pairs."""

    repo: str
    licence: str
    blocklist: Blocklist | None
    left_out: int
    uploaded: bool
    """The user's own contexts were asked for."""
    with_contexts: bool
    """There is a config of contexts."""


def data_card(run: Run, round_number: int, parts: CardParts, configs: Sequence[ConfigFiles], lookup: Lookup) -> str:
    """README.md of a data set."""
    text = run.recipe_file.read_text(encoding="utf-8")
    recipe = tomllib.loads(text)
    tasks = {
        config.name: pa.concat_tables(config.rows.values()).sort_by("pair_id")
        for config in configs
        if config.name not in NOT_PAIRS
    }
    licence = licence_of(run, recipe, round_number, asked_in(round_number), parts.licence, lookup)
    title = f"{recipe.get('name') or run.name}: sentence {' and '.join(tasks)} pairs"
    said = {
        "title": title,
        "metadata": data_metadata(title, licence.id, configs, list(tasks)),
        "repo": parts.repo,
        "key": re.sub(r"\W+", "_", parts.repo.rpartition("/")[2]).lower(),
        "recipe": {"name": recipe.get("name", ""), "description": recipe.get("description", "")},
        "sampling": plain({name: v for name, v in recipe.get("sampling", {}).items() if not isinstance(v, dict)}),
        "thresholds": list(_thresholds(tomllib.loads(public_recipe(text)), asked_in(round_number))),
        "contexts": _contexts(run, recipe, round_number, parts),
        "rewriting": plain(recipe.get("rounds", {})),
        "blocklist": _blocklist(parts),
        "licence": licence,
    }
    return render("data_card.md.j2", said | _of_run(run, round_number) | _of_rows(tasks, configs))


def _of_run(run: Run, round_number: int) -> Json:
    """What the run's own files tell of how it was made."""
    return {
        "round": round_number,
        "brought": brought(run),
        "users_pairs": users_pairs(run, round_number),
        "year": card_facts.year(run, round_number, "corpus"),
        "models": card_facts.models(run, round_number),
        "code": _code(run, round_number),
        "funnel": [_level(level.data()) for level in card_facts.funnel(run, round_number)],
        "monitors": [
            {"task": task, "name": name, "value": value} for task, name, value in card_facts.monitors(run, round_number)
        ],
    }


def _of_rows(tasks: Mapping[str, pa.Table], configs: Sequence[ConfigFiles]) -> Json:
    """What the published rows tell of themselves."""
    counted = [(config.name, split, rows.num_rows) for config in configs for split, rows in config.rows.items()]
    return {
        "tasks": list(tasks),
        "total": sum(rows.num_rows for rows in tasks.values()),
        "configs": [{"config": config, "split": split, "rows": rows} for config, split, rows in counted],
        "statistics": {task: card_facts.statistics(rows) for task, rows in tasks.items()},
        "constants": {task: card_facts.score_constants(rows) for task, rows in tasks.items()},
        "scores": {task: card_facts.score_quantiles(rows) for task, rows in tasks.items()},
        "samples": [row for rows in tasks.values() for row in rows.slice(0, SAMPLES).to_pylist()],
    }


def licence_of(
    run: Run, recipe: Mapping[str, Json], round_number: int, kinds: Sequence[str], given: str, lookup: Lookup
) -> Licence:
    """The licence that was given, else the one that all parts share. `kinds`: the tables that had a say (asked_in)."""
    models = recipe.get("models", {})
    names = {} if brought(run) else {"teacher": str(models.get("teacher", ""))}
    if round_number:
        names["student, before training"] = str(models.get("student", ""))
    parts = tuple((role, terms(name, lookup)) for role, name in names.items())
    judges = tuple((tasks, terms(name, lookup)) for name, tasks in _judges(recipe, kinds))
    if given:
        return Licence(check_licence(given), True, parts, judges)
    users_text = brought(run) or users_contexts(run, round_number)
    return Licence(derived(parts, users_text, [judge for _, judge in judges]), False, parts, judges)


def asked_in(round_number: int) -> tuple[str, ...]:
    """A task's tables that had a say in a round: the filters for rewrites alone had none in the teacher's."""
    return ("panel", "rewrites", "select") if round_number else ("panel", "select")


JUDGES = frozenset(name for name, kind in {**FILTERS, **SELECTORS}.items() if getattr(kind, "role", None) in HAS_A_SAY)
"""Filters and selectors whose model has a say in what two sentences mean."""


def _judges(recipe: Mapping[str, Json], kinds: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every judge by its reference, and the tasks in which it had a say: a filter may name one of its own."""
    common = str(recipe.get("models", {}).get("judge", ""))
    asked: dict[str, list[str]] = {}
    for name, task in recipe.get("tasks", {}).items():
        tables = [(name, params) for kind in kinds for name, params in task.get(kind, {}).items()]
        own = [str(params["model"]) for name, params in tables if name in JUDGES and params.get("model")]
        for judge in dict.fromkeys([str(task.get("judge") or common), *own]):
            asked.setdefault(judge, []).append(name)
    for judge, names in asked.items():
        yield judge, ", ".join(names)


def _contexts(run: Run, recipe: Mapping[str, Json], round_number: int, parts: CardParts) -> Json:
    section = recipe.get("contexts", {})
    source = str(section.get("source", "teacher"))
    if not users_contexts(run, round_number):
        told = "written by the teacher, in the config `contexts`" if parts.with_contexts else "none"
    elif parts.uploaded:
        told = "the publisher's own text, in the config `contexts` as the publisher asked"
    else:
        told = "the publisher's own text, not part of this data set"
    return {"source": source, "told": told} | {
        name: section.get(name, "?") for name in ("min_sentences", "max_sentences", "count")
    }


def _thresholds(recipe: Mapping[str, Json], kinds: Sequence[str]) -> Iterator[Json]:
    """Every filter and selector of the recipe with its parameters, in order."""
    yield {"task": "every candidate", "name": "wellformed", "params": plain(recipe.get("candidates", {}))}
    for task, settings in recipe.get("tasks", {}).items():
        for kind in kinds:
            for name, params in settings.get(kind, {}).items():
                decisive = {key: value for key, value in params.items() if key not in NOT_DECISIVE}
                yield {"task": task, "name": name, "params": plain(decisive)}


def _code(run: Run, round_number: int) -> str:
    """`abc (pairs, scores), def (corpus)`."""
    stages: dict[str, list[str]] = {}
    for stage, version in card_facts.code_versions(run, round_number).items():
        stages.setdefault(version, []).append(stage)
    return ", ".join(f"{version} ({', '.join(found)})" for version, found in stages.items()) or "not recorded"


def _level(level: Mapping[str, object]) -> Json:
    dropped = level["dropped"]
    told = ", ".join(f"{name} {number}" for name, number in dropped.items()) if isinstance(dropped, dict) else ""
    return {**level, "dropped": told}


def _blocklist(parts: CardParts) -> Json | None:
    if parts.blocklist is None:
        return None
    return {
        "entries": len(parts.blocklist.entries),
        "digest": parts.blocklist.digest,
        "left_out": parts.left_out,
    }
