import json
from pathlib import Path

import numpy as np
import pytest

from filters.base import FilterError
from filters.training.calibrate import (
    Readings,
    answered,
    at_temperature,
    best_temperature,
    log_loss,
    pooled,
    read,
    reliability,
    threshold_for,
)


def readings(scores, right, weight=None, task="summary") -> Readings:
    score, good = np.array(scores, np.float32), np.array(right, np.float32)
    weights = np.ones_like(score) if weight is None else np.array(weight, np.float32)
    return Readings((task,) * len(score), score, score, good, good, good, weights, np.arange(len(score)) % 2)


def test_the_threshold_is_the_least_that_reaches_the_precision() -> None:
    given = readings([0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0])
    assert threshold_for(0.75, given) == pytest.approx(0.6)
    assert threshold_for(1.0, given) == pytest.approx(0.8)
    assert threshold_for(0.9, readings([0.9, 0.1], [0, 1])) is None
    assert threshold_for(0.9, readings([0.9, 0.8], [1, 0], weight=[99, 1])) == pytest.approx(0.8)


def test_of_equal_scores_a_threshold_takes_all_or_none() -> None:
    assert threshold_for(0.9, readings([0.9, 0.8, 0.8], [1, 1, 0])) == pytest.approx(0.9)
    assert threshold_for(0.6, readings([0.9, 0.8, 0.8], [1, 1, 0])) == pytest.approx(0.8)
    assert threshold_for(0.9, readings([0.8, 0.8], [1, 0])) is None


def test_a_reading_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"task": "summary"}\n')
    with pytest.raises(FilterError, match=r"x\.jsonl:1: not a reading"):
        read(tmp_path / "x.jsonl")


def test_a_separator_of_lines_within_a_text_ends_no_reading(tmp_path: Path) -> None:
    text = "one\u2028two\x85three"
    row = {"task": "summary", "source": text, "target": "b", "context_id": "c", "weight": 1, "forward": True}
    given = json.dumps(row | {"reverse": False, "broken": False}, ensure_ascii=False)
    (tmp_path / "x.jsonl").write_text(given + "\n\n", encoding="utf-8")
    assert [row["source"] for row in read(tmp_path / "x.jsonl")] == [text]


def test_a_paraphrase_needs_both_ways() -> None:
    both = Readings(("paraphrase", "summary"), *np.array([[0.9, 0.9], [0.2, 0.2], *[[1, 1]] * 4, [0, 1]], np.float32))
    assert both.score() == pytest.approx([0.2, 0.9])
    assert both.of_task("summary").task == ("summary",)


def test_a_temperature_undoes_its_own_change() -> None:
    rng = np.random.default_rng(0)
    true = rng.random(4000).astype(np.float32)
    label = (rng.random(4000) < true).astype(np.float32)
    sharp = at_temperature(true, 0.5)
    given = Readings(("summary",) * 4000, sharp, sharp, label, label, label, np.ones(4000), np.ones(4000))
    assert best_temperature(given) == pytest.approx(2.0, rel=0.1)
    assert log_loss(at_temperature(sharp, 2.0), label, given.weight) < log_loss(sharp, label, given.weight)
    assert at_temperature(np.array([0.0, 1.0], np.float32), 2.0) == pytest.approx([0.001, 0.999], abs=1e-3)


def test_reliability_counts_every_direction_once() -> None:
    bins = reliability(readings([0.0, 0.2, 0.6, 1.0], [0, 0, 1, 1]), [0, 0.5, 1.0])
    assert [(round(mean, 3), share, number) for mean, share, number in bins] == [(0.1, 0.0, 4), (0.8, 1.0, 4)]


def test_the_committed_readings_are_sound() -> None:
    path = Path("data/readings/news.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({row["pair_id"] for row in rows}) == len(rows) == 600
    found = answered(read(path), lambda pairs: np.full(len(pairs), 0.5, np.float32))
    assert found.weight.sum() == pytest.approx(751 + 1553, abs=1)
    assert 0.2 < found.first_half.mean() < 0.8


def test_the_second_readings_are_of_other_contexts() -> None:
    first, second = (
        [json.loads(line) for line in Path(f"data/readings/{name}").read_text().splitlines()]
        for name in ("news.jsonl", "news-2.jsonl")
    )
    assert len({row["pair_id"] for row in second}) == len(second) == 472
    assert {row["task"] for row in second} == {"summary", "paraphrase"}
    assert not {row["context_id"] for row in first} & {row["context_id"] for row in second}
    assert not {(r["source"], r["target"]) for r in first} & {(r["source"], r["target"]) for r in second}


def test_pooled_readings_count_by_rows_not_by_the_pairs_that_they_stand_for() -> None:
    few = readings([0.9, 0.1], [1, 0], weight=[300, 100])
    many = readings([0.8, 0.7, 0.2], [1, 1, 0])
    found = pooled([few, many])
    assert found.weight == pytest.approx([1.5, 0.5, 1, 1, 1])
    assert found.forward == pytest.approx([0.9, 0.1, 0.8, 0.7, 0.2])
    assert found.task == ("summary",) * 5 and len(found.first_half) == 5


def test_pooling_one_part_moves_no_figure() -> None:
    one = readings([0.9, 0.8, 0.7], [1, 0, 1], weight=[7, 2, 3])
    assert threshold_for(0.7, pooled([one])) == threshold_for(0.7, one)
