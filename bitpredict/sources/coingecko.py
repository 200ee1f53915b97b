"""CoinGecko's market data: the current quotes of many coins in one answer, and the past of one.

https://docs.coingecko.com/reference/coins-markets, https://docs.coingecko.com/reference/coins-id-market-chart-range
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import pandas as pd

from bitpredict.errors import BadSourceDataError, RateLimitedError, SourceError, SourceUnavailableError
from bitpredict.observability import SOURCE_REJECTED_ROWS
from bitpredict.settings import Settings
from bitpredict.sources.client import open_client
from bitpredict.sources.coingecko_quotes import chart, current, table
from bitpredict.sources.http import Asks, Reply
from bitpredict.storage.raw import Keep

SOURCE = "coingecko"
CURRENCY = "usd"
COINS_AT_ONCE = 250
"""Most coins that one answer holds."""

_PRO_HEADER, _FREE_HEADER = "x-cg-pro-api-key", "x-cg-demo-api-key"
_TOO_MANY = 429
_INTERVALS = {"free": 2.5, "pro": 0.2}
"""Seconds between requests, by plan: 30 and 500 a minute, less what others at this address may use."""


@dataclass(frozen=True)
class Markets:
    """What one question came to.

    Attributes:
        quotes: columns of `coingecko_quotes.QUOTE_COLUMNS`, one row a coin, ordered by coin; amounts in dollars, NaN
            where not told.
        missing: coin -> why there is no quote of it.
        oddities: what else was not as it should be -> how often; none of it is in `quotes`.
        received_at: when the last answer had arrived, UTC.
    """

    quotes: pd.DataFrame
    missing: Mapping[str, str]
    oddities: Mapping[str, int]
    received_at: datetime


@dataclass(frozen=True)
class History:
    """Past quotes of a coin.

    Attributes:
        quotes: columns of `coingecko_quotes.QUOTE_COLUMNS`, ordered by time; known at the moment of their receipt, not
            when they were observed.
        oddities: what was not as it should be -> how often; none of it is in `quotes`.
    """

    quotes: pd.DataFrame
    oddities: Mapping[str, int]


class CoinGecko:
    """Asks for quotes in dollars. Safe to share between threads.

    Args:
        base_url: `https://api.coingecko.com`, with a paid key `https://pro-api.coingecko.com`, or a mirror.
        http: whose retries and limits apply; it carries the key.
    """

    def __init__(self, base_url: str, http: Asks) -> None:
        self._url = f"{base_url.rstrip('/')}/api/v3"
        self._http = http

    @classmethod
    def from_settings(cls, settings: Settings, keep: Keep | None = None) -> "CoinGecko":
        """By BITPREDICT_COINGECKO_URL, _KEY and _PLAN; `keep` is given every answer as it came."""
        key = settings.coingecko_key.get_secret_value()
        header = _PRO_HEADER if settings.coingecko_plan == "pro" else _FREE_HEADER
        return cls(
            settings.coingecko,
            open_client(
                SOURCE,
                settings,
                interval=_INTERVALS[settings.coingecko_plan],
                headers={header: key} if key else {},
                keep=keep,
            ),
        )

    def markets(self, coins: Sequence[str]) -> Markets:
        """The current quotes of `coins`, 250 a question. A quote that cannot be believed makes its coin a missing one.

        Raises:
            BadSourceDataError: an answer is no list of markets.
            SourceUnavailableError, RateLimitedError: CoinGecko cannot be reached or refuses.
        """
        oddities: Counter[str] = Counter()
        rows: list[dict[str, Any]] = []
        missing: dict[str, str] = {}
        received_at = datetime.now(UTC)
        for first in range(0, len(coins), COINS_AT_ONCE):
            asked = list(coins[first : first + COINS_AT_ONCE])
            reply, answer = self._ask(
                "coins/markets",
                {"vs_currency": CURRENCY, "ids": ",".join(asked), "per_page": COINS_AT_ONCE, "precision": "full"},
            )
            if not isinstance(answer, list):
                raise self._nonsense(reply, "is no list of markets")
            received_at = reply.received_at
            found, why = current(answer, asked, received_at, oddities)
            rows += found
            missing |= why
        rows.sort(key=itemgetter("coin_id"))
        # Several answers are known together, when the last one is there.
        quotes = table(rows, known_at=received_at)
        return Markets(quotes, dict(sorted(missing.items())), _counted(oddities), received_at)

    def history(self, coin: str, start: datetime, end: datetime) -> History:
        """What CoinGecko kept of the quotes of [start, end): every five minutes of a day, every hour of up to 90 days,
        every day of more.

        Raises:
            BadSourceDataError: the answer is no chart.
            SourceUnavailableError, RateLimitedError: CoinGecko cannot be reached or refuses, as it does where the coin
                is unknown or the plan does not reach so far back.
        """
        oddities: Counter[str] = Counter()
        seconds = {"from": int(start.timestamp()), "to": int(end.timestamp())}
        reply, answer = self._ask(
            f"coins/{quote(coin, safe='')}/market_chart/range",
            {"vs_currency": CURRENCY, **seconds, "precision": "full"},
        )
        if not isinstance(answer, dict) or not isinstance(answer.get("prices"), list):
            raise self._nonsense(reply, "is no chart")
        rows = chart(answer, coin, start, min(end, reply.received_at), oddities)
        return History(table(rows, known_at=reply.received_at), _counted(oddities))

    def _ask(self, route: str, params: Mapping[str, str | int]) -> tuple[Reply, Any]:
        """An answer decoded. CoinGecko reports some of its errors in the body of a good answer."""
        url = f"{self._url}/{route}"
        reply = self._http.get(url, params)
        try:
            answer = json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            if reply.status != 200:
                raise SourceUnavailableError(
                    f"{url}: refused ({reply.status}); check BITPREDICT_COINGECKO_URL"
                ) from error
            raise self._nonsense(reply, "is no JSON") from error
        if (refusal := _refusal(answer)) is not None:
            code, words = refusal
            if code == _TOO_MANY:
                raise RateLimitedError(f"{url}: {words}; ask less often, or set BITPREDICT_COINGECKO_KEY")
            raise SourceUnavailableError(f"{url}: CoinGecko refuses ({code or reply.status}: {words})")
        if reply.status != 200:
            raise _refused(url, reply)
        return reply, answer

    def _nonsense(self, reply: Reply, what: str) -> BadSourceDataError:
        return BadSourceDataError(
            f"{self._url}: the answer {what}: {reply.body[:80]!r}; check BITPREDICT_COINGECKO_URL"
        )


def _counted(oddities: Counter[str]) -> dict[str, int]:
    """The oddities that there were, also told to the metrics."""
    there = dict(+oddities)
    for reason, times in there.items():
        SOURCE_REJECTED_ROWS.labels(SOURCE, reason).inc(times)
    return there


def _refused(url: str, reply: Reply) -> SourceUnavailableError:
    return SourceUnavailableError(f"{url}: refused ({reply.status}); check BITPREDICT_COINGECKO_URL")


def _refusal(answer: Any) -> tuple[int | None, str] | None:
    """The code and words of an error body: `{"error": …}` or `{"status": {"error_code": …, "error_message": …}}`."""
    if not isinstance(answer, dict):
        return None
    status = answer.get("status", answer.get("error"))
    if isinstance(status, dict):
        inner = status.get("status", status)
        if isinstance(inner, dict) and "error_code" in inner:
            code = inner["error_code"]
            return (code if isinstance(code, int) else None), str(inner.get("error_message", ""))[:200]
    if isinstance(answer.get("error"), str):
        return None, answer["error"][:200]
    return None


def histories(
    source: CoinGecko, coins: Iterable[str], start: datetime, end: datetime
) -> Iterator[tuple[str, History | str]]:
    """Each coin with its past, or with why there is none of it: one that is refused holds no other.

    Raises:
        RateLimitedError: CoinGecko asks for a longer pause; what came until then has been given.
    """
    for coin in coins:
        try:
            yield coin, source.history(coin, start, end)
        except RateLimitedError:
            raise
        except SourceError as error:
            yield coin, str(error)
