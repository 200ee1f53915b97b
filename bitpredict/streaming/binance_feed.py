"""Binance as a feed: its combined streams with REST for what they miss, or REST alone once a second."""

import threading
import time
from collections.abc import Sequence
from datetime import datetime

import structlog

from bitpredict.breaker import Breaker
from bitpredict.errors import MessageError, SourceError
from bitpredict.streaming.binance import decode_frame, stream_url
from bitpredict.streaming.binance_rest import LARGEST_REPAIR, BinanceTrades, shortest_interval
from bitpredict.streaming.continuity import Hole, Known
from bitpredict.streaming.messages import Candle, Trade
from bitpredict.streaming.outlet import Outlet

_log = structlog.get_logger(__name__)


class Repair:
    """Puts trades through in the order of their numbers, and fetches those that are missing before they go on."""

    def __init__(self, trades: BinanceTrades, outlet: Outlet) -> None:
        self._source = trades
        self._outlet = outlet
        self._continuity = outlet.continuity

    def follow(self, trade: Trade) -> list[Trade]:
        """What is new: nothing, the trade, or what was missed before it and the trade."""
        found = self._continuity.look(trade)
        if found is Known.SEEN:
            return []
        missed = self._fetch(found) if isinstance(found, Hole) else []
        self._continuity.follow(trade)
        return [*missed, trade]

    def _fetch(self, hole: Hole) -> list[Trade]:
        self._outlet.found_gap()
        fetched: list[Trade] = []
        if hole.count <= LARGEST_REPAIR:
            try:
                fetched = self._source.between(hole.symbol, hole.first, hole.last)
            except (SourceError, MessageError) as error:
                _log.warning("missed trades cannot be fetched", symbol=hole.symbol, error=str(error)[:300])
        if len(fetched) == hole.count:
            self._outlet.repaired_gap()
        else:
            self._outlet.record_gap(hole)
        return fetched


class BinanceStream:
    """The dialect of Binance's combined streams."""

    def __init__(self, base_url: str, symbols: Sequence[str], repair: Repair) -> None:
        self.url = stream_url(base_url, symbols)
        self._repair = repair

    def connected(self) -> list[bytes]:
        return []  # the address names the streams

    def understand(self, frame: bytes | str, received_at: datetime) -> list[Trade | Candle]:
        new: list[Trade | Candle] = []
        for message in decode_frame(frame, received_at):
            new.extend(self._repair.follow(message) if isinstance(message, Trade) else [message])
        return new


class BinancePolling:
    """A feed that asks for the newest trades once a second: the simple mode, without a websocket.

    Args:
        seconds: between two rounds over all symbols; by default one, or more where Binance's limits ask for it.
    """

    def __init__(
        self,
        trades: BinanceTrades,
        symbols: Sequence[str],
        outlet: Outlet,
        *,
        seconds: float = 0.0,
        breaker: Breaker | None = None,
    ) -> None:
        self.outlet = outlet
        self.ready = False
        self._trades = trades
        self._symbols = symbols
        self._repair = Repair(trades, outlet)
        self._seconds = seconds or shortest_interval(len(symbols))
        self._breaker = breaker or Breaker(good_after=0.0)

    def run(self, stop: threading.Event) -> None:
        """Feed the outlet until `stop`."""
        following = time.monotonic()
        while not stop.is_set():
            try:
                for symbol in self._symbols:
                    self._ask(symbol)
            except SourceError as error:
                self.ready = False
                self.outlet.reconnecting("no answer")
                _log.warning("trades cannot be fetched", error=str(error)[:300])
                stop.wait(self._breaker.pause())
            else:
                self._breaker.works()
                self.ready = True
            following = max(following + self._seconds, time.monotonic())
            stop.wait(following - time.monotonic())

    def _ask(self, symbol: str) -> None:
        try:
            newest = self._trades.newest(symbol)
        except MessageError as error:
            self.outlet.reject("", error)
            return
        self.outlet.received()
        self.outlet.put([trade for found in newest for trade in self._repair.follow(found)])
