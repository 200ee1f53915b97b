"""The live lane's rows in the table that is served, against those that the graph makes of the same candles and lake."""

import dataclasses
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from structlog.testing import capture_logs

from bitpredict.features.breadth import MARKET_BREADTH
from bitpredict.features.outside import FEATURES as OUTSIDE
from bitpredict.features.outside import Outside
from bitpredict.features.serving import newest_rows, rows_to_serve
from bitpredict.features.table import features_between
from bitpredict.settings import Settings
from bitpredict.storage.contracts import HOURLY_SENTIMENT
from bitpredict.storage.database import connect, open_engine
from bitpredict.storage.lake import Lake
from bitpredict.storage.schema import ml_features_materialized
from bitpredict.storage.serving_rows import decoded, read_serving_rows, write_serving_rows
from bitpredict.streaming.live_features import LiveRow
from bitpredict.streaming.log import Message
from bitpredict.streaming.messages import encode
from bitpredict.streaming.metrics import SERVED
from bitpredict.streaming.model_watch import ModelWatch
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.predictor import Predictor
from bitpredict.streaming.serving import RowServer
from bitpredict.streaming.topics import topic_specs
from tests.support.candles import archived_candles
from tests.support.streams import CANDLES_TOPIC, an_engine, as_candles, records, run

