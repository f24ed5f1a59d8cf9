"""Pairs to examples: instruction, control words, token ids; too long ones are cut and counted."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from student.batches import fill, plan
from student.controls import Controls, balanced, controls_of, drop_some
from student.errors import StudentError
from student.learning import Batch, collate
from student.noise import DENOISE, Noise, break_sentence, strange_pair

DOTTED = 0.25
"""Of the words made strange: else a student learns from short sentences that every period ends the text."""


@dataclass(frozen=True)
class Pair:
    """What a student learns from."""

    task: str
    source: str
    target: str


def prompt(instruction: str, source: str, controls: Controls | None = None) -> str:
    """What the model reads: control words, the task's instruction, the source."""
    return f"{controls.words if controls else ''}{instruction}{source}"


def usable(rows: Iterable[Mapping[str, Any]], tasks: Sequence[str]) -> tuple[list[Pair], Counter[str]]:
    """The rows that are pairs of a known task, in order, and how many are not, by reason."""
    pairs, dropped = [], Counter[str]()
    for row in rows:
        texts = [row.get(name) for name in ("source", "target")]
        if row.get("task") not in tasks:
            dropped["other_task"] += 1
        elif not all(isinstance(text, str) and text.strip() for text in texts):
            dropped["blank"] += 1
        else:
            pairs.append(Pair(str(row["task"]), str(texts[0]), str(texts[1])))
    return pairs, dropped


def turned(pairs: Sequence[Pair], tasks: Collection[str]) -> list[Pair]:
    """The pairs of `tasks` from target to source, without those that are among `pairs` already."""
    there = set(pairs)
    found = (Pair(pair.task, pair.target, pair.source) for pair in pairs if pair.task in tasks)
    return list(dict.fromkeys(pair for pair in found if pair not in there))


@dataclass(frozen=True)
class Coded:
    """Examples as token ids, end token included, and how many sources and targets were cut to their window."""

    sources: list[list[int]]
    targets: list[list[int]]
    cut: int

    @property
    def costs(self) -> list[int]:
        """Tokens of each example, on both sides."""
        return [len(x) + len(y) for x, y in zip(self.sources, self.targets, strict=True)]

    def batch(self, rows: Sequence[int], pad_id: int) -> Batch:
        return collate([self.sources[row] for row in rows], [self.targets[row] for row in rows], pad_id)


def code(prompts: Sequence[str], targets: Sequence[str], tokenizer: Any, windows: tuple[int, int]) -> Coded:
    """Tokenise; what is longer than its window (source, target) loses its end, keeps the end token, and is counted."""
    sides = [tokenizer(list(texts), verbose=False).input_ids if texts else [] for texts in (prompts, targets)]
    cut = sum(len(x) > windows[0] or len(y) > windows[1] for x, y in zip(sides[0], sides[1], strict=True))
    short = [
        [ids if len(ids) <= most else [*ids[: most - 1], tokenizer.eos_token_id] for ids in side]
        for side, most in zip(sides, windows, strict=True)
    ]
    return Coded(short[0], short[1], cut)


@dataclass(frozen=True)
class Mix:
    """How an epoch is put together.

    `controls_share`: for every pair, repeated ones too, so many more examples with control words, classes rebalanced.
    `rehearsal_share`: for every pair, so many broken sentences of `rehearsed`.
    `strange_share`, `lowercase_share`: of the pairs, every epoch others: with shared words made strange, in lower case.
    `task_temperature`: above 1, pairs of tasks that have few come several times in an epoch.
    """

    instructions: Mapping[str, str]
    controls_share: float
    seed: int
    rehearsal_share: float = 0.0
    rehearsed: Sequence[str] = ()
    strange_share: float = 0.0
    lowercase_share: float = 0.0
    task_temperature: float = 1.0


