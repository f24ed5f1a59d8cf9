"""Algorithm 1: one pair a meaning, against brute force on random graphs."""

import random
from collections.abc import Sequence

import networkx as nx
import numpy as np
import pytest
from pydantic import ValidationError
from toy_duplicates import Ask, Row, both_ways, chance_rows, close, graph_of, groups, kept, order, paraphrase, tables

from filters.base import FilterError
from filters.batches import FloatArray
from filters.duplicates import Duplicates


@pytest.mark.parametrize("seed", range(30))
def test_without_a_limit_it_is_algorithm_1(seed: int) -> None:
    rows, table = chance_rows(seed)
    wanted = {
        min(component, key=order)[0]
        for group in groups(rows)
        for component in nx.connected_components(graph_of(group, table))
    }
    assert kept(Duplicates(max_hops=0), Ask(table), rows) == wanted


@pytest.mark.parametrize("seed", range(30))
def test_with_a_limit_it_is_the_strongest_and_all_that_are_linked_to_it(seed: int) -> None:
    rows, table = chance_rows(seed)
    wanted = set()
    for group in groups(rows):
        graph = graph_of(group, table)
        while graph:
            first = min(graph, key=order)
            wanted.add(first[0])
            graph.remove_nodes_from([first, *graph[first]])
    assert kept(Duplicates(), Ask(table), rows) == wanted


@pytest.mark.parametrize("seed", range(10))
def test_every_dropped_pair_is_linked_to_a_kept_one_and_no_two_kept_are_linked(seed: int) -> None:
    rows, table = chance_rows(seed)
    ids = kept(Duplicates(), Ask(table), rows)
    for group in groups(rows):
        graph = graph_of(group, table)
        for row in group:
            assert any(near[0] in ids for near in graph[row]) != (row[0] in ids)


@pytest.mark.parametrize("hops", [0, 1])
@pytest.mark.parametrize("once", [False, True])
def test_row_order_does_not_matter(hops: int, once: bool) -> None:
    rows, table = chance_rows(99)
    spec = Duplicates(max_hops=hops, sentence_once=once)
    wanted = kept(spec, Ask(table), rows)
    for seed in range(5):
        assert kept(spec, Ask(table), random.Random(seed).sample(rows, len(rows))) == wanted


def test_a_chain_is_not_one_meaning() -> None:
    rows = [paraphrase("1", "a", "t", 0.9), paraphrase("2", "b", "u"), paraphrase("3", "c", "v")]
    table = both_ways(("a", "b"), ("b", "c"))
    assert kept(Duplicates(), Ask(table), rows) == {"1", "3"}
    assert kept(Duplicates(max_hops=0), Ask(table), rows) == {"1"}


def test_one_way_entailment_is_no_link() -> None:
    rows = [paraphrase("1", "a", "t"), paraphrase("2", "b", "u")]
    assert kept(Duplicates(), Ask({("a", "b"): 1.0}), rows) == {"1", "2"}
    assert kept(Duplicates(), Ask(both_ways(("t", "u"))), rows) == {"1"}


def test_the_threshold_itself_links() -> None:
    rows = [paraphrase("1", "a", "t"), paraphrase("2", "b", "u")]
    at = {("a", "b"): 0.9, ("b", "a"): 0.9}
    assert kept(Duplicates(min_probability=0.9), Ask(at), rows) == {"1"}
    assert kept(Duplicates(min_probability=0.91), Ask(at), rows) == {"1", "2"}


def test_a_summary_is_chosen_by_its_own_direction_and_a_paraphrase_by_both() -> None:
    strong_forward, strong_sum = ("f", "a", "x", 0.95, 0.76), ("s", "a", "y", 0.9, 0.9)
    for task, wanted in (("summary", "f"), ("paraphrase", "s")):
        rows = [(name, task, a, "c", b, there, back) for name, a, b, there, back in (strong_forward, strong_sum)]
        assert kept(Duplicates(), Ask({}), rows) == {wanted}