NOON = datetime(2023, 11, 12, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STAMPS = ["written_by", "written_at"]
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.fixture(scope="module")
def candles(sample: Path) -> pa.Table:
    """Of Ether the minute before 12:10 is missing, so that at 12:10 it has no row."""
    table = archived_candles(sample, SYMBOLS, date(2023, 11, 1), date(2023, 11, 13))
    missing = pc.and_(pc.equal(table["symbol"], "ETHUSDT"), pc.equal(table["open_time"], pa.scalar(NOON + 9 * MINUTE)))
    return table.filter(pc.invert(missing))


@pytest.fixture(scope="module")
def minutes(candles) -> dict[datetime, dict[str, LiveRow]]:
    """Origin -> what the engine's outputs have, the quarter hour after noon."""

    def history(symbol: str, start: datetime, end: datetime) -> pa.Table:
        time = candles["open_time"]
        inside = pc.and_(pc.greater_equal(time, pa.scalar(start)), pc.less(time, pa.scalar(min(end, NOON - MINUTE))))
        return candles.filter(pc.and_(inside, pc.equal(candles["symbol"], symbol)))

    engine, found = an_engine(history=history), {}
    for n in range(-1, 15):
        now = candles.filter(pc.equal(candles["open_time"], pa.scalar(NOON + n * MINUTE)))
        rows = run(engine, {CANDLES_TOPIC: records(as_candles(now, replayed=False))}).rows
        found[NOON + (n + 1) * MINUTE] = rows
        assert set(rows) == set(now["symbol"].to_pylist())
    return found


@pytest.fixture
def lake() -> Lake:
    """With hours of sentiment and five minutes of breadth, all known in time."""
    lake = Lake.from_settings(Settings())
    told = {"articles": 3, "mean": 0.1, "dispersion": 0.2, "share_negative": 1 / 3, "model": "vader"}
    told |= {"source": "all", "provenance": "observed"}
    hours = [
        told | {"hour": NOON - back * HOUR, "coin": coin, "known_at": NOON - back * HOUR - MINUTE, "mean": 0.1 * back}
        for back in range(10)
        for coin in ("all", "BTC")
    ]
    wide = {"coins": 90, "share_up_1h": 0.5, "share_up_24h": None, "median_return_1h": 0.01, "dispersion_1h": 0.02}
    wide |= {"provenance": "observed"}
    steps = [NOON + 5 * n * MINUTE for n in range(-9, 4)]
    breadth = [wide | {"origin": step, "known_at": step - MINUTE, "share_up_1h": step.minute / 60} for step in steps]
    day = NOON - NOON.hour * HOUR
    for contract, rows in ((HOURLY_SENTIMENT, hours), (MARKET_BREADTH, breadth)):
        lake.replace(contract, pa.Table.from_pylist(rows, schema=contract.schema), day, day + DAY)
    return lake


@pytest.fixture
def database():
    connect(Settings()).dispose()
    database = open_engine(Settings().database, "BITPREDICT_DATABASE_URL", 0.1)
    yield database
    database.dispose()


@pytest.fixture
def server(lake) -> RowServer:
    return RowServer(lake)


def of_the_graph(candles: pa.Table, lake: Lake, origin: datetime) -> pd.DataFrame:
    """What `ml_features_materialized` makes of the feature table at an origin, without its stamps."""
    table = features_between(candles, origin, origin + MINUTE, Outside.read(lake, origin, origin + DAY))
    found = rows_to_serve(newest_rows(table), now=origin + MINUTE, within=HOUR, written_by="asset")
    assert found.refused == {}
    return found.rows.drop(columns=STAMPS)


def served(database) -> pd.DataFrame:
    return read_serving_rows(database).drop(columns=STAMPS)


def count(outcome: str) -> float:
    return SERVED.labels(outcome)._value.get()


def tell(server: RowServer, database, minutes, until: datetime) -> None:
    """Minute by minute up to `until`, each two seconds after its close."""
    for origin in sorted(minutes):
        if origin <= until:
            server.give(minutes[origin])
            server.serve(database, origin + 2 * SECOND)


def test_the_live_row_is_the_graph_s_row_bit_by_bit(server, database, candles, minutes, lake):
    for origin in sorted(minutes):
        server.give(minutes[origin])
        server.serve(database, origin + 2 * SECOND)
        found = read_serving_rows(database)
        assert set(found["origin"][found["symbol"].isin(list(minutes[origin]))]) == {origin}
        if origin.minute % 5 == 0:
            wanted = of_the_graph(candles, lake, origin)
            pd.testing.assert_frame_equal(
                found[found["origin"] == origin].drop(columns=STAMPS), wanted, check_dtype=False, check_exact=True
            )
            now = decoded(found["features"][0])
            assert None not in [now[feature.name] for feature in OUTSIDE if feature.name != "breadth_share_up_24h"]
            assert now["other_return_60"] is not None
            assert set(found["written_by"]) == {"predictor"}
    assert [origin for origin in minutes if len(minutes[origin]) == 1] == [NOON + 10 * MINUTE]
    assert server.written == 2 * 16 - 1


def test_between_full_five_minutes_too_a_row_has_the_other_symbol_s_of_its_minute(server, database, minutes):
    origin = NOON + 3 * MINUTE
    tell(server, database, minutes, origin)
    row = read_serving_rows(database).set_index("symbol").loc["BTCUSDT"]
    assert decoded(row["features"])["other_log_rv_60"] == minutes[origin]["ETHUSDT"].values["log_rv_60"]


def test_a_symbol_whose_minute_ends_later_is_in_the_other_s_row_at_the_second_look(
    server, database, candles, minutes, lake
):
    origin = NOON + 5 * MINUTE
    tell(server, database, minutes, origin - MINUTE)
    for symbol, more in zip(SYMBOLS, (True, False), strict=True):
        server.give({symbol: minutes[origin][symbol]})
        assert server.serve(database, origin + 2 * SECOND) is more
    pd.testing.assert_frame_equal(
        served(database), of_the_graph(candles, lake, origin), check_dtype=False, check_exact=True
    )


@pytest.mark.slow
def test_two_predictors_learn_of_each_other_s_symbols_from_the_table(database, candles, minutes, lake):
    origin = NOON + 5 * MINUTE
    one, other = RowServer(lake), RowServer(lake)
    for at in (origin - MINUTE, origin):
        for server, symbol in ((one, "BTCUSDT"), (other, "ETHUSDT")):
            server.give({symbol: minutes[at][symbol]})
            more = server.serve(database, at + SECOND)
            assert more is (server is one and at == origin)
    assert not one.serve(database, origin + 4 * SECOND)
    pd.testing.assert_frame_equal(
        served(database), of_the_graph(candles, lake, origin), check_dtype=False, check_exact=True
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"feature_set_version": "0123456789ab"}, id="of another set"),
        pytest.param({"origin": 11}, id="old"),
    ],
)
def test_what_another_wrote_of_its_symbol_is_not_read_where_it_does_not_fit(lake, database, minutes, changes):
    if "origin" in changes:
        changes = {"origin": NOON - changes["origin"] * MINUTE}
    other, server = RowServer(lake), RowServer(lake)
    other.give({"ETHUSDT": minutes[NOON]["ETHUSDT"]})
    other.serve(database, NOON + SECOND)
    rows = read_serving_rows(database).assign(**changes)
    with database.begin() as connection:
        connection.execute(ml_features_materialized.delete())
    write_serving_rows(database, rows)
    server.give({"BTCUSDT": minutes[NOON]["BTCUSDT"]})
    server.serve(database, NOON + SECOND)
    features = decoded(read_serving_rows(database).set_index("symbol").loc["BTCUSDT", "features"])
    assert features["other_return_60"] is None


