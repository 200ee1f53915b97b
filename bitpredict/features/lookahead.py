"""Does a feature see the future? Rows are computed again with all after their origin cut off, and compared by bits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.features.outside import NOTHING_OUTSIDE, Outside
from bitpredict.market.horizons import ORIGIN_STEP

Compute = Callable[[pa.Table, datetime, datetime, Outside], pa.Table]
"""(candles, start, end, outside) to a table with `symbol`, `origin` and features, for the origins of [start, end)."""

KEY = ["symbol", "origin"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One row's value with all candles, and with those after its origin cut off; None is null or no row."""

    symbol: str
    origin: datetime
    with_future: object
    without_future: object


@dataclass(frozen=True, slots=True)
class PrefixResult:
    """What the comparison found for one column."""

    feature: str
    rows_compared: int
    differing_rows: int
    first_difference: Difference | None

    @property
    def passed(self) -> bool:
        return self.rows_compared > 0 and self.differing_rows == 0


def prefix_invariance(
    compute: Compute,
    candles: pa.Table,
    start: datetime,
    end: datetime,
    origins: int = 24,
    outside: Outside = NOTHING_OUTSIDE,
) -> tuple[PrefixResult, ...]:
    """Check every column that `compute` makes, whether it uses what was not there yet at the origin: later candles, and
    rows from outside that are of a later time or became known later.

    Args:
        compute: for example `features.table.features_between`.
        candles: `storage.contracts.CANDLES`, with the look-back that `compute` needs before `start`.
        start, end: the range that is computed in one piece.
        origins: how many of its origins, evenly spaced from the first to the last, are computed again.
        outside: with the reach that `compute` needs before `start`.

    Returns:
        One result a column, in the columns' order. A row that is there only with, or only without, the future differs
        in every column.
    """
    whole = compute(candles, start, end, outside)
    every = pc.unique(whole["origin"]).sort().to_pylist()
    chosen = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, min(origins, len(every))).round().astype(int))]
    parts = [
        compute(_before(candles, origin), origin, origin + ORIGIN_STEP, outside.until(origin)) for origin in chosen
    ]
    with_future = _frame(whole.filter(pc.is_in(whole["origin"], pa.array(chosen, whole["origin"].type))))
    without = _frame(pa.concat_tables(parts)) if parts else with_future
    return tuple(_compare(with_future, without, name) for name in with_future.columns)


def _before(candles: pa.Table, origin: datetime) -> pa.Table:
    return candles.filter(pc.less(candles["open_time"], pa.scalar(origin)))


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame.set_index(KEY).sort_index()


def _compare(with_future: pd.DataFrame, without: pd.DataFrame, name: str) -> PrefixResult:
    rows = with_future.index.union(without.index)
    left, right = with_future[name].reindex(rows), without[name].reindex(rows)
    same = _same_bits(left, right) & rows.isin(with_future.index) & rows.isin(without.index)
    differing = np.flatnonzero(~same)
    first = None
    if differing.size:
        symbol, origin = rows[differing[0]]
        first = Difference(
            str(symbol), origin.to_pydatetime(), _value(left.iloc[differing[0]]), _value(right.iloc[differing[0]])
        )
    return PrefixResult(name, len(rows), int(differing.size), first)


def _same_bits(left: "pd.Series[float]", right: "pd.Series[float]") -> npt.NDArray[np.bool_]:
    if left.dtype == right.dtype == np.float64:
        same: npt.NDArray[np.bool_] = left.to_numpy().view(np.int64) == right.to_numpy().view(np.int64)
    else:
        same = (left == right).to_numpy()
    return same | (left.isna() & right.isna()).to_numpy()


def _value(value: object) -> object:
    return None if pd.isna(value) else value  # type: ignore[call-overload]
