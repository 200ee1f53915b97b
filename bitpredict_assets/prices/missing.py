"""Which minutes ought to be there and are not: one answer for repairs, the gap ledger and the completeness check."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.market.gaps import Gap, find_gaps, first_expected
from bitpredict.market.second_source import repaired
from bitpredict.market.time import MINUTE, floor_minute
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from bitpredict_assets.resources import Platform

SECOND_SOURCE = "cryptocompare"


def over_by_now(end: datetime) -> datetime:
    """`end`, or where the minutes end that a source can have by now."""
    return min(end, floor_minute(datetime.now(UTC)) - MINUTE)


def missing_minutes(lake: Lake, candles: pa.Table, symbol: str, start: datetime, end: datetime) -> list[Gap]:
    """The gaps of [start, end) since the symbol's first candle in the lake.

    Args:
        candles: of [start, end), at least `symbol` and `open_time`.
    """
    rows = candles.filter(pc.equal(candles["symbol"], symbol))["open_time"].to_numpy()
    first = first_expected(rows, start, end, lambda: _traded_before(lake, symbol, start))
    return find_gaps(rows, first, end) if first < end else []


def repair(platform: Platform, candles: pa.Table, second: pa.Table, start: datetime, end: datetime) -> pa.Table:
    """The canonical candles of [start, end) with what the second source has of their gaps."""
    if second.num_rows == 0:
        return candles
    end = over_by_now(end)
    gaps = {symbol: missing_minutes(platform.lake, candles, symbol, start, end) for symbol in platform.settings.symbols}
    return repaired(candles, second, gaps, SECOND_SOURCE)


def _traded_before(lake: Lake, symbol: str, start: datetime) -> bool:
    return lake.read(CANDLES, end=start, columns=["open_time"], symbols=[symbol]).num_rows > 0
