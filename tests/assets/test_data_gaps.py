"""`data_gaps`: the ledger of missing minutes, however the runs are cut, and what becomes of a hole."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine

from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.gap_ledger import read_gaps
from tests.support.graph import run_job
from tests.support.klines import csv, line

JOB = "prices_and_features"
PRICES = ["binance_candles", "candles", "data_gaps"]
FIRST, SECOND, THIRD = date(2023, 11, 10), date(2023, 11, 11), date(2023, 11, 12)


def ledger(engine: Engine) -> list[tuple[str, str, str, int, str]]:
    """(symbol, start, end, minutes, status) of every row."""
    gaps = read_gaps(engine)
    assert set(gaps["source"]) <= {"binance"}
    return [
        (row.symbol, f"{row.start:%m-%d %H:%M}", f"{row.end:%m-%d %H:%M}", row.minutes, row.status)
        for row in gaps.itertuples()
    ]


@pytest.fixture
def holed(put_day):
    """BTCUSDT lacks 12:40 to 13:59 on the 11th and the minutes around the next midnight; ETHUSDT is whole."""
    put_day("BTCUSDT", FIRST)
    put_day("BTCUSDT", SECOND, csv(SECOND, [*range(760), *range(840, 1437)]))
    put_day("BTCUSDT", THIRD, csv(THIRD, range(2, 1440)))
    for day in (FIRST, SECOND, THIRD):
        put_day("ETHUSDT", day)


HOLES = [
    ("BTCUSDT", "11-11 12:40", "11-11 14:00", 80, "open"),
    ("BTCUSDT", "11-11 23:57", "11-12 00:02", 5, "open"),
]


@pytest.mark.slow
@pytest.mark.usefixtures("holed")
def test_a_hole_is_one_open_gap_and_nothing_is_filled(engine, lake):
    ran = run_job(JOB, f"{FIRST}", f"{THIRD}", PRICES)
    said = ran.metadata("data_gaps")
    assert ledger(engine) == HOLES
    assert said["rows in the ledger"] == said["open gaps in all"] == 2
    assert said["missing minutes of these days"] == {"BTCUSDT": 85, "ETHUSDT": 0}
    assert "2023-11-11 12:40" in said["preview"]
    assert lake.read(CANDLES, symbols=["BTCUSDT"]).num_rows == 3 * 1440 - 85


@pytest.mark.slow
@pytest.mark.usefixtures("holed")
@pytest.mark.parametrize("order", [(FIRST, SECOND, THIRD), (FIRST, THIRD, SECOND)], ids=["forward", "mixed"])
def test_runs_of_single_days_write_the_same_ledger(engine, order):
    for day in order:
        assert run_job(JOB, f"{day}", assets=PRICES).success
    assert ledger(engine) == HOLES


@pytest.mark.slow
@pytest.mark.usefixtures("holed")
def test_running_again_changes_nothing(engine):
    run_job(JOB, f"{FIRST}", f"{THIRD}", PRICES)
    before = read_gaps(engine)
    run_job(JOB, f"{SECOND}", f"{THIRD}", PRICES)
    assert read_gaps(engine).equals(before)


@pytest.mark.slow
@pytest.mark.usefixtures("holed")
def test_a_hole_that_the_source_fills_later_is_repaired(engine, put_day):
    run_job(JOB, f"{FIRST}", f"{THIRD}", PRICES)
    put_day("BTCUSDT", SECOND)
    assert run_job("repair", f"{SECOND}", assets=PRICES).metadata("data_gaps")["open gaps in all"] == 1
    assert ledger(engine) == [
        ("BTCUSDT", "11-11 12:40", "11-11 14:00", 80, "repaired"),
        ("BTCUSDT", "11-11 23:57", "11-12 00:00", 3, "repaired"),
        ("BTCUSDT", "11-12 00:00", "11-12 00:02", 2, "open"),
    ]


@pytest.mark.slow
def test_minutes_before_the_listing_are_no_gap_and_a_lost_day_is(engine, put_day):
    """ETHUSDT trades from noon of the 10th; its 11th is lost; BTCUSDT is whole."""
    for day in (FIRST, SECOND, THIRD):
        put_day("BTCUSDT", day)
    put_day("ETHUSDT", FIRST, csv(FIRST, range(720, 1440)))
    put_day("ETHUSDT", THIRD)
    run_job(JOB, f"{FIRST}", f"{THIRD}", PRICES)
    assert ledger(engine) == [("ETHUSDT", "11-11 00:00", "11-12 00:00", 1440, "open")]


@pytest.mark.slow
def test_minutes_in_which_the_exchange_stood_still_are_stored_and_flagged(engine, lake, put_day):
    """As in the recorded outage: no trade of any symbol, then no candle. One symbol at rest is no halt."""
    still, gone = range(688, 760), range(760, 840)
    for symbol, quiet in (("BTCUSDT", {*still}), ("ETHUSDT", {*still, 10, 11})):
        minutes = [line(FIRST, m, trades=0 if m in quiet else 7) for m in range(1440) if m not in gone]
        put_day(symbol, FIRST, "\n".join(minutes))
    ran = run_job(JOB, f"{FIRST}", assets=PRICES)
    candles = lake.read(CANDLES).to_pandas()
    halted = candles[candles["halted"]]
    assert ran.metadata("candles")["halted minutes"] == len(halted) == 2 * 72
    assert halted["open_time"].min() == datetime(2023, 11, 10, 11, 28, tzinfo=UTC)
    assert halted["open_time"].max() == datetime(2023, 11, 10, 12, 39, tzinfo=UTC)
    assert set(halted["provenance"]) == {"observed"}
    assert ledger(engine) == [(symbol, "11-10 12:40", "11-10 14:00", 80, "open") for symbol in ("BTCUSDT", "ETHUSDT")]
