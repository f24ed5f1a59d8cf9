"""Other ways to run the judge on a CPU, for the table of `python -m bench.judge`: torch padded, ONNX Runtime, OpenVINO.

All get the pairs sorted by length, 32 to a batch, padded to the longest: `CrossEncoder.predict` does no better.
int8 is static: all products with weights or without, ranges from 256 of the fixture's pairs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from filters.batches import FloatArray
from filters.models import Judge, home
from filters.nli_judge import Pair

BATCH = 32
CALIBRATION_PAIRS = 256
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

Inputs = Mapping[str, npt.NDArray[np.int64]]
Logits = Callable[[Inputs], FloatArray]
Predict = Callable[[Sequence[Pair]], FloatArray]


def rivals(judge: Judge, threads: int, folder: Path) -> dict[str, Predict]:
    """Those that are installed, by name."""
    found = {"torch, fp32": _torch(judge, False), "torch, bf16 autocast": _torch(judge, True)}
    if all(map(_installed, ("onnx", "onnxruntime"))):
        plain = _exported(judge, folder)
        static = _quantised(judge, plain, folder)
        found["elsewhere: ONNX Runtime, fp32"] = _onnxruntime(plain, threads)
        found["elsewhere: ONNX Runtime, int8"] = _onnxruntime(static, threads)
        if _installed("openvino"):
            found["elsewhere: OpenVINO, fp32"] = _openvino(plain, threads, "f32")
            found["elsewhere: OpenVINO, bf16"] = _openvino(plain, threads, "bf16")
            found["elsewhere: OpenVINO, int8"] = _openvino(static, threads, "f32")
    return {name: _sorted(judge, logits) for name, logits in found.items()}


def _installed(package: str) -> bool:
    return find_spec(package) is not None


def _sorted(judge: Judge, logits: Logits) -> Predict:
    def predict(pairs: Sequence[Pair]) -> FloatArray:
        scores = np.zeros(len(pairs), np.float32)
        for places, inputs in _batches(judge, pairs):
            found = logits(inputs)
            shares = np.exp(found - found.max(axis=1, keepdims=True))
            scores[places] = shares[:, judge.entailment] / shares.sum(axis=1)
        return scores

    return predict


def _batches(judge: Judge, pairs: Sequence[Pair]) -> Iterator[tuple[list[int], Inputs]]:
    order = sorted(range(len(pairs)), key=lambda place: sum(map(len, pairs[place])))
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        premises, hypotheses = zip(*(pairs[place] for place in places), strict=True)
        coded = judge.tokenizer(
            *(list(premises), list(hypotheses)),
            padding=True,
            truncation=True,
            max_length=judge.window,
            return_tensors="np",
        )
        yield places, {name: coded[name] for name in INPUTS if name in coded}


def _torch(judge: Judge, autocast: bool) -> Logits:
    import torch

    def logits(inputs: Inputs) -> FloatArray:
        given = {name: torch.from_numpy(value) for name, value in inputs.items()}
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            found: FloatArray = judge.model(**given).logits.float().numpy()
        return found

    return logits


def _exported(judge: Judge, folder: Path) -> Path:
    import torch

    coded = judge.tokenizer(["a b c"], ["a b"], return_tensors="pt")
    given = {name: coded[name] for name in INPUTS if name in coded}
    dynamic = {name: {0: "rows", 1: "tokens"} for name in given}
    file = folder / "judge.onnx"
    torch.onnx.export(
        judge.model,
        (),
        str(file),
        kwargs=given,
        input_names=list(given),
        output_names=["logits"],
        dynamic_axes={**dynamic, "logits": {0: "rows"}},
        dynamo=False,
    )
    return file


@dataclass
class _Calibration:
    """The pairs that activations are measured on, in the shape that onnxruntime asks for."""

    batches: Iterator[tuple[list[int], Inputs]]

    def get_next(self) -> Inputs | None:
        return next((inputs for _, inputs in self.batches), None)


def _quantised(judge: Judge, plain: Path, folder: Path) -> Path:
    quantization = import_module("onnxruntime.quantization")
    shapes = import_module("onnxruntime.quantization.shape_inference")
    rows = pq.read_table(home() / "data" / "fixtures" / "judge-pairs.parquet")
    pairs = list(zip(rows["premise"].to_pylist(), rows["hypothesis"].to_pylist(), strict=True))
    some = pairs[:: len(pairs) // CALIBRATION_PAIRS][:CALIBRATION_PAIRS]
    ready, file = folder / "ready.onnx", folder / "int8.onnx"
    shapes.quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(ready),
        str(file),
        _Calibration(_batches(judge, some)),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=["MatMul", "Gemm"],
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )
    return file


def _onnxruntime(file: Path, threads: int) -> Logits:
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run(["logits"], dict(inputs))[0], np.float32)


def _openvino(file: Path, threads: int, precision: str) -> Logits:
    openvino = import_module("openvino")
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    request = compiled.create_infer_request()
    return lambda inputs: np.asarray(request.infer(dict(inputs))["logits"], np.float32)
