"""Coinbase as a feed: trades, ticks where no trades come, and what to do about frames that were lost.

Frames of a connection are numbered. When one is missing the connection is made anew: its first frame of trades holds
the newest hundred of each product, which closes the gap unless there were more.
"""

import time
from collections.abc import Sequence
from datetime import datetime

from bitpredict.streaming.coinbase import decode, subscriptions
from bitpredict.streaming.continuity import Hole, Known
from bitpredict.streaming.messages import Candle, Trade
from bitpredict.streaming.outlet import Outlet
from bitpredict.streaming.websocket import ReconnectError

_NOT_AGAIN_WITHIN = 60.0  # seconds: a feed that loses frames all the time is better than none


class CoinbaseStream:
    """The dialect of Coinbase's Advanced Trade feed."""

    def __init__(self, url: str, symbols: Sequence[str], outlet: Outlet) -> None:
        self.url = url
        self._symbols = symbols
        self._outlet = outlet
        self._continuity = outlet.continuity
        self._sequence: int | None = None
        self._traded: set[str] = set()
        self._reconnected = float("-inf")
        self._lost_frames = False

    def connected(self) -> list[bytes]:
        self._sequence = None
        self._traded = set()
        return subscriptions(self._symbols)

    def understand(self, frame: bytes | str, received_at: datetime) -> list[Trade | Candle]:
        found = decode(frame, received_at)
        self._check(found.sequence_num)
        if found.ticks:
            return [tick for tick in found.trades if tick.symbol not in self._traded]
        new: list[Trade | Candle] = [trade for trade in found.trades if self._is_new(trade)]
        return new

    def _check(self, sequence: int | None) -> None:
        """Raises ReconnectError: frames are missing before this one."""
        if sequence is None:
            return
        missing = self._sequence is not None and sequence > self._sequence + 1
        self._sequence = sequence
        if missing:
            self._outlet.found_gap()
            self._lost_frames = True
            if time.monotonic() - self._reconnected > _NOT_AGAIN_WITHIN:
                self._reconnected = time.monotonic()
                raise ReconnectError("lost frames")

    def _is_new(self, trade: Trade) -> bool:
        found = self._continuity.look(trade)
        if isinstance(found, Hole):
            if not self._lost_frames:
                self._outlet.found_gap()
            self._outlet.record_gap(found)
        elif self._lost_frames and trade.symbol not in self._traded:
            self._outlet.repaired_gap()
        self._lost_frames = False
        self._traded.add(trade.symbol)
        if found is Known.SEEN:
            return False
        self._continuity.follow(trade)
        return True
