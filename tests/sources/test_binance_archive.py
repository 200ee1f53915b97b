from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitpredict.errors import (
    AbsentError,
    BadSourceDataError,
    BeforeListingError,
    NotYetPublishedError,
    SourceUnavailableError,
    UnknownSymbolError,
)
from bitpredict.market.candles import CANDLE_SCHEMA
from bitpredict.sources.binance_archive import BinanceArchive
from bitpredict.sources.downloads import Downloads
from bitpredict.sources.http import HttpClient
from tests.support.archive_server import Answer, serve
from tests.support.klines import checksum, csv, day_file, day_path, line, month_file, month_path

DAY = date(2023, 3, 24)
NEXT = date(2023, 3, 25)
FEBRUARY = [date(2023, 2, 1) + timedelta(days=i) for i in range(28)]
NOW = datetime(2023, 5, 10, 12, tzinfo=UTC)
PATH = day_path("BTCUSDT", DAY)


@dataclass(frozen=True)
class Base:
    """An archive whose files lie in `folder`, reached under `address`."""

    address: str
    folder: Path
    http: HttpClient

    def put(self, path: str, body: bytes) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(body)

    def archive(self, **more: Any) -> BinanceArchive:
        return BinanceArchive(self.address, self.http, now=lambda: NOW, **more)


@pytest.fixture(params=["folder", "web"])
def base(request, tmp_path, client, server):
    """The same archive as a folder and as an address."""
    server.folder = tmp_path
    return Base(server.url if request.param == "web" else str(tmp_path), tmp_path, client())


@pytest.fixture
def web(tmp_path, client, server):
    server.folder = tmp_path
    return Base(server.url, tmp_path, client())


def test_a_day(base):
    base.put(PATH, day_file("BTCUSDT", DAY))
    batch = base.archive().day("BTCUSDT", DAY)
    assert batch.candles.schema.equals(CANDLE_SCHEMA)
    assert batch.candles.num_rows == 1440
    assert batch.candles["symbol"].unique().to_pylist() == ["BTCUSDT"]
    assert not batch.rejected


@pytest.mark.slow
def test_a_month_is_the_concatenation_of_its_days(base):
    for day in FEBRUARY:
        base.put(day_path("BTCUSDT", day), day_file("BTCUSDT", day))
    base.put(month_path("BTCUSDT", FEBRUARY[0]), month_file("BTCUSDT", FEBRUARY))
    archive = base.archive()
    month = archive.month("BTCUSDT", FEBRUARY[0]).candles
    opened = [archive.day("BTCUSDT", day).candles["open_time"].to_numpy() for day in FEBRUARY]
    assert month["open_time"].to_numpy().tolist() == np.concatenate(opened).tolist()


def test_microseconds_from_2025_on(base):
    day = date(2025, 1, 1)
    base.put(day_path("BTCUSDT", day), day_file("BTCUSDT", day, csv(day, unit=1_000_000)))
    batch = base.archive().day("BTCUSDT", day)
    assert batch.candles["open_time"][1439].as_py() == datetime(2025, 1, 1, 23, 59, tzinfo=UTC)
    assert not batch.rejected


def test_rows_that_cannot_be_believed_are_counted(base):
    rows = [
        line(DAY, 0),
        line(DAY, 2),
        line(DAY, 1),
        line(DAY, 1),
        line(NEXT, 0),
        line(DAY, 3).replace(",100,", ",nan,", 1),
        line(DAY, 4).replace(",100,", ",inf,", 1),
        line(DAY, 5).replace("100,100.0", "-100,100.0", 1),
        line(DAY, 6, close=100_000.0),
    ]
    base.put(PATH, day_file("BTCUSDT", DAY, "\n".join(rows)))
    batch = base.archive().day("BTCUSDT", DAY)
    assert [time.minute for time in batch.candles["open_time"].to_pylist()] == [0, 1, 2]
    assert batch.rejected == {
        "duplicate": 1,
        "outside the range": 1,
        "missing or not finite": 2,
        "price not above zero": 1,
        "absurd price": 1,
    }


def test_another_days_rows_under_this_days_name_are_refused(base):
    base.put(PATH, day_file("BTCUSDT", DAY, csv(NEXT)))
    with pytest.raises(BadSourceDataError, match=r"2023-03-24\.zip holds no minute of 2023-03-24.*first is 2023-03-25"):
        base.archive().day("BTCUSDT", DAY)


class TestChecksum:
    def test_that_fits(self, base):
        body = day_file("BTCUSDT", DAY)
        base.put(PATH, body)
        base.put(f"{PATH}.CHECKSUM", checksum(body, "BTCUSDT-1m-2023-03-24.zip"))
        assert base.archive().day("BTCUSDT", DAY).candles.num_rows == 1440

    def test_that_does_not_fit(self, base):
        base.put(PATH, day_file("BTCUSDT", DAY))
        base.put(f"{PATH}.CHECKSUM", checksum(b"other bytes", "BTCUSDT-1m-2023-03-24.zip"))
        with pytest.raises(BadSourceDataError, match=r"2023-03-24\.zip does not match its \.CHECKSUM"):
            base.archive().day("BTCUSDT", DAY)


