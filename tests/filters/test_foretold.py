"""Foretold: against the model's own log-probabilities counted by hand, and what cannot be scored."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import TEXTS
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer

from filters.foretold import JOINT, Foretold, share_foretold
from filters.token_likelihood import Read


def read(tokens: str, *nll: float) -> Read:
    return Read(tuple(map(ord, tokens)), np.array(nll, np.float32))


def rows(*pairs: tuple[str | None, str | None]) -> pa.Table:
    columns = zip(*pairs, strict=True)
    return pa.table(dict(zip(("source", "target"), (pa.array(c, pa.string()) for c in columns), strict=True)))


def opened(folder: Path, **settings: object) -> Foretold:
    return Foretold(model=str(folder), threads=1, back_end="fp32", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("alone", "after", "wanted"),
    [
        (read("ab", 4, 4), read("xyab", 9, 9, 1, 1), 0.75),
        (read("ab", 4, 4), read("xyab", 9, 9, 0, 0), 1.0),
        (read("ab", 4, 4), read("xyab", 9, 9, 4, 4), 0.0),
        (read("ab", 4, 4), read("xyab", 9, 9, 8, 8), -1.0),  # it misleads
        (read("ab", float("nan"), 4), read("xyab", 9, 9, 1, 1), 0.5),  # nothing before the first: it counts for nothing
        (read("ab", 4, 4), read("xyac", 9, 9, 1, 1), None),  # cut before the target's end
        (read("ab", 4, 4), read("ab", 4, 4), None),  # nothing stands before it
        (read("ab", 0, 0), read("xyab", 9, 9, 1, 1), None),  # nothing to take away
        (read(""), read("xy", 9, 9), None),
    ],
)
def test_share_by_hand(alone: Read, after: Read, wanted: float | None) -> None:
    found = share_foretold(alone, after)
    assert found == (None if wanted is None else pytest.approx(wanted))


def test_the_score_is_that_of_the_models_own_log_probabilities(tiny_language_model: Path) -> None:
    model, tokenizer = (kind.from_pretrained(tiny_language_model) for kind in (AutoModelForCausalLM, AutoTokenizer))

    def nll(text: str, count: int) -> float:
        ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
        with torch.inference_mode():
            logs = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        return float(-logs.gather(-1, ids[0, 1:, None])[-count:].sum())

    source, target = TEXTS[0], TEXTS[1]
    count = len(tokenizer(f" {target}", add_special_tokens=False)["input_ids"])
    wanted = 1 - nll(f"{source}{JOINT} {target}", count) / nll(f" {target}", count)
    (found,) = opened(tiny_language_model).open("cpu")(rows((source, target))).to_pylist()
    assert found == pytest.approx(wanted, abs=1e-4)


def test_a_score_does_not_know_its_neighbours_and_each_text_is_read_once(tiny_language_model: Path) -> None:
    score = opened(tiny_language_model).open("cpu")
    pairs = [(a, b) for a in TEXTS[:3] for b in TEXTS[:3]]
    assert score(rows(*pairs)).to_pylist() == [score(rows(pair))[0].as_py() for pair in pairs]


def test_null_blank_and_too_long_have_no_score_and_do_not_pass(tiny_language_model: Path) -> None:
    spec = opened(tiny_language_model)
    long = " ".join(TEXTS * 4)
    table = rows((None, TEXTS[0]), (TEXTS[0], None), (" ", TEXTS[0]), (TEXTS[0], ""), (long, TEXTS[0]))
    scores = spec.open("cpu")(table)
    assert scores.to_pylist() == [None] * 5
    assert spec.keep(scores).to_pylist() == [False] * 5


def test_the_threshold_passes_itself_and_bad_ones_are_refused() -> None:
    assert Foretold(min_share=0.5).keep(pa.array([0.5, 0.49, None], pa.float32())).to_pylist() == [True, False, False]
    for bad in (1.1, -11):
        with pytest.raises(ValidationError):
            Foretold(min_share=bad)
