"""BERTScore F1 by the bert-score library, with any encoder that transformers loads.

The library is handed the loaded model: its own loader downloads, and takes any path with "t5" in it for a T5. The last
layer is used, as the encoder was trained to be read there: on the 1,500 pairs of the STS benchmark's dev split its
BERTScore correlates .87 with people's judgement for all-MiniLM-L6-v2, that of layers 1 to 5 .62 to .76. No idf weights,
no rescaling. A score says little across encoders: name the encoder with it.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from student.bootstrap import Array
from student.errors import StudentError

Pair = tuple[str, str]
"""An output and what it is compared with."""
Score = Callable[[Sequence[Pair]], Array]

PAIRS_AT_ONCE = 4000
"""Vectors of so many pairs are in memory together, and no text of them is encoded twice."""
BATCH = 64


@dataclass(frozen=True)
class Encoder:
    """A folder or hub id that transformers loads, and the name that a report gives it."""

    name: str
    location: str
    revision: str | None = None
    device: str = "cpu"

    def open(self) -> Score:
        """Load the model. Pairs in, F1 in percent out, [pairs]; 0 where either side is blank."""
        model, tokenizer = _load(self)
        weights: dict[int, float] = defaultdict(lambda: 1.0)
        weights |= {tokenizer.cls_token_id: 0.0, tokenizer.sep_token_id: 0.0}
        return lambda pairs: _scores(pairs, model, tokenizer, weights)


def _load(encoder: Encoder) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModel.from_pretrained(encoder.location, revision=encoder.revision, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(encoder.location, revision=encoder.revision)
    except (OSError, ValueError, KeyError) as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise StudentError(
            f"encoder {encoder.name}: it cannot be loaded from {encoder.location}: {said}: give another"
        ) from error
    tokenizer.model_max_length = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    return model.eval().to(encoder.device), tokenizer


def _scores(pairs: Sequence[Pair], model: Any, tokenizer: Any, weights: dict[int, float]) -> Array:
    """Each distinct pair once, so that equal pairs have equal scores to the last bit."""
    from bert_score.utils import bert_cos_score_idf

    distinct = [pair for pair in dict.fromkeys(pairs) if pair[0].strip() and pair[1].strip()]
    known: dict[Pair, float] = {}
    for start in range(0, len(distinct), PAIRS_AT_ONCE):
        part = distinct[start : start + PAIRS_AT_ONCE]
        outputs, wanted = ([pair[side] for pair in part] for side in (0, 1))
        found = bert_cos_score_idf(model, wanted, outputs, tokenizer, weights, batch_size=BATCH, device=model.device)
        known.update(zip(part, (100 * found[:, 2].double()).tolist(), strict=True))
    return np.array([known.get(pair, 0.0) for pair in pairs])
