"""Back ends of the judge: our forward pass is the model's own, and a row never knows its neighbours."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_classifiers import KNOWN, SHAPE, WORDS, Padding, bert, deberta, mpnet, opened, some_rows, without_types
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from filters.batches import FixedShapes, FloatArray, Tokens, fixed_threads
from filters.models import EMBEDDED_JUDGE, Judge, load_judge
from filters.nli_back_ends import computes_bf16, open_back_end, resolve, why_not_int8
from filters.nli_bert import can_run, open_forward
from filters.nli_packed import Packed, PackedRows, batches, pack, proven, sample_rows

int8_here = pytest.mark.skipif(bool(why_not_int8()), reason=f"int8 cannot be had: {why_not_int8()}")
INT8 = pytest.param(torch.int8, marks=int8_here)


def own(model: Any, rows: Sequence[Tokens], output: int = 2) -> FloatArray:
    """What the model itself says of each row, on its own and without padding."""
    scores = []
    for row in rows:
        given = {"input_ids": torch.tensor([row.ids])}
        if row.types:
            given["token_type_ids"] = torch.tensor([row.types])
        with torch.inference_mode():
            scores.append(float(model(**given).logits.softmax(-1)[0, output]))
    return np.array(scores, np.float32)


@pytest.mark.parametrize("make", KNOWN)
def test_our_forward_pass_is_the_models_own(make: Callable[[], PreTrainedModel]) -> None:
    model = opened(make)
    assert can_run(model)
    rows = some_rows(40) if model.config.model_type == "bert" else without_types(some_rows(40))
    wanted = own(model, rows)
    assert np.ptp(wanted) > 0.05
    for dtype, near in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
        ours = PackedRows(open_forward(model, 2, dtype), 200, 256)(rows)[:, 0]
        assert np.abs(ours - wanted).max() < near


@pytest.mark.parametrize("make", [bert, mpnet])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, INT8])
def test_a_row_does_not_know_its_neighbours(make: Callable[[], PreTrainedModel], dtype: torch.dtype) -> None:
    """Nor the budget, nor how many threads there are."""
    forward = open_forward(opened(make), 2, dtype)
    rows = some_rows(40)
    together = PackedRows(forward, 2048, 256)(rows)
    alone = np.concatenate([PackedRows(forward, 2048, 256)([row]) for row in rows])
    assert together.tolist() == alone.tolist()
    order = random.Random(2).sample(range(len(rows)), len(rows))
    for budget, workers in ((1, 1), (150, 1), (700, 2), (2048, 2), (2048, 3)):
        shuffled = PackedRows(forward, budget, 256, workers)([rows[place] for place in order])
        assert shuffled.tolist() == together[order].tolist()


def test_threads_of_the_caller_are_left_as_they_were() -> None:
    forward = open_forward(opened(bert), 2, torch.float32)
    with fixed_threads(2):
        PackedRows(forward, 2048, 256, 2)(some_rows(4))
        assert torch.get_num_threads() == 2


def test_a_caller_that_never_asked_for_its_threads_keeps_them() -> None:
    """Torch gives a thread the number that any thread set last, when it first asks: only a fresh process can tell."""
    asked = (
        "import torch; from filters.nli_packed import PackedRows; from filters.batches import Tokens; "
        "rows = PackedRows(lambda batch: torch.ones(len(batch.first)), 2048, 256, 2); "
        "rows([Tokens((1, 2, 3))]); print(torch.get_num_threads())"
    )
    given = {**os.environ, "OMP_NUM_THREADS": "2"}
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, env=given, check=True)
    assert said.stdout.strip() == "2"


def test_no_rows_no_results() -> None:
    assert PackedRows(open_forward(opened(bert), 2, torch.float32), 2048, 256)([]).shape == (0, 1)


def test_batches_are_sorted_and_within_the_budget() -> None:
    lengths = [5, 30, 4, 9, 30, 4, 100]
    found = list(batches(lengths, 40))
    assert found == [[2, 5, 0, 3], [1], [4], [6]]
    assert [list(batch) for batch in batches([], 40)] == []


def test_packing_leaves_no_padding_between_rows_and_fills_up_to_few_sizes() -> None:
    batch = pack([Tokens((7, 8)), Tokens((9, 10), (0, 1)), Tokens((11, 12, 13), (0, 1, 1))], 100, 16**3)
    assert batch.ids.tolist() == [7, 8, 9, 10, 11, 12, 13, *[0] * 57]
    assert batch.types.tolist() == [0, 0, 0, 1, 0, 1, 1, *[0] * 57]
    assert batch.positions.tolist() == [0, 1, 0, 1, 0, 1, 2, *[0] * 57]
    assert batch.first.tolist() == [0, 2, 4, *[0] * 13]
    assert batch.groups == ((2, 2), (1, 3))
    assert [len(pack([Tokens((1,) * n)], 100, 8).ids) for n in (1, 64, 65, 100, 101, 128)] == [
        64,
        64,
        100,
        100,
        101,
        128,
    ]


def test_rows_whose_products_are_small_never_share_them() -> None:
    rows = [Tokens((1,) * n) for n in (3, 3, 16, 16, 17, 17)]
    assert pack(rows, 200, 256).groups == ((1, 3), (1, 3), (1, 16), (1, 16), (2, 17))


def test_rows_go_one_at_a_time_where_company_tells() -> None:
    def by_company(batch: Packed) -> torch.Tensor:
        return torch.full((len(batch.first),), float(sum(rows for rows, _ in batch.groups)))

    assert proven(PackedRows(by_company, 2048, 256), 60, WORDS).token_budget == 1
    steady = PackedRows(lambda batch: batch.ids[batch.first].float(), 2048, 256)
    assert proven(steady, 60, WORDS) is steady


def test_samples_stay_within_window_and_vocabulary() -> None:
    rows = sample_rows(40, 9)
    assert max(len(row.ids) for row in rows) == 40
    assert max(max(row.ids) for row in rows) < 9


def test_other_architectures_and_activations_run_as_transformers_has_them() -> None:
    rows = some_rows(12)
    for make in (deberta, lambda: bert(hidden_act="relu")):
        model = opened(make)
        assert not can_run(model)
        answer = open_back_end(Judge(model, Padding(), 2, 64), "bf16", 2048, "cpu")
        assert isinstance(answer, FixedShapes)
        assert answer(rows)[:, 0] == pytest.approx(own(model, rows), abs=1e-5)


def test_a_model_that_is_built_in_another_way_is_found_out(caplog: pytest.LogCaptureFixture) -> None:
    class TwiceForSequenceClassification(BertForSequenceClassification):  # type: ignore[misc]
        def forward(self, *given: Any, **more: Any) -> Any:
            found = super().forward(*given, **more)
            found.logits = -found.logits
            return found

    model = opened(lambda: TwiceForSequenceClassification(BertConfig(**SHAPE)))
    assert can_run(model)
    answer = open_back_end(Judge(model, Padding(), 2, 64), "fp32", 2048, "cpu")
    assert isinstance(answer, FixedShapes)
    assert "not the model's own" in caplog.text


def test_auto_is_bf16_where_the_processor_has_it(tmp_path: Path) -> None:
    has, lacks = tmp_path / "has", tmp_path / "lacks"
    has.write_text("flags : fpu avx512_bf16 sse\n", encoding="utf-8")
    lacks.write_text("flags : fpu avx512f sse\n", encoding="utf-8")
    assert (computes_bf16(has), computes_bf16(lacks), computes_bf16(tmp_path / "none")) == (True, False, False)
    assert resolve("auto") == ("bf16" if computes_bf16() else "fp32")
    assert (resolve("fp32"), resolve("bf16"), resolve("auto", "cuda:0")) == ("fp32", "bf16", "bf16")


def test_the_embedded_judge_takes_our_forward_pass_and_its_verdicts_hold() -> None:
    judge = load_judge(EMBEDDED_JUDGE)
    rows = [row for row in some_rows(24) if len(row.ids) > 8]
    with fixed_threads(1):
        exact = open_back_end(judge, "fp32", 2048, "cpu")
        halved = open_back_end(judge, "bf16", 2048, "cpu")
        assert isinstance(exact, PackedRows) and isinstance(halved, PackedRows)
        assert exact.token_budget == halved.token_budget == 2048
        wanted = own(judge.model, rows, judge.entailment)
        assert np.abs(exact(rows)[:, 0] - wanted).max() < 1e-4
        assert np.abs(halved(rows)[:, 0] - wanted).max() < 0.05