def test_a_replay_s_rows_do_not_leave_the_engine(candles):
    some = candles.filter(pc.greater_equal(candles["open_time"], pa.scalar(NOON))).slice(0, 3)
    outputs = run(an_engine(), {CANDLES_TOPIC: records(as_candles(some, replayed=True))})
    assert (outputs.counts["candles"], outputs.rows) == (3, {})


def test_rows_of_a_backlog_are_counted_and_not_served(server, database, minutes):
    before = count("too old")
    server.give(minutes[NOON])
    assert not server.serve(database, NOON + 3 * MINUTE + SECOND)
    assert read_serving_rows(database).empty
    assert count("too old") == before + 2
    server.give(minutes[NOON + MINUTE])
    server.serve(database, NOON + 4 * MINUTE)
    assert set(read_serving_rows(database)["origin"]) == {NOON + MINUTE}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"coverage": 1.5}, "coverage is 1.5, outside 0 to 1", id="range"),
        pytest.param({"rsi_14": float("inf")}, "rsi_14 is not finite", id="infinite", marks=pytest.mark.slow),
        pytest.param({"reference_price": -1.0}, "reference_price", id="against the contract", marks=pytest.mark.slow),
        pytest.param({"coverage": float("nan")}, "coverage", id="missing"),
    ],
)
def test_a_bad_row_leaves_the_good_one_and_holds_nobody_else(server, database, minutes, changes, says):
    tell(server, database, minutes, NOON)
    good = read_serving_rows(database).set_index("symbol")
    before = count("refused")
    with capture_logs() as logs:
        for n in (1, 2):
            rows = minutes[NOON + n * MINUTE]
            bad = dataclasses.replace(rows["BTCUSDT"], values=rows["BTCUSDT"].values | changes)
            server.give({**rows, "BTCUSDT": bad})
            server.serve(database, NOON + n * MINUTE + SECOND)
    after = read_serving_rows(database).set_index("symbol")
    assert after.loc["BTCUSDT"].equals(good.loc["BTCUSDT"])
    assert after.loc["ETHUSDT", "origin"] == NOON + 2 * MINUTE
    assert count("refused") == before + 2
    (line,) = logs
    assert line["symbol"] == "BTCUSDT"
    assert says in line["reason"]
    server.give(minutes[NOON + 3 * MINUTE])
    server.serve(database, NOON + 3 * MINUTE + SECOND)
    assert set(read_serving_rows(database)["origin"]) == {NOON + 3 * MINUTE}


def test_an_older_origin_does_not_replace_a_newer_one(server, database, minutes):
    tell(server, database, minutes, NOON)
    newer = read_serving_rows(database).assign(origin=NOON + 2 * MINUTE, written_by="asset")
    write_serving_rows(database, newer)
    before = count("newer there")
    server.give(minutes[NOON + MINUTE])
    server.serve(database, NOON + MINUTE + SECOND)
    assert read_serving_rows(database).equals(newer)
    assert count("newer there") == before + 2


