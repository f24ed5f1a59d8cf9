"""The two entailment filters."""

from pathlib import Path

import pyarrow as pa
import pytest
from conftest import TEXTS
from pydantic import ValidationError

from filters.entailment import Entailment, ReverseEntailment
from filters.nli_judge import JudgeSpec, open_judge


def rows(*pairs: tuple[str | None, str | None]) -> pa.Table:
    return pa.table(
        {
            "source": pa.array([source for source, _ in pairs], pa.string()),
            "target": pa.array([target for _, target in pairs], pa.string()),
        }
    )


def test_the_two_ask_in_opposite_directions(tiny_bert: Path) -> None:
    there, back = (kind(threads=1, model=str(tiny_bert)).open("cpu") for kind in (Entailment, ReverseEntailment))
    swapped = rows((TEXTS[1], TEXTS[0]), (TEXTS[3], TEXTS[2]))
    table = rows((TEXTS[0], TEXTS[1]), (TEXTS[2], TEXTS[3]))
    assert there(table) == back(swapped)
    assert there(table) != back(table)
    assert there(table).type == pa.float32()


def test_both_share_one_model_and_its_answers(tiny_roberta: Path) -> None:
    there, back = (kind(threads=1, model=str(tiny_roberta)).open("cpu") for kind in (Entailment, ReverseEntailment))
    judge = open_judge(JudgeSpec(str(tiny_roberta), threads=1))
    there(rows((TEXTS[0], TEXTS[1]), (TEXTS[1], TEXTS[0])))
    asked = judge.asked
    back(rows((TEXTS[0], TEXTS[1])))
    assert judge.asked == asked == 2


def test_a_frame_stands_around_both_sentences(tiny_bert: Path) -> None:
    frame = "We know the answer to the question: {}"
    framed = Entailment(threads=1, model=str(tiny_bert), frame=frame).open("cpu")(rows((TEXTS[0], TEXTS[1])))
    plain = Entailment(threads=1, model=str(tiny_bert)).open("cpu")
    assert framed == plain(rows((frame.format(TEXTS[0]), frame.format(TEXTS[1]))))
    assert framed != plain(rows((TEXTS[0], TEXTS[1])))


def test_a_blank_in_a_frame_is_still_a_blank(tiny_bert: Path) -> None:
    scores = Entailment(threads=1, model=str(tiny_bert), frame="Who: {}").open("cpu")(
        rows(("", "A b."), (None, "A b."))
    )
    assert scores.to_pylist() == [None, None]


def test_braces_in_a_sentence_are_no_frame(tiny_bert: Path) -> None:
    ask = Entailment(threads=1, model=str(tiny_bert), frame="Who: {}").open("cpu")
    assert ask(rows(("A {} b.", "{0} c."))) == Entailment(threads=1, model=str(tiny_bert)).open("cpu")(
        rows(("Who: A {} b.", "Who: {0} c."))
    )


@pytest.mark.parametrize("frame", ["no place", "{} and {}", "{0}", "{x} {}", "{{}}"])
def test_what_is_no_frame_is_refused(frame: str) -> None:
    with pytest.raises(ValidationError, match="frame"):
        Entailment(frame=frame)


def test_null_and_blank_rows_have_no_score_and_do_not_pass(tiny_bert: Path) -> None:
    spec = Entailment(threads=1, model=str(tiny_bert), min_probability=0.0)
    table = rows((None, TEXTS[0]), (TEXTS[0], None), ("", TEXTS[0]), (TEXTS[0], " \n\u00a0"), (TEXTS[0], TEXTS[1]))
    scores = spec.open("cpu")(table)
    assert scores.is_null().to_pylist() == [True, True, True, True, False]
    assert spec.keep(scores).to_pylist() == [False, False, False, False, True]


def test_no_rows(tiny_bert: Path) -> None:
    assert len(Entailment(threads=1, model=str(tiny_bert)).open("cpu")(rows())) == 0


def test_several_chunks_are_one_column(tiny_bert: Path) -> None:
    one = rows((TEXTS[0], TEXTS[1]))
    scorer = Entailment(threads=1, model=str(tiny_bert)).open("cpu")
    assert scorer(pa.concat_tables([one, one])).to_pylist() == scorer(one).to_pylist() * 2


def test_the_threshold_itself_passes() -> None:
    scores = pa.array([0.7499999, 0.75, 1.0, None], pa.float32())
    assert Entailment().keep(scores).to_pylist() == [False, True, True, False]
    point_nine = pa.array([0.9], pa.float32())
    assert ReverseEntailment(min_probability=0.9).keep(point_nine).to_pylist() == [True]


@pytest.mark.parametrize("bad", [{"min_probability": 1.1}, {"min_probability": -0.1}, {"threads": -1}, {"treshold": 1}])
def test_bad_parameters_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Entailment(**bad)  # type: ignore[arg-type]


def test_only_known_back_ends() -> None:
    assert Entailment(back_end="bf16").back_end == "bf16"
    with pytest.raises(ValidationError, match="back_end"):
        Entailment(back_end="int4")  # type: ignore[arg-type]
