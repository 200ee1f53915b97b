from datetime import UTC, date, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from bitpredict.errors import NotYetPublishedError, SettingsError, SourceUnavailableError
from bitpredict.market.candles import CANDLE_SCHEMA
from bitpredict.settings import Settings
from bitpredict.sources.binance import BinanceRest
from bitpredict.sources.binance_archive import BinanceArchive
from bitpredict.sources.candles import NOT_YET_PUBLISHED, ArchiveThenRest, choose_source, collect
from bitpredict.sources.simulated import Simulator
from bitpredict.storage.contracts import BINANCE_CANDLES
from tests.support.archive_server import Answer
from tests.support.klines import csv, day_file, day_path, line, month_file, month_path

NOW = datetime(2023, 5, 10, 12, tzinfo=UTC)
MARCH = [date(2023, 3, 1) + timedelta(days=i) for i in range(31)]
DAY = MARCH[23]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.fixture
def put(tmp_path):
    def write(path: str, body: bytes) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(body)

    return write


@pytest.fixture
def folder(tmp_path, client):
    return BinanceArchive(str(tmp_path), client(), now=lambda: NOW)


@pytest.fixture
def web(tmp_path, client, server):
    server.folder = tmp_path
    return BinanceArchive(server.url, client(), now=lambda: NOW)


def test_days_come_ordered_by_symbol_and_time_and_are_told_of_in_order(folder, put):
    wanted = [(symbol, day) for symbol in ("ETHUSDT", "BTCUSDT") for day in MARCH[2:5]]
    for symbol, day in wanted:
        put(day_path(symbol, day), day_file(symbol, day, csv(day, [1, 0])))
    told: list[tuple[str, date]] = []
    result = collect(
        folder, ["ETHUSDT", "BTCUSDT"], midnight(MARCH[2]), midnight(MARCH[5]), lambda *what: told.append(what)
    )
    rows = zip(result.candles["symbol"].to_pylist(), result.candles["open_time"].to_pylist(), strict=True)
    assert list(rows) == [(symbol, midnight(day) + timedelta(minutes=m)) for symbol, day in wanted for m in (0, 1)]
    assert told == wanted
    assert (result.rejected, result.missing) == ({}, [])


def test_what_is_collected_keeps_the_lakes_contract(folder, put):
    put(day_path("BTCUSDT", DAY), day_file("BTCUSDT", DAY))
    result = collect(folder, ["BTCUSDT"], midnight(DAY), midnight(DAY) + timedelta(days=1))
    assert BINANCE_CANDLES.conform(result.candles).num_rows == 1440


def test_days_without_candles_are_named_with_the_reason(folder, put):
    put(day_path("BTCUSDT", DAY), day_file("BTCUSDT", DAY))
    bad = DAY + timedelta(days=2)
    put(day_path("BTCUSDT", bad), day_file("BTCUSDT", bad, line(bad, 0).replace(",100,", ",0,", 1)))
    result = collect(folder, ["BTCUSDT"], midnight(DAY) - timedelta(days=1), midnight(DAY) + timedelta(days=3))
    assert result.missing == [
        ("BTCUSDT", DAY - timedelta(days=1), "not traded"),
        ("BTCUSDT", DAY + timedelta(days=1), "absent from the source"),
        ("BTCUSDT", bad, "no candles in its file"),
    ]
    assert result.candles.num_rows == 1440
    assert result.rejected == {"price not above zero": 1}


def test_the_newest_day_may_be_missing(folder, put):
    put(day_path("BTCUSDT", date(2023, 5, 8)), day_file("BTCUSDT", date(2023, 5, 8)))
    result = collect(folder, ["BTCUSDT"], midnight(date(2023, 5, 8)), midnight(date(2023, 5, 10)))
    assert result.missing == [("BTCUSDT", date(2023, 5, 9), NOT_YET_PUBLISHED)]


def test_nothing_at_all_is_an_empty_table_of_the_same_shape(folder, put):
    put(day_path("BTCUSDT", DAY), day_file("BTCUSDT", DAY))
    result = collect(folder, ["BTCUSDT"], midnight(MARCH[0]), midnight(MARCH[1]))
    assert result.candles.schema.equals(CANDLE_SCHEMA)
    assert result.candles.num_rows == 0


