"""The live page over a real event log."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from bitpredict.report.series import quantile_prices
from bitpredict.report.wording import NOTHING
from bitpredict.settings import Settings
from bitpredict.streaming.log import Checkpoint, EventLog, Message
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.topics import PREDICTIONS, topic_specs, trades_topic
from dashboard import following
from tests.support import live_messages as made
from tests.support import pages
from tests.support.pages import metrics, plainly_said

run = partial(pages.run, "live")


@pytest.fixture(autouse=True)
def _fresh_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test's own log and probes, on ports where nothing listens."""
    monkeypatch.setenv("BITPREDICT_COLLECTOR_PORT", "1")
    monkeypatch.setenv("BITPREDICT_PREDICTOR_PORT", "3")
    yield
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def log(settings: Settings) -> Iterator[EventLog]:
    settings.home.mkdir(exist_ok=True)
    with open_event_log(settings) as opened:
        opened.create(topic_specs(settings))
        yield opened


def said(test: AppTest) -> str:
    return plainly_said(test, "warning")


def drawn(test: AppTest) -> dict[str, bytes]:
    """The rows of the page's chart."""
    return {rows.name: rows.data.data for rows in test.get("vega_lite_chart")[0].proto.datasets}


def test_without_an_event_log_the_page_says_what_to_run_and_makes_none(settings):
    test = run()
    assert "There is no event log yet" in test.info[0].value
    assert "bitpredict up" in test.info[0].value
    assert list(test.dataframe[-1].value["state"]) == ["⚪ not running"] * 3
    assert not settings.home.exists()


@pytest.mark.slow
def test_without_topics_the_page_says_what_to_run(settings):
    settings.home.mkdir()
    with open_event_log(settings) as opened:
        opened.topics()
        assert "no topic of the market" in run().info[0].value


@pytest.mark.slow
@pytest.mark.usefixtures("log")
def test_empty_topics_are_told():
    assert "Nothing has arrived yet" in run().info[0].value


@pytest.mark.slow
def test_a_market_without_a_live_lane_says_which_have_one(monkeypatch):
    monkeypatch.setenv("BITPREDICT_MARKET", "archive")
    assert "has no live lane" in run().info[0].value


@pytest.mark.slow
def test_a_log_that_cannot_be_opened_is_one_message(settings):
    settings.home.mkdir()
    (settings.home / "events.db").write_bytes(b"this is no database, whatever its name says" * 100)
    test = run()
    assert len(test.error) == 1


def test_price_rate_age_latency_and_market_time_of_a_replay(log, monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return filled.astimezone(tz)

    filled = datetime.now(UTC)
    made.fill(log, filled)
    monkeypatch.setattr(following, "datetime", Clock)  # however long a page takes to show
    test = run()
    assert f"market time {made.CANDLES_END:%Y-%m-%d %H:%M:%S} UTC" in said(test)
    test.segmented_control(key="live symbol").set_value("BTCUSD").run()
    assert "replay" in test.markdown[0].value
    assert f"market time {made.TRADES_END:%Y-%m-%d %H:%M:%S} UTC" in said(test)
    shown = metrics(test)
    assert shown["Price"] == f"{made.made_trades('BTCUSD', 300, datetime.now(UTC))[-1].price:,.1f}"
    assert 4.9 <= float(shown["Messages a second"]) <= 5.1  # a fifth of a second apart, and both ends may count
    assert shown["Newest message"].endswith(" s ago")
    assert shown["Tick to forecast"] == "4 / 4 ms"
    chart = test.get("vega_lite_chart")[0].proto
    assert chart.alt == "Price and newest forecast of BTCUSD, 1m ahead"


@pytest.mark.slow
def test_another_symbol_shows_the_candles_that_are_replayed(log):
    made.fill(log, datetime.now(UTC))
    test = run()
    test.segmented_control(key="live symbol").set_value("ETHUSDT").run()
    test.segmented_control(key="live horizon").set_value("1h").run()
    assert not test.exception
    assert f"market time {made.CANDLES_END:%Y-%m-%d %H:%M:%S} UTC" in said(test)
    assert test.get("vega_lite_chart")[0].proto.alt == "Price and newest forecast of ETHUSDT, 1h ahead"
    last = made.made_candles("ETHUSDT", 1, datetime.now(UTC))[0]
    assert metrics(test)["Price"].replace(",", "") == f"{last.close:.2f}"


@pytest.mark.slow
def test_a_page_that_is_held_stays_as_it_is_until_it_is_let_go(log):
    now = datetime.now(UTC)
    made.fill(log, now, seconds=30)
    test = run()
    before = drawn(test)
    test.toggle(key="live hold").set_value(True).run()
    later = made.TRADES_END + timedelta(minutes=1)
    one = made.made_prediction("BTCUSDT", "5m", later, 50_000.0, now, made_from="binance-candles/0@1")
    made.append(log, PREDICTIONS, [one])
    assert drawn(test.run()) == before
    test.toggle(key="live hold").set_value(False).run()
    assert drawn(test) != before


@pytest.mark.slow
def test_the_table_has_the_newest_forecast_of_every_symbol_and_horizon(log):
    made.fill(log, datetime.now(UTC))
    table = run().dataframe[0].value
    assert table[["symbol", "horizon"]].to_numpy().tolist() == [
        ["BTCUSD", "1m"],
        *([symbol, horizon] for symbol in ("BTCUSDT", "ETHUSDT") for horizon in ("5m", "1h", "1d")),
    ]
    row = table.set_index(["symbol", "horizon"]).loc["BTCUSDT", "1h"]
    close = made.made_candles("BTCUSDT", 1, datetime.now(UTC))[0].close
    q05, q95 = (close * np.exp(0.0006 * 60**0.5 * z) for z in (-1.6448536, 1.6448536))
    assert row["90 % interval"] == f"{q05:,.1f} to {q95:,.1f}"
    assert row["made at"] == f"{made.CANDLES_END:%Y-%m-%d %H:%M:%S}"
    assert (row["P(up)"], row["kind"], row["version"]) == ("53.0 %", "backtest", made.MODEL_VERSION)


@pytest.mark.slow
def test_simulated_prices_are_labelled_so(log):
    trades = made.made_trades("BTCUSD", 20, datetime.now(UTC), provenance="simulated")
    made.append(log, trades_topic("coinbase"), trades)
    assert "Invented prices from the simulator" in said(run())


@pytest.mark.slow
def test_what_stopped_long_ago_is_still_shown_and_said_to_be_old(log):
    made.fill(log, datetime.now(UTC) - timedelta(hours=2), seconds=60)
    test = run()
    assert "Nothing has arrived for 2 h" in said(test)
    assert metrics(test)["Price"] != NOTHING
    assert metrics(test)["Tick to forecast"] == NOTHING


@pytest.mark.slow
def test_the_lag_of_a_group_is_what_it_has_not_read(log):
    made.fill(log, datetime.now(UTC), seconds=20)
    member = log.subscribe("predictor", [trades_topic("coinbase")])
    records = {}
    while not records:
        records = member.poll(5).records
    ((partition, read),) = records.items()
    member.checkpoint({partition: Checkpoint(read[59].offset + 1, b"")})
    test = run()
    test.segmented_control(key="live symbol").set_value("BTCUSD").run()
    assert metrics(test)["Not yet read"] == "40"
    member.close()


@pytest.mark.slow
def test_processes_answer_ready_or_waiting_or_not_at_all(monkeypatch, log):
    made.fill(log, datetime.now(UTC), seconds=5)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Answer) for _ in range(2)]
    for server, status, name in zip(servers, (200, 503), ("COLLECTOR", "PREDICTOR"), strict=True):
        server.status = status
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv(f"BITPREDICT_{name}_PORT", str(server.server_address[1]))
    try:
        test = run()
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
    states = test.dataframe[-1].value.set_index("process")["state"]
    assert states["replay of candles"] == "🟢 ready"
    assert states["predictor"] == "🟡 waiting"


