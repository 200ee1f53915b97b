"""CoinGecko's market data: the current quotes of many coins in one answer.

https://docs.coingecko.com/reference/coins-markets
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import pandas as pd

from bitpredict.errors import BadSourceDataError, RateLimitedError, SourceUnavailableError
from bitpredict.observability import SOURCE_REJECTED_ROWS
from bitpredict.settings import Settings
from bitpredict.sources.http import HttpClient, Reply

SOURCE = "coingecko"
CURRENCY = "usd"
COINS_AT_ONCE = 250
"""Most coins that one answer holds."""

CLOCK_TOLERANCE = timedelta(minutes=2)
SMALLEST, LARGEST = 1e-20, 1e13
"""Dollars: what is outside is no price of a coin, and no decimal column could hold it."""

_AMOUNTS = ("market_cap", "total_volume", "high_24h", "low_24h", "circulating_supply")
_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?")
_PRO_HEADER, _FREE_HEADER = "x-cg-pro-api-key", "x-cg-demo-api-key"
_TOO_MANY = 429
_INTERVALS = {"free": 2.5, "pro": 0.2}
"""Seconds between requests, by plan: 30 and 500 a minute, less what others at this address may use."""

QUOTE_COLUMNS = ["coin_id", "observed_at", "price", *_AMOUNTS, "market_cap_rank", "known_at"]


@dataclass(frozen=True)
class Markets:
    """What one question came to.

    Attributes:
        quotes: columns of `QUOTE_COLUMNS`, one row a coin, ordered by coin; amounts in dollars, NaN where not told.
        missing: coin -> why there is no quote of it.
        oddities: what else was not as it should be -> how often; none of it is in `quotes`.
        received_at: when the last answer had arrived, UTC.
    """

    quotes: pd.DataFrame
    missing: Mapping[str, str]
    oddities: Mapping[str, int]
    received_at: datetime


class CoinGecko:
    """Asks for quotes in dollars. Safe to share between threads.

    Args:
        base_url: `https://api.coingecko.com`, with a paid key `https://pro-api.coingecko.com`, or a mirror.
        http: whose retries and limits apply; it carries the key.
    """

    def __init__(self, base_url: str, http: HttpClient) -> None:
        self._url = f"{base_url.rstrip('/')}/api/v3"
        self._http = http

    @classmethod
    def from_settings(cls, settings: Settings) -> "CoinGecko":
        """By BITPREDICT_COINGECKO_URL, _KEY and _PLAN."""
        key = settings.coingecko_key.get_secret_value().strip()
        header = _PRO_HEADER if settings.coingecko_plan == "pro" else _FREE_HEADER
        return cls(
            settings.coingecko,
            HttpClient(
                SOURCE,
                timeout=settings.http_timeout_seconds,
                attempts=settings.http_attempts,
                interval=_INTERVALS[settings.coingecko_plan],
                headers={header: key} if key else {},
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
            found, why = _quotes(answer, asked, received_at, oddities)
            rows += found
            missing |= why
        for reason, times in oddities.items():
            SOURCE_REJECTED_ROWS.labels(SOURCE, reason).inc(times)
        rows.sort(key=itemgetter("coin_id"))
        quotes = pd.DataFrame(rows, columns=QUOTE_COLUMNS)
        quotes["known_at"] = received_at  # several answers are known together, when the last one is there
        return Markets(_typed(quotes), dict(sorted(missing.items())), dict(+oddities), received_at)

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


def _quotes(
    answer: list[Any], asked: Sequence[str], received_at: datetime, oddities: Counter[str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The believable quotes of an answer, and why each other coin that was asked for has none."""
    wanted = set(asked)
    told: dict[str, list[dict[str, Any]]] = {}
    why: dict[str, str] = {}
    for item in answer:
        coin = item.get("id") if isinstance(item, dict) else None
        if not isinstance(coin, str):
            oddities["row without a coin"] += 1
        elif coin not in wanted:
            oddities["coin not asked for"] += 1
        else:
            try:
                quote = _quote(coin, item, received_at, oddities)
                told.setdefault(coin, []).append(quote)
            except _UnusableError as unusable:
                why[coin] = str(unusable)
    quotes = []
    for coin, several in told.items():
        latest = max(quote["observed_at"] for quote in several)
        newest = [quote for quote in several if quote["observed_at"] == latest]
        oddities["coin told twice"] += len(several) - 1
        if len({quote["price"] for quote in newest}) > 1:
            why[coin] = "two prices at the same time"
        else:
            why.pop(coin, None)
            quotes.append(newest[0])
    missing = {coin: why.get(coin, "not in the answer") for coin in wanted - {quote["coin_id"] for quote in quotes}}
    return quotes, missing


class _UnusableError(Exception):
    """Why a coin's row is no quote."""


def _quote(coin: str, item: Mapping[str, Any], received_at: datetime, oddities: Counter[str]) -> dict[str, Any]:
    if item.get("current_price") is None:
        raise _UnusableError("no price")
    price = _number(item["current_price"])
    if price is None or not SMALLEST <= price <= LARGEST:
        raise _UnusableError(f"no believable price: {str(item['current_price'])[:40]!r}")
    observed_at = _instant(item.get("last_updated"))
    if observed_at is None:
        raise _UnusableError(f"no time of observation: {str(item.get('last_updated'))[:40]!r}")
    if observed_at > received_at + CLOCK_TOLERANCE:
        raise _UnusableError(f"observed in the future: {observed_at.isoformat()}")
    return {
        "coin_id": coin,
        "observed_at": observed_at,
        "price": price,
        **dict(_amounts(item, oddities)),
        "market_cap_rank": _rank(item.get("market_cap_rank"), oddities),
    }


def _amounts(item: Mapping[str, Any], oddities: Counter[str]) -> Iterator[tuple[str, float | None]]:
    for name in _AMOUNTS:
        value = _number(item.get(name))
        if item.get(name) is not None and (value is None or value < 0):
            oddities[f"unusable {name}"] += 1
            value = None
        yield name, value


def _rank(sent: Any, oddities: Counter[str]) -> int | None:
    rank = _number(sent)
    if rank is not None and rank.is_integer() and 0 < rank < 1_000_000:
        return int(rank)
    oddities["unusable market_cap_rank"] += sent is not None
    return None


def _number(sent: Any) -> float | None:
    """A finite number, also one that was sent as text; None for anything else."""
    if isinstance(sent, bool) or not isinstance(sent, (int, float, str)):
        return None
    if isinstance(sent, str) and not _DECIMAL.fullmatch(sent):
        return None
    try:
        value = float(sent)
    except OverflowError:
        return None
    return value if abs(value) < float("inf") else None


def _instant(sent: Any) -> datetime | None:
    """An instant with a zone; None for anything else, a time without one included."""
    try:
        moment = datetime.fromisoformat(sent)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _typed(quotes: pd.DataFrame) -> pd.DataFrame:
    times = {name: pd.to_datetime(quotes[name], utc=True).dt.as_unit("us") for name in ("observed_at", "known_at")}
    numbers = {name: quotes[name].astype("float64") for name in ("price", *_AMOUNTS)}
    return quotes.assign(**times, **numbers, market_cap_rank=quotes["market_cap_rank"].astype("Int64"))
