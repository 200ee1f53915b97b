from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.features import table as module
from bitpredict.features.catalog import (
    FEATURE_NAMES,
    FEATURE_SET_VERSION,
    FEATURE_TABLE,
    FEATURES,
    LOOKBACK,
    MARKET_FEATURES,
    OWN_FEATURES,
    PRICE_FEATURES,
)
from bitpredict.features.table import feature_table, features_between, latest_features, price_features
from bitpredict.market.time import DAY, MINUTE
from bitpredict.storage.contracts import CANDLES
from tests.support.candles import archived_candles
from tests.support.past import Past

START = datetime(2023, 11, 11, tzinfo=UTC)
END = START + 2 * DAY


def same_bits(one: pa.Table, other: pa.Table) -> None:
    """Equal in every column of every row; the message names the first column that is not."""
    assert one.schema == other.schema
    assert [name for name in one.column_names if not one[name].equals(other[name])] == []


def between(table: pa.Table, start: datetime, end: datetime) -> pa.Table:
    origin = table["origin"]
    return table.filter(pc.and_(pc.greater_equal(origin, pa.scalar(start)), pc.less(origin, pa.scalar(end))))


def changed(candles: pa.Table, change) -> pa.Table:
    frame = candles.to_pandas()
    return CANDLES.conform(pa.Table.from_pandas(change(frame), preserve_index=False))


@pytest.fixture(scope="module")
def two_days(holed) -> pa.Table:
    return features_between(holed, START, END)


@pytest.mark.slow
def test_the_latest_row_alone_has_the_bits_of_the_whole_range(holed, two_days):
    """Every seventh of two days' origins, so that each place in the hour and both midnights are met."""
    origins = sorted([START + timedelta(minutes=5 * i) for i in range(0, 576, 7)] + [START + DAY])
    alone = pa.concat_tables([features_between(holed, origin, origin + 5 * MINUTE) for origin in origins])
    same_bits(two_days.filter(pc.is_in(two_days["origin"], pa.array(origins, two_days["origin"].type))), alone)
    assert 2 * (len(origins) - 8) < alone.num_rows < 2 * len(origins)
    eth = alone.filter(pc.equal(alone["symbol"], "ETHUSDT"))
    same_bits(eth.slice(9, 1), latest_features(holed, "ETHUSDT", eth["origin"][9].as_py()))


def test_a_range_has_the_same_bits_wherever_it_starts_and_however_it_is_cut(only_bitcoin, monkeypatch):
    whole = price_features(only_bitcoin, "BTCUSDT", START - DAY, END)
    same_bits(between(whole, START, END), price_features(only_bitcoin, "BTCUSDT", START, END))
    monkeypatch.setattr(module, "STRETCH", timedelta(hours=7))
    same_bits(whole, price_features(only_bitcoin, "BTCUSDT", START - DAY, END))


@pytest.mark.slow
def test_no_feature_reaches_further_back_than_it_declares(fortnight):
    """At the end of a day, when the indicators' anchor is farthest away."""
    origin = END - timedelta(minutes=5)
    whole = latest_features(fortnight, "BTCUSDT", origin)
    for reach in sorted({feature.lookback_minutes for feature in FEATURES} - {0}):
        cut = fortnight.filter(pc.greater_equal(fortnight["open_time"], pa.scalar(origin - reach * MINUTE)))
        names = [feature.name for feature in FEATURES if feature.lookback_minutes <= reach]
        same_bits(whole.select(names), latest_features(cut, "BTCUSDT", origin).select(names))


def test_price_features_joined_are_the_feature_table(fortnight):
    rows = [price_features(fortnight, symbol, START, END) for symbol in ("ETHUSDT", "BTCUSDT")]
    same_bits(feature_table(pa.concat_tables(rows)), features_between(fortnight, START, END))