def test_rejected_rows_are_counted_over_all_files_and_in_the_metrics(folder, put):
    def counted() -> float:
        labels = {"source": "binance_archive", "reason": "duplicate"}
        return REGISTRY.get_sample_value("bitpredict_source_rejected_rows_total", labels) or 0.0

    for day in MARCH[:3]:
        put(day_path("BTCUSDT", day), day_file("BTCUSDT", day, csv(day, [0, 1, 1, 1])))
    before = counted()
    result = collect(folder, ["BTCUSDT"], midnight(MARCH[0]), midnight(MARCH[3]))
    assert result.rejected == {"duplicate": 6}
    assert counted() == before + 6


class TestWholeMonths:
    @pytest.fixture
    def both(self, put):
        put(month_path("BTCUSDT", MARCH[0]), month_file("BTCUSDT", MARCH))
        for day in MARCH:
            put(day_path("BTCUSDT", day), day_file("BTCUSDT", day))

    @pytest.mark.usefixtures("both")
    def test_are_one_request_and_give_what_their_days_give(self, web, folder, server):
        told: list[tuple[str, date]] = []
        months = collect(web, ["BTCUSDT"], midnight(MARCH[0]), midnight(date(2023, 4, 1)), lambda *d: told.append(d))
        days = collect(folder, ["BTCUSDT"], midnight(MARCH[0]), midnight(date(2023, 4, 1)))
        assert [path for path in server.paths() if path.endswith(".zip")] == [f"/{month_path('BTCUSDT', MARCH[0])}"]
        assert months.candles.equals(days.candles)
        assert told == [("BTCUSDT", day) for day in MARCH]

    @pytest.mark.slow
    @pytest.mark.usefixtures("both")
    def test_are_not_asked_for_when_a_day_is_not_wanted(self, web, server):
        result = collect(web, ["BTCUSDT"], midnight(MARCH[1]), midnight(date(2023, 4, 1)))
        assert result.candles.num_rows == 30 * 1440
        assert not any("monthly" in path for path in server.paths())

    @pytest.mark.slow
    def test_fall_back_to_days(self, web, put):
        for day in MARCH:
            put(day_path("BTCUSDT", day), day_file("BTCUSDT", day, csv(day, [0])))
        result = collect(web, ["BTCUSDT"], midnight(MARCH[0]), midnight(date(2023, 4, 1)))
        assert result.candles["open_time"].to_pylist() == [midnight(day) for day in MARCH]

    def test_name_the_days_that_a_months_file_lacks(self, web, put):
        put(month_path("BTCUSDT", MARCH[0]), month_file("BTCUSDT", MARCH[:1] + MARCH[2:]))
        result = collect(web, ["BTCUSDT"], midnight(MARCH[0]), midnight(date(2023, 4, 1)))
        assert result.missing == [("BTCUSDT", MARCH[1], "no candles in its file")]


def test_over_http_several_are_fetched_at_once_and_still_come_in_order(web, put, server):
    for i, day in enumerate(MARCH[1:17]):
        put(day_path("BTCUSDT", day), day_file("BTCUSDT", day, csv(day, [0])))
        server.scripts[f"/{day_path('BTCUSDT', day)}"] = [Answer(delay=0.1 if i % 2 == 0 else 0.0)]
    result = collect(web, ["BTCUSDT"], midnight(MARCH[1]), midnight(MARCH[17]))
    assert result.candles["open_time"].to_pylist() == [midnight(day) for day in MARCH[1:17]]
    order = [path for path in server.paths() if path.endswith(".zip.CHECKSUM")]
    assert order != sorted(order)  # they did overtake one another


def test_a_failure_of_the_source_ends_the_collection_and_nothing_more_is_asked(web, put, server):
    for day in MARCH[1:]:
        put(day_path("BTCUSDT", day), day_file("BTCUSDT", day, csv(day, [0])))
        server.scripts[f"/{day_path('BTCUSDT', day)}"] = [Answer(403, delay=0.02)]
    with pytest.raises(SourceUnavailableError, match="BTCUSDT-1m-2023-03-02"):
        collect(web, ["BTCUSDT"], midnight(MARCH[1]), midnight(date(2023, 4, 1)))
    assert len(server.asked) < 30


