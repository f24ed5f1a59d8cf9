import pyarrow as pa
import pytest
from pydantic import ValidationError

from filters.length import Length

SUMMARY = Length(below_ratio=0.8)
PARAPHRASE = Length(min_ratio=0.8, max_ratio=1.5)


def scores(*pairs: tuple[str | None, str | None]) -> pa.Array:
    source, target = zip(*pairs, strict=True)
    rows = pa.table({"source": pa.array(source, pa.string()), "target": pa.array(target, pa.string())})
    return Length().open("cpu")(rows)


def test_ratio_is_of_stripped_characters() -> None:
    assert scores(("ab cd efgh", " ab c\n"), ("äöüß", "äö")).to_pylist() == pytest.approx([0.4, 0.5])


def test_null_and_blank_have_no_score() -> None:
    found = scores((None, "a"), ("a", None), ("  ", "a"), ("a", " "), ("", ""))
    assert found.null_count == 5
    assert PARAPHRASE.keep(found).to_pylist() == [False] * 5
    assert Length().keep(found).to_pylist() == [False] * 5


@pytest.mark.parametrize(
    ("source", "target", "summary", "paraphrase"),
    [
        (10, 7, True, False),
        (10, 8, False, True),  # exactly 0.8: long enough for a paraphrase, too long for a summary
        (5, 4, False, True),
        (35, 28, False, True),
        (1000, 799, True, False),
        (10, 15, False, True),
        (1000, 1501, False, False),
        (10, 10, False, True),
    ],
)
def test_boundaries(source: int, target: int, summary: bool, paraphrase: bool) -> None:
    found = scores(("x" * source, "y" * target))
    assert SUMMARY.keep(found).to_pylist() == [summary]
    assert PARAPHRASE.keep(found).to_pylist() == [paraphrase]


def test_every_ratio_of_four_fifths_is_on_the_same_side() -> None:
    found = scores(*(("x" * 5 * n, "y" * 4 * n) for n in range(1, 60)))
    assert not any(SUMMARY.keep(found).to_pylist())
    assert all(PARAPHRASE.keep(found).to_pylist())


def test_empty_table_and_chunks() -> None:
    scorer = Length().open("cpu")
    empty = pa.table({"source": pa.array([], pa.string()), "target": pa.array([], pa.string())})
    assert len(scorer(empty)) == 0
    part = pa.table({"source": ["abcd"], "target": ["ab"]})
    assert scorer(pa.concat_tables([part, part])).to_pylist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "given", [{"min_ratio": 2.0, "max_ratio": 1.0}, {"min_ratio": 0.8, "below_ratio": 0.8}, {"low": 1}]
)
def test_impossible_bounds_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Length(**given)
