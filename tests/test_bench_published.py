"""The published procedure, step by step, on sentences whose entailment is written by hand or drawn by chance."""

import random
from collections.abc import Sequence
from itertools import combinations

import networkx as nx
import pytest

from bench import published
from bench.published import Pair, accepted, cut, numbers_agree
from filters.models import EMBEDDED_JUDGE
from pipeline.teacher.decoder import Sampling


class Script:
    """A judge that reads its answers from a table (else 0) and remembers what it was asked, call by call."""

    def __init__(self, table: dict[Pair, float]) -> None:
        self.table = table
        self.calls: list[list[Pair]] = []

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        self.calls.append(list(pairs))
        return [self.table.get(pair, 0.0) for pair in pairs]


COUNCIL = "The council approved the new budget on Tuesday."
BUDGET = "A new budget was passed by councillors this Tuesday."
LONG = "The council approved the new budget on Tuesday after a debate that went on until late in the evening."


def both_ways(a: str, b: str, p: float = 0.9) -> dict[Pair, float]:
    return {(a, b): p, (b, a): p}


def test_the_judge_sees_all_pairs_first_forward_then_backward_in_the_order_sampled() -> None:
    script = Script({})
    sentences = [LONG, "Yes, it is.", COUNCIL]  # pairs that no length filter would let pass are asked about too
    assert accepted(sentences, script) == {"paraphrase": [], "summary": []}
    forward = list(combinations(sentences, 2))
    assert script.calls == [forward, [(b, a) for a, b in forward]]


def test_a_paraphrase_needs_both_ways() -> None:
    table = both_ways(COUNCIL, BUDGET)
    assert accepted([COUNCIL, BUDGET], Script(table))["paraphrase"] == [(COUNCIL, BUDGET)]
    assert accepted([COUNCIL, BUDGET], Script(table | {(BUDGET, COUNCIL): 0.74}))["paraphrase"] == []


def test_only_one_order_is_tried() -> None:
    table = {(LONG, COUNCIL): 0.9}
    assert accepted([LONG, COUNCIL], Script(table))["summary"] == [(LONG, COUNCIL)]
    assert accepted([COUNCIL, LONG], Script(table))["summary"] == []  # the shorter one was sampled first


@pytest.mark.parametrize(("length", "kept"), [(79, True), (80, False)])
def test_a_summary_is_shorter_than_four_fifths(length: int, kept: bool) -> None:
    source, target = "a" * 100, "b" * length
    assert bool(accepted([source, target], Script({(source, target): 0.75}))["summary"]) is kept


@pytest.mark.parametrize(("length", "kept"), [(79, False), (80, True), (150, True), (151, False)])
def test_a_paraphrase_is_within_the_length_band(length: int, kept: bool) -> None:
    source, target = "a" * 100, "b" * length
    assert bool(accepted([source, target], Script(both_ways(source, target)))["paraphrase"]) is kept


def test_a_paraphrase_is_no_copy() -> None:
    near = COUNCIL.replace("Tuesday", "Monday")
    assert accepted([COUNCIL, near], Script(both_ways(COUNCIL, near)))["paraphrase"] == []


def test_one_way_entailment_links_pairs_and_the_strongest_of_a_chain_stays() -> None:
    a, b, c = "a" * 100, "b" * 100, "c" * 100
    x, y, z = "x" * 100, "y" * 100, "z" * 100
    table = both_ways(a, x, 0.80) | both_ways(b, y, 0.95) | both_ways(c, z, 0.85)
    chained = table | {(a, b): 0.75, (y, z): 0.75}  # a-x and b-y by their sources, b-y and c-z by their targets
    assert accepted([a, b, c, x, y, z], Script(table))["paraphrase"] == [(a, x), (b, y), (c, z)]
    assert accepted([a, b, c, x, y, z], Script(chained))["paraphrase"] == [(b, y)]


def test_the_number_check_comes_last_so_a_component_can_be_lost() -> None:
    first, second, third = "aa bb cc dd ee", "ff gg hh ii jj", "kk ll mm nn 12"
    table = both_ways(first, second, 0.8) | both_ways(first, third, 0.9)  # one source: linked; the second is stronger
    assert accepted([first, second], Script(table))["paraphrase"] == [(first, second)]
    assert accepted([first, second, third], Script(table))["paraphrase"] == []


def test_a_number_that_the_target_drops_goes_unseen() -> None:
    assert numbers_agree("Sales fell 4.5 percent in 2020.", "Sales fell 4.5 percent.")
    assert not numbers_agree("Sales fell 4.5 percent.", "Sales fell 4.5 percent in 2020.")
    assert not numbers_agree("Sales fell 4.5 percent.", "Sales fell 5 percent.")


def test_cut_keeps_first_sentences_once() -> None:
    texts = [" It rained. Then it stopped.", "It rained.", "no end here", "", "Was it 3.5 percent? Yes.", "One\ntwo."]
    assert cut(texts) == ["It rained.", "Was it 3.5 percent?"]


def test_no_sentence_and_one_sentence_make_no_pair() -> None:
    for sentences in ([], [COUNCIL]):
        assert accepted(sentences, Script({})) == {"paraphrase": [], "summary": []}


def test_sampling_is_ours_but_for_the_end() -> None:
    found = published.sampling(Sampling(n=7, temperature=0.3, max_tokens=48))
    assert (found.n, found.temperature, found.max_tokens, found.stop_at_sentence) == (7, 0.3, 100, False)


@pytest.mark.parametrize("seed", range(20))
def test_equals_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    sentences = [letter * rng.randint(50, 110) for letter in "abcdefgh"]
    draw = {(a, b): rng.choice([0.1, 0.5, 0.75, 0.875, 1.0]) for a in sentences for b in sentences if a != b}
    found = accepted(sentences, Script(draw))
    assert {task: set(pairs) for task, pairs in found.items()} == _brute_force(sentences, draw)


def _brute_force(sentences: list[str], p: dict[Pair, float]) -> dict[str, set[Pair]]:
    pairs = list(combinations(sentences, 2))
    ratio = {(a, b): len(b) / len(a) for a, b in pairs}
    passed = {
        "paraphrase": [q for q in pairs if min(p[q], p[q[::-1]]) >= 0.75 and 0.8 <= ratio[q] <= 1.5],
        "summary": [q for q in pairs if p[q] >= 0.75 and ratio[q] < 0.8],
    }
    return {task: _strongest(nodes, p) for task, nodes in passed.items()}


def _strongest(nodes: list[Pair], p: dict[Pair, float]) -> set[Pair]:
    def near(a: str, b: str) -> bool:
        return a == b or p[a, b] >= 0.75 or p[b, a] >= 0.75

    graph = nx.Graph([(q, r) for q, r in combinations(nodes, 2) if near(q[0], r[0]) or near(q[1], r[1])])
    graph.add_nodes_from(nodes)
    groups = nx.connected_components(graph)
    return {max(sorted(group, key=nodes.index), key=lambda q: p[q] + p[q[::-1]]) for group in groups}


def test_the_unsorted_judge_answers_in_order_and_as_one_by_one() -> None:
    judge = published.UnsortedJudge(EMBEDDED_JUDGE)
    pairs = [(LONG, COUNCIL), (COUNCIL, LONG), (COUNCIL, COUNCIL)] * 12  # more than one batch
    together = judge(pairs)
    alone = [judge([pair])[0] for pair in pairs[:3]]
    assert together == pytest.approx(alone * 12, abs=1e-4)
    assert judge([]) == []
