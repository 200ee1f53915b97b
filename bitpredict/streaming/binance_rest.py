"""Binance's trades over REST: what a stream missed, and the simple mode without a stream.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api (Recent trades list, Old trade lookup)
"""

import time
from datetime import datetime

import msgspec

from bitpredict.errors import MessageError, SourceUnavailableError
from bitpredict.sources.http import HttpClient, Reply
from bitpredict.streaming.binance import trade_of
from bitpredict.streaming.messages import Trade

PAGE = 1000
"""Most trades that one answer holds."""

LARGEST_REPAIR = 20 * PAGE
"""Trades. A longer hole would hold back what comes in for too long."""

_WEIGHT = 25  # of one request; an address may use 6000 in a minute


class _Row(msgspec.Struct, gc=False):
    id: int
    price: str
    qty: str
    time: int
    isBuyerMaker: bool  # noqa: N815 - the exchange's own name


_ROWS = msgspec.json.Decoder(list[_Row])


class BinanceTrades:
    """Asks for trades. Each method raises SourceError when Binance cannot be reached or refuses, and MessageError when
    its answer is no list of believable trades.

    Args:
        base_url: `https://api.binance.com`, or a mirror.
        seconds: that a whole repair may take.
    """

    def __init__(self, base_url: str, http: HttpClient, *, seconds: float = 15.0) -> None:
        self._base = f"{base_url.rstrip('/')}/api/v3"
        self._http = http
        self._seconds = seconds

    def newest(self, symbol: str) -> list[Trade]:
        """The last trades, oldest first."""
        return self._trades(symbol, self._http.get(f"{self._base}/trades", {"symbol": symbol, "limit": PAGE}))

    def between(self, symbol: str, first: int, last: int) -> list[Trade]:
        """Trades by number, from `first` to `last`, as many as there are without a hole; oldest first."""
        until = time.monotonic() + self._seconds
        found: list[Trade] = []
        while first <= last and len(found) < LARGEST_REPAIR and time.monotonic() < until:
            before = first
            for trade in self._from(symbol, first):
                if int(trade.trade_id) == first <= last:
                    found.append(trade)
                    first += 1
            if first == before:
                break
        return found

    def _from(self, symbol: str, first: int) -> list[Trade]:
        try:
            reply = self._http.get(f"{self._base}/historicalTrades", {"symbol": symbol, "fromId": first, "limit": PAGE})
            return self._trades(symbol, reply)
        except SourceUnavailableError:
            return self.newest(symbol)  # old trades may be refused to who has no key; the newest never are

    def _trades(self, symbol: str, reply: Reply) -> list[Trade]:
        if reply.status != 200:
            raise SourceUnavailableError(
                f"{self._base}: refused ({reply.status}) {reply.body[:200]!r}; try again later"
            )
        trades = [_trade(symbol, row, reply.received_at) for row in _rows(reply.body)]
        return sorted(trades, key=lambda trade: int(trade.trade_id))


def shortest_interval(symbols: int) -> float:
    """Seconds between two rounds over all symbols that use no more than three quarters of what Binance allows."""
    return max(1.0, symbols * _WEIGHT * 60 / 4500)


def _rows(body: bytes) -> list[_Row]:
    try:
        return _ROWS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"unknown shape: no list of trades of Binance ({error})") from error


def _trade(symbol: str, row: _Row, received_at: datetime) -> Trade:
    return trade_of(
        symbol,
        str(row.id),
        row.price,
        row.qty,
        milliseconds=row.time,
        buyer_is_maker=row.isBuyerMaker,
        received_at=received_at,
    )
