"""What the whole market did: how many of the watched coins rose and by how much, as it was known at each origin."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from bitpredict.features.arithmetic import log_of, ratio
from bitpredict.features.as_of import MICROSECOND, NEVER, Instants, newest_usable
from bitpredict.features.minutes import PROVENANCES, trust
from bitpredict.features.windows import Floats
from bitpredict.market.horizons import ORIGIN_STEP
from bitpredict.market.time import DAY, EPOCH
from bitpredict.storage.contracts import TIMESTAMP, Contract, field

QUOTE_WITHIN: timedelta = 3 * ORIGIN_STEP
"""A quote older than this, at the origin or at the instant that it is compared with, says nothing of that instant."""

HOUR = timedelta(hours=1)
REACH: timedelta = DAY + QUOTE_WITHIN
"""How far before an origin its quotes may have been observed."""

MARKET_BREADTH = Contract(
    table="market_breadth",
    schema=pa.schema(
        [
            field("origin", TIMESTAMP, "full five minutes; only quotes received by then are used", "UTC"),
            field("coins", pa.int64(), "coins with a quote at the origin and an hour before", "coins"),
            field("share_up_1h", pa.float64(), "share of these coins whose price is above that of an hour before"),
            field(
                "share_up_24h",
                pa.float64(),
                "share of the coins with a quote a day before whose price is above it",
                nullable=True,
            ),
            field("median_return_1h", pa.float64(), "median over these coins of ln(price / price an hour before)"),
            field(
                "dispersion_1h",
                pa.float64(),
                "standard deviation over these coins of ln(price / price an hour before); null with a single coin",
                nullable=True,
            ),
            field("provenance", pa.string(), "the least trusted of the quotes used: observed, repaired or simulated"),
            field("known_at", TIMESTAMP, "receipt of the latest quote used", "UTC"),
        ]
    ),
    key=("origin",),
    time="origin",
    positive=("coins",),
    description="One row every 5 minutes: what the watched coins did in the hour and the day before.",
)


@dataclass(frozen=True, eq=False)
class _Quotes:
    """(m, c) of m origins and c coins: prices, NaN where there is none; when they were known; index of PROVENANCES."""

    price: Floats
    known_at: Instants
    provenance: npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class _Series:
    """(n,) quotes of the coin that is at `place` among the ids, in any order."""

    place: int
    observed_at: Instants
    known_at: Instants
    price: Floats
    provenance: npt.NDArray[np.int8]


def market_breadth(quotes: pd.DataFrame, coins: Sequence[str], start: datetime, end: datetime) -> pa.Table:
    """Breadth at every full five minutes of [start, end), as `MARKET_BREADTH`; an origin at which no coin has both
    quotes has no row.

    A coin's quote at an instant is its newest observed by then and at most 15 minutes before; whatever it is compared
    with, it counts only if it was received by the origin.

    Args:
        quotes: coin_id, observed_at, price, provenance and known_at, each coin and observed_at once, in any order;
            reaching `REACH` before `start`.
        coins: ids; quotes of others are left out.

    Raises:
        ContractError: a quote is of unknown provenance.
    """
    quotes = quotes[quotes["coin_id"].isin(coins)]
    if quotes.empty:
        return MARKET_BREADTH.empty()
    step = ORIGIN_STEP // MICROSECOND
    first, last = (-(-((moment - EPOCH) // MICROSECOND) // step) * step for moment in (start, end))
    origins = np.arange(first, last, step, dtype=np.int64)
    series = _by_coin(quotes, coins)
    now, hour, day = (_quotes(series, len(coins), origins, ago) for ago in (timedelta(0), HOUR, DAY))
    both, whole = ~np.isnan(now.price) & ~np.isnan(hour.price), ~np.isnan(now.price) & ~np.isnan(day.price)
    used = [(now, both | whole), (hour, both), (day, whole)]
    returns = log_of(now.price) - log_of(hour.price)
    found = {
        "origin": origins.view("datetime64[us]"),
        "coins": both.sum(axis=1),
        "share_up_1h": _share(now.price > hour.price, both),
        "share_up_24h": _share(now.price > day.price, whole),
        "median_return_1h": _median(returns),
        "dispersion_1h": _dispersion(returns),
        "provenance": np.array(PROVENANCES)[_latest([(each.provenance, where) for each, where in used], 0)],
        "known_at": _latest([(each.known_at, where) for each, where in used], NEVER).view("datetime64[us]"),
    }
    rows = found["coins"] > 0
    schema = MARKET_BREADTH.schema
    arrays = [pa.array(found[column.name][rows], column.type, from_pandas=True) for column in schema]
    return MARKET_BREADTH.conform(pa.table(arrays, schema=schema))


def _by_coin(quotes: pd.DataFrame, coins: Sequence[str]) -> list[_Series]:
    """The quotes of each of the coins that has some."""
    at = pd.Categorical(quotes["coin_id"], list(coins)).codes
    order = np.argsort(at, kind="stable")
    columns = [
        *(_instants(quotes[name])[order] for name in ("observed_at", "known_at")),
        quotes["price"].to_numpy(np.float64)[order],
        trust(pa.chunked_array([pa.array(quotes["provenance"], pa.string())]), "quotes")[order],
    ]
    numbers, first = np.unique(at[order], return_index=True)
    parts = zip(*(np.split(column, first[1:]) for column in columns), strict=True)
    return [_Series(int(number), *part) for number, part in zip(numbers, parts, strict=False)]


def _quotes(series: Sequence[_Series], coins: int, origins: Instants, ago: timedelta) -> _Quotes:
    """What each coin's quote was so long before each origin."""
    shape = origins.size, coins
    found = _Quotes(np.full(shape, np.nan), np.full(shape, NEVER), np.zeros(shape, np.int8))
    back = ago // MICROSECOND
    for coin in series:
        usable_from = np.maximum(coin.observed_at + back, coin.known_at)
        place = newest_usable(coin.observed_at, usable_from, origins, ago + QUOTE_WITHIN)
        there, place = place >= 0, place[place >= 0]
        found.price[there, coin.place] = coin.price[place]
        found.known_at[there, coin.place] = coin.known_at[place]
        found.provenance[there, coin.place] = coin.provenance[place]
    return found


