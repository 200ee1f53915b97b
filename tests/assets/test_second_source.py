"""`cryptocompare_candles`, the repairs that `candles` makes from it, and the check that compares the two."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from bitpredict.storage.contracts import CANDLES, CRYPTOCOMPARE_CANDLES
from bitpredict.storage.gap_ledger import read_gaps
from tests.support.archive_server import Answer, ArchiveServer, serve
from tests.support.cryptocompare import ROUTE, market
from tests.support.graph import Ran, run_job
from tests.support.klines import csv

pytestmark = pytest.mark.slow

JOB = "prices_and_features"
PRICES = ["binance_candles", "cryptocompare_candles", "candles", "data_gaps"]
FIRST, SECOND, THIRD = date(2023, 11, 10), date(2023, 11, 11), date(2023, 11, 12)
DAYS = (FIRST, SECOND, THIRD)
HOLE = datetime(2023, 11, 11, 12, 40, tzinfo=UTC)
QUIET = timedelta(minutes=5)


@pytest.fixture
def cryptocompare(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    """The second source. In the last five minutes of BTCUSDT's hole nobody traded there either."""
    with serve() as server:
        server.routes[ROUTE] = market(close=lambda _pair, _time: 100.2, without=nobody_traded)
        monkeypatch.setenv("BITPREDICT_CRYPTOCOMPARE_URL", server.url)
        monkeypatch.setenv("BITPREDICT_HTTP_ATTEMPTS", "1")
        yield server


def nobody_traded(pair: str, moment: datetime) -> bool:
    end = HOLE + timedelta(minutes=80)
    return pair == "BTCUSDT" and end - QUIET <= moment < end


@pytest.fixture
def holed(put_day) -> Callable[[], None]:
    """BTCUSDT lacks 12:40 to 13:59 on the 11th and the minutes around the next midnight; what is returned puts them."""
    for day in DAYS:
        put_day("BTCUSDT", day)
        put_day("ETHUSDT", day)
    put_day("BTCUSDT", SECOND, csv(SECOND, [*range(760), *range(840, 1437)]))
    put_day("BTCUSDT", THIRD, csv(THIRD, range(2, 1440)))

    def mend() -> None:
        put_day("BTCUSDT", SECOND)
        put_day("BTCUSDT", THIRD)

    return mend


def run(first: date = FIRST) -> Ran:
    ran = run_job(JOB, f"{first}", f"{THIRD}", PRICES)
    assert ran.success, ran.failures
    return ran


def ledger(engine) -> list[tuple[str, str, str, str, str | None]]:
    gaps = read_gaps(engine)
    return [
        (row.symbol, f"{row.start:%d %H:%M}", f"{row.end:%d %H:%M}", row.status, row.repaired_from)
        for row in gaps.itertuples()
    ]


REPAIRED = [
    ("BTCUSDT", "11 12:40", "11 13:55", "repaired", "cryptocompare"),
    ("BTCUSDT", "11 13:55", "11 14:00", "open", None),
    ("BTCUSDT", "11 23:57", "12 00:02", "repaired", "cryptocompare"),
]


@pytest.mark.usefixtures("holed")
def test_without_a_setting_nobody_is_asked_and_the_graph_goes_on(settings, lake, engine):
    ran = run()
    assert ran.metadata("cryptocompare_candles") == {
        "skipped": "neither BITPREDICT_CRYPTOCOMPARE_KEY nor BITPREDICT_CRYPTOCOMPARE_URL is set",
        "dagster/row_count": 0,
        "table": f"{settings.lake}/cryptocompare_candles",
        "table version": -1,
    }
    assert lake.version(CRYPTOCOMPARE_CANDLES) is None
    assert ran.check("second_source_there").passed
    assert ran.check("cross_source_deviation").passed
    assert ran.check_metadata("cross_source_deviation")["minutes of both"] == 0
    assert {row[3] for row in ledger(engine)} == {"open"}
    assert set(lake.read(CANDLES)["provenance"].to_pylist()) == {"observed"}


