"""A second record of the same market: repairs copy what is missing and nothing else; deviations are measured."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.market.candles import CANDLE_SCHEMA, canonical
from bitpredict.market.gaps import Gap, find_gaps
from bitpredict.market.second_source import NAMED, copied_from, deviation, repaired
from bitpredict.storage.contracts import CANDLES, CRYPTOCOMPARE_CANDLES

START = datetime(2023, 11, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RECEIVED = START + timedelta(days=1)


def at(minute: int) -> datetime:
    return START + minute * MINUTE


def candles(minutes, symbol: str = "BTCUSDT", trades: int = 7, close: float = 100.5) -> pa.Table:
    """A source's rows."""
    rows = [
        {
            "symbol": symbol,
            "open_time": at(minute),
            "open": 100.0,
            "high": max(101.0, close),
            "low": min(99.0, close),
            "close": close,
            "volume": 5.0,
            "quote_volume": 500.0,
            "trade_count": trades,
            "taker_buy_volume": 2.0,
            "provenance": "observed",
            "known_at": at(minute + 1),
        }
        for minute in minutes
    ]
    return pa.Table.from_pylist(rows, schema=CANDLE_SCHEMA)


def second(minutes, symbol: str = "BTCUSDT", close: float = 100.25) -> pa.Table:
    """What the second source has."""
    rows = candles(minutes, symbol, close=close).select(CRYPTOCOMPARE_CANDLES.schema.names)
    known_at = pa.array([RECEIVED] * rows.num_rows, CRYPTOCOMPARE_CANDLES.schema.field("known_at").type)
    return CRYPTOCOMPARE_CANDLES.conform(rows.set_column(rows.column_names.index("known_at"), "known_at", known_at))


def test_a_repaired_minute_is_the_second_sources_and_says_so():
    own = canonical(pa.concat_tables([candles([0, 3]), candles(range(4), "ETHUSDT")]))
    table = repaired(own, second(range(5)), {"BTCUSDT": [Gap(at(1), at(3))], "ETHUSDT": []}, "cryptocompare")
    assert CANDLES.conform(table).equals(CANDLES.conform(table.sort_by("open_time")))
    copied = [row for row in table.to_pylist() if row["provenance"] != "observed"]
    assert copied == [
        {
            "symbol": "BTCUSDT",
            "open_time": at(minute),
            "open": 100.0,
            "high": 101.0,
            "low": 99.0,
            "close": 100.25,
            "volume": 5.0,
            "quote_volume": 500.0,
            "trade_count": None,
            "taker_buy_volume": None,
            "provenance": "repaired:cryptocompare",
            "halted": False,
            "known_at": RECEIVED,
        }
        for minute in (1, 2)
    ]
    kept = table.filter(pa.array([row["provenance"] == "observed" for row in table.to_pylist()]))
    assert kept.equals(own)
    assert copied_from(table, "BTCUSDT") == {"cryptocompare": [Gap(at(1), at(3))]}
    assert copied_from(table, "ETHUSDT") == {}


def test_a_minute_of_a_halt_stays_halted_beside_a_copied_one():
    own = canonical(pa.concat_tables([candles([0], trades=0), candles([0, 1], "ETHUSDT", trades=0)]))
    table = repaired(own, second([0, 1]), {"BTCUSDT": [Gap(at(1), at(2))]}, "cryptocompare").to_pylist()
    assert {(row["symbol"], row["open_time"]): row["halted"] for row in table} == {
        ("BTCUSDT", at(0)): True,
        ("ETHUSDT", at(0)): True,
        ("BTCUSDT", at(1)): False,
        ("ETHUSDT", at(1)): True,
    }


@given(st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)))
def test_observed_minutes_stay_and_only_what_the_second_source_has_of_the_gaps_is_added(own, other):
    before = canonical(candles(sorted(own)))
    gaps = find_gaps(before["open_time"].to_numpy(), at(0), at(20))
    after = repaired(before, second(sorted(other)), {"BTCUSDT": gaps}, "cryptocompare")
    said = dict(zip(after["open_time"].to_pylist(), after["provenance"].to_pylist(), strict=True))
    assert said == {at(m): "observed" if m in own else "repaired:cryptocompare" for m in own | other}


def test_equal_closes_are_no_deviation_and_a_shifted_series_is_one():
    own = canonical(candles(range(100)))
    assert deviation(own, second(range(50, 120), close=100.5), 0.005).worst == 0.0
    found = deviation(own, second(range(50, 120), close=100.5 * 1.01), 0.005)
    assert (found.minutes, found.beyond, len(found.worst_minutes)) == (50, 50, NAMED)
    assert [found.median, found.p99, found.worst] == pytest.approx([0.01] * 3)
    assert found.worst_minutes[0] == "BTCUSDT 2023-11-10 00:50: 100.5 and 101.505, 1.00% apart"


def test_one_bad_minute_is_named_and_moves_no_median():
    own = canonical(candles(range(1000)))
    other = pa.concat_tables([second(range(999), close=100.5), second([999], close=50.25)])
    found = deviation(own, other, 0.005)
    assert (found.median, found.p99, found.worst, found.beyond) == (0.0, 0.0, 0.5, 1)
    assert found.worst_minutes == ("BTCUSDT 2023-11-10 16:39: 100.5 and 50.25, 50.00% apart",)


def test_copied_and_halted_minutes_and_other_symbols_are_no_comparison():
    own = repaired(canonical(candles([0], trades=0)), second([1], close=90.0), {"BTCUSDT": [Gap(at(1), at(2))]}, "x")
    found = deviation(own, pa.concat_tables([second([0, 1], close=80.0), second([0], "ETHUSDT")]), 0.005)
    assert (found.minutes, found.beyond, found.worst_minutes) == (0, 0, ())
    assert np.isnan(found.worst)
