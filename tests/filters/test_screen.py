"""The screen: the lesser of both directions, and a say like a judge's."""

from pathlib import Path

import pyarrow as pa
import pytest
from conftest import TEXTS

from filters.entailment import Entailment, ReverseEntailment
from filters.nli_judge import JudgeSpec, open_judge
from filters.screen import Screen

PAIRS = pa.table({"source": TEXTS[:4], "target": TEXTS[1:5]})


def asked(kind: type[Entailment], model: Path, rows: pa.Table, **given: object) -> list[float | None]:
    return kind(threads=1, model=str(model), **given).open("cpu")(rows).to_pylist()  # type: ignore[arg-type]


def test_one_way_is_entailment_and_both_ways_the_lesser(tiny_bert: Path) -> None:
    there, back = asked(Entailment, tiny_bert, PAIRS), asked(ReverseEntailment, tiny_bert, PAIRS)
    assert asked(Screen, tiny_bert, PAIRS) == there
    lesser = asked(Screen, tiny_bert, PAIRS, both_ways=True)
    assert lesser == [min(pair) for pair in zip(there, back, strict=True)]
    assert lesser != there and lesser != back


@pytest.mark.parametrize("both_ways", [False, True])
def test_null_and_blank_have_no_score(tiny_bert: Path, both_ways: bool) -> None:
    rows = pa.table({"source": pa.array([None, "A b.", ""]), "target": pa.array(["A b.", None, "A b."])})
    assert asked(Screen, tiny_bert, rows, both_ways=both_ways) == [None] * 3


def test_a_judge_of_the_same_model_answers_from_memory(tiny_roberta: Path) -> None:
    judge = open_judge(JudgeSpec(str(tiny_roberta), threads=1))
    asked(Screen, tiny_roberta, PAIRS, both_ways=True)
    before = judge.asked
    asked(Entailment, tiny_roberta, PAIRS)
    asked(ReverseEntailment, tiny_roberta, PAIRS)
    assert judge.asked == before
