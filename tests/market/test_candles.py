from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.market.candles import ABSURD_FACTOR, CANDLE_SCHEMA, canonical, clean, mark_halts
from bitpredict.sources.binance_archive import BinanceArchive
from bitpredict.sources.http import HttpClient
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES

START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + timedelta(days=2)


def row(minute: float = 0, **changes) -> dict:
    time = START + timedelta(minutes=minute)
    good = {
        "symbol": "BTCUSDT",
        "open_time": time,
        "open": 100.0,
        "high": 101.0,
        "low": 99.0,
        "close": 100.5,
        "volume": 5.0,
        "quote_volume": 500.0,
        "trade_count": 7,
        "taker_buy_volume": 2.0,
        "provenance": "observed",
        "known_at": time + timedelta(minutes=1),
    }
    return good | changes


def table(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CANDLE_SCHEMA)


def cleaned(*rows: dict):
    return clean(table(*rows), "BTCUSDT", START, END)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"symbol": "ETHUSDT"}, "another symbol", id="another symbol"),
        pytest.param({"symbol": None}, "another symbol", id="no symbol"),
        pytest.param({"open_time": None}, "no time", id="no time"),
        pytest.param({"known_at": None}, "no time", id="never known"),
        pytest.param({"open_time": START + timedelta(seconds=30)}, "not on a full minute", id="half a minute"),
        pytest.param({"open_time": START + timedelta(microseconds=1)}, "not on a full minute", id="a microsecond"),
        pytest.param({"open_time": START - timedelta(minutes=1)}, "outside the range", id="too early"),
        pytest.param({"open_time": END}, "outside the range", id="too late"),
        pytest.param({"close": None}, "missing or not finite", id="no close"),
        pytest.param({"high": float("nan")}, "missing or not finite", id="NaN"),
        pytest.param({"high": float("inf")}, "missing or not finite", id="infinite"),
        pytest.param({"volume": None}, "missing or not finite", id="no volume"),
        pytest.param({"quote_volume": float("inf")}, "missing or not finite", id="infinite volume"),
        pytest.param({"trade_count": None}, "missing or not finite", id="no count"),
        pytest.param({"open": -100.0, "low": -101.0}, "price not above zero", id="negative"),
        pytest.param({"low": 0.0}, "price not above zero", id="zero"),
        pytest.param({"volume": -1.0}, "amount below zero", id="negative volume"),
        pytest.param({"trade_count": -1}, "amount below zero", id="negative count"),
        pytest.param({"high": 99.0, "low": 101.0}, "high below low", id="high below low"),
        pytest.param({"open": 102.0}, "open or close outside low and high", id="open above high"),
        pytest.param({"close": 98.0}, "open or close outside low and high", id="close below low"),
        pytest.param({"high": 5000.0}, "absurd price", id="absurdly high"),
        pytest.param({"low": 0.0001}, "absurd price", id="absurdly low"),
    ],
)
def test_a_row_that_cannot_be_believed_is_counted_with_its_reason(changes, reason):
    batch = cleaned(row(0), row(1), row(2, **changes), row(3))
    assert batch.rejected == {reason: 1}
    assert batch.candles.to_pylist() == [row(0), row(1), row(3)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"volume": 0.0, "quote_volume": 0.0, "trade_count": 0, "taker_buy_volume": 0.0}, id="no trade"),
        pytest.param({"open": 99.0, "close": 101.0}, id="open and close at the ends"),
        pytest.param(dict.fromkeys(("open", "high", "low", "close"), 100.0), id="one price"),
        pytest.param({"high": 100.5 * ABSURD_FACTOR, "low": 100.5 / ABSURD_FACTOR}, id="wild, not absurd"),
    ],
)
def test_unusual_rows_that_are_kept(changes):
    batch = cleaned(row(0), row(1), row(2, **changes))
    assert not batch.rejected
    assert batch.candles.slice(2).to_pylist() == [row(2, **changes)]


def test_the_symbol_may_be_left_out():
    batch = clean(table(row(0)).drop_columns("symbol"), "ETHUSDT", START, END)
    assert batch.candles.to_pylist() == [row(0, symbol="ETHUSDT")]


def test_no_rows():
    batch = cleaned()
    assert batch.candles.schema.equals(CANDLE_SCHEMA)
    assert (batch.candles.num_rows, batch.rejected) == (0, {})


def test_a_minute_told_twice_is_kept_once_as_it_was_first_known():
    late = row(1, known_at=START + timedelta(hours=5))
    batch = cleaned(late, row(1), late, row(0))
    assert batch.candles.to_pylist() == [row(0), row(1)]
    assert batch.rejected == {"duplicate": 2}


@pytest.mark.parametrize("difference", [{"close": 100.6}, {"trade_count": 8}, {"provenance": "simulated"}])
def test_a_minute_told_in_two_ways_is_told_in_none(difference):
    batch = cleaned(row(0), row(1), row(1), row(1, **difference), row(2))
    assert batch.candles.to_pylist() == [row(0), row(2)]
    assert batch.rejected == {"conflicting duplicate": 3}


def test_absurd_is_measured_within_a_day_not_across_days():
    """A price may be twenty times that of another day, not that of its own."""
    factor = 20.0
    tomorrow = {name: row()[name] * factor for name in ("open", "high", "low", "close")}
    batch = cleaned(*(row(m) for m in range(3)), *(row(1440 + m, **tomorrow) for m in range(3)), row(4, **tomorrow))
    assert batch.candles.num_rows == 6
    assert batch.rejected == {"absurd price": 1}