def test_a_hole_is_repaired_and_observed_minutes_replace_the_copies_later(holed, cryptocompare, lake, engine):
    """Found by one run, repaired by the next, the same after another, and observed after all in the end."""
    assert run_job(JOB, f"{FIRST}", f"{THIRD}", ["binance_candles", "candles", "data_gaps"]).success
    assert {row[3] for row in ledger(engine)} == {"open"}
    missed = read_gaps(engine)["first_seen"].min()
    assert not cryptocompare.asked

    ran = run()
    assert ledger(engine) == REPAIRED
    assert read_gaps(engine)["first_seen"].tolist() == [missed] * 3
    said = ran.metadata("cryptocompare_candles")
    assert (said["rejected minutes"], said["days not answered"]) == ({"no trade in it": 5}, [])
    assert said["rows by symbol"] == {"BTCUSDT": 3 * 1440 - 5, "ETHUSDT": 3 * 1440}
    assert ran.row_counts("cryptocompare_candles") == {f"{FIRST}": 2880, f"{SECOND}": 2875, f"{THIRD}": 2880}
    assert ran.metadata("candles")["repaired minutes"] == 80
    assert ran.metadata("data_gaps")["repaired minutes of these days"] == {"BTCUSDT": 80, "ETHUSDT": 0}
    assert ran.metadata("data_gaps")["missing minutes of these days"] == {"BTCUSDT": 5, "ETHUSDT": 0}
    assert ran.check_metadata("complete") == {"missing minutes": {"BTCUSDT 2023-11-11": 5}}
    assert ran.check("second_source_there").passed
    candles = lake.read(CANDLES).to_pandas()
    copied = candles[candles["provenance"] == "repaired:cryptocompare"]
    assert (len(copied), set(copied["symbol"]), set(copied["close"])) == (80, {"BTCUSDT"}, {100.2})
    assert copied["trade_count"].isna().all()
    assert not copied["halted"].any()
    observed = candles[candles["provenance"] == "observed"]
    assert set(observed["close"]) == {100.0}, "an observed minute is never replaced"
    assert observed["trade_count"].notna().all()

    before = [lake.read(contract) for contract in (CANDLES, CRYPTOCOMPARE_CANDLES)]
    run()
    assert [lake.read(contract) for contract in (CANDLES, CRYPTOCOMPARE_CANDLES)] == before
    assert ledger(engine) == REPAIRED

    holed()
    run(SECOND)
    assert set(lake.read(CANDLES)["provenance"].to_pylist()) == {"observed"}
    assert {(*row[1:4], row[4]) for row in ledger(engine)} == {
        ("11 12:40", "11 14:00", "repaired", None),
        ("11 23:57", "12 00:02", "repaired", None),
    }


@pytest.mark.usefixtures("holed")
def test_a_source_that_fails_holds_nothing_and_keeps_what_is_stored(cryptocompare, lake, engine):
    run_job(JOB, f"{SECOND}", assets=["cryptocompare_candles"])
    stored = lake.read(CRYPTOCOMPARE_CANDLES)
    cryptocompare.routes[ROUTE] = lambda _query: Answer(body=b"<!DOCTYPE html><title>Sorry</title>")
    ran = run()
    answers = ran.metadata("cryptocompare_candles")["days not answered"]
    assert len(answers) == 6
    assert answers[0].startswith(f"BTCUSDT {FIRST}: {cryptocompare.url}/data/v2/histominute: the answer is no JSON")
    assert lake.read(CRYPTOCOMPARE_CANDLES).equals(stored)
    check = ran.check("second_source_there")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert ran.check_metadata("second_source_there")["without minutes"] == [
        f"{symbol} {day}" for symbol in ("BTCUSDT", "ETHUSDT") for day in (FIRST, THIRD)
    ]
    assert ledger(engine)[0] == REPAIRED[0], "the day that is stored still repairs"
    assert ledger(engine)[-1] == ("BTCUSDT", "12 00:00", "12 00:02", "open", None)


@pytest.mark.parametrize(("shift", "passed"), [(1.004, True), (1.006, False)])
def test_a_shifted_series_is_a_warning_that_names_minutes(put_day, cryptocompare, shift, passed):
    put_day("BTCUSDT", FIRST)
    put_day("ETHUSDT", FIRST)
    cryptocompare.routes[ROUTE] = market(close=lambda pair, _time: 100.0 * (shift if pair == "ETHUSDT" else 1.0))
    ran = run_job(JOB, f"{FIRST}", assets=PRICES)
    check = ran.check("cross_source_deviation")
    said = ran.check_metadata("cross_source_deviation")
    assert (check.passed, check.severity) == (passed, dg.AssetCheckSeverity.WARN)
    assert (said["minutes of both"], said["threshold"]) == (2880, 0.005)
    assert said["worst"] == said["99th percentile"] == pytest.approx(shift - 1)
    assert said["minutes beyond it"] == (0 if passed else 1440)
    named = [] if passed else [f"ETHUSDT 2023-11-10 00:0{n}: 100 and 100.6, 0.60% apart" for n in range(10)]
    assert said["worst minutes"] == named
