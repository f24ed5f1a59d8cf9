"""Tokens a second: our vLLM decoder against transformers' generate, in pairs within one run.

Both sides continue the same contexts with the same n, temperature, top-p and most tokens. Ours gets all contexts in
one call, as the stage gives it a shard; transformers gets one context at a time, n sequences at once, as a user would
write it. Ours stops at the sentence's end, so its batch thins out while transformers keeps a full one: the tokens that
transformers writes after the sentence count in its favour here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import pyarrow as pa

from bench.arms import Child, Samples, TransformersArm
from bench.machine import table
from pipeline.recipe import Recipe
from pipeline.records import spaced_seed
from pipeline.teacher.decoder import Request

OURS, OWN = "ours, vLLM", "our transformers decoder"
PLAIN = {f"transformers generate, {dtype}": dtype for dtype in TransformersArm.DTYPES}


@dataclass
class Speeds:
    """Tokens a second of every arm, one figure a repeat; arms that dropped out have fewer."""

    by_arm: dict[str, list[float]] = field(default_factory=dict)

    def add(self, arm: str, tokens: int, seconds: float) -> None:
        self.by_arm.setdefault(arm, []).append(tokens / seconds)

    @property
    def opponent(self) -> str:
        """The faster of the plain arms, by their first repeat."""
        return max(PLAIN, key=lambda arm: self.by_arm[arm][0])

    def ratio(self) -> float:
        return median(self.by_arm[OURS]) / median(self.by_arm[self.opponent])

    def ratios(self) -> list[float]:
        """Pair by pair."""
        return [a / b for a, b in zip(self.by_arm[OURS], self.by_arm[self.opponent], strict=True)]


def measure(ours: Child, other: Child, recipe: Recipe, contexts: pa.Table, repeats: int) -> Speeds:
    """Alternate the arms over the contexts. The slower plain arm and our transformers decoder run in the first repeat.

    Who goes first changes from repeat to repeat. Every repeat has seeds of its own.
    """
    speeds = Speeds()
    _warm(other, recipe, contexts)
    for repeat in range(repeats):
        asked = _requests(contexts, recipe.seed, repeat)
        arms = [OURS, *PLAIN, OWN] if repeat == 0 else [OURS, speeds.opponent]
        for arm in arms if repeat % 2 == 0 else arms[::-1]:
            samples, seconds = _call(arm, ours, other, asked, recipe)
            speeds.add(arm, samples.tokens, seconds)
    return speeds


def _call(arm: str, ours: Child, other: Child, asked: Sequence[Request], recipe: Recipe) -> tuple[Samples, float]:
    if arm == OURS:
        return ours("decode", asked, recipe.sampling)
    if arm == OWN:
        return other("own", asked, recipe.sampling)
    return other("plain", PLAIN[arm], asked, recipe.sampling)


def _requests(contexts: pa.Table, seed: int, repeat: int) -> list[Request]:
    return [
        Request(str(row["text"]), spaced_seed(seed, "bench", str(row["context_id"]), repeat))
        for row in contexts.to_pylist()
    ]


def _warm(other: Child, recipe: Recipe, contexts: pa.Table) -> None:
    """One short call of each transformers arm; vLLM is warm, it has written the contexts."""
    asked = _requests(contexts.slice(0, 1), recipe.seed, -1)
    short = _shorter(recipe)
    for dtype in PLAIN.values():
        other("plain", dtype, asked, short.sampling)
    other("own", asked, short.sampling)


def _shorter(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"sampling": replace(recipe.sampling, max_tokens=4)})


def report(speeds: Speeds) -> str:
    """The table, and the ratio with its spread."""
    rows = [
        (arm, len(found), median(found), min(found), max(found), median(speeds.by_arm[OURS]) / median(found))
        for arm, found in speeds.by_arm.items()
    ]
    heads = ("arm", "repeats", "tokens/s", "min", "max", "ours is faster by")
    pairs = speeds.ratios()
    return (
        f"{table(heads, rows)}\n\n{speeds.ratio():.2f} times {speeds.opponent} "
        f"(medians of {len(pairs)} pairs; pair by pair {min(pairs):.2f} to {max(pairs):.2f})"
    )
