from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from bitpredict.market.candles import CANDLE_SCHEMA
from bitpredict.market.recollected import recollected

MIDNIGHT = datetime(2023, 11, 1, tzinfo=UTC)
FIRST, LATER = MIDNIGHT + timedelta(hours=1), MIDNIGHT + timedelta(hours=5)


def candles(symbol: str, closes: dict[int, float], known_at: datetime) -> pa.Table:
    rows = [
        {
            "symbol": symbol,
            "open_time": MIDNIGHT + timedelta(minutes=minute),
            **dict.fromkeys(("open", "high", "low", "close"), close),
            **dict.fromkeys(("volume", "quote_volume", "taker_buy_volume"), 1.0),
            "trade_count": 3,
            "provenance": "observed",
            "known_at": known_at,
        }
        for minute, close in closes.items()
    ]
    return pa.Table.from_pylist(rows, schema=CANDLE_SCHEMA)


def found(table: pa.Table) -> set[tuple[str, int, float, datetime]]:
    return {
        (row["symbol"], (row["open_time"] - MIDNIGHT) // timedelta(minutes=1), row["close"], row["known_at"])
        for row in table.to_pylist()
    }


BTC = candles("BTCUSDT", {0: 1.0, 1: 2.0}, FIRST)


@pytest.mark.parametrize(
    ("collected", "symbols", "not_there_yet", "left"),
    [
        pytest.param(
            candles("BTCUSDT", {0: 1.0, 1: 2.0}, LATER),
            ["BTCUSDT"],
            set(),
            {("BTCUSDT", 0, 1.0, FIRST), ("BTCUSDT", 1, 2.0, FIRST)},
            id="the same again is known since it was first known",
        ),
        pytest.param(
            candles("BTCUSDT", {0: 1.0, 1: 9.0}, LATER),
            ["BTCUSDT"],
            set(),
            {("BTCUSDT", 0, 1.0, FIRST), ("BTCUSDT", 1, 9.0, LATER)},
            id="a corrected minute is known since its correction",
        ),
        pytest.param(
            candles("BTCUSDT", {0: 1.0}, LATER),
            ["BTCUSDT"],
            set(),
            {("BTCUSDT", 0, 1.0, FIRST)},
            id="a minute that the source took back is gone",
        ),
        pytest.param(
            candles("ETHUSDT", {0: 5.0}, LATER),
            ["ETHUSDT"],
            set(),
            {("BTCUSDT", 0, 1.0, FIRST), ("BTCUSDT", 1, 2.0, FIRST), ("ETHUSDT", 0, 5.0, LATER)},
            id="a symbol that was not asked for stays",
        ),
        pytest.param(
            CANDLE_SCHEMA.empty_table(),
            ["BTCUSDT"],
            {("BTCUSDT", date(2023, 11, 1))},
            {("BTCUSDT", 0, 1.0, FIRST), ("BTCUSDT", 1, 2.0, FIRST)},
            id="a day that is not there at this moment stays",
        ),
    ],
)
def test_collecting_again(collected, symbols, not_there_yet, left):
    assert found(recollected(BTC, collected, symbols, not_there_yet)) == left


def test_the_first_collection_is_taken_as_it_is():
    assert recollected(CANDLE_SCHEMA.empty_table(), BTC, ["BTCUSDT"], set()).equals(BTC)
