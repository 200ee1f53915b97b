"""The feature table: the same code for years of origins and for the latest one, with the same bits."""

from datetime import datetime

import numpy as np
import pyarrow as pa

from bitpredict.features import activity, clock, movement, volatility
from bitpredict.features.catalog import FEATURE_SET_VERSION, FEATURES, LOOKBACK, PRICE_FEATURES
from bitpredict.features.minutes import PROVENANCES, MinuteGrid, Times
from bitpredict.features.view import WEEK, View
from bitpredict.features.windows import Floats, Ladder, Rows
from bitpredict.market.horizons import ORIGIN_STEP
from bitpredict.market.time import MINUTE, to_numpy

_DAY = np.timedelta64(1, "D")


def price_features(candles: pa.Table, symbol: str, start: datetime, end: datetime) -> pa.Table:
    """One symbol's features at every full five minutes of [start, end), as `catalog.PRICE_FEATURES`.

    An origin has a row only if the candle of the minute before it is there, and its UTC day holds at least one candle:
    a day without candles stores nothing.

    Args:
        candles: `storage.contracts.CANDLES`, reaching `catalog.LOOKBACK` before `start`; what is not there counts
            as missing, which the coverage columns show.

    Raises:
        ContractError: candles off the full minute or of unknown provenance.
    """
    grid = MinuteGrid.from_candles(candles, symbol, start - LOOKBACK, end)
    rows = _origins_with_a_candle(grid, start)
    days_with_candles = np.unique(grid.open_time[grid.present].astype("datetime64[D]"))
    origin = grid.open_time[rows] + np.timedelta64(MINUTE)
    return _table(View(grid, rows[np.isin(origin.astype("datetime64[D]"), days_with_candles)]))


def latest_features(candles: pa.Table, symbol: str, origin: datetime) -> pa.Table:
    """The one row of `origin`, equal to that of any range that holds it; no row if the last minute has no candle.

    Unlike `price_features` it answers at midnight too, when the new day has no candle yet.

    Args:
        candles: `storage.contracts.CANDLES`, reaching `catalog.LOOKBACK` before `origin`; later ones are not looked at.
    """
    grid = MinuteGrid.from_candles(candles, symbol, origin - LOOKBACK, origin)
    return _table(View(grid, _origins_with_a_candle(grid, origin)))


def _origins_with_a_candle(grid: MinuteGrid, start: datetime) -> Rows:
    """Positions of the minutes that are the last before an origin at or after `start`."""
    origin = grid.open_time + np.timedelta64(MINUTE)
    is_origin = (origin.astype(np.int64) % (ORIGIN_STEP // MINUTE * 60_000_000) == 0) & (origin >= to_numpy(start))
    return np.flatnonzero(is_origin & grid.present)


def _table(view: View) -> pa.Table:
    found: dict[str, Floats] = {
        **volatility.compute(view),
        **movement.compute(view),
        **activity.compute(view),
        **clock.compute(view.origin),
    }
    size = view.rows.size
    columns = {
        "symbol": pa.repeat(view.grid.symbol, size),
        "origin": _timestamps(view.origin),
        "reference_price": view.close,
        **{feature.name: pa.array(found[feature.name], from_pandas=True) for feature in FEATURES},
        "coverage": view.valid_returns(WEEK) / WEEK,
        "coverage_60": view.valid_returns(60) / 60,
        "provenance": np.array(PROVENANCES)[_worst_provenance(view)],
        "feature_set_version": pa.repeat(FEATURE_SET_VERSION, size),
        "known_at": _timestamps(_known_at(view)),
    }
    return PRICE_FEATURES.conform(pa.table(columns))


def _timestamps(moments: Times) -> pa.Array:
    return pa.array(moments.astype("datetime64[us]")).cast(PRICE_FEATURES.schema.field("origin").type)


def _worst_provenance(view: View) -> Rows:
    worst: Rows = Ladder(view.grid.provenance, np.maximum, 0).over(LOOKBACK // MINUTE, view.rows)
    return worst


def _known_at(view: View) -> Times:
    """The latest instant at which one of the candles used became known, and never before the origin."""
    earliest = np.iinfo(np.int64).min
    known = np.where(view.grid.present, view.grid.known_at.astype(np.int64), earliest)
    latest = Ladder(known, np.maximum, earliest).over(LOOKBACK // MINUTE, view.rows)
    moments: Times = np.maximum(latest.view("datetime64[us]"), view.origin)
    return moments
