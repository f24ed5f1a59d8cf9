import pytest

from filters.training.recombination import clause_of, of_the_owner, recombination_pairs, wrongly_joined

CAPTAIN, WIFE = "The old captain was found dead at sea.", "A young sailor has a knife of silver."


def test_a_clause_is_cut_at_its_first_auxiliary() -> None:
    assert clause_of(CAPTAIN) == ("The old captain", "was found dead at sea")
    assert clause_of("She was found dead at sea.") is None
    assert clause_of("The captain died.") is None


def test_own_sentences_follow_and_crossed_ones_do_not() -> None:
    made = list(wrongly_joined(CAPTAIN, WIFE, ", and "))
    premise = "The old captain was found dead at sea, and a young sailor has a knife of silver."
    assert {pair.premise for pair in made} == {premise}
    assert [(pair.hypothesis, pair.label) for pair in made] == [
        (CAPTAIN, "entailment"),
        (WIFE, "entailment"),
        ("The old captain has a knife of silver.", "not_entailment"),
        ("A young sailor was found dead at sea.", "not_entailment"),
    ]


@pytest.mark.parametrize(
    "other",
    ["The captain has a knife of silver.", "The sailor was found dead at sea.", "He has a knife of silver.", "No"],
)
def test_alike_subjects_or_predicates_are_left_alone(other: str) -> None:
    assert not list(wrongly_joined(CAPTAIN, other, ", and "))


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("The ship's captain was hurt badly.", ["The ship was hurt badly."]),
        ("The captain of the ship was hurt.", ["The ship was hurt."]),
        ("The number of the wolves was small.", []),
        ("The ship was hurt.", []),
        ("", []),
    ],
)
def test_what_holds_of_a_part_is_not_said_of_its_owner(sentence: str, wrong: list[str]) -> None:
    assert [pair.hypothesis for pair in of_the_owner(sentence)] == wrong


def test_pairs_follow_from_the_seed() -> None:
    contexts = {"c": [CAPTAIN, WIFE, "The ship's captain was hurt badly."]}
    first, again = (list(recombination_pairs(contexts, 6, seed=1)) for _ in range(2))
    assert first == again and {pair.origin for pair in first} == {"own_joined", "own_crossed", "own_owner"}
