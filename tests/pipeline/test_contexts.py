"""Contexts that the teacher writes: slots, tries, reasons, and the same contexts when more are asked for."""

import pyarrow as pa
import pytest

from pipeline.contexts import ATTEMPTS, TeacherContexts, slots
from pipeline.progress import unbalanced
from pipeline.recipe_sections import Contexts
from pipeline.records import CONTEXT, context_id
from pipeline.stage import Batch, Output
from pipeline.teacher.echo import EchoDecoder

TEN = tuple(f"Sentence number {i} is here." for i in range(10))


def settings(**teacher: object) -> Contexts:
    chosen = {"style": "dateline", "max_tokens": 60, **teacher}
    return Contexts(count=8, min_sentences=1, max_sentences=1, teacher=chosen)  # type: ignore[arg-type]


def write(stage: TeacherContexts, count: int, known: pa.Table | None = None) -> Output:
    (table,) = slots(count, count)
    return stage.open()(Batch(0, table, known))


def stage(sentences: tuple[str, ...] = TEN, seed: int = 1, **teacher: object) -> TeacherContexts:
    return TeacherContexts(EchoDecoder(sentences), settings(**teacher), seed)


def test_slots() -> None:
    assert [table["slot"].to_pylist() for table in slots(5, 2)] == [[0, 1], [2, 3], [4]]
    assert slots(4, 4)[0].num_rows == 4


def test_rows() -> None:
    output = write(stage(), 6)
    assert output.table.schema == CONTEXT
    assert unbalanced(output.counts) == {}
    for row in output.table.to_pylist():
        assert row["text"] in TEN
        assert row["context_id"] == context_id(row["text"])
        assert (row["origin"], row["sentences"]) == ("teacher", 1)
        assert row["prefix"].endswith("--")
        assert row["seed"] % (1 << 20) == 0


def test_no_context_twice() -> None:
    """Nine sentences for ten slots and four tries each: doubles are tried again, then set aside."""
    output = write(stage(TEN[:9]), 10)
    texts = output.table["text"].to_pylist()
    assert len(texts) == len(set(texts)) == output.counts["out"]
    assert output.counts["in"] == 10
    assert output.aside is not None
    assert set(output.aside["reason"].to_pylist()) == {"duplicate"}
    assert unbalanced(output.counts) == {}


@pytest.mark.parametrize("seed", range(6))
def test_more_slots_leave_the_first_as_they_are(seed: int) -> None:
    """Alone, or handed on as known: what is written is what a fresh run of all slots writes."""
    whole = write(stage(seed=seed), 10)
    for count in (1, 4, 9):
        first = write(stage(seed=seed), count)
        assert first.table.to_pylist() == whole.table.to_pylist()[: first.table.num_rows]
        extended = write(stage(seed=seed), 10, known=first.table)
        assert extended.table.equals(whole.table)
        assert extended.counts == whole.counts


def test_known_contexts_of_another_seed_are_no_help() -> None:
    other = write(stage(seed=2), 5)
    assert write(stage(seed=3), 5, known=other.table).table.equals(write(stage(seed=3), 5).table)


@pytest.mark.parametrize(
    ("sentences", "reason"),
    [(("It has no end",), "no_end"), (("A.",), "too_short"), (("One sentence alone.",), "duplicate")],
)
def test_reasons(sentences: tuple[str, ...], reason: str) -> None:
    output = write(stage(sentences), 3)
    assert output.aside is not None
    assert set(output.aside["reason"].to_pylist()) == {reason}
    assert output.counts[f"dropped/{reason}"] == 3 - output.table.num_rows
    assert unbalanced(output.counts) == {}


def test_a_prefix_that_does_not_fit() -> None:
    narrow = TeacherContexts(EchoDecoder(TEN, window=2), settings(), 1)
    assert write(narrow, 2).counts == {"in": 2, "out": 0, "dropped/prefix_too_long": 2}


def test_openings_stay_and_are_spaced() -> None:
    output = write(stage(openings=("The mayor said:",)), 4)
    for row in output.table.to_pylist():
        opening, _, rest = row["text"].partition(" said: ")
        assert (opening, rest in TEN) == ("The mayor", True)


def test_closings_lead_over() -> None:
    """Each context ends in one of them, drawn for each; without any, no stage is stale."""
    closings = ("My question is:", "So I ask you this:")
    chosen = settings().model_copy(update={"closings": closings})
    asking = TeacherContexts(EchoDecoder(TEN), chosen, 1)
    rows = write(asking, 8).table.to_pylist()
    assert [row["text"].replace(f" {end}", "") in TEN for row in rows for end in closings if end in row["text"]] == [
        True
    ] * len(rows)
    assert {end for row in rows for end in closings if row["text"].endswith(end)} == set(closings)
    assert [row["context_id"] for row in rows] == [context_id(row["text"]) for row in rows]
    assert asking.spec() != stage().spec()
    assert "closings" not in stage().spec()["contexts"]  # type: ignore[operator]


def test_prefixes() -> None:
    lines = write(stage(style="lines", lines=("RESULTS:",)), 3)
    assert set(lines.table["prefix"].to_pylist()) == {"RESULTS:"}
    kept = write(stage(style="lines", lines=("RESULTS:",), keep_prefix=True), 3)
    assert all(text.startswith("RESULTS: Sentence") for text in kept.table["text"].to_pylist())
    assert set(write(stage(style="none"), 3).table["prefix"].to_pylist()) == {""}


def test_datelines_omit_the_city_or_the_country() -> None:
    many = tuple(f"Sentence number {i} is here." for i in range(5000))
    prefixes = write(stage(many, places=("Oslo, Norway",), outlets=("Courier",), omit_place_share=0.3), 60).table[
        "prefix"
    ]
    assert set(prefixes.to_pylist()) == {"OSLO, Norway (Courier) --", "OSLO (Courier) --", "Norway (Courier) --"}


def test_number_of_sentences() -> None:
    many = tuple(f"Sentence number {i} is here." for i in range(50))
    chosen = Contexts(min_sentences=2, max_sentences=4)
    rows = write(TeacherContexts(EchoDecoder(many), chosen, 1), 20).table.to_pylist()
    assert {row["sentences"] for row in rows} == {2, 3, 4}
    assert all(row["text"].count(".") == row["sentences"] for row in rows)


def test_spec_leaves_the_count_out() -> None:
    assert "count" not in str(stage().spec()["contexts"])
    assert stage().spec() != stage(seed=2).spec()
    assert ATTEMPTS > 1