class Epochs:
    """The steps of a training. Which examples a step holds follows from the seed and its number alone."""

    def __init__(
        self, pairs: Sequence[Pair], mix: Mix, tokenizer: Any, windows: tuple[int, int], budgets: tuple[int, int]
    ) -> None:
        if not pairs:
            raise StudentError("training: the corpus has no pair of the recipe's tasks; wanted at least one")
        self.pairs, self.mix, self.tokenizer, self.windows, self.budgets = pairs, mix, tokenizer, windows, budgets
        self.keys = [(pair.task, controls_of(pair.source, pair.target)) for pair in pairs]
        self.epoch, self.steps_an_epoch = -1, 0
        self._make(0)

    def step(self, number: int) -> list[Batch]:
        """The micro-batches of a step: `budgets` are tokens of a step, and tokens that fit on the device."""
        epoch, place = divmod(number, self.steps_an_epoch)
        self._make(epoch)
        rows = self.batches[place]
        parts = fill(sorted(rows, key=lambda row: self.costs[row]), self.costs, self.budgets[1])
        return [self.coded.batch(part, self.tokenizer.pad_token_id) for part in parts]

    def _make(self, epoch: int) -> None:
        if epoch == self.epoch:
            return
        rng = np.random.default_rng([self.mix.seed, epoch])
        plain = [*range(len(self.pairs)), *repeats([pair.task for pair in self.pairs], self.mix.task_temperature, rng)]
        drawn = balanced([self.keys[place] for place in plain], round(len(plain) * self.mix.controls_share), rng)
        extra = [plain[place] for place in drawn]
        asked = [Controls()] * len(plain) + [drop_some(self.keys[place][1], rng) for place in extra]
        chosen = self._varied([self.pairs[place] for place in (*plain, *extra)], asked, rng)
        prompts = [
            prompt(self.mix.instructions[pair.task], pair.source, wanted)
            for pair, wanted in zip(chosen, asked, strict=True)
        ]
        broken, whole = self._rehearsal(rng)
        targets = [*(pair.target for pair in chosen), *whole]
        self.coded = code([*prompts, *broken], targets, self.tokenizer, self.windows)
        self.costs = self.coded.costs
        planned = plan(self.costs, self.budgets[0], [self.mix.seed, epoch, 1])
        self.steps_an_epoch = self.steps_an_epoch or len(planned)
        self.batches = in_steps(planned, self.costs, self.steps_an_epoch)
        self.epoch = epoch

    def _varied(self, pairs: list[Pair], asked: list[Controls], rng: np.random.Generator) -> list[Pair]:
        """The pairs, some with strange words, some in lower case. Validation is measured on pairs as they are."""
        noise = replace(Noise(), strange_share=self.mix.strange_share, dotted=DOTTED)
        made = []
        for pair, wanted in zip(pairs, asked, strict=True):
            other = self.pairs[int(rng.integers(len(self.pairs)))].source
            source, target = strange_pair(pair.source, pair.target, other, noise, rng)
            if wanted.words and controls_of(source, target) != controls_of(pair.source, pair.target):
                source, target = pair.source, pair.target  # it would not be what its control words say
            lower = rng.random() < self.mix.lowercase_share
            made.append(Pair(pair.task, *((source.lower(), target.lower()) if lower else (source, target))))
        return made

    def _rehearsal(self, rng: np.random.Generator) -> tuple[list[str], list[str]]:
        """Broken sentences, drawn anew every epoch, and the sentences as they were."""
        count = round(len(self.pairs) * self.mix.rehearsal_share)
        texts = self.mix.rehearsed or [pair.source for pair in self.pairs]
        whole = [texts[place] for place in rng.integers(len(texts), size=count)]
        others = [texts[place] for place in rng.integers(len(texts), size=count)]
        noise = Noise()
        pieces = zip(whole, others, strict=True)
        return [DENOISE + break_sentence(text, other, noise, rng) for text, other in pieces], whole


def repeats(tasks: Sequence[str], temperature: float, rng: np.random.Generator) -> list[int]:
    """Places that come once more, or oftener, so that tasks of few pairs have the share that the temperature gives."""
    places: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        places.setdefault(task, []).append(place)
    most = max(map(len, places.values()))
    found: list[int] = []
    for own in places.values():
        wanted = round(most * (len(own) / most) ** (1 / temperature)) - len(own)
        order = rng.permutation(own).tolist() if wanted else []
        found += [order[place % len(order)] for place in range(wanted)]
    return found


def in_steps(batches: Sequence[list[int]], costs: Sequence[int], steps: int) -> list[list[int]]:
    """The same rows in so many batches: the two cheapest become one, or the longest becomes two.

    Every epoch has as many steps as the first, so that a step's number says its epoch; other draws of control words and
    broken sentences may fill some batches more or fewer.
    """
    found = [list(batch) for batch in batches]
    while len(found) > steps:
        cheap, other = sorted(range(len(found)), key=lambda place: sum(costs[row] for row in found[place]))[:2]
        found[other] += found[cheap]
        del found[cheap]
    while len(found) < steps:
        longest = max(range(len(found)), key=lambda place: len(found[place]))
        rows = found[longest]
        found[longest : longest + 1] = [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
    return found


def validation_batches(
    pairs: Sequence[Pair], mix: Mix, tokenizer: Any, windows: tuple[int, int], budget: int
) -> list[Batch]:
    """All pairs without control words, long ones apart from short ones."""
    prompts = [prompt(mix.instructions[pair.task], pair.source) for pair in pairs]
    coded = code(prompts, [pair.target for pair in pairs], tokenizer, windows)
    costs = coded.costs
    order = sorted(range(len(pairs)), key=lambda row: costs[row])
    return [coded.batch(rows, tokenizer.pad_token_id) for rows in fill(order, costs, budget)]
