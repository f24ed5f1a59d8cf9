import pyarrow as pa
import pytest

from filters.base import Filter
from filters.polarity import Converses, Negation


def kept(spec: Filter, source: str | None, target: str | None) -> bool:
    rows = pa.table({"source": pa.array([source], pa.string()), "target": pa.array([target], pa.string())})
    return spec.keep(spec.open("cpu")(rows)).to_pylist()[0]


@pytest.mark.parametrize(
    ("source", "target", "summary", "paraphrase"),
    [
        ("The plant will close.", "The plant will shut.", True, True),
        ("The plant will close.", "The plant won’t close.", False, False),
        ("The plant will not close.", "The plant will close.", False, False),
        ("He did not attend the meeting.", "He refused to attend the meeting.", True, True),
        ("He failed to attend the meeting.", "He attended the meeting.", False, False),
        ("He did not deny the charge.", "He admitted the charge.", True, True),  # two cancel
        ("He did not deny the charge.", "He denied the charge.", False, False),
        ("The bank was not hurt, but sales fell sharply.", "Sales fell sharply.", True, False),
        ("The bank was not hurt, but sales fell.", "The bank was hurt.", False, False),
        ("She was happy with the deal.", "She was unhappy with the deal.", False, False),
        ("It is not likely to pass.", "It is unlikely to pass.", True, True),
        ("It is illegal to fish there.", "It is legal to fish there.", False, False),
        ("The minister informed the press.", "The minister will form the press.", True, True),
        ("Not only the plant will close.", "The plant will close.", True, True),
        ("Neither Google nor Apple agreed.", "Google and Apple agreed.", False, False),
    ],
)
def test_negation(source: str, target: str, summary: bool, paraphrase: bool) -> None:
    assert kept(Negation(), source, target) is summary
    assert kept(Negation(both_ways=True), source, target) is paraphrase


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("Shares rose sharply.", "Shares fell sharply.", False),
        ("Shares rose sharply.", "Stocks climbed.", True),
        ("Shares rose, then fell.", "Shares fell.", True),  # both sides were there
        ("Ajax beat Porto.", "Ajax lost to Porto.", False),
        ("It closed before noon.", "It closed after noon.", False),
        ("Google bought Apple.", "Google sold Apple.", False),
        ("The law was accepted.", "THE LAW WAS REJECTED.", False),
        ("Nothing is here.", "Nothing is there.", True),
    ],
)
def test_converses(source: str, target: str, expected: bool) -> None:
    assert kept(Converses(), source, target) is expected
    assert kept(Converses(), target, source) is (expected or source == "Shares rose, then fell.")


@pytest.mark.parametrize("spec", [Negation(), Negation(both_ways=True), Converses()])
def test_nulls_blanks_unicode(spec: Filter) -> None:
    rows = pa.table({"source": [None, "not", " ", "not", "今日 ☃"], "target": ["not", None, "not", "", "☃"]})
    scores = spec.open("cpu")(rows)
    assert scores.to_pylist() == [None] * 4 + [1.0]
    assert spec.keep(scores).to_pylist() == [False] * 4 + [True]
