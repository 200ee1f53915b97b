"""What news and the whole market said, as it was known at each origin: beside what the candles say.

A source that is not collected, or was not, leaves nulls and a coverage of zero; no model of candles reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.features.as_of import MICROSECOND, Instants, microseconds, newest_usable, share_told
from bitpredict.features.breadth import MARKET_BREADTH
from bitpredict.features.declaration import Feature
from bitpredict.features.minutes import PROVENANCES, trust
from bitpredict.features.windows import Floats
from bitpredict.market.horizons import ORIGIN_STEP
from bitpredict.market.symbols import base_currency
from bitpredict.market.time import DAY, MINUTE
from bitpredict.storage.contracts import HOURLY_SENTIMENT, Contract
from bitpredict.storage.lake import Lake

HOUR = timedelta(hours=1)
SENTIMENT_WITHIN: timedelta = 3 * HOUR
BREADTH_WITHIN: timedelta = 4 * ORIGIN_STEP
"""A row older than this at an origin says nothing of it any more."""

SENTIMENT_DELAY: timedelta = 20 * MINUTE
BREADTH_DELAY: timedelta = 2 * ORIGIN_STEP
"""A row may be used so long after its own time, live and in batch alike, although it says nothing that was not known
at that time: nobody has it before a run of the graph has stored it, and a past origin shall not see what a live one
could not. An hour of sentiment is stored by the round of news on the hour, or if that fails by the next, a quarter of
an hour later; breadth by the run of its five minutes, or if that fails, and at midnight, by the next. Five minutes more
are for the round itself."""

OUTSIDE_REACH: timedelta = DAY + SENTIMENT_DELAY
"""How far before an origin rows are looked at: the hours that the coverage of sentiment counts."""

_EVERYTHING = "all"
_SENTIMENT = {
    "mean": "mean score of the articles of 24 hours, from -1 to 1",
    "dispersion": "sample deviation of the scores of the articles of 24 hours",
    "share_negative": "share of the articles of 24 hours that are negative",
    "articles": "number of articles of 24 hours",
}
_BREADTH = {
    "coins": "coins with a quote now and an hour before",
    "share_up_1h": "share of coins above their price of an hour before",
    "share_up_24h": "share of coins above their price of a day before",
    "median_return_1h": "median log return of the coins over an hour",
    "dispersion_1h": "standard deviation of the coins' log returns over an hour",
}

FEATURES: tuple[Feature, ...] = (
    *(
        Feature(f"sentiment_{name}_24h", f"{meaning}; 20 minutes to 3 hours old", "", 0)
        for name, meaning in _SENTIMENT.items()
    ),
    *(
        Feature(f"sentiment_{name}_24h_own", f"{meaning} that mention its coin; 20 minutes to 3 hours old", "", 0)
        for name, meaning in _SENTIMENT.items()
    ),
    *(Feature(f"breadth_{name}", f"{meaning}; 10 to 20 minutes old", "", 0) for name, meaning in _BREADTH.items()),
)
"""They look at no candles. The oldest article is 24 hours older than its row."""


@dataclass(frozen=True, eq=False)
class Outside:
    """Rows of `HOURLY_SENTIMENT` and `MARKET_BREADTH`, in any order; empty where nothing is collected."""

    sentiment: pa.Table = field(default_factory=HOURLY_SENTIMENT.empty)
    breadth: pa.Table = field(default_factory=MARKET_BREADTH.empty)

    @classmethod
    def read(cls, lake: Lake, start: datetime, end: datetime) -> "Outside":
        """What the lake has for the origins of [start, end).

        Raises:
            StorageError: the lake cannot be read.
        """
        return cls(
            *(lake.read(contract, start - OUTSIDE_REACH, end) for contract in (HOURLY_SENTIMENT, MARKET_BREADTH))
        )

    def until(self, origin: datetime) -> "Outside":
        """Without what may not be used at `origin` yet, or was known later."""
        return Outside(
            _until(self.sentiment, HOURLY_SENTIMENT, origin, SENTIMENT_DELAY),
            _until(self.breadth, MARKET_BREADTH, origin, BREADTH_DELAY),
        )


NOTHING_OUTSIDE = Outside()
"""Where nothing but candles is collected."""


def outside_columns(rows: pa.Table, outside: Outside) -> dict[str, npt.NDArray[np.generic]]:
    """Every feature of `FEATURES` and the columns that say how far to trust them, for each row; null is NaN or None.

    A row of a source counts at an origin if neither its own time and the source's delay nor its `known_at` is later.
    The newest counts.

    Args:
        rows: `symbol` and `origin`, in any order.

    Returns:
        Beside the features `sentiment_coverage` (share of the last 24 full hours that have a row), `breadth_coverage`
        (of the last 12 full five minutes), both of those whose delay is over, and `outside_provenance` (of the rows
        used, None without any).
    """
    origins = microseconds(rows["origin"])
    stories = outside.sentiment.filter(pc.equal(outside.sentiment["source"], _EVERYTHING))
    whole = _Source.of(stories.filter(pc.equal(stories["coin"], _EVERYTHING)), HOURLY_SENTIMENT, SENTIMENT_DELAY)
    breadth = _Source.of(outside.breadth, MARKET_BREADTH, BREADTH_DELAY)
    at, breadth_at = whole.newest(origins, SENTIMENT_WITHIN), breadth.newest(origins, BREADTH_WITHIN)
    own = _own(rows, stories, whole, origins, at)
    found: dict[str, npt.NDArray[np.generic]] = {
        **{f"sentiment_{name}_24h": whole.values(name, at) for name in _SENTIMENT},
        **{f"sentiment_{name}_24h_own": own[name] for name in _SENTIMENT},
        **{f"breadth_{name}": breadth.values(name, breadth_at) for name in _BREADTH},
        "sentiment_coverage": whole.told(origins, HOUR, DAY // HOUR),
        "breadth_coverage": breadth.told(origins, ORIGIN_STEP, HOUR // ORIGIN_STEP),
    }
    worst = np.maximum(whole.trusted(at), breadth.trusted(breadth_at))
    found["outside_provenance"] = np.array([*PROVENANCES, None], object)[worst]
    return found


@dataclass(frozen=True, eq=False)
class _Source:
    """One row a time.

    Attributes:
        name: of the table.
        times: (n,) what the rows are of.
        usable_from: (n,) from when on they may be used.
        delay: how long after its own time a row may be used at the earliest, in microseconds.
    """

    name: str
    table: pa.Table
    times: Instants
    usable_from: Instants
    delay: int

    @classmethod
    def of(cls, table: pa.Table, contract: Contract, delay: timedelta) -> "_Source":
        times, late = microseconds(table[contract.time]), delay // MICROSECOND
        return cls(contract.table, table, times, np.maximum(times + late, microseconds(table["known_at"])), late)

    def told(self, origins: Instants, step: timedelta, steps: int) -> Floats:
        """Which share of the last `steps` full multiples of `step` whose delay is over has a usable row."""
        return share_told(self.times, self.usable_from - self.delay, origins - self.delay, step, steps)

    def newest(self, origins: Instants, within: timedelta) -> npt.NDArray[np.intp]:
        return newest_usable(self.times, self.usable_from, origins, within)

    def values(self, name: str, place: npt.NDArray[np.intp]) -> Floats:
        """The column's values at positions, NaN at -1."""
        column: Floats = self.table[name].cast(pa.float64()).to_numpy()
        return np.append(column, np.nan)[place]

    def trusted(self, place: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Index into PROVENANCES at positions, -1 at -1."""
        ranks = trust(self.table["provenance"], self.name)
        return np.append(ranks, np.int8(-1)).astype(np.intp)[place]


def _own(
    rows: pa.Table, stories: pa.Table, whole: _Source, origins: Instants, at: npt.NDArray[np.intp]
) -> Mapping[str, Floats]:
    """The symbol's own coin in the hours `at` of the whole: nobody wrote of it where these have no row of it."""
    found = {name: np.full(origins.size, np.nan) for name in _SENTIMENT}
    symbols = np.asarray(rows["symbol"].to_pylist(), dtype=object)
    hours = np.append(whole.times, -1)[at]
    for symbol in sorted(set(symbols)):
        mine = np.flatnonzero((symbols == symbol) & (at >= 0))
        its = stories.filter(pc.equal(stories["coin"], base_currency(symbol)))
        coin = _Source.of(its, HOURLY_SENTIMENT, SENTIMENT_DELAY)
        places = {int(hour): place for place, hour in enumerate(coin.times)}
        place = np.array([places.get(int(hour), -1) for hour in hours[mine]], np.intp)
        known = np.append(coin.usable_from, 0)[place] <= origins[mine]
        for name, values in found.items():
            values[mine] = coin.values(name, np.where(known, place, -1))
        found["articles"][mine[place < 0]] = 0.0
    return found


def _until(table: pa.Table, contract: Contract, origin: datetime, delay: timedelta) -> pa.Table:
    due = pc.less_equal(table[contract.time], pa.scalar(origin - delay))
    return table.filter(pc.and_(due, pc.less_equal(table["known_at"], pa.scalar(origin))))