class TestArchiveThenRest:
    @pytest.fixture
    def source(self, web, client, server):
        def klines(query):
            start = datetime.fromtimestamp(int(query["startTime"]) / 1000, UTC)
            row = [int(query["startTime"]), "1", "2", "1", "2", "5", 0, "9", 3, "2", "4", "0"]
            return Answer(body=f"[{row}]".replace("'", '"').encode() if start.minute == 0 else b"[]")

        server.routes["/api/v3/klines"] = klines
        return ArchiveThenRest(web, BinanceRest(server.url, client(), now=lambda: NOW), now=lambda: NOW)

    def test_takes_what_is_archived_and_asks_for_the_rest(self, source, put, server):
        put(day_path("BTCUSDT", date(2023, 5, 8)), day_file("BTCUSDT", date(2023, 5, 8)))
        result = collect(source, ["BTCUSDT"], midnight(date(2023, 5, 8)), midnight(date(2023, 5, 11)))
        assert [result.candles["open_time"][i].as_py() for i in (0, 1440, 1441)] == [
            midnight(date(2023, 5, day)) for day in (8, 9, 10)
        ]
        assert not result.missing
        assert f"/{day_path('BTCUSDT', date(2023, 5, 10))}" not in server.paths()  # today is never archived

    def test_dates_what_it_received_by_the_end_of_the_collection(self, source, put):
        archived, live = date(2023, 5, 8), date(2023, 5, 9)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            put(day_path(symbol, archived), day_file(symbol, archived, csv(archived, [0])))
        before = datetime.now(UTC)
        result = collect(source, ["BTCUSDT", "ETHUSDT"], midnight(archived), midnight(live) + timedelta(days=1))
        known = result.candles["known_at"].to_pylist()
        assert known[0] == known[2] == midnight(archived) + timedelta(minutes=1)
        assert known[1] == known[3]
        assert before <= known[1] <= datetime.now(UTC)

    def test_asks_for_a_hole_of_the_archive_too(self, source, put):
        put(day_path("BTCUSDT", DAY), day_file("BTCUSDT", DAY))
        hole = DAY + timedelta(days=1)
        assert source.day("BTCUSDT", hole).candles["open_time"].to_pylist() == [midnight(hole)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, BinanceArchive),
        ({"market": "archive"}, BinanceArchive),
        ({"market": "binance"}, ArchiveThenRest),
        ({"market": "simulated"}, Simulator),
    ],
)
def test_the_setting_chooses_the_source(values, kind):
    assert type(choose_source(Settings(**values))) is kind


def test_a_market_of_the_live_lane_alone_has_no_source():
    with pytest.raises(SettingsError, match=r"BITPREDICT_MARKET=coinbase .* set BITPREDICT_MARKET=binance"):
        choose_source(Settings(market="coinbase"))


def test_the_default_source_is_the_sample(settings):
    result = collect(
        choose_source(settings), settings.symbols, midnight(date(2023, 11, 1)), midnight(date(2023, 11, 3))
    )
    assert result.candles.num_rows == 2 * 2 * 1440
    assert result.candles["provenance"].unique().to_pylist() == ["observed"]


def test_downloads_are_kept_below_home(server, put, tmp_path):
    server.folder = tmp_path
    put(day_path("BTCUSDT", DAY), day_file("BTCUSDT", DAY))
    settings = Settings(market="archive", archive_url=server.url)
    choose_source(settings).day("BTCUSDT", DAY)
    assert (settings.home / "cache/archive" / day_path("BTCUSDT", DAY)).is_file()


def test_today_of_a_simulated_market_that_has_not_begun():
    before = datetime(2023, 5, 10, 0, 0, 30, tzinfo=UTC)
    result = collect(Simulator(7, now=lambda: before), ["BTCUSDT"], midnight(before.date()), NOW)
    assert result.missing == [("BTCUSDT", before.date(), NOT_YET_PUBLISHED)]
    with pytest.raises(NotYetPublishedError):
        Simulator(7, now=lambda: before).day("BTCUSDT", before.date())
