"""Products in int8: exact sums of rounded numbers, whoever asks beside."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu

from filters.int8_products import _operations, fits, linear
from filters.nli_back_ends import INT8_FLAGS, why_not_int8

here = pytest.mark.skipif(bool(why_not_int8()), reason=f"int8 cannot be had: {why_not_int8()}")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_hand(states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Each token and each output on a scale of its own, whole numbers multiplied, in float64."""
    half = states.bfloat16().double()
    scales = half.abs().amax(1, keepdim=True) / 127, weight.double().abs().amax(1, keepdim=True) / 127
    tokens, outputs = (torch.round(x / scale.clamp(min=1e-30)) for x, scale in zip((half, weight), scales, strict=True))
    return tokens @ outputs.T * scales[0] * scales[1].T + bias


@here
@pytest.mark.parametrize("rows", [1, 3, 16, 33, 200])
@pytest.mark.parametrize(("outputs", "inputs"), [(32, 64), (96, 32), (768, 384)])
def test_a_product_is_that_of_the_rounded_numbers(rows: int, outputs: int, inputs: int) -> None:
    states, weight, bias = drawn(rows, inputs), drawn(outputs, inputs, seed=1), drawn(outputs, seed=2)
    weight[:, 0] *= 20  # so that scales matter
    wanted = by_hand(states, weight, bias)
    found = linear(weight, bias)(states)
    assert found.dtype == torch.bfloat16
    # bfloat16 has eight bits; a number halfway between two whole ones may go either way.
    assert (found.double() - wanted).abs().max() < 2**-7 * wanted.abs().max()
    assert (found.double() - wanted).abs().mean() < 2**-9 * wanted.abs().mean()
    for name in ("none", "tanh"):
        after = linear(weight, bias, name)(states)
        assert torch.equal(after, gelu(found, approximate=name))


@here
def test_a_token_does_not_know_its_neighbours() -> None:
    product, states = linear(drawn(96, 64, seed=1), drawn(96, seed=2)), drawn(130, 64)
    together = product(states)
    for first, last in ((0, 1), (1, 2), (5, 37), (0, 129), (64, 130)):
        assert torch.equal(product(states[first:last]), together[first:last])


@here
def test_two_threads_on_one_product_do_not_spoil_each_others() -> None:
    """What vLLM's other product of this kind fails at."""
    product, states = linear(drawn(768, 384, seed=1), drawn(768, seed=2)), [drawn(512, 384, seed=n) for n in range(24)]
    wanted = [product(each) for each in states]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(product, states))
    assert all(map(torch.equal, found, wanted))


@here
def test_nothing_times_nothing_is_the_bias() -> None:
    bias = drawn(32).bfloat16().float()
    product = linear(torch.zeros(32, 32), bias)
    assert torch.equal(product(drawn(3, 32)).float(), bias.expand(3, 32))
    assert torch.equal(linear(drawn(32, 32), bias)(torch.zeros(3, 32)).float(), bias.expand(3, 32))


def test_widths_that_weights_cannot_be_laid_out_for() -> None:
    assert fits(torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.Tanh(), torch.nn.Embedding(7, 5)))
    assert not fits(torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.Linear(96, 40)))


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo, wrong = tmp_path / "cpuinfo", tmp_path / "_C.abi3.so"
    cpuinfo.write_text(f"flags : fpu {' '.join(INT8_FLAGS)} sse\n", encoding="utf-8")
    assert why_not_int8("cuda:0", cpuinfo) == "the device is cuda:0"
    assert why_not_int8("cpu", tmp_path / "none") == "the processor has no avx512_bf16, avx512_vnni"
    monkeypatch.setattr("filters.int8_products.library", lambda: None)
    assert why_not_int8("cpu", cpuinfo) == "vllm is not installed"
    # A build for CUDA has a file of that name, and other operations in it.
    wrong.write_bytes(b"nothing to load")
    monkeypatch.setattr("filters.int8_products.library", lambda: wrong)
    monkeypatch.setattr("filters.int8_products._operations", _operations.__wrapped__)
    assert why_not_int8("cpu", cpuinfo).startswith("this build of vllm has no int8 products for CPUs (")


def said_by(*lines: str) -> str:
    """The last line that a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


PRODUCT = "linear(torch.ones(32, 32), torch.zeros(32))(torch.ones(1, 32))"


@here
def test_vllm_itself_is_not_imported_for_it() -> None:
    imports = "import sys, torch; from filters.int8_products import linear"
    assert said_by(imports, PRODUCT, "print('vllm' in sys.modules)") == "False"


@here
def test_the_callers_threads_are_left_as_they_were() -> None:
    """Another thread's number would be taken over with the first call of vLLM's: only a fresh process can tell."""
    imports = "import torch; from concurrent.futures import ThreadPoolExecutor"
    ours = "from filters.int8_products import linear"
    another = "ThreadPoolExecutor(1).submit(torch.set_num_threads, 1).result()"
    own = "torch.set_num_threads(2); torch.get_num_threads()"
    assert said_by(imports, ours, own, another, PRODUCT, "print(torch.get_num_threads())") == "2"


@here
def test_a_judge_leaves_the_callers_threads_as_they_were() -> None:
    imports = (
        "import torch; from filters.nli_judge import JudgeSpec, NliJudge; from filters.models import EMBEDDED_JUDGE"
    )
    asked = "NliJudge(JudgeSpec(EMBEDDED_JUDGE, back_end='int8')).at(0.5)([('A man walks.', 'A man moves.')])"
    assert said_by(imports, "torch.set_num_threads(2)", asked, "print(torch.get_num_threads())") == "2"
