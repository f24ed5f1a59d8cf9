import random

import pyarrow as pa

from filters.pairwise import at_least, at_most, below, pairwise, sentences


def test_equals_a_plain_loop() -> None:
    rng = random.Random(5)
    texts = [None, "", "a", "bb", "cc", "ddd", "é", "☃☃"]
    source, target = ([rng.choice(texts) for _ in range(500)] for _ in range(2))
    rows = pa.table({"source": pa.array(source, pa.string()), "target": pa.array(target, pa.large_string())})
    scorer = pairwise(lambda text: len(text) or None, lambda a, b: None if a == 3 else float(10 * a + b))
    expected = [
        10.0 * len(a) + len(b) if a and b and len(a) != 3 else None for a, b in zip(source, target, strict=True)
    ]
    assert scorer(rows).to_pylist() == expected
    pieces = pa.concat_tables([rows.slice(0, 7), rows.slice(7)])
    assert scorer(pieces).to_pylist() == expected


def test_reads_a_sentence_once_and_compares_a_reading_once() -> None:
    read: list[str] = []
    compared: list[tuple[int, int]] = []

    def length(text: str) -> int:
        read.append(text)
        return len(text)

    def difference(a: int, b: int) -> float:
        compared.append((a, b))
        return float(a - b)

    rows = pa.table({"source": ["a", "b", "a", "cc"], "target": ["b", "a", "cc", "a"]})
    assert pairwise(length, difference)(rows).to_pylist() == [0.0, 0.0, -1.0, 1.0]
    assert sorted(read) == ["a", "b", "cc"]
    assert sorted(compared) == [(1, 1), (1, 2), (2, 1)]


def test_empty_table() -> None:
    rows = pa.table({"source": pa.array([], pa.string()), "target": pa.array([], pa.string())})
    assert pairwise(len, lambda a, b: 1.0)(rows).type == pa.float32()
    assert sentences(rows).texts == []


def test_thresholds_hold_at_the_bound_and_for_nulls() -> None:
    scores = pa.array([0.79, 4 / 5, 0.81, None], pa.float32())
    assert at_least(scores, 0.8).to_pylist() == [False, True, True, False]
    assert at_most(scores, 0.8).to_pylist() == [True, True, False, False]
    assert below(scores, 0.8).to_pylist() == [True, False, False, False]
