"""Seams: against the model's own log-probabilities counted by hand, and where the surprise lies."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import TEXTS
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer

from filters.base import FilterError
from filters.seams import Seams, surprise
from filters.token_likelihood import Read


def read(tokens: str, *nll: float) -> Read:
    return Read(tuple(map(ord, tokens)), np.array(nll, np.float32))


def rows(*pairs: tuple[str | None, str | None]) -> pa.Table:
    columns = zip(*pairs, strict=True)
    return pa.table(dict(zip(("source", "target"), (pa.array(c, pa.string()) for c in columns), strict=True)))


SOURCE = read("abcdef", 5, 1, 1, 2, 3, 1)


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (SOURCE, 0),
        (read("abf", 5, 1, 4), 3),  # the last token was likelier behind the others
        (read("abf", 5, 1, 0.5), 0),  # what became likelier makes up for nothing
        (read("abfe", 5, 1, 0.5, 4), 1.5),  # out of order: e is aligned, f is not and counts whole
        (read("abx", 5, 1, 7), 7),  # new
        (read("xabc", 9, 6, 1, 1), 1),  # the first is not counted, whatever it is
        (read("def", 9, 3, 1), 0),
        (read("d", 9), 0),
        (read(""), 0),
    ],
)
def test_surprise_by_hand(target: Read, wanted: float) -> None:
    assert surprise(SOURCE, target) == pytest.approx(wanted)


def test_a_source_token_without_likelihood_takes_nothing_off() -> None:
    """As the first of a text has none where the model knows no token to begin with."""
    assert surprise(read("ab", float("nan"), 1), read("xa", float("nan"), 3)) == 3
    assert surprise(read("ab", float("nan"), 1), read("ab", float("nan"), 1)) == 0


def test_a_cut_at_the_end_costs_what_its_end_costs(tiny_language_model: Path) -> None:
    """All tokens but the last have the words before them that they had: nothing rises but the end."""
    model, tokenizer = (kind.from_pretrained(tiny_language_model) for kind in (AutoModelForCausalLM, AutoTokenizer))

    def nll(text: str) -> list[float]:
        ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
        with torch.inference_mode():
            said = torch.log_softmax(model(input_ids=ids).logits[0], -1)
        return [-float(said[place, token]) for place, token in enumerate(ids[0, 1:])]

    source = TEXTS[0]
    target = " ".join(source.split()[:4]) + "."
    spec = Seams(model=str(tiny_language_model), threads=1, back_end="fp32")
    found = spec.open("cpu")(rows((source, target)))[0].as_py()
    assert found == pytest.approx(max(0.0, nll(target)[-1] - nll(source)[-1]), abs=1e-3)


def test_words_put_together_wrongly_are_a_surprise(tiny_language_model: Path) -> None:
    words = TEXTS[0].split()
    spliced = " ".join([*words[:3], *words[1:]])
    spec = Seams(model=str(tiny_language_model), threads=1)
    clean, seam, none, blank = spec.open("cpu")(
        rows((TEXTS[0], TEXTS[0]), (TEXTS[0], spliced), (None, "x"), (TEXTS[0], " "))
    ).to_pylist()
    assert clean == 0 < 1 < seam and none is blank is None
    assert spec.keep(pa.array([4.0, 4.0001, None], pa.float32())).to_pylist() == [True, False, False]


def test_bad_parameters_are_refused() -> None:
    for given in ({"max_surprise": -1}, {"max_surprise": float("nan")}, {"token_budget": 0}):
        with pytest.raises(ValidationError):
            Seams(**given)  # type: ignore[arg-type]
    with pytest.raises(FilterError, match="no such embedded model"):
        Seams(model="embedded:gpt-9").open("cpu")
