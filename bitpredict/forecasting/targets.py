"""What forecasts are about: the realized variance and the log return between an origin and its target time."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.features.minutes import Times
from bitpredict.features.windows import Floats, rolling_sum
from bitpredict.market.horizons import Horizon
from bitpredict.market.time import MINUTE, from_numpy

_MINUTE = np.timedelta64(MINUTE)

VARIANCE_FLOOR_PER_MINUTE = 1e-10
"""A minute's return of a tenth of a basis point, squared. A market that moved less for a whole horizon is taken to have
moved this much where a logarithm of the realized variance is needed: it is finer than what a price tick can show."""


def targets(candles: pa.Table, symbol: str, origins: Times, horizon: Horizon) -> pd.DataFrame:
    """Return what happened after each origin, as far as the candles know it.

    Realized variance is the sum of the squared one-minute log returns of the minutes [t, t + h); the log return is
    ln(C[t + h - 1 min] / C[t - 1 min]). Both are NaN unless each minute of [t - 1 min, t + h) has a candle and none is
    halted: a partial sum is no target.

    Args:
        candles: rows of `storage.contracts.CANDLES`, of which symbol, open_time, close and halted are read; other
            symbols may be among them.
        origins: (n,) UTC, on full minutes, in any order.

    Returns:
        n rows in the order of `origins`: origin, realized_variance, log_return, complete.
    """
    if origins.size == 0:
        return _table(origins, np.empty(0), np.empty(0))
    first = origins.min() - _MINUTE
    close = _observed_closes(candles, symbol, first, origins.max() + np.timedelta64(horizon.length))
    last = (origins - first) // _MINUTE + (horizon.minutes - 1)
    returns = np.diff(np.log(close), prepend=np.nan)
    known = rolling_sum(np.where(np.isnan(returns), 0.0, 1.0), horizon.minutes)[last] == horizon.minutes
    variance = np.where(known, rolling_sum(returns * returns, horizon.minutes)[last], np.nan)
    change = np.log(close[last]) - np.log(close[last - horizon.minutes])
    return _table(origins, variance, np.where(known, change, np.nan))


def _observed_closes(candles: pa.Table, symbol: str, start: np.datetime64, end: np.datetime64) -> Floats:
    """Closes of each minute of [start, end), NaN where there is no candle or the exchange stood still."""
    open_time = candles["open_time"]
    inside = pc.and_(
        pc.greater_equal(open_time, pa.scalar(from_numpy(start))), pc.less(open_time, pa.scalar(from_numpy(end)))
    )
    traded = pc.and_(pc.equal(candles["symbol"], symbol), pc.invert(candles["halted"]))
    rows = candles.filter(pc.and_(inside, traded)).select(["open_time", "close"])
    minutes = rows["open_time"].cast(pa.int64()).to_numpy().view("datetime64[us]")
    close = np.full((end - start) // _MINUTE, np.nan)
    close[(minutes - start) // _MINUTE] = rows["close"].to_numpy()
    return close


def floored(realized_variance: Floats, horizon: Horizon) -> Floats:
    """`realized_variance` where its logarithm is taken: not below the horizon's floor. NaN stays NaN."""
    return np.maximum(realized_variance, VARIANCE_FLOOR_PER_MINUTE * horizon.minutes)


def _table(origins: Times, variance: Floats, change: Floats) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "origin": pd.DatetimeIndex(origins.astype("datetime64[us]"), tz="UTC"),
            "realized_variance": variance,
            "log_return": change,
            "complete": ~np.isnan(variance),
        }
    )
