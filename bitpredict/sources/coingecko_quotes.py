"""What CoinGecko's answers say, row by row: which of it can be believed, and why the rest cannot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from bitpredict.market.time import EPOCH
from bitpredict.sources.numbers import number

CLOCK_TOLERANCE = timedelta(minutes=2)
STALE_AFTER = timedelta(days=1)
"""A quote that is older when it comes says nothing of now: CoinGecko tells the last one of a coin for ever."""

SMALLEST, LARGEST = 1e-20, 1e13
"""Dollars: what is outside is no price of a coin, and no decimal column could hold it."""

_BOUNDS = {
    "market_cap": (0.0, 1e15),
    "total_volume": (0.0, 1e15),
    "high_24h": (SMALLEST, LARGEST),
    "low_24h": (SMALLEST, LARGEST),
    "circulating_supply": (0.0, 1e24),
}
"""Of amounts. The largest recorded are 8e11 dollars and 2e15 coins; all that people own is worth 5e14 dollars."""

_AMOUNTS = tuple(_BOUNDS)
_LATEST = 32_503_680_000_000
"""Milliseconds of the year 3000."""

QUOTE_COLUMNS = ["coin_id", "observed_at", "price", *_AMOUNTS, "market_cap_rank", "known_at"]


def table(rows: list[dict[str, Any]], *, known_at: datetime) -> pd.DataFrame:
    """Rows of `current` or `chart` with the columns of `QUOTE_COLUMNS` in their types; what a row lacks is null."""
    quotes = pd.DataFrame(rows, columns=QUOTE_COLUMNS)
    moments = pd.to_datetime(quotes["observed_at"], utc=True).dt.as_unit("us")
    numbers = {name: quotes[name].astype("float64") for name in ("price", *_AMOUNTS)}
    ranks = quotes["market_cap_rank"].astype("Int64")
    known = pd.Series(known_at, index=quotes.index, dtype="datetime64[us, UTC]")
    return quotes.assign(observed_at=moments, **numbers, market_cap_rank=ranks, known_at=known)


def chart(
    answer: Mapping[str, Any], coin: str, start: datetime, end: datetime, oddities: Counter[str]
) -> list[dict[str, Any]]:
    """The believable quotes of a chart within [start, end), ordered by time, each time once."""
    amounts = {name: _by_time(answer.get(f"{name}s"), name, oddities) for name in ("market_cap", "total_volume")}
    rows: dict[datetime, dict[str, Any]] = {}
    for point in answer["prices"]:
        moment, price = _point(point)
        if moment is None or price is None or not SMALLEST <= price <= LARGEST:
            oddities["point without a believable price"] += 1
        elif not start <= moment < end:
            oddities["point outside the range"] += 1
        elif moment in rows:
            oddities["time told twice"] += 1
        else:
            told = {name: values.get(moment) for name, values in amounts.items()}
            rows[moment] = {"coin_id": coin, "observed_at": moment, "price": price, **told}
    return [rows[moment] for moment in sorted(rows)]


def _by_time(points: Any, name: str, oddities: Counter[str]) -> dict[datetime, float]:
    believed = {}
    for point in points if isinstance(points, list) else []:
        moment, _ = _point(point)
        if moment is not None and (value := _amount(name, point[1], oddities)) is not None:
            believed[moment] = value
    return believed


def _point(sent: Any) -> tuple[datetime | None, float | None]:
    """The time (milliseconds) and value of a chart's point; None for what is neither."""
    if not isinstance(sent, list) or len(sent) != 2:
        return None, None
    milliseconds = number(sent[0])
    if milliseconds is None or not 0 <= milliseconds <= _LATEST:
        return None, None
    return EPOCH + timedelta(milliseconds=milliseconds), number(sent[1])


def current(
    answer: list[Any], asked: Sequence[str], received_at: datetime, oddities: Counter[str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The believable quotes of a markets answer, and why each other coin that was asked for has none."""
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
    price = number(item["current_price"])
    if price is None or not SMALLEST <= price <= LARGEST:
        raise _UnusableError(f"no believable price: {str(item['current_price'])[:40]!r}")
    observed_at = _instant(item.get("last_updated"))
    if observed_at is None:
        raise _UnusableError(f"no time of observation: {str(item.get('last_updated'))[:40]!r}")
    if observed_at > received_at + CLOCK_TOLERANCE:
        raise _UnusableError(f"observed in the future: {observed_at.isoformat()}")
    if observed_at < received_at - STALE_AFTER:
        raise _UnusableError(f"stale: last updated {observed_at:%Y-%m-%d %H:%M:%S} UTC")
    return {
        "coin_id": coin,
        "observed_at": observed_at,
        "price": price,
        **_amounts(item, oddities),
        "market_cap_rank": _rank(item.get("market_cap_rank"), oddities),
    }


def _amounts(item: Mapping[str, Any], oddities: Counter[str]) -> dict[str, float | None]:
    amounts = {name: _amount(name, item.get(name), oddities) for name in _AMOUNTS}
    high, low = amounts["high_24h"], amounts["low_24h"]
    if high is not None and low is not None and high < low:
        oddities["high_24h below low_24h"] += 1
        amounts |= {"high_24h": None, "low_24h": None}
    return amounts


def _amount(name: str, sent: Any, oddities: Counter[str]) -> float | None:
    value = number(sent)
    least, most = _BOUNDS[name]
    if value is not None and least <= value <= most:
        return value
    oddities[f"unusable {name}"] += sent is not None
    return None


def _rank(sent: Any, oddities: Counter[str]) -> int | None:
    rank = number(sent)
    if rank is not None and rank.is_integer() and 0 < rank < 1_000_000:
        return int(rank)
    oddities["unusable market_cap_rank"] += sent is not None
    return None


def _instant(sent: Any) -> datetime | None:
    """An instant with a zone; None for anything else, a time without one included."""
    try:
        moment = datetime.fromisoformat(sent)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
