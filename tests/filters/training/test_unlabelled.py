import numpy as np

from filters.training.captions import caption_pairs, general, shorter
from filters.training.rows import Row
from filters.training.unlabelled import is_for_training, recombined, sibling_pairs


def labelled(premise: str, hypothesis: str, origin: str = "cad") -> Row:
    return Row(premise, hypothesis, (1.0, 0.0, 0.0), False, origin)


def test_new_pairs_are_new_and_of_one_premise() -> None:
    rows = [labelled("p", "h"), labelled("p", "g"), labelled("q", "k"), labelled("p", "o", "other")]
    made = recombined(rows, {"cad": 100}, seed=0)
    pairs = {(row.premise, row.hypothesis) for row in made}
    assert pairs == {("h", "p"), ("g", "p"), ("h", "g"), ("g", "h"), ("k", "q")}
    assert {row.origin for row in made} == {"re_cad"}
    assert len(recombined(rows, {"cad": 2}, seed=0)) == 2


def test_siblings_come_evenly_from_the_bands_and_never_themselves() -> None:
    angles = np.linspace(0, 1.2, 40)
    vectors = {"c": np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)}
    made = list(sibling_pairs({"c": [f"s{n}" for n in range(40)]}, vectors, each=10, seed=0))
    assert 30 <= len(made) <= 50 and all(row.premise != row.hypothesis for row in made)
    assert made == list(sibling_pairs({"c": [f"s{n}" for n in range(40)]}, vectors, each=10, seed=0))


def test_about_half_of_the_contexts_are_for_training() -> None:
    assert 400 < sum(is_for_training(f"context {n}") for n in range(1000)) < 600


def test_captions() -> None:
    assert general("A man walks") == "A person walks" and general("A tree stands") is None
    assert shorter("Two tall men sit on a bench") == "Two tall men sit." and shorter("A man sits") is None
    made = [row.hypothesis for row in caption_pairs(["A young man sits on a bench"])]
    assert made == ["A young person sits on a bench", "A young man sits.", "A young person sits."]
