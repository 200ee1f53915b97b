"""The collector against a real websocket server that misbehaves in every way an exchange can."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from bitpredict.breaker import Breaker
from bitpredict.errors import BitPredictError, SettingsError
from bitpredict.market.time import MINUTE, floor_minute
from bitpredict.settings import Settings
from bitpredict.sources.http import HttpClient
from bitpredict.storage.database import connect
from bitpredict.storage.gap_ledger import read_gaps
from bitpredict.streaming.binance_feed import BinancePolling, BinanceStream, Repair
from bitpredict.streaming.binance_rest import BinanceTrades
from bitpredict.streaming.buffer import Buffer, Policy
from bitpredict.streaming.coinbase_feed import CoinbaseStream
from bitpredict.streaming.collector import Collector, Feed, choose_collector
from bitpredict.streaming.log import Message, partition_of
from bitpredict.streaming.messages import Rejected, Trade, decode_rejected, decode_trade
from bitpredict.streaming.missed import Missed
from bitpredict.streaming.outlet import Outlet
from bitpredict.streaming.places import Places
from bitpredict.streaming.websocket import SILENCE, WebsocketFeed
from tests.support import streams
from tests.support.exchange import Exchange, TradesApi, exchange, trade_frame, trades_api
from tests.support.memory_log import MemoryLog
from tests.support.stopwatch import Stopwatch


class Lane:
    """A collector that runs, and its log."""

    def __init__(
        self,
        settings: Settings,
        make: Callable[[Outlet], Feed],
        *,
        exchange: str = "binance",
        capacity: int = 10_000,
        policy: Policy = "block",
        log: MemoryLog | None = None,
    ) -> None:
        self._topics = (f"{exchange}-trades", f"{exchange}-trades-rejected")
        self.log = log or MemoryLog(2, *self._topics)
        buffer, missed = Buffer(capacity, policy), Missed(settings)
        self.outlet = Outlet(exchange, buffer, policy, missed)
        self.places = Places(settings.home, exchange)
        self.collector = Collector(self.log, make(self.outlet), buffer, missed, self.places)

    @property
    def trades(self) -> list[Trade]:
        return [decode_trade(value) for value in self.log.values(self._topics[0])]

    @property
    def ids(self) -> list[int]:
        return [int(trade.trade_id) for trade in self.trades]

    @property
    def rejected(self) -> list[Rejected]:
        return [decode_rejected(value) for value in self.log.values(self._topics[1])]


@contextmanager
def running(lane: Lane) -> Iterator[Lane]:
    stop = threading.Event()
    thread = threading.Thread(target=lane.collector.run, args=(stop,))
    thread.start()
    try:
        yield lane
    finally:
        watch = Stopwatch()
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
        watch.assert_within(5)


def away_after_the_start(lane: Lane) -> Lane:
    """The log can be read when the collector begins, and not be appended to."""
    lane.log.away_for_appending = True
    return lane


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def quick() -> Breaker:
    return Breaker(first_pause=0.02, longest_pause=0.05, opens_at=1000)


def http() -> HttpClient:
    return HttpClient("test", timeout=30, attempts=1, interval=0)


def binance(server: Exchange, api: TradesApi, **options: Any) -> Callable[[Outlet], Feed]:
    def make(outlet: Outlet) -> Feed:
        stream = BinanceStream(server.url, ["BTCUSDT"], Repair(BinanceTrades(api.url, http()), outlet))
        return WebsocketFeed(stream, outlet, **({"breaker": quick()} | options))

    return make


def steadily(server: Exchange, connection: ServerConnection, numbers: range) -> None:
    """Send these trades and stay silent then."""
    for number in numbers:
        connection.send(trade_frame(number))
    server.stall(connection)


def test_trades_go_into_the_topic_in_order_by_symbol(settings: Settings) -> None:
    with exchange(lambda s, c, _n: steadily(s, c, range(500))) as server, trades_api() as api:
        with running(Lane(settings, binance(server, api))) as lane:
            until(lambda: len(lane.ids) == 500)
            assert lane.ids == [*range(500)]
            assert lane.collector.ready()
            assert all(t.provenance == "observed" and not t.replayed for t in lane.trades)
        assert "500 frames received, 500 messages stored, 0 rejected, 0 lost" in lane.collector.summary()
        assert max(lane.log.appends) <= 1000


def test_a_broken_connection_is_made_anew_and_what_was_missed_is_fetched_in_order(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        for trade in range(10 * number, 10 * number + 5):  # five of every ten are missed
            connection.send(trade_frame(trade))
        if number == 3:
            server.stall(connection)
        connection.socket.close()

    with exchange(script) as server, trades_api() as api, running(Lane(settings, binance(server, api))) as lane:
        until(lambda: len(lane.ids) >= 35)
        assert lane.ids == [*range(35)]
        assert lane.outlet.tally.gaps == lane.outlet.tally.repaired == 3
        assert lane.outlet.tally.reconnections == 3
        assert read_gaps(connect(settings)).empty


@pytest.mark.slow
def test_what_was_missed_between_two_processes_is_fetched(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        steadily(server, connection, range(100 * number, 100 * number + 5))

    with exchange(script) as server, trades_api() as api:
        with running(Lane(settings, binance(server, api))) as first:
            until(lambda: first.ids == [*range(5)])
        first.log.cut("binance-trades", partition_of("BTCUSDT", 2), 3)  # killed before all was stored
        with running(Lane(settings, binance(server, api), log=first.log)) as second:
            until(lambda: len(second.ids) == 105)
            assert second.ids == [*range(105)]
            assert (second.outlet.tally.gaps, second.outlet.tally.repaired) == (1, 1)


@pytest.mark.slow
def test_what_was_missed_in_an_outage_longer_than_the_topic_s_memory_is_fetched(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        steadily(server, connection, range(100 * number, 100 * number + 5))

    with exchange(script) as server, trades_api() as api:
        with running(Lane(settings, binance(server, api))) as first:
            until(lambda: first.places.read() and first.places.read()["BTCUSDT"].number == 4)  # while it runs
        with running(Lane(settings, binance(server, api))) as second:  # nothing is left in the topic
            until(lambda: len(second.ids) == 100)
            assert second.ids == [*range(5, 105)]
            assert (second.outlet.tally.gaps, second.outlet.tally.repaired) == (1, 1)
        assert second.places.read()["BTCUSDT"].number == 104


@pytest.mark.slow
def test_an_outage_that_nothing_repairs_is_in_the_gap_ledger_with_its_times(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        steadily(server, connection, range(900_000 * number, 900_000 * number + 5))

    with exchange(script) as server, trades_api() as api:
        with running(Lane(settings, binance(server, api))) as first:
            until(lambda: len(first.ids) == 5)
        with running(Lane(settings, binance(server, api))) as second:
            until(lambda: len(second.ids) == 5)
        gap = read_gaps(connect(settings)).iloc[0]
        assert (gap.symbol, gap.source, gap.status) == ("BTCUSDT", "binance-trades", "unrepairable")
        assert gap.start == floor_minute(first.trades[-1].event_time)
        assert gap.end == floor_minute(second.trades[0].event_time) + MINUTE
        assert gap.end - gap.start > timedelta(hours=2)


@pytest.mark.slow
def test_a_symbol_that_trades_little_keeps_its_place_among_many_trades(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        connection.send(trade_frame(9 * number, "XRPUSDT"))
        server.stall(connection)

    log = MemoryLog(1, "binance-trades", "binance-trades-rejected")
    with exchange(script) as server, trades_api() as api:
        with running(Lane(settings, binance(server, api), log=log)) as first:
            until(lambda: first.ids == [0])
        busy = [streams.trade(i / 1000, trade_id=str(i)) for i in range(10_001)]
        log.append("binance-trades", [Message("BTCUSDT", each.value, each.timestamp) for each in streams.records(busy)])
        with running(Lane(settings, binance(server, api), log=log)) as second:
            until(lambda: len(second.ids) == 10_011)
            assert second.ids[-9:] == [*range(1, 10)]


@pytest.mark.slow
def test_only_what_is_in_the_topic_is_a_place(settings: Settings) -> None:
    with exchange(lambda s, c, _n: steadily(s, c, range(5))) as server, trades_api() as api:
        lane = away_after_the_start(Lane(settings, binance(server, api)))
        with running(lane):
            until(lambda: lane.outlet.tally.received == 5)
            lane.collector._places.write()
    assert lane.outlet.tally.dropped == 5
    assert lane.places.read() == {}


@pytest.mark.slow
def test_a_log_that_is_away_at_first_is_waited_for(settings: Settings) -> None:
    with exchange(lambda s, c, _n: steadily(s, c, range(5))) as server, trades_api() as api:
        lane = Lane(settings, binance(server, api))
        lane.log.away = True
        with running(lane):
            time.sleep(0.2)
            assert server.connections == 0
            lane.log.away = False
            until(lambda: lane.ids == [*range(5)])


def test_trades_that_come_twice_are_put_through_once(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, _number: int) -> None:
        for trade in (0, 1, 1, 2, 0, 2, 3):
            connection.send(trade_frame(trade))
        server.stall(connection)

    with exchange(script) as server, trades_api() as api, running(Lane(settings, binance(server, api))) as lane:
        until(lambda: lane.outlet.tally.received == 7 and len(lane.ids) >= 4)
        assert lane.ids == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_long_hole_is_fetched_page_by_page(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, _number: int) -> None:
        connection.send(trade_frame(0))
        connection.send(trade_frame(3500))
        server.stall(connection)

    with exchange(script) as server, trades_api() as api, running(Lane(settings, binance(server, api))) as lane:
        until(lambda: len(lane.ids) == 3501)
        assert lane.ids == [*range(3501)]
        assert len(api.asked) == 4


def test_without_a_key_the_newest_trades_repair_what_they_reach(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, _number: int) -> None:
        connection.send(trade_frame(0))
        connection.send(trade_frame(900))
        server.stall(connection)

    with exchange(script) as server, trades_api() as api:
        api.refuses_old, api.newest = True, 905
        with running(Lane(settings, binance(server, api))) as lane:
            until(lambda: len(lane.ids) == 901)
            assert lane.ids == [*range(901)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["down", "partly gone", "garbage"])
def test_what_cannot_be_fetched_is_in_the_gap_ledger(settings: Settings, fault: str) -> None:
    def script(server: Exchange, connection: ServerConnection, _number: int) -> None:
        connection.send(trade_frame(0))
        connection.send(trade_frame(30_000 if fault == "partly gone" else 10))
        connection.send(trade_frame(30_001 if fault == "partly gone" else 11))
        server.stall(connection)

    with exchange(script) as server, trades_api() as api:
        if fault == "down":
            api.status = 500
        elif fault == "garbage":
            api.body = b"<html>"
        with running(Lane(settings, binance(server, api))) as lane:
            until(lambda: len(lane.ids) == 3)  # the lane goes on
            until(lambda: not read_gaps(connect(settings)).empty)
            gap = read_gaps(connect(settings)).iloc[0]
            assert (gap.symbol, gap.source, gap.status) == ("BTCUSDT", "binance-trades", "unrepairable")
            first, last = lane.trades[0].event_time, lane.trades[1].event_time
            assert gap.start <= first
            assert gap.end > last
            assert gap.end - gap.start < last - first + timedelta(minutes=2)
            assert (lane.outlet.tally.gaps, lane.outlet.tally.repaired) == (1, 0)


@pytest.mark.slow
def test_a_socket_that_stalls_is_noticed_within_ten_seconds(settings: Settings) -> None:
    stalled: list[float] = []
    watches: list[Stopwatch] = []

    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        watches.append(Stopwatch())
        stalled.append(time.monotonic())
        connection.send(trade_frame(number))
        server.stall(connection)

    with exchange(script) as server, trades_api() as api, running(Lane(settings, binance(server, api))) as lane:
        until(lambda: len(stalled) == 2)
        watches[0].assert_within(10)
        assert stalled[1] - stalled[0] > SILENCE
        until(lambda: lane.ids == [0, 1])


@pytest.mark.slow
def test_a_server_that_does_not_answer_pings_is_left(settings: Settings) -> None:
    """Its process hangs: the socket is open, and nobody reads it."""

    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        connection.send(trade_frame(number))
        if number == 0:
            connection.protocol_mutex.acquire()
            server.closing.wait(3)
            connection.protocol_mutex.release()
        server.stall(connection)

    with (
        exchange(script) as server,
        trades_api() as api,
        running(Lane(settings, binance(server, api, silence=1.0))) as lane,
    ):
        until(lambda: lane.ids == [0, 1])
        assert lane.outlet.tally.reconnections >= 1


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ('{"error": {"code": 2, "msg": "Invalid request"}, "id": 1}', "refused"),
        ("<html><body>502 Bad Gateway</body></html>", "not JSON"),
        (b"\xff\x00\xfe", "not JSON"),
        ('{"stream": "btcusdt@trade", "data": {"e": "surprise"}}', "unknown frame"),
        (trade_frame(1).replace('"p": "100.01"', '"p": "-100.01"'), "price"),
        ('{"stream": "' + "x" * 2_000_000 + '"}', "too large"),
    ],
)
def test_what_cannot_be_used_is_rejected_and_the_lane_goes_on(
    settings: Settings, frame: str | bytes, reason: str
) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        if number == 0:
            connection.send(trade_frame(0))
            connection.send(frame)
        steadily(server, connection, range(1, 5))

    with exchange(script) as server, trades_api() as api, running(Lane(settings, binance(server, api))) as lane:
        until(lambda: lane.ids == [0, 1, 2, 3, 4])
        until(lambda: lane.rejected)
        assert [message.reason.partition(":")[0] for message in lane.rejected] == [reason]
        assert all(len(message.content) <= 4096 for message in lane.rejected)
        assert server.connections == (2 if reason in ("refused", "too large") else 1)


def test_a_frame_of_200_megabytes_costs_no_memory(settings: Settings) -> None:
    import resource

    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        if number == 0:
            connection.send(b"\x20" * (1 << 20) for _ in range(200))  # one message in fragments
        steadily(server, connection, range(5))

    with exchange(script) as server, trades_api() as api:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with running(Lane(settings, binance(server, api))) as lane:
            until(lambda: lane.ids == [*range(5)])
            assert [message.reason.partition(":")[0] for message in lane.rejected] == ["too large"]
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB, the server's part included


def test_html_in_place_of_a_websocket_is_a_refusal_that_is_tried_again(settings: Settings) -> None:
    with trades_api() as api:
        api.status = 503
        address = Exchange()
        address.url = api.url.replace("http", "ws")
        with running(Lane(settings, binance(address, api))) as lane:
            until(lambda: len(lane.rejected) >= 2)
            assert not lane.collector.ready()
            assert {message.reason for message in lane.rejected} == {"refused: HTTP status 503"}


def test_nobody_there_at_first(settings: Settings) -> None:
    with trades_api() as api:
        address = Exchange()
        address.url = "ws://127.0.0.1:1"
        with running(Lane(settings, binance(address, api))) as lane:
            until(lambda: lane.outlet.tally.reconnections >= 3)
            assert not lane.collector.ready()


def test_garbage_alone_ends_the_connection_and_opens_the_circuit(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, _number: int) -> None:
        for _ in range(30):
            connection.send("garbage")
        server.stall(connection)

    breaker = Breaker(first_pause=0.01, longest_pause=0.01, opens_at=3, open_seconds=30)
    with (
        exchange(script) as server,
        trades_api() as api,
        running(Lane(settings, binance(server, api, breaker=breaker))) as lane,
    ):
        until(lambda: breaker.open and len(lane.rejected) >= 60)
        time.sleep(0.3)
        assert server.connections == 3
        assert len(lane.rejected) == 60


@pytest.mark.slow
def test_a_connection_is_made_anew_when_it_is_old(settings: Settings) -> None:
    def script(_server: Exchange, connection: ServerConnection, number: int) -> None:
        for trade in range(1000):
            connection.send(trade_frame(100 * number + trade))
            time.sleep(0.01)

    with exchange(script) as server, trades_api() as api:
        with running(Lane(settings, binance(server, api, oldest=0.3))) as lane:
            until(lambda: server.connections >= 3)
        assert lane.ids == [*range(len(lane.ids))]


@pytest.mark.slow
def test_a_log_that_is_away_loses_nothing_that_fits_the_buffer(settings: Settings) -> None:
    with (
        exchange(lambda s, c, _n: steadily(s, c, range(3000))) as server,
        trades_api() as api,
        running(away_after_the_start(Lane(settings, binance(server, api)))) as lane,
    ):
        until(lambda: lane.outlet.tally.received == 3000)
        assert not lane.collector.ready()
        lane.log.away_for_appending = False
        until(lambda: len(lane.ids) == 3000)
        assert lane.ids == [*range(3000)]


@pytest.mark.slow
def test_a_full_buffer_that_blocks_holds_the_exchange_back_and_loses_nothing(settings: Settings) -> None:
    with (
        exchange(lambda s, c, _n: steadily(s, c, range(3000))) as server,
        trades_api() as api,
        running(away_after_the_start(Lane(settings, binance(server, api), capacity=50))) as lane,
    ):
        time.sleep(0.5)
        assert lane.outlet.tally.received < 1200
        lane.log.away_for_appending = False
        until(lambda: len(lane.ids) == 3000)
        assert lane.ids == [*range(3000)]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_a_full_buffer_that_drops_counts_and_records_what_it_drops(settings: Settings, policy: Policy) -> None:
    def script(server: Exchange, connection: ServerConnection, _number: int) -> None:
        for number in (*range(1500), 0):  # the last, which was there, tells that the one before it was dealt with
            connection.send(trade_frame(number))
        server.stall(connection)

    with exchange(script) as server, trades_api() as api:
        with running(away_after_the_start(Lane(settings, binance(server, api), capacity=50, policy=policy))) as lane:
            until(lambda: lane.outlet.tally.received == 1501)
            lane.log.away_for_appending = False
            until(lambda: len(lane.ids) + lane.outlet.tally.dropped == 1500)
            assert lane.outlet.tally.dropped >= 1500 - 50 - 1000
            assert (lane.ids[-1] == 1499) == (policy == "drop_oldest")
            assert lane.ids == sorted(lane.ids)
        gaps = read_gaps(connect(settings))
        assert [*gaps.source] == ["binance-trades"]
        assert gaps.start[0] <= datetime.now(UTC) <= gaps.end[0] + timedelta(minutes=1)


@pytest.mark.slow
def test_it_ends_within_five_seconds_though_the_log_is_away_and_says_what_is_lost(settings: Settings) -> None:
    with (
        exchange(lambda s, c, _n: steadily(s, c, range(100))) as server,
        trades_api() as api,
        running(away_after_the_start(Lane(settings, binance(server, api)))) as lane,
    ):
        until(lambda: lane.outlet.tally.received == 100)
    assert "100 lost" in lane.collector.summary()


@pytest.mark.slow
def test_polling_puts_each_trade_through_once_and_outlives_an_outage(settings: Settings) -> None:
    with trades_api() as api:
        api.newest = 100

        def make(outlet: Outlet) -> Feed:
            return BinancePolling(BinanceTrades(api.url, http()), ["BTCUSDT"], outlet, seconds=0.02, breaker=quick())

        with running(Lane(settings, make)) as lane:
            until(lambda: len(lane.ids) == 101)
            api.newest = 130
            until(lambda: len(lane.ids) == 131)
            api.status = 500
            until(lambda: not lane.collector.ready())
            api.status, api.newest = 200, 5000
            until(lambda: len(lane.ids) == 5001)
            assert lane.ids == [*range(5001)]


def advanced(number: int, channel: str, events: list[dict[str, Any]]) -> str:
    return json.dumps(
        {"channel": channel, "timestamp": "2026-04-05T12:00:00Z", "sequence_num": number, "events": events}
    )


def market_trades(number: int, ids: range, kind: str = "update") -> str:
    trades = [
        {"trade_id": str(i), "product_id": "BTC-USD", "price": f"{100 + i}", "size": "1", "side": "BUY",
         "time": f"2026-04-05T11:{i // 60:02}:{i % 60:02}Z"}
        for i in reversed(ids)
    ]  # fmt: skip
    return advanced(number, "market_trades", [{"type": kind, "trades": trades}])


@contextmanager
def collecting_coinbase(
    settings: Settings, script: Callable[[Exchange, ServerConnection, int], None], **options: Any
) -> Iterator[tuple[Lane, Exchange]]:
    with exchange(script) as server:

        def make(outlet: Outlet) -> Feed:
            return WebsocketFeed(
                CoinbaseStream(server.url, ["BTCUSD"], outlet), outlet, **({"breaker": quick()} | options)
            )

        with running(Lane(settings, make, exchange="coinbase")) as lane:
            yield lane, server


def test_coinbase_is_subscribed_anew_after_every_break(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        server.hear(connection, 3)
        connection.send(advanced(0, "subscriptions", [{}]))
        connection.send(market_trades(1, range(10 * number, 10 * number + 20), "snapshot"))
        connection.send(
            advanced(2, "ticker", [{"type": "snapshot", "tickers": [{"product_id": "BTC-USD", "price": "7"}]}])
        )
        connection.send(market_trades(3, range(10 * number + 20, 10 * number + 22)))
        if number == 2:
            server.stall(connection)
        connection.close()

    with collecting_coinbase(settings, script) as (lane, server):
        until(lambda: len(lane.ids) == 42)
        # Snapshots overlap what came before, and ticks are not counted where there are trades.
        assert lane.ids == [*range(42)]
        assert [json.loads(m)["channel"] for m in server.heard] == 3 * ["heartbeats", "market_trades", "ticker"]
        assert lane.outlet.tally.gaps == 0


def test_lost_frames_of_coinbase_are_fetched_by_the_next_connection(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        if number == 0:
            connection.send(market_trades(0, range(10), "snapshot"))
            connection.send(market_trades(1, range(10, 12)))
            connection.send(market_trades(4, range(20, 22)))  # two frames are missing
        else:
            connection.send(market_trades(0, range(5, 25), "snapshot"))
        server.stall(connection)

    with collecting_coinbase(settings, script) as (lane, server):
        until(lambda: len(lane.ids) == 25)
        assert lane.ids == [*range(25)]
        assert server.connections == 2
        assert (lane.outlet.tally.gaps, lane.outlet.tally.repaired) == (1, 1)


def test_a_hole_that_the_snapshot_does_not_reach_is_in_the_gap_ledger(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        server.hear(connection, 3)
        connection.send(market_trades(0, range(1000 * number, 1000 * number + 10), "snapshot"))
        if number == 1:
            server.stall(connection)

    with collecting_coinbase(settings, script) as (lane, _server):
        until(lambda: not read_gaps(connect(settings)).empty)
        assert lane.ids == [*range(10), *range(1000, 1010)]
        gap = read_gaps(connect(settings)).iloc[0]
        assert (gap.symbol, gap.source) == ("BTCUSD", "coinbase-trades")


def test_a_refused_subscription_is_counted_and_tried_again(settings: Settings) -> None:
    def script(server: Exchange, connection: ServerConnection, number: int) -> None:
        if number < 2:
            connection.send('{"type": "error", "message": "Failed to subscribe", "reason": "BTC-USD is not valid"}')
        else:
            connection.send(market_trades(0, range(3), "snapshot"))
        server.stall(connection)

    with collecting_coinbase(settings, script) as (lane, _server):
        until(lambda: len(lane.ids) == 3)
        assert [message.reason.partition(":")[0] for message in lane.rejected] == ["refused", "refused"]


def test_recorded_frames_arrive_as_they_are_read(settings: Settings, recordings: Path) -> None:
    """The recorder left out the answer to its subscription: a missing frame is no reason to begin again for ever."""
    frames = (recordings / "coinbase_ticker" / "BTC-USD_20260404_raw_frames.ndjson").read_text().splitlines()

    def script(server: Exchange, connection: ServerConnection, _number: int) -> None:
        for frame in frames:
            connection.send(frame)
        server.stall(connection)

    with collecting_coinbase(settings, script) as (lane, server):
        until(lambda: server.connections == 2 and len(lane.trades) >= len(frames) + 1)
        prices = [json.loads(frame)["events"][0]["tickers"][0]["price"] for frame in frames]
        assert [t.price for t in lane.trades[1:]] == [float(price) for price in prices]


def test_a_feed_that_dies_ends_the_collector_with_an_error(settings: Settings) -> None:
    class Dying:
        ready = False

        def __init__(self, outlet: Outlet) -> None:
            self.outlet = outlet

        def run(self, stop: threading.Event) -> None:
            """Returns at once."""

    with pytest.raises(BitPredictError, match="the feed of binance ended"):
        Lane(settings, Dying).collector.run(threading.Event())


def test_the_market_chooses_the_feed() -> None:
    log = MemoryLog(1)
    for market in ("binance", "coinbase", "simulated"):
        assert choose_collector(Settings(market=market), log).summary().startswith(f"{market}:")  # type: ignore[arg-type]
    for market in ("sample", "archive"):
        with pytest.raises(SettingsError, match="replay"):
            choose_collector(Settings(market=market), log)  # type: ignore[arg-type]
    assert isinstance(choose_collector(Settings(market="binance", binance_stream_url=""), log)._feed, BinancePolling)
