"""The judge's forward pass in int8: how near it is, and that one that is wrong is found out."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor
from toy_classifiers import KNOWN, Padding, bert, deberta, opened, some_rows, without_types
from transformers import PreTrainedModel

from filters.batches import Tokens
from filters.int8_products import linear
from filters.models import EMBEDDED_JUDGE, EMBEDDED_MPNET_JUDGE, Judge, home, load_judge
from filters.nli_back_ends import Answer, logits, open_back_end, open_quick, why_not_int8
from filters.nli_bert import Linear, open_forward
from filters.nli_packed import PackedRows

pytestmark = pytest.mark.skipif(bool(why_not_int8()), reason=f"int8 cannot be had: {why_not_int8()}")


@pytest.mark.parametrize("make", KNOWN)
def test_our_forward_pass_in_int8_is_near(make: Callable[[], PreTrainedModel]) -> None:
    model = opened(make)
    rows = without_types(some_rows(40))
    wanted = PackedRows(open_forward(model, 2, torch.float32), 200, 256)(rows)[:, 0]
    ours = PackedRows(open_forward(model, 2, torch.int8), 200, 256)(rows)[:, 0]
    assert np.ptp(wanted) > 0.2
    assert 0 < np.abs(ours - wanted).max() < 0.015  # without biases it would be 0.03, without GELU 0.1


def test_a_form_that_int8_is_not_made_for_is_asked_as_by_bf16(caplog: pytest.LogCaptureFixture) -> None:
    whole, odd = opened(bert), opened(lambda: bert(intermediate_size=500))
    for model, another in ((whole, True), (odd, False), (opened(deberta), False)):
        judge = Judge(model, Padding(), 2, 64)
        close = open_back_end(judge, "int8", 2048, "cpu")
        assert (open_quick(judge, close, 2048) is not close) == another
        assert ("asked as by bf16" in caplog.text) != another


def without_bias(weight: Tensor, bias: Tensor, then: str | None = None) -> Linear:
    return linear(weight, torch.zeros_like(bias), then)


def without_gelu(weight: Tensor, bias: Tensor, then: str | None = None) -> Linear:
    return linear(weight, bias)


def zeros(weight: Tensor, bias: Tensor, then: str | None = None) -> Linear:
    return linear(torch.zeros_like(weight), torch.zeros_like(bias), then)


def in_another_order(weight: Tensor, bias: Tensor, then: str | None = None) -> Linear:
    return linear(weight.flip(0), bias.flip(0), then)


@pytest.mark.parametrize("name", [EMBEDDED_JUDGE, EMBEDDED_MPNET_JUDGE])
@pytest.mark.parametrize("wrong", [without_bias, without_gelu, zeros, in_another_order])
def test_products_that_are_wrong_are_found_out(
    name: str, wrong: Callable[..., Linear], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    judge, close = opened_judge(name)
    monkeypatch.setattr("filters.int8_products.linear", wrong)
    assert open_quick(judge, close, 2048) is close
    assert "far off" in caplog.text


@pytest.mark.parametrize("name", [EMBEDDED_JUDGE, EMBEDDED_MPNET_JUDGE])
def test_the_embedded_judges_in_int8_are_as_near_as_is_said(name: str) -> None:
    judge, close = opened_judge(name)
    table = pq.read_table(home() / "data" / "fixtures" / "judge-pairs.parquet").slice(0, 100)
    coded = judge.tokenizer(table["premise"].to_pylist(), table["hypothesis"].to_pylist())["input_ids"]
    rows = [Tokens(tuple(ids)) for ids in coded]
    error = logits(open_quick(judge, close, 2048)(rows)[:, 0]) - logits(close(rows)[:, 0])
    assert 0.02 < error.std() < 0.15 and np.abs(error).max() < 0.6


@lru_cache(maxsize=2)
def opened_judge(name: str) -> tuple[Judge, Answer]:
    judge = load_judge(name)
    return judge, open_back_end(judge, "int8", 2048, "cpu")
