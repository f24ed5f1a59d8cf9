import pyarrow as pa
import pytest

from filters.modality import Hedges, modality


def kept(source: str, target: str, both_ways: bool) -> bool:
    spec = Hedges(both_ways=both_ways)
    return spec.keep(spec.open("cpu")(pa.table({"source": [source], "target": [target]}))).to_pylist()[0]


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("It may close.", {"possible"}),
        ("It closed in May.", set()),
        ("It closed on 3 May 2001.", set()),
        ("May 3 was cold.", set()),
        ("May he live.", {"possible"}),
        ("It won’t close.", {"future"}),
        ("He’ll go if it is open.", {"future", "conditional"}),
        ("He reportedly had to go.", {"reported", "necessary"}),
        ("He is going to close it.", {"planned"}),
        ("He asked about it and had been considered.", {"planned"}),
        ("He is willing and able.", set()),  # will inside a word
        ("William's mustard.", set()),
    ],
)
def test_reading(text: str, classes: set[str]) -> None:
    found = modality(text)
    assert found is not None
    assert found.classes == classes


@pytest.mark.parametrize(
    ("source", "target", "summary", "paraphrase"),
    [
        ("The plant may close next year.", "The plant might close.", True, True),
        ("The plant may close next year.", "The plant will close.", False, False),
        ("The plant may close next year.", "The plant closed.", False, False),
        ("The plant plans to close its doors.", "The plant closed its doors.", False, False),
        ("The plant will close its doors.", "The plant closed its doors.", False, False),
        ("The plant will close its doors.", "The plant is to be closed, it is expected.", True, True),
        ("The plant closed its doors.", "The plant will close its doors.", False, False),
        ("The man who allegedly shot two people was found.", "The man shot two people.", False, False),
        ("Snow fell on Ohio, and the plant may close.", "Snow fell on Ohio.", True, False),  # went with its clause
        ("If it rains, the match will stop.", "The match will stop.", True, False),
        ("If rain falls on the match, it will stop.", "The match will stop.", False, False),
        ("He said he would go.", "He will go.", True, True),
        ("He must go home.", "He went home.", False, False),
        ("Snow fell.", "Snow fell there.", True, True),
    ],
)
def test_hedges(source: str, target: str, summary: bool, paraphrase: bool) -> None:
    assert kept(source, target, both_ways=False) is summary
    assert kept(source, target, both_ways=True) is paraphrase


@pytest.mark.parametrize("both_ways", [False, True])
def test_nulls_blanks_unicode(both_ways: bool) -> None:
    rows = pa.table({"source": [None, "may", " ", "may", "今日 ☃"], "target": ["may", None, "may", "", "☃"]})
    spec = Hedges(both_ways=both_ways)
    scores = spec.open("cpu")(rows)
    assert scores.to_pylist() == [None] * 4 + [1.0]
    assert spec.keep(scores).to_pylist() == [False] * 4 + [True]
