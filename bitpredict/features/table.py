"""The feature table: the same code for years of origins and for the latest one, with the same bits."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.features import activity, clock, estimators, indicators, movement, volatility
from bitpredict.features.catalog import FEATURE_SET_VERSION, FEATURE_TABLE, LOOKBACK, PRICE_FEATURES
from bitpredict.features.minutes import PROVENANCES, MinuteGrid, Times
from bitpredict.features.others import OTHERS_WITHIN, state_of_others
from bitpredict.features.outside import NOTHING_OUTSIDE, Outside, outside_columns
from bitpredict.features.view import WEEK, View
from bitpredict.features.windows import Floats, Ladder, Rows
from bitpredict.market.horizons import ORIGIN_STEP
from bitpredict.market.time import MINUTE, to_numpy

STRETCH = timedelta(days=60)
MICROSECOND = timedelta(microseconds=1)


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
    table = _rows(candles, symbol, start, end)
    own = candles.filter(pc.equal(candles["symbol"], symbol))
    days = own["open_time"].cast(pa.date32()).unique()
    return PRICE_FEATURES.conform(table.filter(pc.is_in(table["origin"].cast(pa.date32()), days)))


def feature_table(price_features: pa.Table, outside: Outside = NOTHING_OUTSIDE) -> pa.Table:
    """`price_features` of one or more symbols, with the other symbols' state and what is known from outside the
    candles: `catalog.FEATURE_TABLE`.

    Rows of the `OTHERS_WITHIN` before a range are its context: pass them too, and keep the range.

    Args:
        outside: reaching `OUTSIDE_REACH` before the range.

    Raises:
        ContractError: a row from outside is of unknown provenance.
    """
    rows = price_features
    for name, values in {**state_of_others(rows), **outside_columns(rows, outside)}.items():
        rows = rows.append_column(name, pa.array(values, FEATURE_TABLE.schema.field(name).type, from_pandas=True))
    return FEATURE_TABLE.conform(rows)


def features_between(candles: pa.Table, start: datetime, end: datetime, outside: Outside = NOTHING_OUTSIDE) -> pa.Table:
    """The feature table of every symbol in `candles` for the origins of [start, end), straight from candles.

    It answers at the midnight that ends the candles too, when the new day has none yet.

    Args:
        candles: `storage.contracts.CANDLES`, reaching `catalog.LOOKBACK + OTHERS_WITHIN` before `start`.
        outside: reaching `OUTSIDE_REACH` before `start`.
    """
    early = start - OTHERS_WITHIN
    symbols = sorted(candles["symbol"].unique().to_pylist())
    rows = [PRICE_FEATURES.empty(), *(_rows(candles, symbol, early, end) for symbol in symbols)]
    table = feature_table(pa.concat_tables(rows), outside)
    return table.filter(pc.greater_equal(table["origin"], pa.scalar(start)))


def latest_features(candles: pa.Table, symbol: str, origin: datetime, outside: Outside = NOTHING_OUTSIDE) -> pa.Table:
    """The one row of a symbol at `origin`, equal to that of any range that holds it.

    No row if the minute before the origin has no candle, or the origin is not on a full five minutes.

    Args:
        candles: of every symbol, reaching `catalog.LOOKBACK + OTHERS_WITHIN` before `origin`; later ones are not
            looked at.
    """
    table = features_between(candles, origin, origin + ORIGIN_STEP, outside)
    return table.filter(pc.and_(pc.equal(table["symbol"], symbol), pc.equal(table["origin"], pa.scalar(origin))))


def _rows(candles: pa.Table, symbol: str, start: datetime, end: datetime) -> pa.Table:
    """Rows of [start, end), computed stretch by stretch: the same bits, in memory that does not grow with the range."""
    stretches = [PRICE_FEATURES.empty()]
    while start < end:
        after = min(start + STRETCH, end)
        grid = MinuteGrid.from_candles(candles, symbol, start - LOOKBACK, after)
        origin = grid.open_time + np.timedelta64(MINUTE)
        wanted = (origin.astype(np.int64) % (ORIGIN_STEP // MICROSECOND) == 0) & (origin >= to_numpy(start))
        stretches.append(_table(View(grid, np.flatnonzero(wanted & (origin < to_numpy(after)) & grid.present))))
        start = after
    return pa.concat_tables(stretches)


def origin_values(view: View) -> dict[str, Floats]:
    """Every number of `catalog.PRICE_FEATURES` at the view's origins, by column: batch and live rows are made of it."""
    found: dict[str, Floats] = {
        **movement.compute(view),  # first: it looks back from every minute, and leaves the sums of that behind
        **volatility.compute(view),
        **estimators.compute(view),
        **activity.compute(view),
        **indicators.compute(view),
        **clock.compute(view.origin),
    }
    found |= {"reference_price": view.close}
    found |= {"coverage": view.valid_returns(WEEK) / WEEK, "coverage_60": view.valid_returns(60) / 60}
    return found


def _table(view: View) -> pa.Table:
    size = view.rows.size
    columns = {
        "symbol": pa.repeat(view.grid.symbol, size),
        "origin": view.origin,
        "provenance": np.array(PROVENANCES)[_worst_provenance(view)],
        "feature_set_version": pa.repeat(FEATURE_SET_VERSION, size),
        "known_at": _known_at(view),
        **origin_values(view),
    }
    schema = PRICE_FEATURES.schema
    return pa.table([pa.array(columns[c.name], c.type, from_pandas=True) for c in schema], schema=schema)


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
