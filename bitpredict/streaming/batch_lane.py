"""What the predictor makes of a symbol's trades, made again from whole arrays: an oracle without its state machine."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bitpredict.features.windows import Floats
from bitpredict.market.time import EPOCH, MINUTE
from bitpredict.streaming.continuity import is_numbered
from bitpredict.streaming.lane import REMEMBERED
from bitpredict.streaming.window import RECENT, Second, TickWindow

Ints = npt.NDArray[np.int64]
_SECOND_US, _MINUTE_US = 1_000_000, 60_000_000
MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (moment - EPOCH) // MICROSECOND


@dataclass(frozen=True, eq=False)
class UsedTrades:
    """Trades of one symbol that were not late, in order of event_time (of arrival, where that is equal).

    Attributes:
        when: (n,) microseconds since 1970 UTC. price, size: (n,).
        bought: (n,) share of the size that takers bought: 1, 0, or a half where nobody told.
        simulated: (n,).
        over: the watermark of all of them, in the same microseconds: what lies before it is over.
        anew: (k,) places in these arrays before which numbered trades are missing: windows do not reach over them.
        broken: minutes that lack trades.
    """

    when: Ints
    price: Floats
    size: Floats
    bought: Floats
    simulated: npt.NDArray[np.bool_]
    over: int
    anew: Ints
    broken: frozenset[datetime]

    @classmethod
    def of(cls, rows: pa.Table, lateness: timedelta) -> "UsedTrades":
        """Rows of `STREAMED_TRADES` of one partition and symbol, in any order.

        A trade is late if its second was over, by the watermark of those that arrived before it.
        """
        arrived = rows.sort_by("offset")
        when = arrived["event_time"].cast(pa.int64()).to_numpy()
        newest = np.maximum.accumulate(when)
        closed = (newest[:-1] - lateness // MICROSECOND) // _SECOND_US * _SECOND_US
        in_time = np.concatenate([[True], when[1:] >= closed]) if when.size else np.empty(0, bool)
        order = np.flatnonzero(in_time)[np.argsort(when[in_time], kind="stable")]
        side = arrived["side"].to_numpy(zero_copy_only=False)
        holes = _holes(_numbers(arrived), when, in_time, newest - lateness // MICROSECOND)
        return cls(
            when=when[order],
            price=arrived["price"].to_numpy()[order],
            size=arrived["size"].to_numpy()[order],
            bought=np.select([side == "buy", side == "unknown"], [1.0, 0.5], 0.0)[order],
            simulated=(arrived["provenance"].to_numpy(zero_copy_only=False) == "simulated")[order],
            over=int(newest[-1]) - lateness // MICROSECOND if when.size else 0,
            anew=np.flatnonzero(np.isin(order, [after for _, after in holes])),
            broken=frozenset(
                EPOCH + minute * MINUTE
                for before, after in holes
                for minute in range(when[before] // _MINUTE_US, when[after] // _MINUTE_US + 1)
            ),
        )

    @cached_property
    def _seconds(self) -> tuple[Ints, Ints]:
        """Starts of the seconds that have trades, and where in the arrays each begins."""
        starts, first = np.unique(self.when // _SECOND_US, return_index=True)
        return starts, first

    @cached_property
    def bars(self) -> dict[datetime, dict[str, float | int | str]]:
        """Open time -> the minute's bar; sums run in the trades' order, as a reader of them would add."""
        minutes, first = np.unique(self.when // _MINUTE_US, return_index=True)
        found: dict[datetime, dict[str, float | int | str]] = {}
        for minute, (a, b) in zip(minutes, pairwise([*first, self.when.size]), strict=True):
            price, size = self.price[a:b], self.size[a:b]
            found[EPOCH + int(minute) * MINUTE] = {
                "open": float(price[0]),
                "high": float(price.max()),
                "low": float(price.min()),
                "close": float(price[-1]),
                "volume": _in_order(size),
                "quote_volume": _in_order(price * size),
                "trade_count": int(b - a),
                "taker_buy_volume": _in_order(self.bought[a:b] * size),
                "provenance": "simulated" if self.simulated[a:b].any() else "observed",
            }
        return found

    def window(self, origin: datetime, size: int) -> TickWindow:
        """The window of the last `size` trades before `origin`."""
        end = int(np.searchsorted(self.when, micros(origin), "left"))
        begin = self._begin(end)
        prices = self.price[max(begin, end - size) : end].tolist()
        if not prices:
            return TickWindow(size)
        return TickWindow(
            size=size,
            returns=[math.log(later / earlier) for earlier, later in pairwise(prices)],
            price=prices[-1],
            provenance="simulated" if self.simulated[end - 1] else "observed",
            since=_second_end(int(self.when[begin]) // _SECOND_US),
            seconds=self._last_minute(origin, begin, end),
        )

    def reaches_back(self, origin: datetime, size: int) -> bool:
        """Whether a window at `origin` is whole whatever was traded before the first of these trades."""
        end = int(np.searchsorted(self.when, micros(origin), "left"))
        return end >= size and self.when[0] < micros(origin - RECENT) - 2 * _SECOND_US

    def _begin(self, end: int) -> int:
        """Behind the last trades that are missing before `end`."""
        known = int(np.searchsorted(self.anew, end, "left"))
        return int(self.anew[known - 1]) if known else 0

    def _last_minute(self, origin: datetime, first_of_all: int, end: int) -> list[Second]:
        starts, first = self._seconds
        a = int(np.searchsorted(starts, micros(origin - RECENT) // _SECOND_US, "left"))
        b = int(np.searchsorted(first, end, "left"))
        edges = [*first[a:b].tolist(), end]
        return [
            Second(_second_end(int(start)), after - max(begin, first_of_all), float(self.price[after - 1]))
            for start, (begin, after) in zip(starts[a:b], pairwise(edges), strict=True)
            if after > first_of_all
        ]


def _numbers(arrived: pa.Table) -> Ints:
    """Each trade's number in the exchange's count, -2 of one that has none."""
    columns = (arrived[name].to_pylist() for name in ("trade_id", "exchange", "replayed"))
    return np.array([int(row[0]) if is_numbered(*row) else -2 for row in zip(*columns, strict=True)], np.int64)


def _holes(number: Ints, when: Ints, in_time: npt.NDArray[np.bool_], watermark: Ints) -> list[tuple[int, int]]:
    """Places, in order of arrival, of the trades before and after each hole in the numbers that nothing filled in time.

    A trade's predecessor is among the last that arrived before it, or comes until its second is over.
    """
    numbered, used = np.flatnonzero(number >= 0), np.flatnonzero(in_time)
    steps = np.flatnonzero(np.diff(number[numbered]) != 1) + 1
    found = []
    for place in numbered[steps].tolist():
        over = int(np.searchsorted(watermark, (when[place] // _SECOND_US + 1) * _SECOND_US, "left"))
        reach = number[max(0, place - REMEMBERED + 1) : over + 1]
        before = int(np.searchsorted(used, place, "left")) - 1
        if in_time[place] and before >= 0 and not (reach == number[place] - 1).any():
            found.append((int(used[before]), place))
    return found


def _in_order(values: Floats) -> float:
    return float(np.cumsum(values)[-1])


def _second_end(start: int) -> datetime:
    return EPOCH + timedelta(seconds=start + 1)