def test_a_direction_that_was_not_asked_adds_nothing() -> None:
    rows: list[Row] = [(n, "simplification", "a", "c", n, p, None) for n, p in (("x", 0.8), ("y", 0.9))]
    assert kept(Duplicates(), Ask({}), rows) == {"y"}
    pairs, scores = tables(rows)
    assert Duplicates().select_with(Ask({}), close, pairs, scores.select(["entailment"])).to_pylist() == [False, True]


def test_ties_go_to_the_smallest_pair_id() -> None:
    assert kept(Duplicates(), Ask({}), [paraphrase(name, "a", name) for name in ("q", "b", "z")]) == {"b"}


def test_tasks_and_contexts_are_apart_and_a_pair_without_context_stays() -> None:
    rows: list[Row] = [
        ("1", "summary", "a", "c1", "b", 0.9, None),
        ("2", "summary", "a", "c2", "b", 0.9, None),
        ("3", "paraphrase", "a", "c1", "b", 0.9, 0.9),
        ("4", "summary", "a", "c1", "d", 0.8, None),
        ("5", "summary", "a", None, "b", 0.9, None),
        ("6", "summary", "a", None, "b", 0.9, None),
    ]
    assert kept(Duplicates(), Ask({}), rows) == {"1", "2", "3", "5", "6"}


def test_a_sentence_is_used_once() -> None:
    rows = [paraphrase("1", "a", "b", 0.9), paraphrase("2", "b", "c", 0.85), paraphrase("3", "c", "d", 0.8)]
    assert kept(Duplicates(), Ask({}), rows) == {"1", "2", "3"}
    assert kept(Duplicates(sentence_once=True), Ask({}), rows) == {"1", "3"}


def test_a_pair_shut_out_by_a_used_sentence_takes_nobody_with_it() -> None:
    rows = [paraphrase("1", "a", "b", 0.9), paraphrase("2", "b", "c", 0.85), paraphrase("3", "e", "c", 0.8)]
    assert kept(Duplicates(sentence_once=True), Ask({}), rows) == {"1", "3"}


def test_equal_sentences_are_not_asked_about_and_the_way_back_only_when_needed() -> None:
    ask = Ask({})
    kept(Duplicates(), ask, [paraphrase("1", "a", "t"), paraphrase("2", "a", "u"), paraphrase("3", "b", "t")])
    assert ask.asked == []
    kept(Duplicates(), ask, [paraphrase("1", "a", "t"), paraphrase("2", "b", "u")])
    assert ask.asked == [("a", "b"), ("t", "u")]


def test_that_the_short_sentence_entails_the_long_one_is_asked_first() -> None:
    ask = Ask({("long", "ab"): 1.0})
    kept(Duplicates(), ask, [paraphrase("1", "long", "t"), paraphrase("2", "ab", "u")])
    assert ask.asked == [("ab", "long"), ("t", "u")]


def test_contexts_are_asked_together() -> None:
    rows = [(f"{c}{n}", "summary", f"{c}{n}", c, f"{c}{n}t", 0.9, None) for c in "abcdefgh" for n in range(4)]
    ask = Ask({})
    assert len(kept(Duplicates(), ask, rows)) == 32
    assert ask.calls == 12  # six pairs of pairs, sources and targets, however many contexts


ANGLES = {"a": 0.0, "b": 0.1, "c": 0.3, "d": 1.2, "t": 3.0, "u": 4.5, "v": 6.0}


def on_a_circle(texts: Sequence[str]) -> FloatArray:
    return np.array([[np.cos(ANGLES[text]), np.sin(ANGLES[text])] for text in texts], np.float32)


def test_only_near_sentences_are_asked_about_and_the_nearest_first() -> None:
    rows = [paraphrase("1", "a", "t", 0.99), paraphrase("2", "d", "u", 0.95), paraphrase("3", "b", "v", 0.9)]
    ask = Ask(both_ways(("a", "d")))
    assert kept(Duplicates(), ask, rows, on_a_circle) == {"1", "2", "3"}
    assert ask.asked == [("a", "b")]
    ask = Ask(both_ways(("a", "d")))
    assert kept(Duplicates(min_cosine=-1), ask, rows, on_a_circle) == {"1", "3"}
    assert ask.asked[:2] == [("a", "d"), ("d", "a")]