def test_an_absurd_price_does_not_make_another_one_believable():
    """95 moves the median to 6.5, by which 12 would pass; without it the median is 1."""
    prices = [1.0, 1.0, 12.0, 95.0]
    batch = cleaned(*(row(m, **dict.fromkeys(("open", "high", "low", "close"), p)) for m, p in enumerate(prices)))
    assert batch.candles["close"].to_pylist() == [1.0, 1.0]
    assert batch.rejected == {"absurd price": 2}


PRICE = st.sampled_from([0.5, 9.0, 99.0, 100.0, 101.0, 1500.0, 90_000.0, -1.0, 0.0, float("nan"), float("inf"), None])
ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from([-1, 0, 0.5, 1, 2, 3, 1440, 1441, 2879, 2880]),
        symbol=st.sampled_from(["BTCUSDT"] * 5 + ["ETHUSDT"]),
        open=PRICE | st.just(100.0),
        high=PRICE | st.just(101.0),
        low=PRICE | st.just(99.0),
        trade_count=st.sampled_from([7, 7, 7, 0, -1, None]),
    ),
    max_size=30,
)


def content(batch) -> tuple[list[dict], dict[str, int]]:
    return batch.candles.to_pylist(), dict(batch.rejected)


@given(ROWS, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows, random):
    shuffled = sorted(rows, key=lambda _: random.random())
    assert content(cleaned(*shuffled)) == content(cleaned(*rows))


@given(ROWS)
def test_cleaning_again_changes_nothing(rows):
    once = cleaned(*rows)
    again = clean(once.candles, "BTCUSDT", START, END)
    assert content(again) == (once.candles.to_pylist(), {})


@given(ROWS)
def test_rows_given_twice_leave_the_same_candles(rows):
    assert cleaned(*rows, *rows).candles.equals(cleaned(*rows).candles)


@given(ROWS)
def test_no_row_is_lost(rows):
    batch = cleaned(*rows)
    assert batch.candles.num_rows + sum(batch.rejected.values()) == len(rows)


@given(ROWS)
def test_what_is_kept_are_given_rows_that_keep_the_contract(rows):
    batch = cleaned(*rows)
    assert all(kept in rows for kept in batch.candles.to_pylist())
    assert BINANCE_CANDLES.conform(batch.candles).equals(batch.candles.cast(BINANCE_CANDLES.schema))


@given(ROWS)
def test_two_days_at_once_are_one_and_then_the_other(rows):
    noon = START + timedelta(days=1)
    both = cleaned(*rows)
    parts = [clean(table(*rows), "BTCUSDT", *range_) for range_ in ((START, noon), (noon, END))]
    assert pa.concat_tables([part.candles for part in parts]).to_pylist() == both.candles.to_pylist()
    inside = Counter(parts[0].rejected) + Counter(parts[1].rejected)
    for reason in set(inside) - {"outside the range", "another symbol", "no time", "not on a full minute"}:
        assert inside[reason] == both.rejected[reason]


class TestHalts:
    def test_a_minute_is_halted_when_no_symbol_traded(self):
        rows = [
            row(0, trade_count=0),
            row(0, trade_count=0, symbol="ETHUSDT"),
            row(1, trade_count=0),
            row(1, symbol="ETHUSDT"),
            row(2),
            row(3, trade_count=0),
        ]
        assert mark_halts(table(*rows))["halted"].to_pylist() == [True, True, False, False, False, True]

    def test_nothing(self):
        assert mark_halts(table())["halted"].to_pylist() == []

    @given(
        st.lists(
            st.tuples(st.integers(0, 5), st.sampled_from(["A", "B", "C"]), st.integers(0, 1)), unique_by=lambda x: x[:2]
        )
    )
    def test_against_a_loop(self, minutes):
        halted = mark_halts(table(*(row(m, symbol=s, trade_count=n) for m, s, n in minutes)))["halted"].to_pylist()
        assert halted == [sum(n for m, _, n in minutes if m == minute) == 0 for minute, _, _ in minutes]


def test_canonical_candles_keep_the_lakes_contract_in_its_order():
    rows = [row(1), row(0, symbol="ETHUSDT"), row(0)]
    made = canonical(table(*rows))
    assert made.cast(CANDLES.schema).equals(CANDLES.conform(made))
    assert made.select(["open_time", "symbol"]).to_pylist() == [
        {"open_time": START, "symbol": "BTCUSDT"},
        {"open_time": START, "symbol": "ETHUSDT"},
        {"open_time": START + timedelta(minutes=1), "symbol": "BTCUSDT"},
    ]


def test_the_recorded_halt_is_stored_as_observed_and_flagged(recordings):
    day = date(2023, 3, 24)
    batch = BinanceArchive(str(recordings / "binance_archive"), HttpClient("test")).day("BTCUSDT", day)
    candles = canonical(batch.candles)
    halted = candles.filter(candles["halted"])
    midnight = datetime(2023, 3, 24, tzinfo=UTC)
    expected = [midnight + timedelta(hours=11, minutes=28) + timedelta(minutes=m) for m in range(72)]
    assert halted["open_time"].to_pylist() == expected
    assert halted["provenance"].unique().to_pylist() == ["observed"]
    assert np.unique(halted["close"].to_numpy()).tolist() == [28080.0]
    assert candles.num_rows == 1440 - 80
    assert not batch.rejected
