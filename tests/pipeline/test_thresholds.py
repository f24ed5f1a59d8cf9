"""Which parameters of a filter are thresholds, and which way one was moved."""

import numpy as np
import pyarrow as pa
from toy_marks import Marks, bounded

from filters.base import Panel
from filters.entailment import Entailment
from filters.length import Length
from filters.overlap import Overlap
from filters.similarity import Similarity
from filters.wellformed import Wellformed
from pipeline.judge import JudgePairs
from pipeline.thresholds import fixed, is_threshold, loosened, thresholds, tightened


def test_a_whole_number_is_a_threshold_too() -> None:
    assert thresholds(Marks(), pa.array([0, 1, 4], pa.float32())) == {"max_more": 0.0}
    assert thresholds(Marks(2), pa.array([], pa.float32())) == {"max_more": 2.0}
    for value, least in ((1, 1), (5, 2), (3, 3)):  # tried beside its own value, which others may be too small for
        spec = bounded(least)(value)
        assert thresholds(spec, pa.array([], pa.float32())) == {"max_more": value}
    assert thresholds(Marks(), pa.array([0, np.nan, np.inf, 2], pa.float32())) == {"max_more": 0.0}


def test_a_models_whole_number_is_no_fact() -> None:
    old, new = (JudgePairs({"summary": Panel((bounded(2, "model")(value),))}) for value in (2, 5))
    assert old.thresholds() == {"summary.marks.max_more"}
    assert old.facts() == new.facts()


def test_where_scores_hang_on_the_threshold_it_is_a_fact() -> None:
    """int8 looks twice near its threshold, so another threshold wants other scores."""
    for back_end, free in (("bf16", {"summary.entailment.min_probability"}), ("int8", set())):
        old, new = (
            JudgePairs({"summary": Panel((Entailment(min_probability=value, back_end=back_end),))})
            for value in (0.5, 0.6)
        )
        assert old.thresholds() == free
        assert (old.facts() == new.facts()) == bool(free)
        spec = new.tasks["summary"].filters[0]
        assert fixed(spec) == ({} if free else {"min_probability": 0.6})


def test_what_is_a_threshold() -> None:
    scores = pa.array([0.1, 0.5, None, 0.9], pa.float32())
    assert thresholds(Length(below_ratio=0.8), scores) == {"below_ratio": 0.8}
    assert set(thresholds(Similarity(), scores)) == {"min_cosine", "max_cosine"}
    assert thresholds(Wellformed(), scores) == {}
    assert not is_threshold(Similarity(), "token_budget", 64)
    assert loosened(Overlap(max_rouge_l=0.5), Overlap(max_rouge_l=0.500001))
    assert tightened(Overlap(max_rouge_l=0.5), Overlap(max_rouge_l=0.499999))
    assert not loosened(Overlap(max_rouge_l=0.5), Overlap(max_rouge_l=0.499999))
    assert loosened(Length(below_ratio=0.8), Length(below_ratio=0.8, max_ratio=None, min_ratio=None)) is False
    assert loosened(Length(max_ratio=0.8), Length())