def _share(up: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_]) -> Floats:
    return ratio((up & of).sum(axis=1).astype(np.float64), of.sum(axis=1).astype(np.float64))


def _median(returns: Floats) -> Floats:
    """(m,) by sorting: the coins without a return come last, and leave the median alone."""
    count = (~np.isnan(returns)).sum(axis=1)
    ordered = np.sort(returns, axis=1)
    rows = np.arange(count.size)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    return np.where(count > 0, (ordered[rows, low] + ordered[rows, np.minimum(high, returns.shape[1] - 1)]) / 2, np.nan)


def _dispersion(returns: Floats) -> Floats:
    """(m,) sample standard deviation; NaN with fewer than two."""
    there = ~np.isnan(returns)
    count = there.sum(axis=1).astype(np.float64)
    mean = ratio(np.where(there, returns, 0.0).sum(axis=1), count)
    squares = np.where(there, (returns - mean[:, None]) ** 2, 0.0).sum(axis=1)
    return np.sqrt(ratio(squares, np.maximum(count - 1, 0.0)))


def _latest(used: "Sequence[tuple[npt.NDArray[np.integer], npt.NDArray[np.bool_]]]", least: int) -> Instants:
    parts = [np.where(where, values, least).max(axis=1, initial=least) for values, where in used]
    largest: Instants = np.maximum.reduce(parts)
    return largest


def _instants(moments: "pd.Series[pd.Timestamp]") -> Instants:
    instants: Instants = pd.to_datetime(moments, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]").view("int64")
    return instants
