"""CryptoCompare's minutes of Binance's pairs: a second record of the same market, for what our own lacks.

https://min-api.cryptocompare.com/documentation?key=Historical&cat=dataHistominute. It tells neither the number of
trades nor what takers bought. Without a paid key it keeps minutes for seven days.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from bitpredict.errors import (
    AbsentError,
    BitPredictError,
    NotYetPublishedError,
    RateLimitedError,
    SettingsError,
    SourceUnavailableError,
    UnknownSymbolError,
)
from bitpredict.market.candles import CANDLE_SCHEMA, CandleBatch, clean
from bitpredict.market.symbols import base_currency
from bitpredict.market.time import DAY, MINUTE, days, floor_minute, utc
from bitpredict.observability import SOURCE_ERRORS, SOURCE_REJECTED_ROWS
from bitpredict.settings import Settings
from bitpredict.sources.client import open_client
from bitpredict.sources.cryptocompare_minutes import Page, decoded, nonsense, over_limits, page, with_believable_amounts
from bitpredict.sources.http import Asks
from bitpredict.storage.raw import Keep

SOURCE = "cryptocompare"
EXCHANGE = "Binance"
"""Whose minutes are asked for: an average over exchanges would be another market, with other amounts."""
PAGE = 2000
"""Most minutes of one question; the answer holds one more."""
SETTLED = timedelta(minutes=2)
"""A minute that ended less long ago may still change there, and their clock need not be ours."""

_PAUSES = {"second": 1.0, "minute": 60.0}  # limits that are worth waiting for
_QUESTIONS = 3
_INTERVAL = 0.25  # seconds; 300 a minute are allowed
_UNKNOWN = ("no data for the symbol", "does not exist for this coin pair", "no data for any of the tosymbols")
_NO_LONGER = "only available for the last"


class _NoLongerError(AbsentError):
    """CryptoCompare keeps minutes for a while, and these are older."""


class CryptoCompare:
    """Asks for minutes by page, backwards in time. Safe to share between threads.

    Args:
        base_url: `https://min-api.cryptocompare.com`, or a mirror.
        http: whose retries and limits apply; it carries the key.
        now: the clock; a minute that is not settled by it is never delivered.
    """

    name = SOURCE
    workers = 1

    def __init__(self, base_url: str, http: Asks, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._url = f"{base_url.rstrip('/')}/data/v2/histominute"
        self._http = http
        self._now = now

    @classmethod
    def from_settings(cls, settings: Settings, keep: Keep | None = None) -> "CryptoCompare":
        """By BITPREDICT_CRYPTOCOMPARE_URL and _KEY; `keep` is given every answer as it came.

        Raises:
            SettingsError: it is not to be asked; the message says why.
        """
        if why := why_not(settings):
            raise SettingsError(why)
        key = settings.cryptocompare_key.get_secret_value()
        return cls(
            settings.cryptocompare,
            open_client(
                SOURCE,
                settings,
                interval=_INTERVAL,
                headers={"Authorization": f"Apikey {key}"} if key else {},
                keep=keep,
            ),
        )

    def day(self, symbol: str, day: date) -> CandleBatch:
        """One symbol's minutes of one UTC day; raises what `minutes` raises."""
        return self.minutes(symbol, utc(day), utc(day) + DAY)

    def minutes(self, symbol: str, start: datetime, end: datetime) -> CandleBatch:
        """One symbol's settled minutes of [start, end) in which it traded, known at the moment of their receipt.
        `trade_count` and `taker_buy_volume` are null: nobody tells them.

        Raises:
            NotYetPublishedError: no minute of the range is settled.
            AbsentError: CryptoCompare has nothing of the range, or no longer.
            UnknownSymbolError: it does not know the pair.
            BadSourceDataError: an answer holds no minutes, or others than those asked for.
            SourceUnavailableError, RateLimitedError: it cannot be reached or refuses.
        """
        until = min(end, floor_minute(self._now() - SETTLED))
        if until <= start:
            raise NotYetPublishedError(f"{self._url} has no settled minute of {symbol} since {start}; try again later")
        rejected: Counter[str] = Counter()
        pages: list[pa.Table] = []
        cursor = until - MINUTE
        while cursor >= start:
            told = self._page(symbol, start, cursor, rejected)
            pages.append(told.rows)
            if told.earliest is None:
                break
            cursor = floor_minute(told.earliest) - MINUTE
        if not rejected and not any(rows.num_rows for rows in pages):
            raise AbsentError(f"{self._url} has nothing of {symbol} between {start} and {until}")
        cleaned = clean(pa.concat_tables(pages), symbol, start, until)
        rejected.update(cleaned.rejected)
        believable = with_believable_amounts(cleaned.candles, rejected)
        return CandleBatch(_untold(believable), dict(+rejected))

    def _page(self, symbol: str, start: datetime, cursor: datetime, rejected: Counter[str]) -> Page:
        """The minutes of [start, cursor], or the last 2,001 of them."""
        limit = min(PAGE, max(1, (cursor - start) // MINUTE))
        base = base_currency(symbol)
        params: dict[str, str | int] = {
            "fsym": base,
            "tsym": symbol.removeprefix(base),
            "e": EXCHANGE,
            "limit": limit,
            "toTs": int(cursor.timestamp()),
            "tryConversion": "false",
        }
        for question in range(_QUESTIONS):
            reply = self._http.get(self._url, params)
            answer = decoded(reply, self._url)
            over = over_limits(answer)
            if over is None:
                break
            self._wait(over, last=question == _QUESTIONS - 1)
        if answer.get("Response") == "Error":
            raise self._refusal(symbol, answer)
        if reply.status != 200:
            raise SourceUnavailableError(f"{self._url}: refused ({reply.status}); check BITPREDICT_CRYPTOCOMPARE_URL")
        told = page(answer, reply, self._url, rejected)
        if told.earliest is not None and told.earliest > cursor:
            raise nonsense(reply, self._url, f"begins at {told.earliest}, and was to end at {cursor}")
        return told

    def _wait(self, over: Mapping[str, str], *, last: bool) -> None:
        """Hold back where a limit is over in a minute; otherwise, and after the last question, give up."""
        SOURCE_ERRORS.labels(SOURCE, "rate limit").inc()
        if last or not over.keys() <= _PAUSES.keys():
            reached = ", ".join(over.values())
            raise RateLimitedError(
                f"{self._url}: over the rate limit ({reached or 'it does not say which'}); ask later or less, or set "
                "BITPREDICT_CRYPTOCOMPARE_KEY to one that may ask more"
            )
        self._http.hold(self._url, max((_PAUSES[window] for window in over), default=1.0))

    def _refusal(self, symbol: str, answer: Mapping[str, Any]) -> BitPredictError:
        SOURCE_ERRORS.labels(SOURCE, "refused").inc()
        words = " ".join(str(answer.get("Message", "")).split())[:200]
        if any(sign in words.lower() for sign in _UNKNOWN):
            return UnknownSymbolError(f"CryptoCompare has no {symbol} of {EXCHANGE} ({words}); it stays unrepaired")
        if _NO_LONGER in words.lower():
            return _NoLongerError(f"CryptoCompare no longer has these minutes of {symbol} ({words})")
        return SourceUnavailableError(
            f"{self._url}: CryptoCompare refuses {symbol} ({answer.get('Type')}: {words}); "
            "look at BITPREDICT_CRYPTOCOMPARE_KEY"
        )


@dataclass(frozen=True)
class Asked:
    """What came of asking for days.

    Attributes:
        candles: columns of `CANDLE_SCHEMA`, ordered by symbol and time.
        rejected: reason -> minutes that are in no row.
        unanswered: symbol and day -> why there is no answer about it.
    """

    candles: pa.Table
    rejected: Mapping[str, int]
    unanswered: Mapping[tuple[str, date], str]


def why_not(settings: Settings) -> str | None:
    """Why CryptoCompare is not asked; None where it is."""
    if settings.market == "simulated":
        return "a market that is made up has no second source"
    if not settings.cryptocompare:
        return "neither BITPREDICT_CRYPTOCOMPARE_KEY nor BITPREDICT_CRYPTOCOMPARE_URL is set"
    return None


def ask_for_days(source: CryptoCompare, symbols: Sequence[str], start: datetime, end: datetime) -> Asked:
    """Ask for each day that [start, end) touches, the newest first. A day that fails holds no other, but a source that
    cannot be reached or wants a longer pause is not asked again, a pair that it does not know is asked for once, and
    before a day that it no longer has it has none."""
    batches: dict[tuple[str, date], pa.Table] = {}
    rejected: Counter[str] = Counter()
    unanswered: dict[tuple[str, date], str] = {}
    silent = ""
    for symbol in symbols:
        nothing = ""
        for day in reversed(list(days(start, end))):
            if silent or nothing:
                unanswered[symbol, day] = silent or nothing
                continue
            try:
                batch = source.day(symbol, day)
            except (UnknownSymbolError, _NoLongerError) as error:
                unanswered[symbol, day] = nothing = str(error)
            except SourceUnavailableError as error:
                unanswered[symbol, day] = silent = str(error)
            except BitPredictError as error:
                unanswered[symbol, day] = str(error)
            else:
                batches[symbol, day] = batch.candles
                rejected.update(batch.rejected)
    for reason, minutes in rejected.items():
        SOURCE_REJECTED_ROWS.labels(SOURCE, reason).inc(minutes)
    ordered = [batches[key] for key in sorted(batches)]
    candles = pa.concat_tables([CANDLE_SCHEMA.empty_table(), *ordered]).combine_chunks()
    return Asked(candles, dict(rejected), dict(sorted(unanswered.items())))


def _untold(candles: pa.Table) -> pa.Table:
    """`candles` without the zeros that stand for what nobody told."""
    for name in ("trade_count", "taker_buy_volume"):
        column = CANDLE_SCHEMA.field(name)
        nothing = pa.nulls(candles.num_rows, column.type)
        candles = candles.set_column(CANDLE_SCHEMA.get_field_index(name), column, nothing)
    return candles
