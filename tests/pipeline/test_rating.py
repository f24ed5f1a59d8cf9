"""A panel's rating of rewrites: the faults and the strength that each filter alone would give, models asked no more
than a run would ask them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from toy_filters import SENTENCES, Diarist, asked, chance

from filters.base import Cost, Filter, Panel, Role, Scorer
from filters.length import Length
from filters.overlap import Overlap
from filters.pairwise import at_least
from pipeline.rating import OpenedPanel, Pair, panel_rating, ratings
from pipeline.recipe import load
from student.choice import FIRST, Place, Rating, Sought

PAIRS = [(source, text) for source in SENTENCES for text in (*SENTENCES, "", " ")]
NEAR = 0.25


class Judge(Diarist):
    """A diarist that counts as a judge."""

    role: ClassVar[Role | None] = "judge"


class SecondJudge(Judge):
    """Asked after it."""

    name: ClassVar[str] = "reverse_entailment"


@dataclass(frozen=True)
class Cosine:
    """An encoder that finds everything a little alike."""

    name: ClassVar[str] = "similarity"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = "encoder"

    def open(self, device: str) -> Scorer:
        return lambda rows: pa.array([NEAR] * rows.num_rows, pa.float32())

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, 0.0)


class Alone(Judge):
    """For rewrites alone: its word is a verdict, and adds nothing to how strong a rewrite is."""

    name: ClassVar[str] = "alone"


@dataclass(frozen=True)
class Short:
    """Keeps what has fewer characters."""

    name: ClassVar[str] = "short"
    cost: ClassVar[Cost] = "cheap"
    role: ClassVar[Role | None] = None
    below: ClassVar[int] = 60

    def open(self, device: str) -> Scorer:
        return lambda rows: pa.array([len(text) for text in rows["target"].to_pylist()], pa.float32())

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return pc.less(scores, self.below)


def rated(
    panel: Panel, pairs: Sequence[tuple[str, str]] = PAIRS, alone: Sequence[Filter] = ()
) -> dict[tuple[str, str], Rating]:
    """Everything asked about everything."""
    opened = OpenedPanel.of(panel, "cpu", alone)
    return dict(zip(pairs, opened.asked(pairs, opened.cheap(pairs)), strict=True))


def kept_alone(panel: Panel, source: str, text: str) -> dict[str, bool]:
    """The verdict of each filter about one pair on its own."""
    rows = pa.table({"source": [source], "target": [text]})
    return {spec.name: spec.keep(spec.open("cpu")(rows).cast(pa.float32())).to_pylist()[0] for spec in panel}


def test_faults_are_the_filters_that_would_drop_it() -> None:
    panel = Panel((Length(min_ratio=0.5), Overlap(max_rouge_l=0.6), Cosine(), Judge()))
    for pair, rating in rated(panel).items():
        alone = kept_alone(panel, *pair)
        assert rating.faults == sum(not kept for kept in alone.values())
        sure = 0.0 if "river" in pair[0] else chance(*pair)
        assert rating.strength == pytest.approx(sure + NEAR, abs=1e-6)


def test_of_two_directions_the_weaker_and_the_second_only_where_the_first_held(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    panel = Panel((Judge(diary=str(first)), SecondJudge(diary=str(second), min_probability=0.2)))
    for (source, text), rating in rated(panel).items():
        sure = chance(source, text)
        wanted = (2, 0.0) if "river" in source else (2 if sure < 0.5 else 0, sure)
        assert (rating.faults, pytest.approx(rating.strength, abs=1e-6)) == wanted
    assert len(asked(first)) == len(PAIRS)
    assert set(asked(second)) == {f"{s} | {t}" for s, t in PAIRS if "river" not in s and chance(s, t) >= 0.5}


def test_those_for_rewrites_alone_see_what_nothing_else_would_drop(tmp_path: Path) -> None:
    """And whoever they did not see has them as faults, so that none is before one they saw and dropped."""
    panel = Panel((Length(min_ratio=0.5), Judge(min_probability=0.3)))
    alone = [Alone(diary=str(tmp_path / "alone"), min_probability=0.6), Short()]
    before, after = rated(panel), rated(panel, alone=alone)
    clean = [pair for pair in PAIRS if before[pair].faults == 0]
    assert sorted(asked(tmp_path / "alone")) == sorted(f"{s} | {t}" for s, t in clean)
    assert {after[pair].faults for pair in clean} == {0, 1, 2}
    for pair, rating in after.items():
        long = int(len(pair[1]) >= Short.below)
        faults = long if pair in clean and chance(*pair) >= 0.6 else 2
        assert rating == Rating(before[pair].faults + faults, before[pair].strength)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", range(20))
def test_what_is_not_asked_about_could_not_be_the_best(tmp_path: Path, seed: int, count: int) -> None:
    """The best are those of a panel that is asked about everything, and rated the same, with fewer questions."""
    rng, texts = random.Random(seed), [*SENTENCES, *(f"{text[:-1]} at last." for text in SENTENCES)]
    rows = [[(source, text) for text in rng.sample(texts, 12)] for source in rng.sample(SENTENCES, 8)]
    rows[0] += rows[0][:3]  # drawn again: counted once
    places = [[(rng.random() < 0.2, rng.choice((0.0, 0.0, 0.5)), rng.randrange(2)) for _ in row] for row in rows]
    places[0][-3:] = places[0][:3]
    panel = Panel((Length(min_ratio=0.5), Overlap(max_rouge_l=0.6), Cosine(), Judge(diary=str(tmp_path / "few"))))
    alone = [Alone(diary=str(tmp_path / "alone"), min_probability=0.6), Short()]
    opened = OpenedPanel.of(panel, "cpu", alone)
    whole = rated(panel, [pair for row in rows for pair in row], alone)
    (tmp_path / "few").unlink()
    some = ratings(opened, rows, Sought(count, places))
    for row, given, before in zip(rows, some, places, strict=True):
        wanted = best(row, [whole[pair] for pair in row], before)[:count]
        assert best(row, given, before)[:count] == wanted
        assert all(bound.faults <= whole[pair].faults for pair, bound in zip(row, given, strict=True))
    assert len(set(asked(tmp_path / "few"))) == len(asked(tmp_path / "few")) < len(whole)
    assert ratings(opened, rows, Sought(99, places)) == [[whole[pair] for pair in row] for row in rows]


def best(row: Sequence[Pair], given: Sequence[Rating], before: Sequence[Place]) -> list[tuple[object, ...]]:
    """Places, ratings and texts, each text once."""
    every = zip(row, given, before, strict=True)
    return sorted({(echo, far, slips + r.faults, -r.strength, text) for (_, text), r, (echo, far, slips) in every})


def test_one_without_faults_saves_the_questions_about_all_that_have_one(tmp_path: Path) -> None:
    panel = Panel((Overlap(max_rouge_l=0.6), Judge(diary=str(tmp_path / "asked"), min_probability=0.0)))
    source = next(text for text in SENTENCES if "river" not in text)
    row = [(source, text) for text in (source, "Quite another thing.", source + " Yes.")]
    found = ratings(OpenedPanel.of(panel, "cpu"), [row], Sought(1, [[FIRST] * 3]))[0]
    assert asked(tmp_path / "asked") == [f"{source} | Quite another thing."]
    assert [rating.faults for rating in found] == [1, 0, 1]


def test_no_rewrites_of_a_source() -> None:
    opened = OpenedPanel.of(Panel((Judge(),)), "cpu")
    assert ratings(opened, [[], []], Sought(1, [[], []])) == [[], []] and ratings(opened, [], Sought(1, [])) == []
    with pytest.raises(ValueError, match="zip"):
        ratings(opened, [[(SENTENCES[0], SENTENCES[1])]], Sought(1, [[]]))


def test_a_panel_of_rules_alone_and_no_pair_at_all() -> None:
    panel = Panel((Length(min_ratio=0.5),))
    assert {rating.strength for rating in rated(panel).values()} == {0.0}
    assert rated(panel, []) == {} and rated(Panel((Judge(),)), []) == {}


def test_a_recipes_panel_rates_every_rewrite_in_its_place() -> None:
    """The true one has the fewest faults and is stronger than the false; the same text is rated the same."""
    source = "The mayor of Oslo said on Monday that the old bridge will be closed for repairs until the spring."
    true, false = "The mayor said that the old bridge will be closed.", "The mayor said that the old bridge is open."
    other = "Heavy rain flooded several streets near the river."
    rate = panel_rating(load("news"))
    texts, sought = [[false, true, true, ""], [true]], Sought(4, [[FIRST] * 4, [FIRST]])
    ratings, more = rate("summary", [source, other], texts, sought)
    assert [len(ratings), len(more)] == [4, 1] and ratings[1] == ratings[2]
    assert ratings[1].faults < min(ratings[0].faults, ratings[3].faults, more[0].faults)
    assert ratings[1].strength > ratings[0].strength > 0 and ratings[3].strength == 0
    with pytest.raises(KeyError):
        rate("headline", [source], [[true]], Sought(1, [[FIRST]]))
