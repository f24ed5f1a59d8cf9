"""Asks an NLI model about directed pairs of sentences: P(premise entails hypothesis), each pair once.

Every sentence is tokenised once and spliced into its pairs. Both entailment filters and the selector of
duplicates share one loaded model and its memory of answers, for they ask about the same sentences.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.base import FilterError
from filters.batches import FloatArray, Tokens, fixed_threads
from filters.models import load_judge, locate
from filters.nli_back_ends import DOUBT, Answer, logits, open_back_end, open_quick, why_not_int8

TOKEN_BUDGET = 2048
"""Tokens in a batch."""
MEMORY = 2_000_000
"""Answers kept."""

LOG = logging.getLogger(__name__)

FRAME = r"^([^{}]*\{\}[^{}]*)?$"
"""What a frame looks like: one {} and no other brace, or nothing."""

Pair = tuple[str, str]
Ask = Callable[[Sequence[Pair]], FloatArray]
"""(premise, hypothesis) pairs in, P(entailment) out."""
BoolArray = npt.NDArray[np.bool_]
Answers = dict[tuple[int, int], float]
"""The numbers of two sentences -> P(entailment)."""


@dataclass(frozen=True)
class JudgeSpec:
    """Which model is asked, and how. Equal specs share one model in a process. `threads` 0: those of the process.

    A `frame` puts both sentences into one of its own, in the place of its {}: an NLI model knows statements alone.
    """

    model: str
    revision: str = ""
    entailment_label: str | None = None
    token_budget: int = TOKEN_BUDGET
    threads: int = 0
    device: str = "cpu"
    back_end: str = "auto"
    frame: str = ""

    def framed(self, sentence: str) -> str:
        return self.frame.replace("{}", sentence) if self.frame else sentence


@lru_cache(maxsize=4)
def open_judge(spec: JudgeSpec) -> "NliJudge":
    """The judge of this process for `spec`. Its weights are loaded at the first question."""
    locate(spec.model, spec.revision)
    if spec.back_end == "int8" and (reason := why_not_int8(spec.device)):
        raise FilterError(f"judge {spec.model}: back_end int8 wants a CPU and vLLM's products; {reason}; take auto")
    return NliJudge(spec)


class Splice(NamedTuple):
    """The special tokens around a pair, as `build_inputs_with_special_tokens` puts them: before, between, after."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    types: tuple[int, int, int, int, int] | None  # of: before, premise, between, hypothesis, after

    def join(self, premise: Sequence[int], hypothesis: Sequence[int], window: int) -> Tokens:
        """The tokens of the pair, the longer sentence cut first when it is over the window."""
        room = window - len(self.before) - len(self.between) - len(self.after)
        first, second = longest_first(len(premise), len(hypothesis), room)
        parts = (self.before, premise[:first], self.between, hypothesis[:second], self.after)
        ids = tuple(token for part in parts for token in part)
        if self.types is None:
            return Tokens(ids)
        return Tokens(ids, tuple(t for t, part in zip(self.types, parts, strict=True) for _ in part))


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens each keeps: what the fast tokenizers' `longest_first` leaves of two sentences."""
    if first + second <= room:
        return first, second
    shorter = min(first, second)
    longer = max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room - room // 2
    return (longer, shorter) if first > second else (shorter, longer)


def splice_of(tokenizer: Any) -> Splice:
    """Read the special tokens of a pair off one example."""
    coded = tokenizer("a", "a", return_special_tokens_mask=True)
    special = [bool(flag) for flag in coded["special_tokens_mask"]]
    starts = [i for i, flag in enumerate(special) if not flag and (i == 0 or special[i - 1])]
    if len(starts) != 2:
        raise FilterError(
            f"tokenizer {tokenizer.name_or_path}: puts nothing between two sentences; wanted one for pairs; "
            "choose another judge"
        )
    ends = [next((j for j in range(i, len(special)) if special[j]), len(special)) for i in starts]
    cuts = (0, starts[0], ends[0], starts[1], ends[1])
    ids, types = coded["input_ids"], coded.get("token_type_ids")
    # An empty part (RoBERTa variants without a closing token) has no type: the one before it serves.
    types_at = None if types is None else tuple(int(types[min(cut, len(types) - 1)]) for cut in cuts)
    return Splice(tuple(ids[: cuts[1]]), tuple(ids[cuts[2] : cuts[3]]), tuple(ids[cuts[4] :]), types_at)  # type: ignore[arg-type]