@contextmanager
def locked(database):
    with closing(sqlite3.connect(database.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def moved_away():
    folder = Path(Settings().lake, "hourly_sentiment", "_delta_log")
    folder.rename(folder.with_name("moved"))
    folder.write_text("not a folder")
    yield
    folder.unlink()
    folder.with_name("moved").rename(folder)


@pytest.mark.parametrize("store", ["database", "lake"])
def test_a_store_that_is_away_is_told_once_and_the_next_minute_is_served(server, database, minutes, store):
    tell(server, database, minutes, NOON)
    good, before = read_serving_rows(database), count("failed")
    with capture_logs() as logs, locked(database) if store == "database" else moved_away():
        for n in (1, 2):
            server.give(minutes[NOON + n * MINUTE])
            assert not server.serve(database, NOON + n * MINUTE + SECOND)
        assert read_serving_rows(database).equals(good)
    assert [line["event"] for line in logs] == ["no feature rows are served; the next minute's may be"]
    assert count("failed") == before + 4
    server.give(minutes[NOON + 3 * MINUTE])
    server.serve(database, NOON + 3 * MINUTE + SECOND)
    assert set(read_serving_rows(database)["origin"]) == {NOON + 3 * MINUTE}


class Nobody:
    """A registry without champions."""

    def champions(self) -> dict[tuple[str, str], str]:
        return {}


@pytest.mark.parametrize("replayed", [True, False])
def test_the_predictor_hands_over_what_is_live(candles, monkeypatch, replayed):
    """A market of 2023 is a backlog's today: its rows are counted, and none is written."""
    monkeypatch.setattr("bitpredict.streaming.serving.LOOKS", (0.01, 0.01))
    settings, before = Settings(market="binance", symbols=SYMBOLS), count("too old")
    some = as_candles(candles.filter(pc.equal(candles["open_time"], pa.scalar(NOON))), replayed=replayed)
    stop = threading.Event()
    with open_event_log(settings) as log:
        log.create(topic_specs(settings))
        log.append(CANDLES_TOPIC, [Message(candle.symbol, encode(candle), 0) for candle in some])
        worker = Predictor(settings, log, ModelWatch(Nobody(), None, None))
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        deadline = time.monotonic() + 120
        while worker._used["candles"] < 2 or (not replayed and count("too old") < before + 2):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        stop.set()
        thread.join(60)
    assert count("too old") - before == (0 if replayed else 2)
    assert read_serving_rows(connect(settings)).empty
    assert worker.summary().endswith("served 0 feature rows")


class Clock(datetime):
    """It is always two seconds past noon."""

    @classmethod
    def now(cls, tz=None):
        assert tz is UTC
        return NOON + 2 * SECOND


@pytest.fixture
def at_noon(monkeypatch):
    monkeypatch.setattr("bitpredict.streaming.serving.datetime", Clock)
    monkeypatch.setattr("bitpredict.streaming.serving.LOOKS", (0.05, 0.05))


@pytest.mark.usefixtures("at_noon")
class TestTheThread:
    def test_it_serves_what_it_is_given_and_ends(self, server, database, minutes):
        server.start(database)
        server.give(minutes[NOON])
        deadline = time.monotonic() + 60
        while server.written < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.stop()
        assert not server._thread.is_alive()
        assert set(read_serving_rows(database)["origin"]) == {NOON}

    def test_it_ends_at_once_and_without_what_is_not_written_yet(self, server, database, minutes, monkeypatch):
        monkeypatch.setattr("bitpredict.streaming.serving.LOOKS", (60.0, 60.0))
        server.start(database)
        server.give(minutes[NOON])
        began = time.monotonic()
        server.stop()
        server._thread.join(60)
        assert time.monotonic() - began < 60
        assert not server._thread.is_alive()
        assert read_serving_rows(database).empty

    @pytest.mark.slow
    def test_a_locked_database_does_not_hold_up_the_end(self, server, minutes):
        connect(Settings()).dispose()
        waits = open_engine(Settings().database, "BITPREDICT_DATABASE_URL", 30.0)
        with locked(waits):
            server.start(waits)
            server.give(minutes[NOON])
            time.sleep(0.5)
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 15.0
        server._thread.join(30)
        assert "serving" not in [thread.name for thread in threading.enumerate()]
