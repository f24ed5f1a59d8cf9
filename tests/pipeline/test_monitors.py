"""What a round came to, against counting by hand."""

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import UserError
from pipeline.records import CANDIDATE, pair_id
from pipeline.rounds.monitors import MOST_COMPARED, RoundMonitors, distinct, fewest, measures
from student.self_bleu import self_bleu

CORPUS = pa.schema(
    [(name, pa.string()) for name in ("pair_id", "task", "source", "target")]
    + [(name, pa.float32()) for name in ("compression_ratio", "novelty", "entailment")]
)
FREE = RoundMonitors(0.0, 0.0)


class Kept:
    """The tables that a stage writes."""

    def __init__(self) -> None:
        self.tables: dict[str, pa.Table] = {}

    def write(self, name: str, table: pa.Table) -> None:
        self.tables[name] = table

    def directory(self, name: str) -> Path:
        raise NotImplementedError(name)

    file = directory

    def work(self) -> Path:
        raise NotImplementedError


def corpus(*pairs: tuple[str, str], task: str = "summary", entailment: float | None = 0.5) -> pa.Table:
    rows = [
        {"pair_id": pair_id(task, x, y), "task": task, "source": x, "target": y}
        | {"compression_ratio": len(y) / len(x), "novelty": 0.25, "entailment": entailment}
        for x, y in pairs
    ]
    return pa.Table.from_pylist(rows, schema=CORPUS)


def candidates(**written: int) -> pa.Table:
    rows = [{"mode": task} for task, count in written.items() for _ in range(count)]
    return pa.Table.from_pylist(rows, schema=CANDIDATE)


def monitors(tables: Mapping[str, pa.Table], stage: RoundMonitors = FREE) -> dict[tuple[str, str], Any]:
    out = Kept()
    counts = stage.run(tables, out)
    rows = out.tables["monitors"].to_pylist()
    assert counts == {"rows": len(rows)}
    return {(row["task"], row["monitor"]): (row["value"], row["before"]) for row in rows}


def of(now: pa.Table, *earlier: pa.Table) -> dict[str, float]:
    """The monitors of a round, measured on as much as the smallest has."""
    return measures(now, earlier, fewest([now, *earlier]))


def by_hand(texts: list[str], n: int) -> float:
    """Distinct n-grams among all, n one or two."""
    grams = [gram for text in texts for gram in (text.split() if n == 1 else pairwise(text.split()))]
    return len(set(grams)) / len(grams)


def test_distinct_by_hand() -> None:
    texts = ["the cat sat on the mat", "the cat ran", "a dog sat"]
    for n in (1, 2):
        assert distinct(texts, n, 99) == pytest.approx(by_hand(texts, n))
        assert distinct(texts, n, 8) == pytest.approx(by_hand([texts[0], "the cat"], n))
    assert distinct([], 1, 9) == distinct(["word"], 2, 9) == distinct(texts, 1, 0) == 0.0
    assert distinct(["a a a a"], 1, 4) == 0.25 and distinct(["a b"], 2, 2) == 1.0


def test_measures_by_hand() -> None:
    first = corpus(("a b c d", "a b"), ("e f g h", "e f g"))
    now = corpus(("a b c d", "a b"), ("a b c d", "x"), ("new one", "new"), entailment=0.8)
    found = of(now, first)
    assert found["pairs"] == 3
    assert found["distinct_1"] == 1.0  # four words in both rounds
    assert found["length_ratio"] == pytest.approx((3 / 7 + 1 / 7 + 3 / 7) / 3)
    assert found["entailment"] == pytest.approx(0.8) and found["novelty"] == 0.25
    assert found["seen_sources"] == pytest.approx(2 / 3) and found["seen_pairs"] == pytest.approx(1 / 3)
    assert of(first)["seen_pairs"] == 0.0


def test_the_same_number_of_words_in_every_round() -> None:
    """A small corpus has more different words in a hundred: the large one is cut to its size."""
    few, many = corpus(("s t", "a b a b")), corpus(("s t", "a b a b"), ("u v", "a a a a a a"))
    assert of(many, few)["distinct_1"] == of(few, many)["distinct_1"] == 0.5


def test_an_earlier_round_without_the_task_says_nothing_about_this_one() -> None:
    found = of(corpus(("s t", "a b c")), corpus())
    assert found["distinct_1"] == found["distinct_2"] == 1.0


def test_self_bleu_by_hand() -> None:
    targets = ["The cat sat on the mat.", "the cat sat on a mat", "a dog ran in the park", "The dog ran!"]
    pairs = corpus(*[(f"s{n} t", target) for n, target in enumerate(targets)])
    plain = ["the cat sat on the mat", "the cat sat on a mat", "a dog ran in the park", "the dog ran"]
    assert of(pairs)["self_bleu"] == pytest.approx(self_bleu(plain))
    assert of(corpus(("s t", "a b c d"), ("u v", "A b, c d.")))["self_bleu"] == pytest.approx(100)
    assert math.isnan(of(corpus(("s t", "a b c d")))["self_bleu"]) and math.isnan(of(corpus())["self_bleu"])


