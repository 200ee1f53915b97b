"""Binance's REST interface for klines, for the days that its archive does not have yet.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api (Kline/Candlestick data, Limits)
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.errors import (
    AbsentError,
    BadSourceDataError,
    BitPredictError,
    NotYetPublishedError,
    SourceError,
    SourceUnavailableError,
    UnknownSymbolError,
)
from bitpredict.market.candles import TIMESTAMP, CandleBatch, clean
from bitpredict.market.time import DAY, MINUTE, floor_minute, utc
from bitpredict.sources.http import HttpClient, Reply

PAGE = 1000
"""Most candles that one answer holds."""

PAUSE_ABOVE = 4800
"""Of the 6000 units of weight that one address may use in a minute; above this, the next minute is waited for."""

_WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
_UNKNOWN_SYMBOL = -1121
_COLUMNS = 12
_AMOUNTS = {"open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "quote_volume": 7, "taker_buy_volume": 9}
_MICROSECONDS = 1000  # a millisecond


class BinanceRest:
    """Asks for candles by page. Safe to share between threads.

    Args:
        base_url: `https://api.binance.com`, or a mirror.
        http: whose retries and limits apply.
        now: the clock; a minute that is not over by it is never delivered.
    """

    name = "binance"
    workers = 2

    def __init__(
        self, base_url: str, http: HttpClient, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/api/v3/klines"
        self._http = http
        self._now = now

    def day(self, symbol: str, day: date) -> CandleBatch:
        """One symbol's complete candles of one UTC day, known at the moment of their receipt.

        Raises:
            NotYetPublishedError: no minute of the day is complete.
            AbsentError: the day is over and Binance has nothing of it.
            UnknownSymbolError: Binance does not know the symbol.
            BadSourceDataError: the answer is no list of klines.
            SourceUnavailableError, RateLimitedError: Binance cannot be reached or refuses.
        """
        start = utc(day)
        until = min(start + DAY, floor_minute(self._now()))
        pages: list[pa.Table] = []
        cursor = start
        while cursor < until:
            reply = self._ask(symbol, cursor, until)
            until = min(until, floor_minute(_server_time(reply)))  # the own clock may be ahead of Binance's
            page = _parse(reply, self._url)
            pages.append(page)
            if page.num_rows < PAGE:
                break
            cursor = self._next_cursor(page, cursor)
        if not any(page.num_rows for page in pages):
            raise self._absence(symbol, day)
        return clean(pa.concat_tables(pages), symbol, start, until)

    def _ask(self, symbol: str, start: datetime, until: datetime) -> Reply:
        reply = self._http.get(
            self._url,
            {
                "symbol": symbol,
                "interval": "1m",
                "startTime": _milliseconds(start),
                "endTime": _milliseconds(until) - 1,
                "limit": PAGE,
            },
        )
        if reply.headers.get(_WEIGHT_HEADER, "").isdecimal() and int(reply.headers[_WEIGHT_HEADER]) > PAUSE_ABOVE:
            self._http.hold(self._url, 60 - reply.received_at.second)
        if reply.status != 200:
            raise self._refusal(symbol, reply)
        return reply

    def _refusal(self, symbol: str, reply: Reply) -> BitPredictError:
        try:
            code, message = (answer := json.loads(reply.body))["code"], answer["msg"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return SourceUnavailableError(f"{self._url}: refused ({reply.status}); check BITPREDICT_BINANCE_URL")
        if code == _UNKNOWN_SYMBOL:
            return UnknownSymbolError(f"Binance does not know {symbol} ({message}); check BITPREDICT_SYMBOLS")
        return SourceUnavailableError(f"{self._url}: Binance refuses {symbol} with {code}: {message}")

    def _next_cursor(self, page: pa.Table, cursor: datetime) -> datetime:
        latest = pc.max(page["open_time"]).as_py()
        if latest is None or latest < cursor:
            raise BadSourceDataError(f"{self._url} repeats itself: asked from {cursor}, answered up to {latest}")
        following: datetime = latest + MINUTE
        return following

    def _absence(self, symbol: str, day: date) -> SourceError:
        if self._now() < utc(day) + DAY:
            return NotYetPublishedError(f"{self._url} has no complete minute of {symbol} on {day}; try again later")
        return AbsentError(f"{self._url} has nothing of {symbol} on {day}")


def _parse(reply: Reply, url: str) -> pa.Table:
    """A page as `clean` takes it. Raises BadSourceDataError if it is no list of klines."""
    try:
        answer = json.loads(reply.body)
        if not isinstance(answer, list) or any(len(row) != _COLUMNS for row in answer):
            raise ValueError(f"not a list of rows with {_COLUMNS} columns")
        columns = [[row[i] for row in answer] for i in range(_COLUMNS)]
        values = {name: pa.array(columns[i], pa.string()).cast(pa.float64()) for name, i in _AMOUNTS.items()}
        times = pa.array(columns[0], pa.int64())
        return pa.table(
            {
                "open_time": pc.multiply(times, _MICROSECONDS).cast(TIMESTAMP),
                **values,
                "trade_count": pa.array(columns[8], pa.int64()),
                "provenance": pa.repeat("observed", len(answer)),
                "known_at": pa.repeat(pa.scalar(reply.received_at, TIMESTAMP), len(answer)),
            }
        )
    except (ValueError, TypeError, OverflowError, RecursionError, pa.ArrowException) as error:
        raise BadSourceDataError(
            f"{url} answered with something that is no list of klines ({error}): {reply.body[:80]!r}; "
            "check BITPREDICT_BINANCE_URL"
        ) from error


def _server_time(reply: Reply) -> datetime:
    try:
        return min(reply.received_at, parsedate_to_datetime(reply.headers.get("Date", "")))
    except (ValueError, TypeError):
        return reply.received_at


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
