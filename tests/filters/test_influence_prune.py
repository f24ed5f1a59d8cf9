"""The slot for stored influences: who is left out, and what is said of a table that will not do."""

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from filters.base import FilterError
from filters.influence_prune import InfluencePrune

KNOWN = {"helps": 0.5, "nothing": 0.0, "harms": -1e-9, "very": -3.0, "null": None, "nan": math.nan, "żółw": -1.0}


def written(path: Path, columns: dict[str, object]) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def table(path: Path) -> str:
    return written(
        path, {"pair_id": list(KNOWN), "influence": pa.array(list(KNOWN.values()), pa.float32()), "rank": [0] * 7}
    )


def kept(spec: InfluencePrune, ids: list[str]) -> list[str]:
    pairs = pa.table({"pair_id": pa.array(ids, pa.string())})
    verdicts = spec.select(pairs, pairs.select([]))
    assert len(verdicts) == len(ids) and verdicts.null_count == 0
    return [key for key, verdict in zip(ids, verdicts.to_pylist(), strict=True) if verdict]


def test_the_harmful_go_and_the_unknown_stay(tmp_path: Path) -> None:
    spec = InfluencePrune(table=table(tmp_path / "influence.parquet"))
    assert kept(spec, [*KNOWN, "not in the table"]) == ["helps", "nothing", "null", "nan", "not in the table"]
    assert kept(spec, []) == []


@pytest.mark.parametrize(("least", "stay"), [(0.5, 1), (0.6, 0), (-3.0, 5), (-5.0, 5)])
def test_the_threshold_itself_stays(tmp_path: Path, least: float, stay: int) -> None:
    spec = InfluencePrune(table=table(tmp_path / "influence.parquet"), min_influence=least)
    found = kept(spec, [key for key, value in KNOWN.items() if value is not None and not math.isnan(value)])
    assert len(found) == stay


def test_row_order_does_not_matter(tmp_path: Path) -> None:
    spec = InfluencePrune(table=table(tmp_path / "influence.parquet"))
    assert sorted(kept(spec, sorted(KNOWN))) == sorted(kept(spec, list(KNOWN)))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"pair_id": ["a"], "score": [0.1]}, "lacks influence, it has pair_id, score"),
        ({"id": ["a"]}, "lacks pair_id and influence"),
        ({"pair_id": ["a"], "influence": ["much"]}, "cannot be read"),
        ({"pair_id": ["a", "a"], "influence": [1.0, 2.0]}, "more than once"),
    ],
)
def test_a_table_that_will_not_do_is_one_clear_line(tmp_path: Path, columns: dict[str, object], said: str) -> None:
    spec = InfluencePrune(table=written(tmp_path / "influence.parquet", columns))
    with pytest.raises(FilterError, match=said) as caught:
        kept(spec, ["a"])
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_no_table_no_parquet_no_path(tmp_path: Path) -> None:
    with pytest.raises(FilterError, match="no such file"):
        kept(InfluencePrune(table=str(tmp_path / "none.parquet")), ["a"])
    (tmp_path / "text.parquet").write_text("pair_id,influence")
    with pytest.raises(FilterError, match="cannot be read"):
        kept(InfluencePrune(table=str(tmp_path / "text.parquet")), ["a"])
    with pytest.raises(ValidationError):
        InfluencePrune()
    with pytest.raises(ValidationError):
        InfluencePrune(table="x", min_influence=math.inf)
