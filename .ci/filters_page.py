"""Writes the catalogue of docs/filters.md: every filter and selector, from its docstring and from real pairs.

`python .ci/filters_page.py --write` puts it between its markers; a test checks that it is up to date. `--rescore NAME`
first asks these filters anew for the scores of data/filters-examples.jsonl and tells which verdicts turned; without
names it asks all (after a new judge, say). A class docstring ends in "Source:" (a paper, or ours) and "Why:".
"""

import dataclasses
import inspect
import json
import re
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from filters import FILTERS, SELECTORS  # noqa: E402
from filters.base import FilterError  # noqa: E402
from pipeline.recipe import load  # noqa: E402
from pipeline.records import pair_id  # noqa: E402

PAGE, EXAMPLES = ROOT / "docs" / "filters.md", ROOT / "data" / "filters-examples.jsonl"
HOW = {"revision", "encoder_revision", "token_budget", "threads", "device"}
"""Parameters that decide which version of a model is asked and how fast, not what is kept."""
TEST_SENTENCE = "In 2014 the Nigerian government has introduced a new tax on alcohol."
BEGIN, END = "<!-- catalogue: made by .ci/filters_page.py -->", "<!-- end of the catalogue -->"
TASKS = ("summary", "paraphrase")
Example = dict[str, Any]


def examples() -> list[Example]:
    return [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]


def of(name: str) -> list[Example]:
    return [row for row in examples() if row["name"] == name]


def scored(row: Example) -> tuple[float | None, bool]:
    """What the filter says of an example now: its score and its verdict."""
    spec = FILTERS[row["name"]](**row["params"])
    scores = spec.open("cpu")(pa.table({name: [row[name]] for name in ("source", "target")}))
    return scores[0].as_py(), spec.keep(scores)[0].as_py()


def selected(name: str, folder: Path) -> list[bool]:
    """What the selector says of its examples now, all in one context. Files it reads are put into `folder`."""
    rows = of(name)
    columns = {key: [row.get(key) for row in rows] for key in ("task", "source", "target")}
    columns["pair_id"] = [pair_id(*texts) for texts in zip(*columns.values(), strict=True)]
    columns["context_id"] = ["c"] * len(rows)
    for key in ("entailment", "reverse_entailment"):
        if key in rows[0]:
            columns[key] = [row[key] for row in rows]
    pairs = pa.table(columns)
    params = dict(rows[0]["params"])
    if "against" in params:
        params["against"] = [str(folder / "test_set.jsonl")]
        (folder / "test_set.jsonl").write_text(json.dumps({"text": TEST_SENTENCE}))
    if "table" in params:
        params["table"] = str(folder / "influence.parquet")
        influence = pa.array([row["influence"] for row in rows], pa.float32())
        pq.write_table(pa.table({"pair_id": columns["pair_id"], "influence": influence}), params["table"])
    return list(SELECTORS[name](**params).select(pairs, pairs).to_pylist())


def rescore(names: Collection[str]) -> None:
    """Scores as they are now; a filter whose extra is not installed keeps the ones it has."""
    rows = examples()
    for row in rows:
        if row["name"] not in FILTERS.keys() & names:
            continue
        try:
            score, kept = scored(row)
        except FilterError as error:
            print(f"kept as it was: {error}")
            continue
        if kept != row["kept"]:
            print(f"{row['name']}: now {'kept' if kept else 'dropped'} at {score}: {row['source']} => {row['target']}")
        row |= {"score": None if score is None else round(score, 4), "kept": kept}
    EXAMPLES.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for name in SELECTORS.keys() & names:
            if selected(name, Path(folder)) != [row["kept"] for row in of(name)]:
                print(f"{name}: its examples no longer hold")


def notes(kind: type[Any]) -> tuple[list[str], str, str]:
    """A class's docstring: the paragraphs on what it is; where it is from; why the defaults are as they are."""
    paragraphs = [" ".join(part.split()) for part in inspect.getdoc(kind).split("\n\n")]  # type: ignore[union-attr]
    said = re.fullmatch(r"Source: (.+?) Why: (.+)", paragraphs[-1])
    if said is None:
        raise SystemExit(f"{kind.__name__}: its docstring must end in a paragraph 'Source: ... Why: ...'")
    return paragraphs[:-1], said.group(1), said.group(2)


def parameters(kind: type[Any]) -> Iterator[tuple[str, str]]:
    """The parameters that decide verdicts, each with its default."""
    for name, field in kind.__pydantic_fields__.items():
        if name not in HOW:
            yield name, "required" if field.default is PydanticUndefined else plain(field.default)