@dataclass
class NliJudge:
    """The opened judge. `truncated` counts pairs cut to the window, `asked` how often the model was asked about one.

    `looked_again`: how often int8 was so near a threshold that bf16 had to say.
    """

    spec: JudgeSpec
    memory: int = MEMORY
    truncated: int = 0
    asked: int = 0
    looked_again: int = 0
    _loaded: "_Loaded | None" = None
    _numbers: dict[str, int] = field(default_factory=dict)  # sentence -> its number
    _tokens: list[tuple[int, ...]] = field(default_factory=list)  # number -> its tokens
    _answers: Answers = field(default_factory=dict)
    _quick: Answers = field(default_factory=dict)  # int8's

    def __call__(self, pairs: Sequence[Pair]) -> FloatArray:
        """P(premise entails hypothesis) of each pair, float32, in the order asked."""
        return self._recall(pairs, self._answers)

    def at(self, threshold: float) -> Ask:
        """The judge for one who asks on which side of `threshold` a pair is.

        It is the judge itself, but for the back end int8: its answer stands where it is further than DOUBT from the
        threshold, and elsewhere that of bf16, which is also what one gets who names no threshold.
        """
        return partial(self._either, threshold) if self.spec.back_end == "int8" else self

    def _either(self, threshold: float, pairs: Sequence[Pair]) -> FloatArray:
        loaded = self._open()
        if loaded.quick is loaded.answer:
            return self(pairs)
        scores = self._recall(pairs, self._quick)
        near = np.flatnonzero(~far_from(threshold, scores))
        self.looked_again += len(near)
        scores[near] = self([pairs[place] for place in near])
        return scores

    def _recall(self, pairs: Sequence[Pair], answers: Answers) -> FloatArray:
        self._forget_when_full()
        keys = self._keys(pairs)
        unanswered = [key for key in dict.fromkeys(keys) if key not in answers]
        if unanswered:
            with fixed_threads(self.spec.threads):
                self._answer(unanswered, answers)
        return np.fromiter((answers[key] for key in keys), np.float32, len(keys))

    def _forget_when_full(self) -> None:
        """Start afresh when the memory is full; a single call may overshoot it."""
        if len(self._answers) + len(self._quick) >= self.memory:
            self.forget()

    def forget(self) -> None:
        """Every answer, and the tokens of every sentence."""
        self._answers.clear()
        self._quick.clear()
        self._numbers.clear()
        self._tokens.clear()

    def _keys(self, pairs: Sequence[Pair]) -> list[tuple[int, int]]:
        numbers = self._numbers
        return [
            (numbers.setdefault(premise, len(numbers)), numbers.setdefault(hypothesis, len(numbers)))
            for premise, hypothesis in pairs
        ]

    def _open(self) -> "_Loaded":
        if self._loaded is None:
            with fixed_threads(self.spec.threads):
                self._loaded = _load(self.spec)
        return self._loaded

    def _answer(self, keys: list[tuple[int, int]], answers: Answers) -> None:
        loaded = self._open()
        new = list(self._numbers)[len(self._tokens) :]
        self._tokens += loaded.tokenise([self.spec.framed(sentence) for sentence in new]) if new else []
        rows = [loaded.splice.join(self._tokens[a], self._tokens[b], loaded.window) for a, b in keys]
        first = [key for key in keys if key not in self._quick]  # what is looked at again has been counted
        whole = (len(self._tokens[a]) + len(self._tokens[b]) + loaded.specials for a, b in first)
        self._count(len(keys), sum(length > loaded.window for length in whole))
        asked = loaded.quick if answers is self._quick else loaded.answer
        answers.update(zip(keys, asked(rows)[:, 0].tolist(), strict=True))

    def _count(self, asked: int, cut: int) -> None:
        """Cut pairs are said once a call: their scores stand for less than the sentences."""
        self.asked += asked
        self.truncated += cut
        if cut and self._loaded:
            LOG.warning(
                "judge %s: %d of %d pairs were longer than its %d tokens, and cut",
                *(self.spec.model, cut, asked, self._loaded.window),
            )


@dataclass(frozen=True)
class _Loaded:
    """What there is once the weights are in memory. `window` is the longest pair in tokens."""

    tokenizer: Any
    splice: Splice
    window: int
    answer: Answer
    quick: Answer  # in int8, or `answer` itself

    @property
    def specials(self) -> int:
        return len(self.splice.before) + len(self.splice.between) + len(self.splice.after)

    def tokenise(self, sentences: list[str]) -> list[tuple[int, ...]]:
        coded = self.tokenizer(sentences, add_special_tokens=False, padding=False, truncation=False, verbose=False)
        return [tuple(ids) for ids in coded["input_ids"]]


def _load(spec: JudgeSpec) -> _Loaded:
    judge = load_judge(spec.model, spec.revision, spec.entailment_label, spec.device)
    answer = open_back_end(judge, spec.back_end, spec.token_budget, spec.device, spec.threads)
    quick = open_quick(judge, answer, spec.token_budget, spec.threads) if spec.back_end == "int8" else answer
    return _Loaded(judge.tokenizer, splice_of(judge.tokenizer), judge.window, answer, quick)


def far_from(threshold: float, probabilities: FloatArray) -> BoolArray:
    """Which probabilities are further from the threshold than DOUBT, in logits."""
    at = logits(np.array([threshold]))
    with np.errstate(invalid="ignore"):  # 1 from 1 is no number, and near
        far: BoolArray = np.abs(logits(probabilities) - at) > DOUBT
    return far
