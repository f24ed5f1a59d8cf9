import pyarrow as pa
import pytest

from filters.reference import Pronouns, reference


def score(source: str | None, target: str | None, both_ways: bool = False) -> float | None:
    rows = pa.table({"source": pa.array([source], pa.string()), "target": pa.array([target], pa.string())})
    return Pronouns(both_ways=both_ways).open("cpu")(rows).to_pylist()[0]


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("It's a cult of personality.", True),
        ("He said so.", True),
        ('"But they were arrested," he said.', True),
        ("This is a plant.", True),
        ("This plant closed.", False),
        ("This bus stopped.", False),
        ("These days Obama rests.", False),
        ("Obama said he slept.", False),
        ("Italy won.", False),
        ("One man died.", False),
        ("There were fires in Ohio.", False),
    ],
)
def test_bare_subject(text: str, bare: bool) -> None:
    found = reference(text)
    assert found is not None
    assert found.bare is bare


@pytest.mark.parametrize(
    ("source", "target", "one_way", "both_ways"),
    [
        ("Ann said he was ill.", "Ann said he was sick.", 1.0, 1.0),
        ("Ann said he was ill.", "Ann said she was ill.", 0.0, 0.0),
        ("Ann said I was ill.", "Ann said he was ill.", 0.0, 0.0),
        ("Ann said we were ill.", "Ann said they were ill.", 0.0, 0.0),
        ("Obama was ill.", "He was ill.", 0.0, 0.0),  # nobody could say who
        ("Obama said he was ill.", "Obama was ill.", 1.0, 0.0),
        ("The bank sold the mill.", "The bank sold its mill.", 1.0, 1.0),
        ("He was ill at home.", "He was sick.", 0.5, 0.5),
        ("The US sold us out.", "The U.S. sold us.", 1.0, 1.0),
        ("The US sold out.", "We sold out.", 0.0, 0.0),
        ("Ann said it’s cold.", "Ann said it is cold.", 1.0, 1.0),
    ],
)
def test_agreement(source: str, target: str, one_way: float, both_ways: float) -> None:
    assert score(source, target) == one_way
    assert score(source, target, both_ways=True) == both_ways


def test_nulls_blanks_and_verdicts() -> None:
    assert [score(None, "He"), score("He", None), score(" ", "He"), score("He", "")] == [None] * 4
    assert score("今日 ☃", "☃") == 1.0
    scores = pa.array([1.0, 0.5, 0.0, None], pa.float32())
    assert Pronouns().keep(scores).to_pylist() == [True, True, False, False]
    assert Pronouns(named_subject=True).keep(scores).to_pylist() == [True, False, False, False]
