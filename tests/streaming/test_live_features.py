from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.features.catalog import LOOKBACK, OWN_FEATURES
from bitpredict.features.table import price_features
from bitpredict.streaming.live_features import LiveRow, row_at
from bitpredict.streaming.minute_store import SPARE, MinuteStore
from tests.support.candles import archived_candles
from tests.support.streams import as_candles

MINUTE = timedelta(minutes=1)
FIRST, LAST = datetime(2023, 11, 20, tzinfo=UTC), datetime(2023, 12, 6, tzinfo=UTC)
NAMES = [*(feature.name for feature in OWN_FEATURES), "reference_price", "coverage", "coverage_60"]


@pytest.fixture(scope="module")
def candles(sample) -> pa.Table:
    return archived_candles(sample, ["BTCUSDT"], FIRST.date(), date(2023, 12, 6))


@pytest.fixture(scope="module")
def holed(candles) -> pa.Table:
    """Without the minutes of holes: single ones, an hour, a night."""
    rng = np.random.default_rng(5)
    keep = rng.random(candles.num_rows) > 0.002
    for start, minutes in ((9_000, 60), (14_000, 480), (20_100, 7)):
        keep[start : start + minutes] = False
    return candles.filter(pa.array(keep))


def assert_same_bits(live: LiveRow, batch: dict[str, object]) -> None:
    for name in NAMES:
        expected = np.nan if batch[name] is None else float(batch[name])
        assert np.float64(live.values[name]).tobytes() == np.float64(expected).tobytes() or (
            np.isnan(live.values[name]) and np.isnan(expected)
        ), f"{name} at {live.origin}: {live.values[name]!r} is not {expected!r}"
    assert (live.origin, live.provenance) == (batch["origin"], batch["provenance"])
    assert (live.reference_price, live.coverage_60) == (batch["reference_price"], batch["coverage_60"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "holed"])
def test_a_live_row_is_the_batch_row_bit_by_bit(kind, candles, holed):
    """Minutes come one by one after a history of nine days; every origin of the table that was not passed by."""
    table = candles if kind == "whole" else holed
    start = FIRST + timedelta(days=9, hours=3)
    batch = {row["origin"]: row for row in price_features(table, "BTCUSDT", start, LAST).to_pylist()}
    store = MinuteStore("BTCUSDT")
    store.load(table, start - LOOKBACK, start)
    compared = 0
    for candle in as_candles(table.filter(pc.greater_equal(table["open_time"], pa.scalar(start)))):
        assert store.add(candle)
        origin = candle.open_time + MINUTE
        if origin in batch and (compared < 20 or origin.minute == 35 or origin.hour == 0):
            assert_same_bits(row_at(store, origin), batch[origin])
        compared += origin in batch
    assert compared == len(batch) - (start in batch) > 1500


def test_a_row_in_the_past_does_not_look_at_what_came_later(candles):
    early, late = MinuteStore("BTCUSDT"), MinuteStore("BTCUSDT")
    origin = datetime(2023, 12, 2, 7, 31, tzinfo=UTC)
    early.load(candles, origin - LOOKBACK, origin)
    late.load(candles, origin - LOOKBACK, origin + timedelta(minutes=SPARE))
    assert row_at(early, origin).values == pytest.approx(row_at(late, origin).values, rel=0, abs=0, nan_ok=True)


def test_a_minute_is_kept_as_it_came_first(candles):
    store = MinuteStore("BTCUSDT")
    one, other = as_candles(candles.slice(0, 2))
    assert store.add(one)
    assert not store.add(one)
    assert store.has(one.open_time)
    assert not store.has(other.open_time)
    assert store.grid(other.open_time + MINUTE) is None
    assert row_at(store, one.open_time + MINUTE).reference_price == one.close


def test_minutes_long_gone_are_forgotten_and_memory_stays(candles):
    store = MinuteStore("BTCUSDT")
    for candle in as_candles(candles):
        store.add(candle)
    size = store._numbers.nbytes
    assert not store.add(as_candles(candles.slice(0, 1))[0])
    assert store.grid(FIRST + timedelta(days=2)) is None
    assert size == store._numbers.nbytes < 1_000_000


def test_a_halted_minute_of_the_lake_stays_halted(candles):
    halted = candles.set_column(
        candles.column_names.index("halted"),
        candles.schema.field("halted"),
        pa.array(np.arange(candles.num_rows) % 50 == 7),
    )
    origin = FIRST + timedelta(days=10)
    store = MinuteStore("BTCUSDT")
    store.load(halted, origin - LOOKBACK, origin)
    (batch,) = price_features(halted, "BTCUSDT", origin, origin + MINUTE).to_pylist()
    assert_same_bits(row_at(store, origin), batch)
    assert batch["coverage_60"] < 1.0
