"""Pairs and scores to the corpus: repeats, selectors, splits, attributes, files."""

from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic.dataclasses import dataclass

from filters.decontamination import Decontamination
from filters.near_duplicates import NearDuplicates
from filters.overlap import novel_ngram_share
from pipeline.assemble import Assemble, split_of
from pipeline.plan import spec_changes
from pipeline.progress import unbalanced
from pipeline.recipe_sections import Corpus
from pipeline.records import PAIR, pair_id, score_schema
from pipeline.shard import fingerprint

SCORES = score_schema(["length", "entailment"])
TASKS = ("summary", "paraphrase")


class Folder:
    """A shard writer onto plain files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, table: pa.Table) -> None:
        pq.write_table(table, self.folder / f"{name}.parquet")

    def directory(self, name: str) -> Path:
        raise NotImplementedError(name)

    def read(self, name: str) -> list[dict]:
        return pq.read_table(self.folder / f"{name}.parquet").to_pylist()


@dataclass(frozen=True)
class Shorter:
    """Keeps the shortest target of each context."""

    name: ClassVar[str] = "shorter"
    within: ClassVar[Literal["context_id"] | None] = "context_id"

    def select(self, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        assert pairs.num_rows == scores.num_rows
        rows = pairs.to_pylist()
        least: dict[str, int] = {}
        for row in rows:
            least[row["context_id"]] = min(len(row["target"]), least.get(row["context_id"], 10**6))
        return pa.array([len(row["target"]) == least[row["context_id"]] for row in rows], pa.bool_())


Triple = tuple[str, str, str]
"""Context, source, target."""


def inputs(
    triples: list[Triple], task: str = "summary", dropped: tuple[int, ...] = (), sure: tuple[float, ...] = ()
) -> dict[str, pa.Table]:
    pairs, scores = [], []
    for i, (context, x, y) in enumerate(triples):
        key = pair_id(task, x, y)
        pairs.append({"pair_id": key, "task": task, "source": x, "target": y, "context_id": context})
        score = {"pair_id": key, "length": len(y) / len(x), "entailment": sure[i] if sure else 0.9}
        scores.append(score | {"dropped_by": "entailment" if i in dropped else None})
    return {"pairs": pa.Table.from_pylist(pairs, schema=PAIR), "scores": pa.Table.from_pylist(scores, schema=SCORES)}


def assemble(
    tmp_path: Path, tables: dict[str, pa.Table], selectors: tuple[object, ...] = (), **corpus: object
) -> tuple[Folder, dict[str, int]]:
    out = Folder(tmp_path)
    stage = Assemble(dict.fromkeys(TASKS, selectors), Corpus(**corpus))  # type: ignore[arg-type]
    counts = dict(stage.run(tables, out))
    assert unbalanced(counts) == {}
    return out, counts


MANY = [
    (f"{i:032x}", f"Source number {i} of the context is here.", f"Target {j} is short.")
    for i in range(300)
    for j in (0, 1)
]


def test_splits_are_by_context(tmp_path: Path) -> None:
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
    out, counts = assemble(tmp_path, inputs(MANY), splits=shares)
    contexts = {name: {row["context_id"] for row in out.read(name)} for name in shares}
    assert sum(map(len, contexts.values())) == len(set.union(*contexts.values())) == 300
    assert all(abs(len(contexts[name]) / 300 - share) < 0.1 for name, share in shares.items())
    assert {row["split"] for row in out.read("test")} == {"test"}
    assert sum(counts[f"split_{name}"] for name in shares) == counts["summary/out"] == 600


def test_splits_of_a_part_are_those_of_the_whole(tmp_path: Path) -> None:
    whole, _ = assemble(tmp_path, inputs(MANY))
    train = {row["pair_id"] for row in whole.read("train")}
    part, _ = assemble(tmp_path, inputs(MANY[:100]))
    assert {row["pair_id"] for row in part.read("train")} <= train


@pytest.mark.parametrize("shares", [{"all": 1.0}, {"none": 0.0, "all": 1.0}, {"all": 1.0, "none": 0.0}])
def test_a_split_with_all_or_nothing(shares: dict[str, float]) -> None:
    assert {split_of(f"{i:032x}", shares) for i in range(200)} == {"all"}


def test_repeats_collapse_to_the_smallest_context(tmp_path: Path) -> None:
    x, y = "The same source sentence twice.", "The same target."
    tables = inputs([("cc", x, y), ("aa", x, y), ("bb", x, y), ("bb", x, "Another target.")])
    out, counts = assemble(tmp_path, tables, splits={"all": 1.0})
    rows = {row["target"]: row for row in out.read("all")}
    assert rows[y]["context_id"] == "aa"
    assert rows[y]["also_in"] == ["bb", "cc"]
    assert rows["Another target."]["also_in"] == []
    assert (counts["summary/in"], counts["summary/out"], counts["summary/dropped/repeat"]) == (4, 2, 2)
    assert sorted(row["context_id"] for row in out.read("left_out")) == ["bb", "cc"]


def test_only_what_no_filter_dropped(tmp_path: Path) -> None:
    out, counts = assemble(tmp_path, inputs(MANY[:6], dropped=(0, 3)), splits={"all": 1.0})
    assert {row["target"] for row in out.read("all")} <= {row[2] for row in MANY[:6]}
    assert counts["summary/in"] == 4


def test_selectors_come_last_and_say_whom_they_left_out(tmp_path: Path) -> None:
    triples = [("a", "A long source sentence.", "Short."), ("a", "A long source sentence.", "Rather longer."),
               ("b", "Another source sentence.", "Only one.")]  # fmt: skip
    out, counts = assemble(tmp_path, inputs(triples), (Shorter(),), splits={"all": 1.0})
    assert {row["target"] for row in out.read("all")} == {"Short.", "Only one."}
    assert [(row["target"], row["left_out_by"]) for row in out.read("left_out")] == [("Rather longer.", "shorter")]
    assert counts["summary/dropped/shorter"] == 1


def test_most_pairs_of_a_context(tmp_path: Path) -> None:
    triples = [("a", "A source.", f"Target {i}.") for i in range(4)] + [("b", "B source.", "Target.")]
    tables = inputs(triples, sure=(0.8, 0.95, 0.9, 0.7, 0.6))
    out, counts = assemble(tmp_path, tables, splits={"all": 1.0}, max_pairs_per_context=2)
    assert {row["target"] for row in out.read("all")} == {"Target 1.", "Target 2.", "Target."}
    assert counts["summary/dropped/max_pairs_per_context"] == 2


FIRST = ("The council approved the new budget for schools and roads on Monday.", "The council approved the new budget.")
SHUFFLED = (
    "On Monday the council approved the new budget for roads and schools.",
    "The council approved a new budget.",
)
RAIN = ("Heavy rain flooded several streets near the river in the night.", "Rain flooded streets.")


def shards(tables: dict[str, pa.Table], order: list[int]) -> dict[str, pa.Table]:
    """The same rows as they come from one shard each, in this order."""
    return {name: pa.concat_tables([table.slice(i, 1) for i in order]) for name, table in tables.items()}


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]])
def test_copies_across_shards_go_and_the_strongest_stays(tmp_path: Path, order: list[int]) -> None:
    triples = [("bb", *FIRST), ("aa", *SHUFFLED), ("cc", *FIRST), ("dd", *RAIN)]
    tables = shards(inputs(triples, sure=(0.9, 0.95, 0.99, 0.9)), order)
    out, counts = assemble(tmp_path, tables, (NearDuplicates(),), splits={"all": 1.0})
    assert {row["context_id"] for row in out.read("all")} == {"aa", "dd"}
    left_out = {row["context_id"]: row["left_out_by"] for row in out.read("left_out")}
    assert left_out == {"bb": "near_duplicates", "cc": "repeat"}
    assert (counts["summary/in"], counts["summary/out"], counts["summary/dropped/near_duplicates"]) == (4, 2, 1)


def test_near_copies_of_a_test_set_go(tmp_path: Path) -> None:
    file = tmp_path / "held.txt"
    file.write_text("the council approved the new budget for schools and roads on monday .\n")
    triples = [("aa", *FIRST), ("bb", *SHUFFLED), ("dd", *RAIN)]
    out, counts = assemble(tmp_path, inputs(triples), (Decontamination((str(file),)),), splits={"all": 1.0})
    assert [row["context_id"] for row in out.read("all")] == ["dd"]
    assert counts["summary/dropped/decontamination"] == 2


def test_another_order_of_selectors_is_another_corpus() -> None:
    ways = [NearDuplicates(), Decontamination()]
    one, other = (Assemble({"summary": tuple(found)}, Corpus()) for found in (ways, reversed(ways)))
    assert fingerprint(one.spec()) != fingerprint(other.spec())
    (change,) = spec_changes(one.spec(), other.spec())
    assert change.startswith("order.summary: ")


def test_another_test_set_is_another_corpus(tmp_path: Path) -> None:
    """The spec, by which a corpus is told stale, holds the content of the file and not its name alone."""
    file = tmp_path / "held.txt"
    stage = Assemble({"summary": (Decontamination((str(file),)),)}, Corpus())
    specs = []
    for content in (None, "one", "two"):
        if content:
            file.write_text(content)
        specs.append(stage.spec()["selectors"])
    assert len({str(spec) for spec in specs}) == 3 and "missing" in str(specs[0])


@pytest.mark.parametrize(
    ("target", "bucket"), [("x" * 9, 0), ("x" * 10, 1), ("x" * 49, 4), ("x" * 50, 5), ("x" * 90, 9), ("x" * 300, 9)]
)
def test_compression_buckets_at_their_edges(tmp_path: Path, target: str, bucket: int) -> None:
    out, _ = assemble(tmp_path, inputs([("a", "s" * 100, target)]), splits={"all": 1.0})
    (row,) = out.read("all")
    assert row["compression_ratio"] == pytest.approx(len(target) / 100)
    assert row["compression_bucket"] == bucket


def test_novelty(tmp_path: Path) -> None:
    source = "the mayor said that the old bridge would be closed"
    targets = ["the mayor said that", "a wholly new sentence", "the old bridge was closed", "one"]
    tables = inputs([("a", source, y) for y in targets])
    out, _ = assemble(tmp_path, tables, splits={"all": 1.0}, novelty_edges=(0.5, 1.0))
    for row in out.read("all"):
        assert row["novelty"] == (
            pytest.approx(share) if (share := novel_ngram_share(source, row["target"], 2)) is not None else None
        )
    buckets = {row["target"]: row["novelty_bucket"] for row in out.read("all")}
    assert buckets == dict(zip(targets, (0, 2, 1, 0), strict=True))


def test_tasks_are_apart(tmp_path: Path) -> None:
    both = [inputs(MANY[:4], task) for task in TASKS]
    tables = {name: pa.concat_tables([each[name] for each in both]) for name in ("pairs", "scores")}
    out, counts = assemble(tmp_path, tables, (Shorter(),), splits={"all": 1.0})
    assert counts["summary/out"] == counts["paraphrase/out"]
    assert {row["task"] for row in out.read("all")} == set(TASKS)


@pytest.mark.parametrize("dropped", [(), (0, 1)])
def test_an_empty_corpus_has_its_files_and_columns(tmp_path: Path, dropped: tuple[int, ...]) -> None:
    tables = inputs(MANY[: len(dropped)], dropped=dropped)
    out, counts = assemble(tmp_path, tables, (Shorter(),))
    (tmp_path / "full").mkdir()
    full, _ = assemble(tmp_path / "full", inputs(MANY))
    for name in ("train", "validation", "test", "left_out"):
        assert out.read(name) == []
        assert (
            pq.read_schema(out.folder / f"{name}.parquet").names
            == pq.read_schema(full.folder / f"{name}.parquet").names
        )
    assert counts["summary/out"] == 0


def test_the_order_of_the_input_does_not_matter(tmp_path: Path) -> None:
    tables = inputs(MANY)
    first, _ = assemble(tmp_path, tables, (Shorter(),))
    bytes_of = {path.name: path.read_bytes() for path in tmp_path.glob("*.parquet")}
    order = pa.array(list(range(600))[::-1])
    again, _ = assemble(tmp_path, {name: table.take(order) for name, table in tables.items()}, (Shorter(),))
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.parquet")} == bytes_of
    assert first.folder == again.folder


def test_tables_that_do_not_fit_each_other(tmp_path: Path) -> None:
    tables = inputs(MANY[:4])
    with pytest.raises(ValueError, match="not in the same order"):
        assemble(tmp_path, tables | {"scores": tables["scores"].slice(1)})


def test_it_loads_with_datasets(tmp_path: Path) -> None:
    """Also where a split came out empty: it then has no file, for `datasets` cannot load one without rows."""
    from datasets import load_dataset

    out, counts = assemble(tmp_path, inputs(MANY[:20]), splits={"train": 0.5, "test": 0.5, "none": 0.0})
    files = {path.stem: str(path) for path in out.folder.glob("*.parquet") if path.stem != "left_out"}
    loaded = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert {name: split.num_rows for name, split in loaded.items()} == {
        "train": counts["split_train"],
        "test": counts["split_test"],
    }
    assert loaded["train"].column_names == loaded["test"].column_names
