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
    """

    when: Ints
    price: Floats
    size: Floats
    bought: Floats
    simulated: npt.NDArray[np.bool_]
    over: int

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
        return cls(
            when=when[order],
            price=arrived["price"].to_numpy()[order],
            size=arrived["size"].to_numpy()[order],
            bought=np.select([side == "buy", side == "unknown"], [1.0, 0.5], 0.0)[order],
            simulated=(arrived["provenance"].to_numpy(zero_copy_only=False) == "simulated")[order],
            over=int(newest[-1]) - lateness // MICROSECOND if when.size else 0,
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
        prices = self.price[max(0, end - size) : end].tolist()
        if not prices:
            return TickWindow(size)
        return TickWindow(
            size=size,
            returns=[math.log(later / earlier) for earlier, later in pairwise(prices)],
            price=prices[-1],
            provenance="simulated" if self.simulated[end - 1] else "observed",
            since=_second_end(int(self._seconds[0][0])),
            seconds=self._last_minute(origin, end),
        )

    def reaches_back(self, origin: datetime, size: int) -> bool:
        """Whether a window at `origin` is whole whatever was traded before the first of these trades."""
        end = int(np.searchsorted(self.when, micros(origin), "left"))
        return end >= size and self.when[0] < micros(origin - RECENT) - 2 * _SECOND_US

    def _last_minute(self, origin: datetime, end: int) -> list[Second]:
        starts, first = self._seconds
        a = int(np.searchsorted(starts, micros(origin - RECENT) // _SECOND_US, "left"))
        b = int(np.searchsorted(first, end, "left"))
        edges = [*first[a:b].tolist(), end]
        return [
            Second(_second_end(int(start)), after - begin, float(self.price[after - 1]))
            for start, (begin, after) in zip(starts[a:b], pairwise(edges), strict=True)
        ]


def _in_order(values: Floats) -> float:
    return float(np.cumsum(values)[-1])


def _second_end(start: int) -> datetime:
    return EPOCH + timedelta(seconds=start + 1)