@pytest.mark.slow
def test_bytes_that_are_no_message_are_counted_and_hide_nothing(log):
    made.fill(log, datetime.now(UTC), seconds=10)
    now = made.milliseconds(datetime.now(UTC))
    log.append(PREDICTIONS, [Message("BTCUSD", b"<html>", now), Message("BTCUSD", b"\xff\x00", now)])
    test = run()
    assert "2 messages could not be decoded" in said(test)
    assert len(test.dataframe[0].value) == 7


def test_a_second_look_reads_only_what_came_since(log):
    now = datetime.now(UTC)
    made.fill(log, now, seconds=30)
    reads = []
    original = log.read
    log.read = lambda *arguments, **more: reads.append(arguments) or original(*arguments, **more)
    reader = following.Reader(log, ("binance", "coinbase"))
    before = reader.look(now)
    first = len(reads)
    assert reader.look(now).prices == before.prices
    assert len(reads) == first
    (new,) = made.made_trades("BTCUSD", 1, now, a_second=1)
    made.append(log, trades_topic("coinbase"), [new])
    reader.look(now)
    ((topic, _, start, end, _),) = reads[first:]
    assert (topic, end - start) == (trades_topic("coinbase"), 1)


def test_a_topic_that_was_made_again_is_read_from_its_start(log, settings):
    now = datetime.now(UTC)
    made.fill(log, now, seconds=30)
    reader = following.Reader(log, ("binance", "coinbase"))
    reader.look(now)
    log.delete(PREDICTIONS)
    assert reader.look(now).missing == (PREDICTIONS,)
    log.create(topic_specs(settings))
    later = made.TRADES_END + timedelta(minutes=5)
    one = made.made_prediction("BTCUSD", "1m", later, 70_000.0, now, made_from="coinbase-trades/0@1")
    made.append(log, PREDICTIONS, [one])
    assert reader.look(now).newest["BTCUSD", "1m"].origin == later


def test_a_flood_is_looked_at_from_its_end(log, monkeypatch):
    monkeypatch.setattr(following, "AT_ONCE", 100)
    now = datetime.now(UTC)
    made.append(log, trades_topic("coinbase"), made.made_trades("BTCUSD", 60, now))
    (points,) = following.Reader(log, ("coinbase",)).look(now).prices.values()
    assert len(points) == 20
    assert points[-1].time == made.TRADES_END


def test_a_replay_that_starts_again_starts_the_line_again(log):
    now = datetime.now(UTC)
    trades = made.made_trades("BTCUSD", 300, now)
    made.append(log, trades_topic("coinbase"), [*trades, *trades[:20]])
    (points,) = following.Reader(log, ("coinbase",)).look(now).prices.values()
    assert [point.time for point in points] == sorted(point.time for point in points)
    assert points[-1].time == made.TRADES_END - timedelta(seconds=296)


def test_prices_of_the_ledgers_columns_come_from_a_prediction():
    one = made.made_prediction("BTCUSD", "5m", made.TRADES_END, 100.0, made.TRADES_END, made_from="x/0@0")
    price = quantile_prices(following.frame_of([one])).iloc[0]
    assert price["q50"] == pytest.approx(100.0)
    assert price["q05"] < 100 < price["q95"]
