"""What CryptoCompare's answers say, minute by minute: which of it is an observation, and what a refusal means."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from bitpredict.errors import BadSourceDataError
from bitpredict.market.candles import TIMESTAMP
from bitpredict.market.time import EPOCH
from bitpredict.sources.http import Reply
from bitpredict.sources.numbers import number

NO_TRADE = "no trade in it"
"""CryptoCompare fills minutes without a trade with the price before them: that is no observation."""

_NAMES = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volumefrom",
    "quote_volume": "volumeto",
}
AVERAGE_TOLERANCE = 0.1
"""By how much (a share) the average price of a minute's trades may be beyond its low and high. Recorded averages over
exchanges are beyond them by up to 0.016: their amounts and prices come from different exchanges."""

LARGEST_VOLUME, LARGEST_QUOTE_VOLUME = 1e18, 1e13
"""Of a minute. The cheapest coins trade by 1e15, and all markets of the world together by less than 1e10 dollars."""

_ROUNDING = 0.005
"""Of amounts, which some answers round to two digits."""

_DIRECT = (None, "", "direct", "force_direct")
_LATEST = 32_503_680_000
"""Seconds of the year 3000."""


@dataclass(frozen=True)
class Page:
    """What an answer told.

    Attributes:
        rows: minutes with trades, as `market.candles.clean` takes them. A value that is no number is null. Nobody tells
            the trades and the takers: they are 0 here.
        earliest: the first time in the answer, of minutes without trades too; None where it has none.
    """

    rows: pa.Table
    earliest: datetime | None


def decoded(reply: Reply, url: str) -> dict[str, Any]:
    """The answer as an object.

    Raises:
        BadSourceDataError: it is none, a web page for example.
    """
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise nonsense(reply, url, "is no JSON") from error
    if not isinstance(answer, dict):
        raise nonsense(reply, url, "is no object")
    return answer


def page(answer: Mapping[str, Any], reply: Reply, url: str, rejected: Counter[str]) -> Page:
    """The minutes of an answer; what is left out of them is counted in `rejected`.

    Raises:
        BadSourceDataError: the answer holds no list of minutes.
    """
    inner = answer.get("Data")
    if isinstance(inner, dict):  # the interface's second version; in the first it is the list itself
        inner = inner.get("Data")
    if answer.get("Response") != "Success" or not isinstance(inner, list):
        raise nonsense(reply, url, "holds no minutes")
    conversion = answer.get("ConversionType")
    of_all = conversion.get("type") if isinstance(conversion, dict) else None
    times: list[float] = []
    kept: list[tuple[float | None, dict[str, float | None]]] = []
    for item in inner:
        if not isinstance(item, dict):
            rejected["no candle"] += 1
            continue
        time = _instant(item.get("time"))
        times += [] if time is None else [time]
        values = {name: number(item.get(sent)) for name, sent in _NAMES.items()}
        if item.get("conversionType", of_all) not in _DIRECT:
            rejected["converted from another pair"] += 1
        elif 0.0 in (values["volume"], values["quote_volume"]):
            rejected[NO_TRADE] += 1
        else:
            kept.append((time, values))
    table = pa.table(
        {
            "open_time": pa.array(_microseconds([time for time, _ in kept]), pa.int64()).cast(TIMESTAMP),
            **{name: pa.array([values[name] for _, values in kept], pa.float64()) for name in _NAMES},
            "trade_count": pa.array([0] * len(kept), pa.int64()),
            "taker_buy_volume": pa.array([0.0] * len(kept), pa.float64()),
            "provenance": pa.array(["observed"] * len(kept), pa.string()),
            "known_at": pa.array([reply.received_at] * len(kept), TIMESTAMP),
        }
    )
    return Page(table, EPOCH + timedelta(seconds=min(times)) if times else None)


def with_believable_amounts(candles: pa.Table, rejected: Counter[str]) -> pa.Table:
    """The candles whose amounts go with their prices; the others are counted in `rejected`."""
    volume, quote_volume, low, high = (candles[name].to_numpy() for name in ("volume", "quote_volume", "low", "high"))
    beyond = (volume > LARGEST_VOLUME) | (quote_volume > LARGEST_QUOTE_VOLUME)
    least = low * (1 - AVERAGE_TOLERANCE) * (volume - _ROUNDING) - _ROUNDING
    most = high * (1 + AVERAGE_TOLERANCE) * (volume + _ROUNDING) + _ROUNDING
    elsewhere = ~beyond & ((quote_volume < least) | (quote_volume > most))
    rejected["amount beyond belief"] += int(beyond.sum())
    rejected["average price outside low and high"] += int(elsewhere.sum())
    return candles.take(pa.array(np.flatnonzero(~beyond & ~elsewhere)))


def over_limits(answer: Mapping[str, Any]) -> dict[str, str] | None:
    """Windows (second, minute, hour, day, month) whose limit is reached, each in words; None where the answer is no
    refusal for a limit. A refusal may tell no numbers."""
    if answer.get("Type") != 99 and "rate limit" not in str(answer.get("Message", "")).lower():
        return None
    told = answer.get("RateLimit")
    told = told if isinstance(told, dict) else {}
    made, most, left = (
        value if isinstance(value := told.get(name), dict) else {} for name in ("calls_made", "max_calls", "calls_left")
    )
    over: dict[str, str] = {}
    for window in ("second", "minute", "hour", "day", "month"):
        calls, limit, rest = (number(numbers.get(window)) for numbers in (made, most, left))
        if calls is not None and limit is not None and calls >= limit:
            over[window] = f"{calls:g} of {limit:g} calls a {window}"
        elif rest is not None and rest <= 0:
            over[window] = f"no call left in the {window}"
    return over


def nonsense(reply: Reply, url: str, what: str) -> BadSourceDataError:
    """An answer that is not what the interface promises."""
    return BadSourceDataError(f"{url}: the answer {what}: {reply.body[:80]!r}; check BITPREDICT_CRYPTOCOMPARE_URL")


def _instant(sent: Any) -> float | None:
    seconds = number(sent)
    return seconds if seconds is not None and 0 <= seconds <= _LATEST else None


def _microseconds(seconds: list[float | None]) -> list[int | None]:
    return [None if second is None else round(second * 1_000_000) for second in seconds]
