"""`binance_candles` and `candles` over days of the sample, and over days that the source lacks."""

from collections import Counter
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from bitpredict.market.time import utc
from bitpredict.sources.binance_archive import BinanceArchive
from bitpredict.sources.http import HttpClient
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES
from bitpredict.storage.lake import Lake
from tests.support.candles import archived_candles
from tests.support.graph import run_job
from tests.support.klines import line

JOB = "prices_and_features"
PRICES = ["binance_candles", "candles"]
FIRST, SECOND, THIRD = date(2023, 11, 10), date(2023, 11, 11), date(2023, 11, 12)


def rows_by_day(lake: Lake) -> dict[tuple[str, date], int]:
    """(symbol, day) -> stored candles."""
    table = lake.read(CANDLES, columns=["symbol", "open_time"])
    return Counter(zip(table["symbol"].to_pylist(), table["open_time"].cast(pa.date32()).to_pylist(), strict=True))


def test_candles_are_what_the_archive_published(priced, sample):
    published = archived_candles(sample, ["BTCUSDT", "ETHUSDT"], date(2023, 11, 2), date(2023, 11, 13))
    assert priced.lake.read(CANDLES).equals(published)
    assert priced.lake.read(BINANCE_CANDLES).equals(BINANCE_CANDLES.conform(published))


@pytest.mark.parametrize("contract", [BINANCE_CANDLES, CANDLES], ids=lambda contract: contract.table)
def test_a_materialization_says_what_was_stored(priced, contract):
    said = priced.ran.metadata(contract.table)
    assert said["rows of the run"] == 2 * 11 * 1440
    assert said["dagster/row_count"] == 2 * 1440, "each partition counts its own rows"
    assert said["rows by symbol"] == {"BTCUSDT": 11 * 1440, "ETHUSDT": 11 * 1440}
    assert datetime.fromtimestamp(said["first"], UTC) == datetime(2023, 11, 2, tzinfo=UTC)
    assert datetime.fromtimestamp(said["last"], UTC) == datetime(2023, 11, 12, 23, 59, tzinfo=UTC)
    assert said["table"] == f"{priced.settings.lake}/{contract.table}"
    assert said["table version"] == priced.lake.version(contract)
    header, _, *preview = said["preview"].splitlines()
    assert header == f"| {' | '.join(contract.schema.names)} |"
    assert [row.split(" | ")[:2] for row in preview[-2:]] == [
        ["| BTCUSDT", "2023-11-12 23:59"],
        ["| ETHUSDT", "2023-11-12 23:59"],
    ]


def test_a_run_says_what_it_was_made_of(priced):
    collected, canonical = priced.ran.metadata("binance_candles"), priced.ran.metadata("candles")
    assert (collected["market"], collected["rejected rows"], collected["days not there"]) == ("sample", {}, [])
    assert (canonical["halted minutes"], canonical["provenance"]) == (0, ["observed"])
    assert canonical["close by symbol"].startswith(
        "![BTCUSDT / its first, ETHUSDT / its first](data:image/png;base64,iVBOR"
    )


@pytest.mark.slow
def test_a_day_by_itself_shows_everything(lake):
    ran = run_job(JOB, f"{THIRD}", assets=["binance_candles", "candles", "data_gaps"])
    said = ran.metadata("candles")
    assert said["dagster/row_count"] == 2 * 1440
    assert said["table version"] == lake.version(CANDLES)
    assert datetime.fromtimestamp(said["first"], UTC) == utc(THIRD)
    assert len(said["preview"].splitlines()) == 2 + 5
    assert said["close by symbol"].startswith("![BTCUSDT")
    assert all("preview" in ran.metadata(asset) for asset in ("binance_candles", "data_gaps"))


def test_every_day_of_a_range_run_is_materialized_and_checked_once(priced):
    days = [f"2023-11-{day:02d}" for day in range(2, 13)]
    assert priced.ran.materialized == dict.fromkeys([*PRICES, "data_gaps"], days)
    checks = priced.ran.evaluations
    assert {(check.check_name, check.passed) for check in checks} == {
        ("consistent", True),
        ("complete", True),
        ("no_jump", True),
        ("no_outlier", True),
        ("cross_source_deviation", True),
    }
    assert len(checks) == 5


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
def test_running_again_leaves_the_same_rows(lake):
    before = [lake.read(contract) for contract in (BINANCE_CANDLES, CANDLES)]
    assert run_job(JOB, f"{SECOND}", f"{THIRD}", PRICES).success
    assert [lake.read(contract) for contract in (BINANCE_CANDLES, CANDLES)] == before


