"""Leaves out the pairs that were measured to harm the student. It reads a table of influences and computes none.

The table is a parquet file with one row a pair (other columns are ignored):

    pair_id    string   the pair, as in the corpus
    influence  float    what the pair does to the query (what influence is asked about, such as the validation loss)

The sign: positive helps the query (training on the pair makes it better), negative harms it. In the terms of
arXiv 2212.04014, with the query a loss h, that is +<grad h, H^-1 grad l(z)>: the first-order fall of h when z is given
more weight.
"""

from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import FilterError

COLUMNS = ("pair_id", "influence")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class InfluencePrune:
    """Leaves out the pairs whose influence is below `min_influence`; at it they stay.

    `table` is the parquet file of influences (columns pair_id and influence; positive helps). A pair that is not in
    it stays, and so does one whose influence is null or not a number: nothing is held against it.

    Source: influence functions (arXiv 2212.04014); pruning by their sign is ours.
    Why: 0 leaves out only what was measured to harm. There is no default table, and no recipe uses it yet.
    """

    name: ClassVar[str] = "influence_prune"
    within: ClassVar[Literal["context_id"] | None] = None

    table: str = Field(min_length=1)
    min_influence: float = Field(default=0.0, allow_inf_nan=False)

    def check(self) -> None:
        """Refuse a table that cannot be read."""
        read_influences(Path(self.table).expanduser())

    def select(self, pairs: pa.Table, scores: pa.Table) -> pa.BooleanArray:
        known = read_influences(Path(self.table).expanduser())
        harmful = known.filter(pc.less(known["influence"], self.min_influence))
        return pc.invert(pc.is_in(pairs.column("pair_id"), harmful["pair_id"].combine_chunks())).combine_chunks()


def read_influences(path: Path) -> pa.Table:
    """The table of influences, checked. Null, NaN: nothing is known of that pair, and no comparison with it holds."""
    where = f"selector influence_prune, table {path}"
    wanted = "wanted a parquet file with columns pair_id (text) and influence (a number)"
    if not path.is_file():
        raise FilterError(f"{where}: no such file; {wanted}; compute influences first, or take the selector out")
    try:
        schema = pq.read_schema(path)
        lacking = [name for name in COLUMNS if name not in schema.names]
        if lacking:
            raise FilterError(f"{where}: lacks {' and '.join(lacking)}, it has {', '.join(schema.names)}; {wanted}")
        rows = pq.read_table(path, columns=list(COLUMNS))
        rows = rows.cast(pa.schema([("pair_id", pa.string()), ("influence", pa.float64())]))
    except (pa.ArrowException, OSError) as error:
        said = next(iter(str(error).splitlines()), "")
        raise FilterError(f"{where}: cannot be read ({said}); {wanted}") from error
    if rows.num_rows != len(pc.unique(rows["pair_id"])):
        raise FilterError(f"{where}: names a pair more than once; wanted one row a pair")
    return rows
