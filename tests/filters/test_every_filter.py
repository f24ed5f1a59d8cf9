"""The tables of test_catalogue.py, put to their filters; and what holds of every filter: blank and null rows never
pass, and a score does not know its neighbours."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest
from conftest import without_parser
from test_catalogue import TABLES, Table

from filters.base import Filter


@pytest.fixture(params=sorted(TABLES))
def table(request: pytest.FixtureRequest) -> Table:
    """One table after the other, with its models; what needs an extra that is not here is skipped and says so."""
    found = TABLES[request.param]
    if found.spec.role == "parser" and (reason := without_parser()):
        pytest.skip(reason)
    given = {name: str(request.getfixturevalue(fixture)) for name, fixture in found.fixtures.items()}
    return dataclasses.replace(found, spec=dataclasses.replace(found.spec, **given))  # type: ignore[type-var]


def asked(spec: Filter, rows: list[tuple[str | None, str | None]]) -> pa.Array:
    columns = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(("source", "target"))}
    scores = spec.open("cpu")(pa.table(columns))
    assert scores.type == pa.float32() and len(scores) == len(rows)
    return scores


def test_scores_and_verdicts(table: Table) -> None:
    rows = [*table.kept, *table.unicode, *table.dropped]
    scores = asked(table.spec, [row[:2] for row in rows])
    for (source, target, expected), found in zip(rows, scores.to_pylist(), strict=True):
        assert math.isnan(expected) or found == pytest.approx(expected, abs=1e-6), (source, target)
    passing = len(table.kept) + len(table.unicode)
    assert table.spec.keep(scores).to_pylist() == [True] * passing + [False] * len(table.dropped)


def test_boundary(table: Table) -> None:
    scores = asked(table.spec, [row[:2] for row in table.boundary])
    for (_, _, expected), found in zip(table.boundary, scores.to_pylist(), strict=True):
        assert math.isnan(expected) or found == pytest.approx(expected, abs=1e-6)
    if table.threshold is None:
        edge = pa.array([table.least, np.nextafter(np.float32(table.least), np.float32(-1))], pa.float32())
        assert table.spec.keep(edge).to_pylist() == [True, False]
        assert all(table.spec.keep(scores).to_pylist())
        return
    for score in scores:
        at, above, below = (
            _moved(table, score.as_py(), side).keep(pa.array([score]))[0].as_py() for side in (0, 1, -1)
        )
        assert at is table.itself
        assert above is not below


def _moved(table: Table, score: float, side: int) -> Filter:
    """The filter with its threshold at the score, or one step to a side of it."""
    before = getattr(table.spec, str(table.threshold))
    if isinstance(before, int):
        value: float = int(score) + side
    else:
        value = float(np.nextafter(np.float32(score), np.float32(side * np.inf))) if side else score
    return dataclasses.replace(table.spec, **{str(table.threshold): value})  # type: ignore[type-var]


def test_blank_and_null_never_pass(table: Table) -> None:
    good = table.kept[0][0]
    nulls = asked(table.spec, [(None, good), (good, None), (None, None)])
    assert nulls.null_count == 3
    blanks = asked(table.spec, [("", good), (good, " \n"), ("\u00a0", "")])
    assert table.spec.keep(pa.concat_arrays([nulls, blanks])).to_pylist() == [False] * 6


def test_a_score_does_not_know_its_neighbours(table: Table) -> None:
    rows = [row[:2] for row in [*table.kept, *table.dropped, *table.boundary, *table.unicode]]
    together = asked(table.spec, [*rows, (None, "x"), *rows[::-1]]).to_pylist()
    assert together[: len(rows)] == together[: len(rows) : -1]
    assert [asked(table.spec, [row])[0].as_py() for row in rows] == together[: len(rows)]
    assert len(asked(table.spec, [])) == 0
