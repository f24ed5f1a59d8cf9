"""A small finished run to be published, made by the real stages, and a student beside it."""

import json
from pathlib import Path

import pyarrow as pa
from toy_filters import SENTENCES, panels

from filters.wellformed import Wellformed
from pipeline.assemble import Assemble
from pipeline.backend import LocalBackend
from pipeline.judge import JudgePairs
from pipeline.manifest import sha256
from pipeline.overgenerate import Overgenerate
from pipeline.pair import FormPairs
from pipeline.plan import FoldStep, Input, MapStep, Read, Step
from pipeline.recipe_sections import Corpus, Modes
from pipeline.records import CONTEXT, context_id
from pipeline.runner import run_steps
from pipeline.shard import Header, write_shard
from pipeline.stage import Batch
from pipeline.store import Run
from pipeline.teacher.decoder import Sampling
from pipeline.teacher.echo import EchoDecoder

RECIPE = """
name = "toy"
description = "A <toy> | with *marks*."
seed = 3
[models]
teacher = "{teacher}"
judge = "{judge}"
student = "{student}"
[contexts]
source = "{source}"
min_sentences = 1
max_sentences = 2
[sampling]
n = 30
[tasks.summary.panel.length]
below_ratio = 0.8
[tasks.summary.select.decontamination]
against = ["/home/somebody/private/test.jsonl"]
"""
TOWNS = ("", " ", "Oslo", "Zürich", "New Delhi", "Lima", "Rome", "São Paulo", "Kyoto", "Accra")
SPLITS = {"train": 0.4, "validation": 0.3, "test": 0.3}
TEACHER, JUDGE = "embedded:smollm2-135m-instruct", "embedded:nli-minilm"


def toy_run(root: Path, name: str = "toy", source: str = "teacher", **models: str) -> Run:
    """Round 0 of a run, from contexts to corpus."""
    run = Run.named(name, root)
    started = root / "small-t5"
    started.mkdir(exist_ok=True)
    (started / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A small T5\n")
    chosen = {"teacher": TEACHER, "judge": JUDGE, "student": str(started)} | models
    run.write_recipe(RECIPE.format(source=source, **chosen))
    stages = panels(min_probability=0.2)
    _write_contexts(run, source)
    corpus = Assemble(dict.fromkeys(stages, ()), Corpus(splits=SPLITS))
    steps: list[Step] = [
        MapStep(0, FormPairs(stages, Wellformed()), (Input.planned(_candidates()),)),
        MapStep(0, JudgePairs(stages), Read(0, "pairs")),
        FoldStep(0, corpus, {stage: Read(0, stage) for stage in ("pairs", "scores")}),
    ]
    with run.locked():
        run_steps(run, steps, LocalBackend())
    return run


def _context(town: str, origin: str = "teacher") -> dict[str, object]:
    text = f"Context number {len(town)} is about {town or 'a town'}."
    return {"context_id": context_id(text), "text": text, "sentences": 1, "origin": origin}


def _candidates() -> pa.Table:
    """Every town has sentences of its own; two have the same ones, so that pairs repeat."""
    parts = []
    for town in TOWNS:
        said = tuple(f"In {town}, {s[0].lower()}{s[1:]}" for s in SENTENCES) if town.strip() else SENTENCES
        stage = Overgenerate(EchoDecoder(said), Sampling(n=30), Modes(), Wellformed(), 1)
        parts.append(stage.open()(Batch(0, pa.Table.from_pylist([_context(town)], schema=CONTEXT))).table)
    return pa.concat_tables(parts)


def _write_contexts(run: Run, origin: str) -> None:
    rows = [_context(town, origin) for town in TOWNS]
    folder = run.stage(0, "contexts")
    write_shard(folder.shard(0), pa.Table.from_pylist(rows, schema=CONTEXT), Header("contexts", "key", {}))
    folder.write_manifest({"stage": "contexts", "shards": [{"key": "key"}], "spec": {}, "counts": {}})


def add_student(run: Run, round_number: int = 1, card: str = "# A toy student\n\nIt knows nothing.\n") -> Path:
    """A finished student: its weights are a few bytes, which is all that publishing looks at."""
    folder = run.stage(round_number, "student")
    model = folder.folder / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "t5"}')
    (model / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    (model / "optimizer.pt").write_bytes(b"pickled")
    if card:
        (model / "README.md").write_text(card)
    (folder.folder / "curve.svg").write_text("<svg/>")
    listed = [path for path in sorted(folder.folder.rglob("*")) if path.is_file()]
    files = [{"file": str(path.relative_to(folder.folder)), "sha256": sha256(path)} for path in listed]
    folder.write_manifest({"stage": "student", "key": "k", "code": "abc", "counts": {"pairs": 5}, "files": files})
    measured = {"student 1": {"rouge_l": {"value": 0.5, "low": 0.4, "high": 0.61}}, "copy": {"rouge_l": {"value": 1}}}
    results = {"data": "news", "task": "summary", "rows": 10, "encoder": "e", "systems": measured}
    place = run.folder / "evaluation" / "news-summary" / "results.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(results))
    return model
