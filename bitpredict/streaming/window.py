"""The last trades of a symbol: mean and spread of their returns, and how often it trades."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from bitpredict.streaming.messages import Provenance, Trade

RECENT = timedelta(minutes=1)
"""How far back seconds are kept."""


class WindowStatistics(NamedTuple):
    """What a window says.

    Attributes:
        ret_mean, ret_std: mean and sample standard deviation (n - 2 degrees of freedom are left of n trades: n - 1
            returns, less their mean) of the log returns from each trade to the next; None with too few trades.
        n: trades in the window.
    """

    ret_mean: float | None
    ret_std: float | None
    n: int


class Second(msgspec.Struct, array_like=True):
    """Trades that one closed second brought.

    Attributes:
        end: the second's end. trades: how many. price: the last one's.
    """

    end: datetime
    trades: int
    price: float


class TickWindow(msgspec.Struct):
    """The last `size` trades of a symbol, and the seconds of the last minute.

    Attributes:
        returns: log returns between consecutive trades, the last `size - 1`.
        price: of the last trade; None before the first.
        provenance: of the last trade.
        since: the end of the first second that brought a trade.
        seconds: the closed seconds with trades of the last minute.
    """

    size: int
    returns: list[float] = []
    price: float | None = None
    provenance: Provenance = "observed"
    since: datetime | None = None
    seconds: list[Second] = []

    def extend(self, trades: Sequence[Trade], end: datetime) -> None:
        """Take in the trades of a second that is now closed, in order of time, at least one."""
        returns, before, log = self.returns, self.price, math.log
        for trade in trades:
            price = trade.price
            if before is not None:
                returns.append(log(price / before))
            before = price
        del returns[: 1 - self.size]
        self.price, self.provenance = before, trades[-1].provenance
        self.since = self.since or end
        self.seconds.append(Second(end, len(trades), trades[-1].price))
        del self.seconds[: bisect_right(self.seconds, end - RECENT, key=_end)]

    def statistics(self) -> WindowStatistics:
        """Mean and spread; sums are exact (fsum), so that they depend on the trades alone."""
        returns = self.returns
        count = len(returns)
        n = count + (self.price is not None)
        if count == 0:
            return WindowStatistics(None, None, n)
        mean = math.fsum(returns) / count
        if count == 1:
            return WindowStatistics(mean, None, n)
        squares = math.fsum([(value - mean) ** 2 for value in returns])
        return WindowStatistics(mean, math.sqrt(squares / (count - 1)), n)

    def last_minute(self, origin: datetime) -> list[Second]:
        """The seconds with trades in the minute before `origin`."""
        return self.seconds[bisect_right(self.seconds, origin - RECENT, key=_end) :]


def _end(second: Second) -> datetime:
    return second.end
