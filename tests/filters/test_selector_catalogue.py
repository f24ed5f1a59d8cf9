"""Every selector of the catalogue has a table here: kept, dropped, boundary and unicode rows, in any order."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters import SELECTORS
from filters.base import Selector
from filters.decontamination import Decontamination
from filters.duplicates import Duplicates
from filters.influence_prune import InfluencePrune
from filters.near_duplicates import NearDuplicates
from filters.one_per_source import OnePerSource


@dataclass(frozen=True)
class Group:
    """Pairs of one task: (kind, source, target, context, strength, verdict). All are asked about together."""

    spec: Callable[[Path], Selector]
    rows: list[tuple[str, str, str, str | None, float, bool]]


def _with_test_set(folder: Path) -> Selector:
    (folder / "held.jsonl").write_text(json.dumps({"text": "Snow fell in Zürich. The mayor closed the bridge."}))
    return Decontamination(against=(str(folder / "held.jsonl"),), min_jaccard=1.0)


def _with_influences(folder: Path) -> Selector:
    known = {"p0": 0.5, "p1": -0.5, "p2": 0.0, "p3": None}
    pq.write_table(pa.table({"pair_id": [*known], "influence": pa.array(known.values())}), folder / "influence.parquet")
    return InfluencePrune(table=str(folder / "influence.parquet"))


WORDS = ("The mayor closed the bridge.", "The bridge was closed.")
GROUPS = {
    "duplicates": Group(
        lambda _: Duplicates(threads=1),
        [
            ("kept", *WORDS, "c1", 0.9, True),
            ("dropped", WORDS[0], "The mayor did it.", "c1", 0.8, False),  # the same source: the same meaning
            ("boundary", *WORDS, "c2", 0.7, True),  # another context
            ("unicode", "Zürich schläft.", "Żółw śpi.", "c3", 0.9, True),
            ("null", *WORDS, None, 0.1, True),  # no context, no siblings
        ],
    ),
    "near_duplicates": Group(
        lambda _: NearDuplicates(min_jaccard=1.0),
        [
            ("kept", *WORDS, "c1", 0.9, True),
            ("dropped", *WORDS, "c2", 0.8, False),
            ("boundary", "The bridge the mayor closed.", WORDS[1], "c3", 0.7, False),  # the same words
            ("kept", "The mayor closed the old bridge.", WORDS[1], "c3", 0.7, True),
            ("unicode", "Zürich schläft.", "Żółw śpi.", "c4", 0.9, True),
        ],
    ),
    "one_per_source": Group(
        lambda _: OnePerSource(),
        [
            ("kept", *WORDS, "c1", 0.9, True),
            ("dropped", WORDS[0], "The mayor did it.", "c1", 0.8, False),
            ("boundary", "The mayor closed the bridge!", WORDS[1], "c1", 0.7, True),  # another source
            ("dropped", WORDS[0], "The mayor has closed it.", "c2", 0.9, False),  # as strong: the first pair_id stays
            ("unicode", "Zürich schläft.", "Żółw śpi.", "c3", 0.9, True),
        ],
    ),
    "decontamination": Group(
        _with_test_set,
        [
            ("kept", "The mayor opened the bridge.", "The bridge is open.", "c1", 0.9, True),
            ("dropped", "Rain fell.", "The mayor closed the bridge.", "c1", 0.9, False),
            ("boundary", "The bridge the mayor closed.", "Rain fell.", "c2", 0.9, False),  # the same words
            ("unicode", "Snow fell in Zürich.", "Schnee fiel.", "c2", 0.9, False),
        ],
    ),
    "influence_prune": Group(
        _with_influences,
        [
            ("kept", *WORDS, "c1", 0.9, True),
            ("dropped", *WORDS, "c2", 0.9, False),
            ("boundary", *WORDS, "c3", 0.9, True),  # an influence of 0
            ("null", *WORDS, "c4", 0.9, True),
            ("unicode", "Zürich schläft.", "Żółw śpi.", "c5", 0.9, True),  # not in the table
        ],
    ),
}


@pytest.mark.parametrize("name", sorted(SELECTORS))
def test_selectors(name: str, tmp_path: Path) -> None:
    assert GROUPS.keys() == SELECTORS.keys(), "give a new selector an entry in GROUPS"
    rows = GROUPS[name].rows
    assert {"kept", "dropped", "boundary", "unicode"} <= {row[0] for row in rows}
    columns = dict(zip(("kind", "source", "target", "context_id", "entailment"), zip(*rows, strict=True), strict=False))
    spec = GROUPS[name].spec(tmp_path)
    pairs = pa.table({**columns, "pair_id": [f"p{i}" for i in range(len(rows))], "task": ["summary"] * len(rows)})
    for order in (range(len(rows)), range(len(rows))[::-1]):
        found = spec.select(*[pairs.take(pa.array(order))] * 2)
        assert found.null_count == 0
        assert found.to_pylist() == [rows[i][-1] for i in order]
    assert len(spec.select(pairs.slice(0, 0), pairs.slice(0, 0))) == 0