def test_the_limit_of_the_cosine_itself_is_asked_about() -> None:
    rows = [paraphrase("1", "a", "t"), paraphrase("2", "c", "u")]
    cosine = float(on_a_circle(["a"])[0] @ on_a_circle(["c"])[0])
    table = both_ways(("a", "c"))
    assert kept(Duplicates(min_cosine=cosine), Ask(table), rows, on_a_circle) == {"1"}
    assert kept(Duplicates(min_cosine=cosine + 1e-6), Ask(table), rows, on_a_circle) == {"1", "2"}


@pytest.mark.parametrize("hops", [0, 1])
def test_a_left_out_pair_knows_which_stands_for_it(hops: int) -> None:
    rows = [paraphrase("1", "a", "t", 0.8), paraphrase("2", "c", "u", 0.9), paraphrase("3", "b", "v", 0.7)]
    spec = Duplicates(max_hops=hops, min_cosine=-1)
    heads = spec.heads(Ask(both_ways(("a", "b"), ("b", "c"))), on_a_circle, *tables(rows))
    assert heads == ([0, 1, 0] if hops else [1, 1, 1])  # b is nearer to a, though c is stronger
    alone = [*rows, ("4", "paraphrase", "a", None, "t", 0.9, 0.9)]
    assert spec.heads(Ask({}), on_a_circle, *tables(alone)) == [0, 1, 2, 3]


def test_what_hangs_together_already_is_not_asked_again() -> None:
    rows = [paraphrase("1", "a", "t"), paraphrase("2", "b", "u"), paraphrase("3", "c", "v")]
    ask = Ask(both_ways(("a", "b"), ("b", "c"), ("a", "c")))
    assert kept(Duplicates(max_hops=0, min_cosine=0.5), ask, rows, on_a_circle) == {"1"}
    assert set(ask.asked) == {("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")}


def test_of_a_component_the_strongest_with_unused_sentences_stays() -> None:
    rows = [paraphrase("1", "a", "t", 0.99), paraphrase("2", "t", "b", 0.9), paraphrase("3", "c", "b", 0.8)]
    assert kept(Duplicates(max_hops=0), Ask({}), rows) == {"1", "2"}
    assert kept(Duplicates(max_hops=0, sentence_once=True), Ask({}), rows) == {"1", "3"}
    assert kept(Duplicates(max_hops=0, sentence_once=True), Ask({}), rows[:2]) == {"1"}


@pytest.mark.parametrize("hops", [0, 1])
@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_no_sentence_is_kept_twice_and_nothing_is_asked_twice(hops: int, once: bool, seed: int) -> None:
    rows, table = chance_rows(seed)
    for group in groups(rows):
        ask = Ask(table)
        ids = kept(Duplicates(max_hops=hops, sentence_once=once), ask, group)
        assert ids and len(ask.asked) == len(set(ask.asked))
        sentences = [text for row in group if row[0] in ids for text in (row[2], row[4])]
        assert not once or len(sentences) == len(set(sentences))


def test_no_pairs_and_no_scores() -> None:
    row = paraphrase("1", "a", "b")
    pairs, scores = tables([row])
    assert Duplicates().select_with(Ask({}), close, pairs.slice(0, 0), scores.slice(0, 0)).to_pylist() == []
    with pytest.raises(FilterError, match="entailment"):
        Duplicates().select(pairs, scores.select(["reverse_entailment"]))
    for wrong in ({"max_hops": -1}, {"max_hops": 2}, {"min_cosine": 1.5}):
        with pytest.raises(ValidationError):
            Duplicates(**wrong)


def test_the_embedded_judge_tells_two_wordings_from_two_meanings() -> None:
    rows = [
        paraphrase("1", "A woman is walking her dog in the park.", "A dog is walked by a woman.", 0.9),
        paraphrase("2", "A woman walks her dog in the park.", "The park has a woman with a dog in it."),
        paraphrase("3", "The senate voted on the tax bill.", "There was a vote on the tax bill."),
    ]
    pairs, scores = tables(rows)
    assert Duplicates(threads=1).select(pairs, scores).to_pylist() == [True, False, True]
