"""Trades become rows once, in whatever order and however often their messages are read."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.storage.contracts import STREAMED_TRADES
from bitpredict.streaming.log import Record
from bitpredict.streaming.messages import Trade, encode
from bitpredict.streaming.trade_table import latest_prices, merged, trades_table

DAY = datetime(2024, 3, 5, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)


def trade(number: int, seconds: float = 0, received: float = 1, price: float = 5.0, symbol: str = "BTCUSD") -> Trade:
    moment = DAY + timedelta(seconds=seconds)
    return Trade(
        "coinbase", symbol, f"{number}", price, 0.5, "buy", moment, moment + timedelta(seconds=received), number
    )


def page(*values: Trade | bytes, start: int = 0, partition: int = 0) -> tuple[str, int, list[Record]]:
    encoded = [value if isinstance(value, bytes) else encode(value) for value in values]
    return "coinbase-trades", partition, [Record(start + i, "BTCUSD", value, 0) for i, value in enumerate(encoded)]


def table(*values: Trade | bytes, start: int = 0):
    return trades_table([page(*values, start=start)], DAY, NEXT).table


def test_a_message_is_a_row_with_its_place():
    found = trades_table([page(trade(7, 3), start=40, partition=1)], DAY, NEXT)
    assert found.table.to_pylist() == [
        {
            "exchange": "coinbase",
            "symbol": "BTCUSD",
            "trade_id": "7",
            "price": 5.0,
            "size": 0.5,
            "side": "buy",
            "event_time": DAY + timedelta(seconds=3),
            "received_at": DAY + timedelta(seconds=4),
            "sequence": 7,
            "provenance": "observed",
            "replayed": False,
            "topic": "coinbase-trades",
            "partition": 1,
            "offset": 40,
        }
    ]
    assert STREAMED_TRADES.conform(found.table).num_rows == 1


def test_other_days_and_what_is_no_trade_are_counted():
    bad = [b"{", b"{}", encode(trade(1, price=0.0)), encode(trade(1)).replace(b"5.0", b"1e999")]
    naive = encode(trade(1)).replace(b"00:00:00Z", b"00:00:00")
    assert naive != encode(trade(1))
    found = trades_table([page(*bad, naive, trade(2), trade(3, -0.001), trade(4, 86400))], DAY, NEXT)
    assert (found.table.num_rows, found.elsewhere, found.undecodable, found.messages) == (1, 2, 5, 8)


def test_no_messages_are_an_empty_table():
    found = trades_table([], DAY, NEXT)
    assert found.table.schema.equals(STREAMED_TRADES.schema)
    assert merged(found.table, found.table).num_rows == 0


def test_the_first_that_was_received_is_the_row():
    later, first = trade(1, received=9, price=6.0), trade(1, received=2)
    for one, two in ((later, first), (first, later)):
        (row,) = merged(table(one), table(two, start=50)).to_pylist()
        assert row["price"] == 5.0


def test_the_same_id_of_another_symbol_is_another_trade():
    assert merged(table(trade(1)), table(trade(1, symbol="ETHUSD"), start=1)).num_rows == 2


numbers = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=20)


@given(numbers, st.lists(st.integers(0, 19), max_size=6), st.randoms())
def test_any_cut_order_and_repetition_gives_the_same_table(messages, cuts, random):
    values = [trade(number, number, received) for number, received in messages]
    edges = sorted({0, len(values), *(cut for cut in cuts if cut <= len(values))})
    parts = [table(*values[a:b], start=a) for a, b in pairwise(edges)]
    again = parts + [random.choice(parts) for _ in range(3) if parts]
    random.shuffle(again)
    stored = table()
    for part in again:
        stored = merged(stored, part)
    expected: dict[str, tuple] = {}
    for offset, value in enumerate(values):
        row = (value.received_at, offset)
        expected[value.trade_id] = min(row, expected.get(value.trade_id, row))
    assert {r["trade_id"]: (r["received_at"], r["offset"]) for r in stored.to_pylist()} == expected
    assert STREAMED_TRADES.conform(stored).num_rows == len(expected)


def test_latest_prices_are_of_the_newest_trades():
    found = latest_prices(table(trade(1, 5, price=7.0), trade(2, 3), trade(3, 4, symbol="ETHUSD", price=2.5)))
    assert found == {
        "coinbase BTCUSD": "7.0 at 2024-03-05T00:00:05+00:00",
        "coinbase ETHUSD": "2.5 at 2024-03-05T00:00:04+00:00",
    }
    assert latest_prices(table()) == {}


@pytest.mark.parametrize("size", [0.0, 1e-9])
def test_a_feed_without_sizes_is_kept(size):
    value = encode(trade(1)).replace(b'"size":0.5', f'"size":{size}'.encode())
    assert table(value).num_rows == 1