@pytest.mark.slow
def test_single_days_in_any_order_give_what_the_range_gave(priced, lake):
    for day in (THIRD, FIRST, SECOND):
        assert run_job(JOB, f"{day}", assets=PRICES).success
    for contract in (BINANCE_CANDLES, CANDLES):
        assert lake.read(contract).equals(priced.lake.read(contract, utc(FIRST)))


@pytest.mark.slow
def test_bad_rows_are_counted_by_reason_and_stay_out(put_day, lake):
    minutes = [line(FIRST, minute) for minute in range(1437)]
    minutes += [line(FIRST, 1437, close=-5), line(FIRST, 1438, close=9e9), minutes[0]]
    put_day("BTCUSDT", FIRST, "\n".join(minutes))
    put_day("ETHUSDT", FIRST)
    ran = run_job(JOB, f"{FIRST}", assets=PRICES)
    assert ran.metadata("binance_candles")["rejected rows"] == {
        "price not above zero": 1,
        "absurd price": 1,
        "duplicate": 1,
    }
    assert rows_by_day(lake) == {("BTCUSDT", FIRST): 1437, ("ETHUSDT", FIRST): 1440}


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
def test_a_symbol_that_is_no_longer_collected_keeps_what_is_stored(lake, monkeypatch):
    before = lake.read(CANDLES)
    monkeypatch.setenv("BITPREDICT_SYMBOLS", "BTCUSDT")
    assert run_job(JOB, f"{FIRST}", f"{THIRD}", PRICES).success
    assert lake.read(CANDLES).equals(before)


@pytest.mark.slow
def test_a_day_that_the_archive_lacks_has_no_rows_and_is_named(put_day, lake):
    for day in (FIRST, THIRD):
        put_day("BTCUSDT", day)
    for day in (FIRST, SECOND, THIRD):
        put_day("ETHUSDT", day)
    ran = run_job(JOB, f"{FIRST}", f"{THIRD}", PRICES)
    assert ran.success
    assert ran.metadata("binance_candles")["days not there"] == ["BTCUSDT 2023-11-11: absent from the source"]
    assert ran.row_counts("candles") == {f"{FIRST}": 2880, f"{SECOND}": 1440, f"{THIRD}": 2880}
    assert rows_by_day(lake) == {
        (symbol, day): 1440
        for symbol in ("BTCUSDT", "ETHUSDT")
        for day in (FIRST, SECOND, THIRD)
        if (symbol, day) != ("BTCUSDT", SECOND)
    }


@pytest.mark.slow
def test_a_day_without_any_candle_stores_nothing(put_day, lake):
    for symbol in ("BTCUSDT", "ETHUSDT"):
        put_day(symbol, FIRST)
    assert run_job(JOB, f"{FIRST}", f"{SECOND}", PRICES).success
    assert lake.days(BINANCE_CANDLES) == lake.days(CANDLES) == [FIRST]


@pytest.fixture
def archive_on_the_second_day(put_day, tmp_path, monkeypatch):
    """An archive as it was at noon of the second day: it has the first."""
    for symbol in ("BTCUSDT", "ETHUSDT"):
        put_day(symbol, FIRST)
    archive = BinanceArchive(
        str(tmp_path / "archive"), HttpClient("unused"), now=lambda: datetime(2023, 11, 11, 12, tzinfo=UTC)
    )
    monkeypatch.setattr("bitpredict.sources.candles.choose_source", lambda _settings: archive)


@pytest.mark.usefixtures("archive_on_the_second_day")
def test_a_day_that_is_not_published_yet_fails_with_the_reason(lake):
    ran = run_job(JOB, f"{SECOND}", assets=PRICES)
    assert not ran.success
    assert ran.materialized == {}
    (why,) = ran.failures.values()
    assert "not published yet: BTCUSDT 2023-11-11, ETHUSDT 2023-11-11; materialize these partitions again later" in why
    assert lake.version(BINANCE_CANDLES) is None


@pytest.mark.slow
@pytest.mark.usefixtures("archive_on_the_second_day")
def test_a_day_that_is_not_published_yet_takes_nothing_away(priced, lake):
    """Another source had the day when it was stored; now a range over it is collected again."""
    stored = priced.lake.read(BINANCE_CANDLES, utc(SECOND), utc(THIRD))
    lake.replace(BINANCE_CANDLES, stored, utc(SECOND), utc(THIRD))
    ran = run_job(JOB, f"{FIRST}", f"{SECOND}", PRICES)
    assert ran.success
    assert len(ran.metadata("binance_candles")["days not there"]) == 2
    assert lake.read(BINANCE_CANDLES, utc(SECOND)).equals(stored)
    assert lake.read(BINANCE_CANDLES, utc(FIRST), utc(SECOND)).num_rows == 2 * 1440
