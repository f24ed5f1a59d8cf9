"""Rows to examples: what cannot be used is counted, what is too long is cut, an epoch holds every pair."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_student import INSTRUCTIONS, toy_pairs

from student.batches import plan
from student.controls import LENGTHS, NOVELTIES, Controls, controls_of
from student.dataset import Epochs, Mix, Pair, code, in_steps, prompt, repeats, usable, validation_batches
from student.errors import StudentError
from student.learning import IGNORED, Batch
from student.vocabulary import END, PAD

WINDOWS = (192, 128)
CONTROL = {f"{word} " for word in (*LENGTHS, *NOVELTIES)}


@pytest.fixture(scope="module")
def tokenizer(tiny_t5: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_t5)


def test_rows_that_are_no_pairs_are_counted() -> None:
    rows = [
        {"task": "summary", "source": "A.", "target": "B."},
        {"task": "summary", "source": None, "target": "B."},
        {"task": "summary", "source": "A.", "target": " \t"},
        {"task": "summary", "source": "A."},
        {"task": "summary", "source": "A.", "target": 7},
        {"task": "headline", "source": "A.", "target": "B."},
        {"task": None, "source": "", "target": ""},
        {"source": "A.", "target": "B."},
        {"task": "paraphrase", "source": "Ü 日本", "target": " kept as it is "},
    ]
    pairs, dropped = usable(rows, ["summary", "paraphrase"])
    assert pairs == [Pair("summary", "A.", "B."), Pair("paraphrase", "Ü 日本", " kept as it is ")]
    assert dropped == {"blank": 4, "other_task": 3}
    assert usable([], ["summary"]) == ([], Counter())


def test_a_prompt() -> None:
    assert prompt("summarize: ", "A.") == "summarize: A."
    assert prompt("summarize: ", "A.", Controls("short", "mixed")) == "short mixed summarize: A."


def test_too_long_ones_are_cut_and_keep_their_end(tokenizer: Any) -> None:
    texts = ["one two three four five six seven eight nine ten", "one", "one two three"]
    plain = tokenizer(texts).input_ids
    most = len(plain[2])
    coded = code(texts, texts, tokenizer, (most, most - 1))
    assert coded.sources == [[*plain[0][: most - 1], END], plain[1], plain[2]]
    assert coded.targets == [[*plain[0][: most - 2], END], plain[1], [*plain[2][: most - 2], END]]
    assert coded.cut == 2  # examples, not sides
    assert coded.costs == [2 * most - 1, 2 * len(plain[1]), 2 * most - 1]
    assert code([], [], tokenizer, WINDOWS).cut == 0


def epochs(tokenizer: Any, pairs: list[Pair], share: float = 0.5, budgets: tuple[int, int] = (512, 512)) -> Epochs:
    return Epochs(pairs, Mix(INSTRUCTIONS, share, 3), tokenizer, WINDOWS, budgets)


def texts_of(batches: list[Batch], tokenizer: Any) -> list[tuple[str, str]]:
    """(what is read, what is to be written) of every row."""
    found = []
    for batch in batches:
        targets = np.where(batch.targets == IGNORED, PAD, batch.targets)
        read, write = (tokenizer.batch_decode(ids, skip_special_tokens=True) for ids in (batch.sources, targets))
        found += list(zip(read, write, strict=True))
    return found


def test_an_epoch_holds_every_pair_and_a_share_with_words(tokenizer: Any) -> None:
    pairs = toy_pairs(60)
    made = epochs(tokenizer, pairs)
    steps = [made.step(number) for number in range(made.steps_an_epoch)]
    rows = Counter(row for batches in steps for row in texts_of(batches, tokenizer))
    plain = Counter((prompt(INSTRUCTIONS[pair.task], pair.source), pair.target) for pair in pairs)
    asked = rows - plain
    assert not plain - rows and asked.total() == 60 == len(pairs) * 0.5
    for read, target in asked:
        words, instruction, source = read.partition("summarize: " if "summarize: " in read else "paraphrase: ")
        assert words and {f"{word} " for word in words.split()} <= CONTROL
        assert (instruction + source, target) in plain
    assert max(sum(b.sources.numel() + b.targets.numel() for b in batches) for batches in steps) <= 512 * 1.5


def test_no_words_are_asked_for_where_there_is_no_share(tokenizer: Any) -> None:
    made = epochs(tokenizer, toy_pairs(20), share=0.0)
    rows = [row for n in range(made.steps_an_epoch) for row in texts_of(made.step(n), tokenizer)]
    assert len(rows) == 40 and all(read.startswith(tuple(INSTRUCTIONS.values())) for read, _ in rows)


def test_steps_follow_from_their_number_alone(tokenizer: Any) -> None:
    pairs = toy_pairs(60)
    one, other = epochs(tokenizer, pairs), epochs(tokenizer, pairs)
    numbers = [0, one.steps_an_epoch - 1, one.steps_an_epoch, 3 * one.steps_an_epoch + 1, 1]
    wanted = {n: texts_of(one.step(n), tokenizer) for n in sorted(numbers)}
    assert {n: texts_of(other.step(n), tokenizer) for n in numbers} == wanted  # forwards, backwards, over epochs
    assert wanted[0] != wanted[one.steps_an_epoch]


def test_every_epoch_holds_every_pair(tokenizer: Any) -> None:
    """Other draws of words fill other numbers of batches: in twelve epochs of these pairs some more, some fewer."""
    pairs = toy_pairs(60)
    made = epochs(tokenizer, pairs, budgets=(288, 512))
    plain = Counter((prompt(INSTRUCTIONS[pair.task], pair.source), pair.target) for pair in pairs)
    planned = set()
    for epoch in range(12):
        numbers = range(epoch * made.steps_an_epoch, (epoch + 1) * made.steps_an_epoch)
        rows = Counter(row for number in numbers for row in texts_of(made.step(number), tokenizer))
        assert not plain - rows and rows.total() == 180
        planned.add(len(plan(made.costs, 288, [3, epoch, 1])))
    assert min(planned) < made.steps_an_epoch < max(planned)


def test_batches_in_so_many_steps() -> None:
    costs = [9, 9, 1, 1, 1, 5]
    batches = [[0, 1], [2], [3, 4], [5]]
    assert in_steps(batches, costs, 4) == batches
    assert in_steps(batches, costs, 3) == [[0, 1], [3, 4, 2], [5]]
    assert [sorted(rows) for rows in in_steps(batches, costs, 1)] == [[0, 1, 2, 3, 4, 5]]
    assert in_steps(batches, costs, 5) == [[0], [1], [2], [3, 4], [5]]
    assert in_steps(batches, costs, 6) == [[0], [1], [2], [3], [4], [5]]
    assert batches == [[0, 1], [2], [3, 4], [5]]


def test_a_small_device_gets_the_same_rows_in_more_parts(tokenizer: Any) -> None:
    pairs = toy_pairs(60)
    large, small = epochs(tokenizer, pairs), epochs(tokenizer, pairs, budgets=(512, 128))
    assert large.steps_an_epoch == small.steps_an_epoch
    assert [len(large.step(n)) for n in range(3)] == [1, 1, 1] and min(len(small.step(n)) for n in range(3)) > 1
    for n in range(3):
        assert sorted(texts_of(large.step(n), tokenizer)) == sorted(texts_of(small.step(n), tokenizer))


def test_validation_asks_for_nothing_and_holds_all(tokenizer: Any) -> None:
    pairs = toy_pairs(11)
    batches = validation_batches(pairs, Mix(INSTRUCTIONS, 2.0, 0), tokenizer, WINDOWS, 256)
    wanted = [(prompt(INSTRUCTIONS[pair.task], pair.source), pair.target) for pair in pairs]
    assert sorted(texts_of(batches, tokenizer)) == sorted(wanted) and len(batches) > 1
    assert validation_batches([], Mix(INSTRUCTIONS, 0, 0), tokenizer, WINDOWS, 256) == []


def test_nothing_to_learn_from_is_one_line(tokenizer: Any) -> None:
    with pytest.raises(StudentError, match="the corpus has no pair of the recipe's tasks"):
        epochs(tokenizer, [])


def test_strange_words_and_lower_case_come_anew_every_epoch(tokenizer: Any) -> None:
    pairs = toy_pairs(40)
    mix = Mix(INSTRUCTIONS, 0.0, 3, strange_share=1.0, lowercase_share=0.5)
    made = Epochs(pairs, mix, tokenizer, WINDOWS, (512, 512))
    plain = {pair.target for pair in pairs}
    seen = []
    for epoch in range(2):
        numbers = range(epoch * made.steps_an_epoch, (epoch + 1) * made.steps_an_epoch)
        targets = [target for number in numbers for _, target in texts_of(made.step(number), tokenizer)]
        assert len(targets) == len(pairs) and len(plain & set(targets)) < 20
        assert 0.2 < sum(target == target.lower() for target in targets) / len(pairs) < 0.8
        seen.append(sorted(targets))
    assert seen[0] != seen[1]
    measured = texts_of(validation_batches(pairs, mix, tokenizer, WINDOWS, 10**6), tokenizer)
    assert {target for _, target in measured} == plain


def test_a_pair_made_strange_stays_in_its_buckets(tokenizer: Any) -> None:
    """Else an example with control words would name a length or a novelty that it has not."""
    pairs = toy_pairs(60)
    mix = Mix(INSTRUCTIONS, 0.0, 3, strange_share=1.0)
    many = pairs * 20
    asked = [controls_of(pair.source, pair.target) for pair in many]
    made = Epochs(pairs, mix, tokenizer, WINDOWS, (512, 512))
    varied = made._varied(many, asked, np.random.default_rng(0))
    assert sum(one.target != pair.target for one, pair in zip(varied, many, strict=True)) > 1000
    for one, wanted in zip(varied, asked, strict=True):
        assert controls_of(one.source, one.target) == wanted
    free = made._varied(many, [Controls()] * len(many), np.random.default_rng(0))
    assert any(controls_of(one.source, one.target) != wanted for one, wanted in zip(free, asked, strict=True))


@pytest.mark.parametrize(("temperature", "rare"), [(1.0, 4), (2.0, 12), (100.0, 35)])
def test_a_task_of_few_pairs_comes_as_often_as_the_temperature_says(temperature: float, rare: int) -> None:
    tasks = ["summary"] * 36 + ["paraphrase"] * 4
    found = repeats(tasks, temperature, np.random.default_rng(0))
    assert {tasks[place] for place in found} <= {"paraphrase"} and 4 + len(found) == rare
    counts = Counter(found).values() or [0]
    assert max(counts) - min(counts) <= 1  # all of them, before one comes again
    assert repeats(["summary"] * 3, 5.0, np.random.default_rng(0)) == []


def test_repeated_pairs_are_in_every_epoch_and_the_plain_ones_still_are(tokenizer: Any) -> None:
    pairs = [pair for pair in toy_pairs(40) if pair.task == "summary"] + toy_pairs(4, 1, ("paraphrase",))
    made = Epochs(pairs, Mix(INSTRUCTIONS, 0.0, 3, task_temperature=2.0), tokenizer, WINDOWS, (512, 512))
    for epoch in range(2):
        numbers = range(epoch * made.steps_an_epoch, (epoch + 1) * made.steps_an_epoch)
        read = Counter(text for number in numbers for text, _ in texts_of(made.step(number), tokenizer))
        assert set(read) == {INSTRUCTIONS[pair.task] + pair.source for pair in pairs}
        assert sum(count for text, count in read.items() if text.startswith("paraphrase")) == 13  # 40 * (4 / 40) ** .5
