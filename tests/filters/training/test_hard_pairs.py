import pytest

from filters.training.hard_pairs import (
    RULES,
    hard_pairs,
    moved_adverbial,
    opposite,
    swapped_ends,
    swapped_list,
    swapped_names,
    swapped_nouns,
    unhedged,
)


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (swapped_nouns, "The dog chased the cat.", "The cat chased the dog."),
        (swapped_nouns, "The dog and the cat slept.", None),
        (swapped_nouns, "The king of the hill.", None),
        (swapped_names, "Later Anna wrote a letter to Boris.", "Later Boris wrote a letter to Anna."),
        (swapped_names, "There Anna and Boris met.", None),
        (swapped_names, "They met on Monday before Christmas.", None),
        (swapped_ends, "The train from Rome to Paris left.", "The train from Paris to Rome left."),
        (swapped_list, "They sell cats and dogs.", "They sell dogs and cats."),
        (swapped_list, "They sell Cats and dogs.", None),
        (moved_adverbial, "In May 1998, he moved away from there.", "He moved away from there in May 1998."),
        (moved_adverbial, "In 1998, he left, and she stayed behind.", None),
        (unhedged, "The shop may close.", "The shop will close."),
        (unhedged, "The shop closes.", None),
        (opposite, "Sales rose.", "Sales fell."),
        (opposite, "", None),
    ],
)
def test_rules(rule, before: str, after: str | None) -> None:
    assert rule(before) == after


def test_pairs_go_both_ways_where_the_rule_says_so() -> None:
    pairs = list(hard_pairs(["The dog may chase the cat."]))
    swaps = [(pair.premise, pair.hypothesis) for pair in pairs if pair.origin == "own_swap_nouns"]
    assert swaps == [
        ("The dog may chase the cat.", "The cat may chase the dog."),
        ("The cat may chase the dog.", "The dog may chase the cat."),
    ]
    assert [pair.premise for pair in pairs if pair.origin == "own_unhedged"] == ["The dog may chase the cat."]
    assert {pair.label for pair in pairs} == {"not_entailment"} and {pair.origin for pair in pairs} <= set(RULES)


def test_a_swap_keeps_the_words() -> None:
    for pair in hard_pairs(
        ["The old Dutch painter sold the big house to a friend of Maria in Rome."], ["own_swap_nouns"]
    ):
        assert sorted(pair.premise.lower().split()) == sorted(pair.hypothesis.lower().split())