def plain(value: object) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def settings(name: str, where: str) -> list[tuple[str, dict[str, object]]]:
    """What each task of the news recipe sets, its own judge included; `where` is panel, rewrites or select."""
    recipe, kind = load("news"), {**FILTERS, **SELECTORS}[name]
    tasks = recipe.tasks
    asks = getattr(kind, "role", None) == "judge"
    judges = {task: of.judge or recipe.models.judge for task, of in recipe.tasks.items()}
    own = {task: {"model": name} if asks and name != default_of(kind) else {} for task, name in judges.items()}
    return [
        (task, {**own[task], **getattr(of, where)[name]}) for task, of in tasks.items() if name in getattr(of, where)
    ]


def default_of(kind: type[Any]) -> object:
    """The judge that a class asks where nobody names one."""
    return next((field.default for field in dataclasses.fields(kind) if field.name == "model"), None)


def cell(key: str, params: dict[str, object] | None, note: str = "") -> str:
    """A parameter as a task sets it; empty where the task does not use the filter."""
    if params is None:
        return ""
    return (plain(params[key]) if key in params else "default") + note


def parameter_table(name: str, kind: type[Any], where: str) -> list[str]:
    used = dict(settings(name, where))
    written = dict(settings(name, "rewrites")) if where == "panel" else {}
    rows = list(parameters(kind))
    if not rows:
        both = [*used, *(f"{task} (rewrites alone)" for task in written)]
        return [f"No parameters. News: {', '.join(both) or 'not used'}.", ""]
    lines = ["| parameter | default | news, summary | news, paraphrase |", "|---|---|---|---|"]
    for key, default in rows:
        shown = [
            cell(key, used.get(task)) or cell(key, written.get(task), " (rewrites alone)") or "-" for task in TASKS
        ]
        lines.append(f"| `{key}` | {default} | {' | '.join(shown)} |")
    return [*lines, ""]


def example_table(name: str) -> list[str]:
    lines = ["| | score | source | target |", "|---|---|---|---|"]
    for row in of(name):
        score = row.get("score", row.get("influence"))
        set_to = ", ".join(f"{key} = {plain(value)}" for key, value in row["params"].items())
        remarks = "; ".join(part for part in (set_to, row.get("note", "")) if part)
        verdict = ("kept" if row["kept"] else "dropped") + (f" ({remarks})" if remarks else "")
        shown = "" if score is None else f"{score:.3g}"
        lines.append(f"| {verdict} | {shown} | {row['source']} | {row['target']} |")
    return [*lines, ""]


ASKS = {"screen": "asks a small judge of its own"}


def entry(name: str, kind: type[Any], where: str) -> list[str]:
    what, source, why = notes(kind)
    file = f"{kind.__module__.replace('.', '/')}.py"
    needs = {"cheap": "cheap", "model": "after the cheap ones"}[kind.cost] if where == "panel" else ""
    role = getattr(kind, "role", None)
    facts = [f"[{file}](../{file})", needs, ASKS.get(role, f"asks the {role}") if role else ""]
    lines = [f"### {name}", "", ", ".join(fact for fact in facts if fact) + ".", ""]
    for paragraph in what:
        lines += [paragraph, ""]
    lines += [f"**Source.** {source}", "", f"**Defaults.** {why}", ""]
    return lines + parameter_table(name, kind, where) + example_table(name)


def block() -> str:
    lines = [BEGIN, "", "## Filters", ""]
    for name, kind in FILTERS.items():
        lines += entry(name, kind, "panel")
    lines += ["## Selectors", ""]
    for name, kind in SELECTORS.items():
        lines += entry(name, kind, "select")
    return "\n".join([*lines, END])


def missing() -> list[str]:
    """What a filter or selector on the page still lacks."""
    shown = {(row["name"], row["kept"]) for row in examples()}
    lacking = [
        f"{name}: no {'kept' if kept else 'dropped'} example in {EXAMPLES.relative_to(ROOT)}"
        for name in (*FILTERS, *SELECTORS)
        for kept in (True, False)
        if (name, kept) not in shown
    ]
    named = [
        f"{name}: the class in the catalogue calls itself {kind.name}"
        for name, kind in {**FILTERS, **SELECTORS}.items()
        if kind.name != name
    ]
    return lacking + named


def main() -> None:
    if "--rescore" in sys.argv:
        rescore(
            {name for name in sys.argv if not name.startswith("-")} & {*FILTERS, *SELECTORS} or {*FILTERS, *SELECTORS}
        )
    if "--write" not in sys.argv:
        print(block())
        return
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text[: text.index(BEGIN)] + block() + text[text.index(END) + len(END) :], encoding="utf-8")
    if lacking := missing():
        sys.exit("\n".join(lacking))


if __name__ == "__main__":
    main()