def test_a_quiet_range_is_complete(fortnight):
    table = features_between(fortnight, START, END)
    assert table.schema.equals(FEATURE_TABLE.schema, check_metadata=True)
    assert table.num_rows == 2 * 576
    assert table["origin"].to_pylist() == [START + timedelta(minutes=5 * (i // 2)) for i in range(2 * 576)]
    assert {f.name: table[f.name].null_count for f in MARKET_FEATURES if table[f.name].null_count} == {}
    assert set(table["feature_set_version"].to_pylist()) == {FEATURE_SET_VERSION}
    assert set(table["provenance"].to_pylist()) == {"observed"}
    assert table["known_at"].equals(table["origin"])
    btc = table.filter(pc.equal(table["symbol"], "BTCUSDT")).to_pandas()
    eth = table.filter(pc.equal(table["symbol"], "ETHUSDT")).to_pandas()
    for name in ("log_rv_60", "return_60", "coverage_60"):
        np.testing.assert_array_equal(btc[f"other_{name}"], eth[name])
        np.testing.assert_array_equal(eth[f"other_{name}"], btc[name])
    closes = fortnight.filter(pc.equal(fortnight["symbol"], "BTCUSDT")).to_pandas().set_index("open_time")["close"]
    np.testing.assert_array_equal(btc["reference_price"], closes.loc[btc["origin"] - MINUTE])


def test_coverage_is_the_share_of_minutes_with_a_valid_return(case):
    case.check(lambda past: {"coverage": past.returns(10080).size / 10080, "coverage_60": past.returns(60).size / 60})


def test_the_outage_of_march_2023(recordings):
    candles = archived_candles(recordings / "binance_archive", ["BTCUSDT"], date(2023, 3, 15), date(2023, 3, 26))
    rows = price_features(candles, "BTCUSDT", datetime(2023, 3, 24, tzinfo=UTC), datetime(2023, 3, 25, tzinfo=UTC))
    frame = rows.to_pandas().set_index("origin")
    absent = pd.date_range("2023-03-24", periods=288, freq="5min", tz=UTC).difference(frame.index)
    assert (absent[0], absent[-1], len(absent)) == (
        pd.Timestamp("2023-03-24 12:45", tz=UTC),
        pd.Timestamp("2023-03-24 14:00", tz=UTC),
        16,
    )
    halted = frame.loc["2023-03-24 12:40"]
    assert halted["coverage_60"] == 0
    assert halted["reference_price"] == 28080.0
    assert halted[["log_rv_60", "return_60", "trades_60", "below_high_60", "taker_imbalance_60", "rsi_14"]].isna().all()
    assert halted["log_rv_180"] == pytest.approx(
        np.log(Past.of(candles.to_pandas(), "BTCUSDT").at(pd.Timestamp("2023-03-24 12:40", tz=UTC)).rv(180))
    )
    # The jump from 28,080 to 27,925 across the hole is nobody's minute: no return holds it.
    assert frame.loc["2023-03-24 14:05", "return_60"] > -0.003
    assert frame.loc["2023-03-24 14:05", "coverage_60"] == pytest.approx(4 / 60)


def test_a_day_without_candles_stores_nothing_though_its_midnight_could_be_forecast(only_bitcoin):
    until = only_bitcoin.filter(pc.less(only_bitcoin["open_time"], pa.scalar(START)))
    assert price_features(until, "BTCUSDT", START, START + DAY).num_rows == 0
    assert latest_features(until, "BTCUSDT", START).num_rows == 1
    assert latest_features(until, "BTCUSDT", START + 5 * MINUTE).num_rows == 0
    same_bits(latest_features(until, "BTCUSDT", START), latest_features(only_bitcoin, "BTCUSDT", START))


def test_an_origin_without_its_last_candle_has_no_row(only_bitcoin):
    missing = START + timedelta(hours=9, minutes=59)
    candles = only_bitcoin.filter(pc.not_equal(only_bitcoin["open_time"], pa.scalar(missing)))
    origins = price_features(candles, "BTCUSDT", START, START + DAY)["origin"].to_pylist()
    assert len(origins) == 287
    assert missing + MINUTE not in origins


def test_ranges_that_start_and_end_between_origins(only_bitcoin):
    rows = price_features(only_bitcoin, "BTCUSDT", START + 3 * MINUTE, START + 15 * MINUTE)
    assert rows["origin"].to_pylist() == [START + 5 * MINUTE, START + 10 * MINUTE]
    assert latest_features(only_bitcoin, "BTCUSDT", START + 3 * MINUTE).num_rows == 0


def test_without_candles_there_are_no_rows(only_bitcoin):
    assert price_features(CANDLES.empty(), "BTCUSDT", START, END).equals(PRICE_FEATURES.empty())
    assert price_features(only_bitcoin, "ETHUSDT", START, END).equals(PRICE_FEATURES.empty())
    assert feature_table(PRICE_FEATURES.empty()).equals(FEATURE_TABLE.empty())
    assert features_between(CANDLES.empty(), START, END).equals(FEATURE_TABLE.empty())


def test_a_repaired_or_simulated_candle_shows_for_as_long_as_a_window_reaches_it(fortnight):
    repaired = datetime(2023, 11, 3, 6, tzinfo=UTC)
    known = datetime(2023, 11, 12, 9, tzinfo=UTC)

    def repair(frame: pd.DataFrame) -> pd.DataFrame:
        row = (frame["open_time"] == repaired) & (frame["symbol"] == "BTCUSDT")
        frame.loc[row, "provenance"] = "repaired:cryptocompare"
        frame.loc[row, "known_at"] = pd.Timestamp(known)
        return frame

    table = price_features(changed(fortnight, repair), "BTCUSDT", START, END).to_pandas().set_index("origin")
    reached = table.index <= repaired + LOOKBACK
    assert set(table.loc[reached, "provenance"]) == {"repaired"}
    assert set(table.loc[~reached, "provenance"]) == {"observed"}
    assert (table.loc[reached, "known_at"] == known).all()
    assert (table.loc[~reached, "known_at"] == table.index[~reached]).all()
    simulated = changed(fortnight, lambda frame: frame.assign(provenance="simulated"))
    assert latest_features(simulated, "ETHUSDT", START)["provenance"].to_pylist() == ["simulated"]


def test_the_same_candles_a_week_later_have_the_same_features(fortnight):
    """Over a week without a change of New York's clock, so that hour, weekday and sessions agree too."""
    week = timedelta(days=7)
    later = changed(fortnight, lambda f: f.assign(open_time=f["open_time"] + week, known_at=f["known_at"] + week))
    now, then = features_between(fortnight, START, END), features_between(later, START + week, END + week)
    same_bits(now.select(list(FEATURE_NAMES)), then.select(list(FEATURE_NAMES)))


def test_features_have_no_scale(fortnight):
    """A coin at eight times the price, traded in sixteen times the amount, has the same features."""

    def scaled(frame: pd.DataFrame) -> pd.DataFrame:
        frame[["open", "high", "low", "close"]] *= 8
        frame[["volume", "taker_buy_volume"]] *= 16
        return frame

    names = [feature.name for feature in OWN_FEATURES]
    one = price_features(fortnight, "BTCUSDT", START, START + DAY).select(names).to_pandas()
    other = price_features(changed(fortnight, scaled), "BTCUSDT", START, START + DAY).select(names).to_pandas()
    pd.testing.assert_frame_equal(one, other, rtol=1e-8, atol=1e-9)
