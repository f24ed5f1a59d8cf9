"""Two processes share the micro-batches of a step: the same curve as one."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toy_student import QUICK, toy_training

HOUSE = Path(__file__).parents[2]
TOY = HOUSE / "tests" / "toy_student.py"


def start(base: Path, out: Path, rank: int, port: int, device_tokens: int) -> subprocess.Popen[str]:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    path = os.pathsep.join([str(HOUSE), str(TOY.parent)])
    environment = os.environ | {name: str(value) for name, value in place.items()}
    environment |= {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    words = [sys.executable, str(TOY), str(base), str(out), str(device_tokens)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("device_tokens", [160, 100_000])
def test_two_processes_learn_as_one(tiny_t5: Path, tmp_path: Path, device_tokens: int) -> None:
    """Three or four parts of a step for two processes; and one part, so that one process has none."""
    alone = toy_training(tiny_t5, tmp_path / "alone", replace(QUICK, dropout=0.0))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [start(tiny_t5, tmp_path / "both", rank, port, device_tokens) for rank in (0, 1)]
    said = [process.communicate(timeout=240) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    for lines, _ in said:
        losses = [float(line.split()[1]) for line in lines.splitlines()]
        assert losses == pytest.approx([point["loss"] for point in alone.curve], rel=2e-3)
    assert (tmp_path / "both" / "model" / "model.safetensors").exists()
