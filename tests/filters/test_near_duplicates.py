"""Near copies over the corpus: exact, edited and shuffled ones; who stays; any order, any shards."""

import random

import pyarrow as pa
import pytest
from pydantic import ValidationError

from filters import SELECTORS
from filters.near_duplicates import NearDuplicates

SOURCE = "The city council approved the new budget for schools and roads on Monday after a long debate."
TARGET = "The city council approved the new budget for schools on Monday."
EDITED = "The town council approved the new budget for schools and roads on Tuesday after a long debate."
EDITED_TARGET = "The town council approved the new budget for schools on Monday."
OTHER = "Heavy rain flooded several streets near the river in the night, and trains were late."
OTHER_TARGET = "Rain flooded streets near the river."


def shuffled(text: str) -> str:
    words = text.split()
    random.Random(3).shuffle(words)
    return " ".join(words)


Row = tuple[str, str | None, str | None, str | None, float | None]  # pair_id context source target forward


def tables(rows: list[Row]) -> tuple[pa.Table, pa.Table]:
    ids, contexts, sources, targets, forward = (
        (list(column) for column in zip(*rows, strict=True)) if rows else [[]] * 5
    )
    columns = {"pair_id": ids, "task": ["summary"] * len(ids), "context_id": contexts, "source": sources}
    pairs = pa.table({name: pa.array(values, pa.string()) for name, values in (columns | {"target": targets}).items()})
    return pairs, pa.table({"entailment": pa.array(forward, pa.float32())})


def kept(rows: list[Row], **settings: object) -> set[str]:
    verdict = NearDuplicates(**settings).select(*tables(rows))  # type: ignore[arg-type]
    assert len(verdict) == len(rows) and verdict.null_count == 0
    return {row[0] for row, stays in zip(rows, verdict.to_pylist(), strict=True) if stays}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (SOURCE, TARGET),
        (EDITED, EDITED_TARGET),
        (shuffled(SOURCE), TARGET),
        (SOURCE.upper(), shuffled(EDITED_TARGET)),
        (f'"{SOURCE}"', TARGET.replace(".", " !")),
    ],
)
def test_a_copy_goes_and_the_stronger_stays(source: str, target: str) -> None:
    rows: list[Row] = [("p1", "c1", SOURCE, TARGET, 0.93), ("p2", "c0", source, target, 0.92)]
    assert kept([*rows, ("p3", "c1", OTHER, OTHER_TARGET, 0.9)]) == {"p1", "p3"}
    assert kept([("p1", "c1", SOURCE, TARGET, 0.92), ("p2", "c0", source, target, 0.93)]) == {"p2"}


@pytest.mark.parametrize(("source", "target"), [(SOURCE, OTHER_TARGET), (OTHER, TARGET), (OTHER, OTHER_TARGET)])
def test_a_pair_is_a_copy_by_both_sentences(source: str, target: str) -> None:
    rows: list[Row] = [("p1", "c1", SOURCE, TARGET, 0.9), ("p2", "c2", source, target, 0.9)]
    assert kept(rows) == {"p1", "p2"}
    assert len(kept(rows, match="sentence")) == (2 if source == OTHER and target == OTHER_TARGET else 1)


def test_a_sentence_may_stand_on_the_other_side() -> None:
    rows: list[Row] = [("p1", "c1", SOURCE, OTHER, 0.9), ("p2", "c2", OTHER_TARGET, EDITED, 0.95)]
    assert kept(rows, match="sentence") == {"p2"}
    assert kept([("p1", "c1", SOURCE, EDITED, 0.9)], match="sentence") == {"p1"}  # its own two sentences do not count


def test_ties_go_to_the_smallest_context_then_pair() -> None:
    same: list[Row] = [
        ("b", "c2", SOURCE, TARGET, 0.9),
        ("z", "c1", EDITED, TARGET, 0.9),
        ("a", "c1", EDITED, TARGET, 0.9),
    ]
    assert kept(same) == {"a"}
    assert kept([*same, ("0", None, SOURCE, TARGET, 0.9)]) == {"a"}  # a pair without a context comes last
    assert kept([*same, ("0", None, SOURCE, TARGET, 0.91)]) == {"0"}
    assert kept([*same[:2], ("a", "c1", EDITED, TARGET, None)]) == {"z"}


def test_a_task_that_asks_no_judge() -> None:
    pairs, scores = tables([("b", "c2", SOURCE, TARGET, 0.9), ("z", "c1", EDITED, TARGET, 0.1)])
    verdict = NearDuplicates().select(pairs, scores.drop_columns(["entailment"]).append_column("x", scores[0]))
    assert verdict.to_pylist() == [False, True]


def test_who_is_left_out_is_near_one_that_stays() -> None:
    """a ~ b ~ c, and a is not near c: with b gone, c has nobody who stands for it."""
    a, b, c = "a b c d e f g h i j", "a b c d e f g h x y", "a b c d e f v w x y"
    rows: list[Row] = [(name, f"c{name}", text, text, 0.9) for name, text in zip("abc", (a, b, c), strict=True)]
    assert kept(rows, min_jaccard=0.6) == {"a", "c"}


def planted(count: int = 300) -> list[Row]:
    """Pairs of as many contexts, every third one planted again far away."""
    rng = random.Random(5)
    vocabulary = [f"word{i}" for i in range(900)]
    texts = [(" ".join(rng.choices(vocabulary, k=16)), " ".join(rng.choices(vocabulary, k=9))) for _ in range(count)]
    rows: list[Row] = [(f"p{i:04}", f"c{i:04}", *text, 0.95) for i, text in enumerate(texts)]
    for i, (source, target) in enumerate(texts[::3]):
        words = source.split()
        words[i % 16] = "edited"
        copy = (source, " ".join(words), shuffled(source))[i % 3]
        rows.append((f"q{i:04}", f"d{i:04}", copy, target, 0.94))
    return rows


@pytest.mark.parametrize("match", ["pair", "sentence"])
def test_planted_copies_go_whatever_the_order(match: str) -> None:
    rows = planted()
    wanted = {row[0] for row in rows if row[0].startswith("p")}
    for seed in range(3):
        assert kept(random.Random(seed).sample(rows, len(rows)), match=match) == wanted


def test_blank_and_missing_text_is_nobodys_copy() -> None:
    rows: list[Row] = [("a", "c1", "", TARGET, 0.9), ("b", "c2", None, TARGET, 0.9), ("c", "c3", "...", None, 0.9)]
    assert kept([*rows, ("d", "c4", " ", None, 0.9)]) == {"a", "b", "c", "d"}


def test_no_pairs() -> None:
    assert kept([]) == set()


@pytest.mark.parametrize("bad", [{"min_jaccard": 0.4}, {"min_jaccard": 1.1}, {"match": "both"}, {"jaccard": 0.7}])
def test_impossible_settings(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NearDuplicates(**bad)  # type: ignore[arg-type]


def test_it_is_in_the_catalogue() -> None:
    assert SELECTORS["near_duplicates"] is NearDuplicates and NearDuplicates.within is None