def test_as_many_targets_in_every_round_whatever_their_order() -> None:
    few = corpus(("s t", "a b c d e"), ("u v", "f g h i j"), ("w x", "a b c d f"))
    many = corpus(*[(f"s{n} t", f"w{n} x{n % 3} y{n % 2} z") for n in range(40)])
    both = of(many, few)["self_bleu"]
    chosen = many.sort_by("pair_id").slice(0, 3)["target"].to_pylist()
    assert both == pytest.approx(self_bleu(chosen)) and both < of(many)["self_bleu"]
    assert of(many.take(list(reversed(range(40)))), few)["self_bleu"] == both
    found = monitors({"candidates": candidates(summary=9), "corpus": few, "corpus-0": many})
    assert found[("summary", "self_bleu")] == (of(few, many)["self_bleu"], both)  # before: on as many, too


def test_no_more_than_the_cap() -> None:
    assert fewest([corpus()]).targets == MOST_COMPARED and fewest([corpus(("s t", "a b"))]).targets == MOST_COMPARED
    assert fewest([pa.concat_tables([corpus(("s t", "a b"))] * (MOST_COMPARED + 1))]).targets == MOST_COMPARED


def test_nulls_and_nothing() -> None:
    assert of(corpus(("a b", "a"), entailment=None))["entailment"] == 0.0
    found = of(corpus())
    assert found["pairs"] == found["distinct_1"] == found["length_ratio"] == found["seen_sources"] == 0
    assert math.isnan(of(corpus().drop_columns(["entailment"]))["entailment"])


def test_before_is_the_last_round_and_tasks_are_apart() -> None:
    old, last = corpus(("a b c d", "a")), corpus(("a b c d", "a b"), ("e f", "e"))
    now = pa.concat_tables([corpus(("a b c d", "a b c")), corpus(("a b", "b a"), task="paraphrase")])
    tables = {"candidates": candidates(summary=4, paraphrase=2), "corpus": now, "corpus-1": last, "corpus-0": old}
    found = monitors(tables)
    assert found[("summary", "pairs")] == (1, 2) and found[("paraphrase", "pairs")] == (1, 0)
    assert found[("summary", "acceptance")] == (0.25, None) and found[("paraphrase", "acceptance")] == (0.5, None)
    assert found[("summary", "seen_sources")] == (1.0, 0.5)
    assert found[("summary", "length_ratio")][0] == pytest.approx(5 / 7)


def test_the_tenth_round_comes_after_the_second() -> None:
    tables = {f"corpus-{number}": corpus(*[(f"s{n} t", "u") for n in range(number + 1)]) for number in range(12)}
    found = monitors(tables | {"candidates": candidates(summary=1), "corpus": corpus(("a b", "c"))})
    assert found[("summary", "pairs")] == (1, 12)


@pytest.mark.parametrize(("limit", "stops"), [(0.25, False), (0.26, True)])
def test_a_round_that_is_hardly_accepted_stops(limit: float, stops: bool) -> None:
    tables = {"candidates": candidates(summary=4), "corpus": corpus(("a b c", "a b")), "corpus-0": corpus()}
    if not stops:
        assert monitors(tables, RoundMonitors(limit, 0.0))
        return
    with pytest.raises(UserError, match=r"task summary: acceptance is 0.25, below rounds.min_acceptance 0.26") as error:
        monitors(tables, RoundMonitors(limit, 0.0))
    assert "\n" not in str(error.value)


def test_a_round_of_one_sentence_stops() -> None:
    tables = {"candidates": candidates(summary=2), "corpus": corpus(*[(f"s{n} t", "a b c") for n in range(9)])}
    with pytest.raises(UserError, match=r"distinct_2 is 0\.111, below rounds\.min_distinct_2 0\.5"):
        monitors(tables, RoundMonitors(0.0, 0.5))


@pytest.mark.parametrize(("limit", "stops"), [(0.0, False), (100.0, False), (99.0, True), (12.5, True)])
def test_a_round_that_says_the_same_stops(limit: float, stops: bool) -> None:
    tables = {"candidates": candidates(summary=2), "corpus": corpus(*[(f"s{n} t", "a b c d") for n in range(9)])}
    if not stops:
        assert monitors(tables, RoundMonitors(0.0, 0.0, limit))
        return
    with pytest.raises(UserError, match=rf"self_bleu is 100, above rounds\.max_self_bleu {limit:.3g}: .* or raise the"):
        monitors(tables, RoundMonitors(0.0, 0.0, limit))


def test_one_target_is_like_no_other_and_never_stops() -> None:
    tables = {"candidates": candidates(summary=2), "corpus": corpus(("s t", "a b c d"))}
    assert math.isnan(monitors(tables, RoundMonitors(0.0, 0.0, 0.1))[("summary", "self_bleu")][0])


def test_an_earlier_round_of_one_pair_does_not_hide_sameness() -> None:
    same = corpus(*[(f"s{n} t", "a b c d") for n in range(9)])
    tables = {"candidates": candidates(summary=2), "corpus": same, "corpus-0": corpus(("s t", "e f g h"))}
    with pytest.raises(UserError, match="self_bleu is 100"):
        monitors(tables, RoundMonitors(0.0, 0.0, 99.0))


def test_no_candidates_no_rows() -> None:
    assert monitors({"candidates": candidates(), "corpus": corpus(), "corpus-0": corpus()}) == {}
