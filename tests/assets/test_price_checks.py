"""The checks of `candles` pass on real days and fail visibly, with the day's name, on planted faults."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from bitpredict.market.time import DAY
from bitpredict.settings import Settings
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES
from bitpredict.storage.lake import Lake
from tests.support.graph import Ran, check_alone, run_job

DAY_10, DAY_11 = datetime(2023, 11, 10, tzinfo=UTC), datetime(2023, 11, 11, tzinfo=UTC)
NOON = timedelta(hours=12)

Fault = Callable[[pd.DataFrame], pd.DataFrame]


def at(moment: datetime, **values: float) -> Fault:
    """BTCUSDT's candle of this minute with other values."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        row = (frame["symbol"] == "BTCUSDT") & (frame["open_time"] == moment)
        assert row.sum() == 1
        return frame.assign(**{name: frame[name].mask(row, value) for name, value in values.items()})

    return change


def without(start: datetime, minutes: int) -> Fault:
    """BTCUSDT's candles of these minutes left out."""

    def cut(frame: pd.DataFrame) -> pd.DataFrame:
        gone = (frame["open_time"] >= start) & (frame["open_time"] < start + timedelta(minutes=minutes))
        return frame[~(gone & (frame["symbol"] == "BTCUSDT"))]

    return cut


def moved(start: datetime, factor: float) -> Fault:
    """Every price of BTCUSDT from this minute on times `factor`."""

    def move(frame: pd.DataFrame) -> pd.DataFrame:
        later = (frame["symbol"] == "BTCUSDT") & (frame["open_time"] >= start)
        prices = {name: frame[name].mask(later, frame[name] * factor) for name in ("open", "high", "low", "close")}
        return frame.assign(**prices)

    return move


def planted(lake: Lake, *faults: Fault, first: datetime = DAY_10) -> Ran:
    """Make `candles` of the days up to the 11th from stored source candles that have these faults."""
    end = DAY_11 + DAY
    frame: pd.DataFrame = lake.read(BINANCE_CANDLES, first, end).to_pandas()
    for fault in faults:
        frame = fault(frame)
    lake.replace(BINANCE_CANDLES, pa.Table.from_pandas(frame, preserve_index=False), first, end)
    return run_job("prices_and_features", f"{first:%Y-%m-%d}", "2023-11-11", ["candles"])


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
def test_candles_that_contradict_themselves_are_an_error(lake):
    ran = planted(
        lake,
        at(DAY_10 + NOON, high=1.0),
        at(DAY_11 + NOON, low=1e6),
        at(DAY_11 + 1.5 * NOON, volume=-1.0),
        at(DAY_11, close=1e-3, volume=-1.0),
    )
    check = ran.check("consistent")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert ran.check_metadata("consistent") == {
        "failing rows": 4,
        "failing days": {"BTCUSDT 2023-11-11": 3, "BTCUSDT 2023-11-10": 1},
    }


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
@pytest.mark.parametrize(
    ("start", "minutes", "named"),
    [
        pytest.param(DAY_11 + NOON, 80, {"BTCUSDT 2023-11-11": 80}, id="within a day"),
        pytest.param(DAY_10, 5, {"BTCUSDT 2023-11-10": 5}, id="the run's first minutes"),
        pytest.param(DAY_11 + DAY - timedelta(minutes=3), 3, {"BTCUSDT 2023-11-11": 3}, id="the run's last minutes"),
        pytest.param(
            DAY_11 - timedelta(minutes=7),
            9,
            {"BTCUSDT 2023-11-10": 7, "BTCUSDT 2023-11-11": 2},
            id="over midnight",
        ),
        pytest.param(DAY_10, 2880, {"BTCUSDT 2023-11-10": 1440, "BTCUSDT 2023-11-11": 1440}, id="all of the run"),
    ],
)
def test_missing_minutes_are_counted_by_day(lake, start, minutes, named):
    ran = planted(lake, without(start, minutes))
    check = ran.check("complete")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert ran.check_metadata("complete") == {"missing minutes": named}
    assert ran.success


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
def test_minutes_before_a_symbols_first_candle_are_not_missing(lake):
    """Its listing at noon of the 10th: nothing is missing before."""
    november_2 = DAY_10 - 8 * DAY
    assert planted(lake, without(november_2, 8 * 1440 + 720), first=november_2).check("complete").passed


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
def test_a_symbol_that_is_no_longer_collected_is_not_missed(lake, monkeypatch):
    monkeypatch.setenv("BITPREDICT_SYMBOLS", "ETHUSDT")
    assert planted(lake, without(DAY_11, 1440)).check("complete").passed


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
@pytest.mark.parametrize(
    ("first", "start"),
    [
        pytest.param(DAY_10, DAY_11 + NOON, id="within a day"),
        pytest.param(DAY_10, DAY_11, id="over midnight, within the run"),
        pytest.param(DAY_11, DAY_11, id="over the midnight before the run"),
    ],
)
def test_a_jump_is_named_by_the_day_it_leads_into(lake, first, start):
    ran = planted(lake, moved(start, 1.3), first=first)
    check = ran.check("no_jump")
    said = ran.check_metadata("no_jump")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert said["failing days"] == {"BTCUSDT 2023-11-11": 1}
    assert said["largest move"] == pytest.approx(0.3, abs=0.01)


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
def test_a_close_that_stands_out_is_flagged_and_stays_as_it_is_and_a_new_level_is_none(lake):
    was = lake.read(BINANCE_CANDLES, DAY_11 + NOON, DAY_11 + NOON + timedelta(minutes=1), symbols=["BTCUSDT"])
    odd = was["close"][0].as_py() * 1.02
    ran = planted(lake, at(DAY_11 + NOON, close=odd, high=2 * odd), moved(DAY_11 + NOON / 2, 1.05))
    check, said = ran.check("no_outlier"), ran.check_metadata("no_outlier")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert said["outliers"] == 1
    assert said["first of them"] == ["BTCUSDT 2023-11-11 12:00"]
    assert said["nobody told"] == {"missing_trade_count": 0, "missing_taker_buy_volume": 0}
    stored = lake.read(CANDLES, DAY_11 + NOON, DAY_11 + NOON + timedelta(minutes=1), symbols=["BTCUSDT"])
    assert stored["close"][0].as_py() == odd * 1.05


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
def test_alone_the_checks_look_at_what_is_stored(lake):
    assert {name: check.passed for name, check in check_alone("candles").checks.items()} == {
        "consistent": True,
        "complete": True,
        "no_jump": True,
        "cross_source_deviation": True,
        "no_outlier": True,
    }
    planted(lake, at(DAY_10 + NOON, high=1.0))
    assert check_alone("candles").check_metadata("consistent")["failing days"] == {"BTCUSDT 2023-11-10": 1}


def test_alone_on_an_empty_lake_they_say_what_to_do(settings: Settings):
    ran = check_alone("candles")
    assert not ran.success
    (why,) = set(ran.failures.values())
    assert why.endswith("candles is empty; materialize it before checking it")
    assert not Lake.from_settings(settings).days(CANDLES)
