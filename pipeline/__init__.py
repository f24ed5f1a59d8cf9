"""WHO ORDERS. Stages, runs, shards, the command line."""

import os
from typing import TYPE_CHECKING

# Read by libraries when they are imported, so they are set before any is. What the user has set stays.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # a note on memory binding at every start
    "TOKENIZERS_PARALLELISM": "false",  # and no warning about it in forked workers
}.items():
    os.environ.setdefault(_name, _value)

if TYPE_CHECKING:
    from pipeline.opened_run import open_run

__all__ = ["open_run"]


def __getattr__(name: str) -> object:
    """`from pipeline import open_run` for notebooks; imported when it is asked for, so that workers start fast."""
    if name == "open_run":
        from pipeline.opened_run import open_run

        return open_run
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