class TestAbsence:
    """An absent day is one of four things."""

    @pytest.mark.parametrize("day", [date(2023, 5, 7), date(2023, 5, 10), date(2023, 5, 11)])
    def test_a_recent_day_is_not_published_yet(self, base, day):
        with pytest.raises(NotYetPublishedError, match="is not published yet; try again later"):
            base.archive().day("BTCUSDT", day)

    def test_an_older_day_after_an_archived_day_is_a_hole(self, base):
        base.put(PATH, day_file("BTCUSDT", DAY))
        with pytest.raises(AbsentError, match=r"BTCUSDT-1m-2023-03-25.*a hole"):
            base.archive().day("BTCUSDT", NEXT)

    def test_an_older_day_after_an_archived_month_is_a_hole(self, base):
        base.put(month_path("BTCUSDT", FEBRUARY[0]), month_file("BTCUSDT", FEBRUARY))
        with pytest.raises(AbsentError, match="a hole"):
            base.archive().day("BTCUSDT", DAY)

    def test_an_older_day_before_all_files_was_not_traded(self, base):
        base.put(month_path("BTCUSDT", date(2023, 4, 1)), b"the last month, not looked into")
        with pytest.raises(BeforeListingError, match="BTCUSDT was not traded on 2023-03-24"):
            base.archive().day("BTCUSDT", DAY)

    def test_a_symbol_without_any_file_is_unknown(self, base):
        base.put(PATH, day_file("BTCUSDT", DAY))
        with pytest.raises(UnknownSymbolError, match=r"no files of FOOUSDT .*BITPREDICT_SYMBOLS"):
            base.archive().day("FOOUSDT", DAY)

    def test_a_month(self, base):
        with pytest.raises(AbsentError, match=r"BTCUSDT-1m-2023-02\.zip; ask for its days"):
            base.archive().month("BTCUSDT", FEBRUARY[0])


def test_the_first_day_of_the_sample_has_nothing_before_it(sample, client):
    archive = BinanceArchive(str(sample), client())
    with pytest.raises(BeforeListingError):
        archive.day("BTCUSDT", date(2023, 10, 31))


def test_no_folder(tmp_path, client):
    archive = BinanceArchive(str(tmp_path / "nowhere"), client(), now=lambda: NOW)
    with pytest.raises(SourceUnavailableError, match=r"no archive at .*nowhere; set BITPREDICT_ARCHIVE_URL"):
        archive.day("BTCUSDT", DAY)


def test_a_file_too_large_to_be_one(base):
    base.put(PATH, bytes(8_000_001))
    with pytest.raises(BadSourceDataError, match="larger than 8000000 bytes"):
        base.archive().day("BTCUSDT", DAY)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(cut_after=100), id="cut off"),
        pytest.param(Answer(500), id="server error"),
        pytest.param(Answer(headers={"Content-Type": "text/html"}), id="wrong type named, right bytes"),
    ],
)
def test_a_passing_failure_of_the_server_changes_nothing(answer, web, server):
    web.put(PATH, day_file("BTCUSDT", DAY))
    server.scripts[f"/{PATH}"] = [answer]
    assert web.archive().day("BTCUSDT", DAY).candles.num_rows == 1440


def test_a_page_in_place_of_the_zip(web, server):
    server.scripts[f"/{PATH}"] = [Answer(body=b"<html>maintenance</html>", headers={"Content-Type": "text/html"})]
    with pytest.raises(BadSourceDataError, match="starts with b'<html>maintenan"):
        web.archive().day("BTCUSDT", DAY)


def test_an_answer_that_is_no_file(web, server):
    server.scripts[f"/{PATH}"] = [Answer(400, b"what?")]
    with pytest.raises(SourceUnavailableError, match=r"refused \(400\); check BITPREDICT_ARCHIVE_URL"):
        web.archive().day("BTCUSDT", DAY)


class TestOnlyWhenChanged:
    @pytest.fixture
    def archive(self, web, tmp_path):
        web.put(day_path("BTCUSDT", NOW.date() - timedelta(days=2)), b"a later day, not looked into")
        web.put(PATH, day_file("BTCUSDT", DAY))
        return web.archive(downloads=Downloads(tmp_path / "cache"))

    def test_a_good_file_is_fetched_once(self, archive, server):
        first = archive.day("BTCUSDT", DAY)
        asked = len(server.asked)
        assert archive.day("BTCUSDT", DAY).candles.equals(first.candles)
        assert [request.path for request in server.asked[asked:]] == [f"/{PATH}"]  # and not its checksum
        assert "If-None-Match" in server.asked[-1].headers

    def test_a_changed_file_is_fetched_again(self, archive, web):
        archive.day("BTCUSDT", DAY)
        web.put(PATH, day_file("BTCUSDT", DAY, csv(DAY, range(60))))
        assert archive.day("BTCUSDT", DAY).candles.num_rows == 60

    def test_a_file_that_is_gone_is_gone(self, archive, web):
        archive.day("BTCUSDT", DAY)
        (web.folder / PATH).unlink()
        with pytest.raises(BeforeListingError):
            archive.day("BTCUSDT", DAY)

    def test_a_bad_file_is_not_kept(self, archive, web, server, tmp_path):
        web.put(f"{PATH}.CHECKSUM", checksum(b"other bytes", "BTCUSDT-1m-2023-03-24.zip"))
        for _ in range(2):
            with pytest.raises(BadSourceDataError):
                archive.day("BTCUSDT", DAY)
        assert Downloads(tmp_path / "cache").find(PATH) is None
        assert all("If-None-Match" not in request.headers for request in server.asked)

    def test_damage_to_the_kept_file_is_mended(self, archive, tmp_path):
        archive.day("BTCUSDT", DAY)
        (tmp_path / "cache" / PATH).write_bytes(b"damaged")
        assert archive.day("BTCUSDT", DAY).candles.num_rows == 1440


def test_the_recorded_hole_and_halt_over_http(recordings, client):
    with serve(recordings / "binance_archive") as server:
        candles = BinanceArchive(server.url, client(), now=lambda: NOW).day("BTCUSDT", DAY).candles
    assert candles.num_rows == 1440 - 80
    assert sum(1 for trades in candles["trade_count"].to_pylist() if trades == 0) == 72
