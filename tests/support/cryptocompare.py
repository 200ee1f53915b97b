"""A CryptoCompare that answers as the real one does: `limit` + 1 minutes up to `toTs`, those without trades filled."""

import json
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.support.archive_server import Answer

ROUTE = "/data/v2/histominute"

OVER_THE_SECOND = {
    "Response": "Error",
    "Message": "You are over your rate limit please upgrade your account!",
    "HasWarning": False,
    "Type": 99,
    "RateLimit": {
        "calls_made": {"second": 21, "minute": 30, "hour": 485, "day": 973, "month": 8275, "total_calls": 8275},
        "max_calls": {"second": 20, "minute": 300, "hour": 3000, "day": 7500, "month": 50000},
    },
    "Data": {},
}


def minute(time: int, **changes: Any) -> dict[str, Any]:
    """A minute with trades, as it is sent."""
    sent = {"time": time, "high": 101.0, "low": 99.0, "open": 100.0, "close": 100.5, "volumefrom": 3.0, "volumeto": 300}
    return sent | {"conversionType": "direct", "conversionSymbol": ""} | changes


def filled(time: int, price: float = 100.0) -> dict[str, Any]:
    """A minute without trades, as CryptoCompare fills it."""
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return minute(time, **prices, volumefrom=0, volumeto=0)


def success(minutes: list[Any]) -> dict[str, Any]:
    """The answer that holds them."""
    return {
        "Response": "Success",
        "Message": "",
        "HasWarning": False,
        "Type": 100,
        "RateLimit": {},
        "Data": {"Aggregated": False, "Data": minutes},
    }


def body(answer: Any) -> Answer:
    return Answer(body=json.dumps(answer).encode())


def market(
    close: Callable[[str, int], float] = lambda _pair, _time: 100.5,
    without: Callable[[str, datetime], bool] = lambda _pair, _moment: False,
    unknown: Collection[str] = (),
) -> Callable[[Mapping[str, str]], Answer]:
    """What answers questions.

    Args:
        close: of a pair's minute (seconds).
        without: minutes in which the pair did not trade.
        unknown: pairs that it does not know.
    """

    def answer(query: Mapping[str, str]) -> Answer:
        pair, last, limit = query["fsym"] + query["tsym"], int(query["toTs"]), int(query["limit"])
        if pair in unknown:
            words = f"{query['e']} market does not exist for this coin pair ({query['fsym']}-{query['tsym']})"
            return body({"Response": "Error", "Message": words, "HasWarning": False, "Type": 1, "Data": {}})
        minutes = []
        for time in range(last - 60 * limit, last + 1, 60):
            price = close(pair, time)
            if without(pair, datetime.fromtimestamp(time, UTC)):
                minutes.append(filled(time, price))
            else:
                minutes.append(minute(time, open=price, high=price + 1, low=price - 1, close=price, volumeto=3 * price))
        return body(success(minutes))

    return answer
