"""The collector: what the market's exchange sends, validated and buffered, into the event log."""

import threading
import time
from typing import Protocol

import structlog

from bitpredict.errors import BitPredictError, SettingsError
from bitpredict.settings import Settings
from bitpredict.sources.http import HttpClient
from bitpredict.streaming import binance, coinbase, simulation
from bitpredict.streaming.appending import Appender
from bitpredict.streaming.binance_feed import BinancePolling, BinanceStream, Repair
from bitpredict.streaming.binance_rest import BinanceTrades
from bitpredict.streaming.buffer import Buffer, Item
from bitpredict.streaming.coinbase_feed import CoinbaseStream
from bitpredict.streaming.log import EventLog, Message
from bitpredict.streaming.metrics import BUFFERED
from bitpredict.streaming.missed import Missed
from bitpredict.streaming.outlet import Outlet
from bitpredict.streaming.places import Places
from bitpredict.streaming.topics import trades_topic
from bitpredict.streaming.websocket import WebsocketFeed

_log = structlog.get_logger(__name__)

BATCH = 1000
"""Messages appended at once, at most."""

TOGETHER = 0.005
"""Seconds: one message alone is appended at once, those that follow it within this time together."""

_ENDING = 3.5  # seconds after `stop` in which what waits may still be appended
_WRITE_EVERY = 1.0  # seconds: what is missed to the ledger, and where this collector stands


class Feed(Protocol):
    """One exchange's messages.

    Attributes:
        ready: it is connected, and something came of it.
    """

    outlet: Outlet
    ready: bool

    def run(self, stop: threading.Event) -> None:
        """Feed the outlet until `stop`, whatever happens to the exchange."""


class Collector:
    """A worker that listens to one exchange and appends what it says. While the log is away the buffer fills.

    Args:
        feed: uses `buffer` through its outlet.
    """

    def __init__(self, log: EventLog, feed: Feed, buffer: Buffer, missed: Missed, places: Places) -> None:
        self._log = log
        self._appender = Appender(log)
        self._feed = feed
        self._buffer = buffer
        self._missed = missed
        self._places = places

    def run(self, stop: threading.Event) -> None:
        """Collect until `stop`, from where the topic ends, or where its last collector stood; then append what waits.

        Raises:
            BitPredictError: the feed's thread died.
        """
        outlet = self._feed.outlet
        topic = trades_topic(outlet.exchange)
        if not self._appender.patiently(lambda: outlet.continuity.go_on(self._log, topic), stop):
            return
        for symbol, place in self._places.read().items():
            outlet.continuity.know(symbol, place.number, place.event_time)
        # What waits when the end is asked for gets a little time; the log may be away.
        give_up = threading.Event()
        feeding = threading.Thread(target=self._feed.run, args=(stop,), name="feed", daemon=True)
        ending = threading.Thread(target=self._end, args=(stop, give_up), name="ending", daemon=True)
        feeding.start()
        ending.start()
        written = time.monotonic()
        while True:
            began = time.monotonic()
            items = self._buffer.take(BATCH, 0.1)
            self._append(items, give_up)
            BUFFERED.labels(outlet.exchange).set(len(self._buffer))
            if time.monotonic() - written > _WRITE_EVERY:
                self._missed.write()
                self._places.write()
                written = time.monotonic()
            if not feeding.is_alive() and not stop.is_set():
                raise BitPredictError(f"the feed of {outlet.exchange} ended; what it said last is in the log")
            if give_up.is_set() or (stop.is_set() and not items and not feeding.is_alive()):
                break
            if len(items) < BATCH:
                give_up.wait(began + TOGETHER - time.monotonic())
        outlet.lost(self._buffer.take(len(self._buffer), 0.0))
        self._missed.write()
        self._places.write()

    def ready(self) -> bool:
        return self._feed.ready and not self._appender.waiting

    def summary(self) -> str:
        tally = self._feed.outlet.tally
        return (
            f"{self._feed.outlet.exchange}: {tally.received:,} frames received, {self._appender.appended:,} messages "
            f"stored, {tally.rejected:,} rejected, {tally.dropped:,} lost, {tally.reconnections:,} reconnections, "
            f"{tally.gaps:,} gaps of which {tally.repaired:,} repaired"
        )

    def _append(self, items: list[Item], give_up: threading.Event) -> None:
        by_topic: dict[str, list[Message]] = {}
        for item in items:
            by_topic.setdefault(item.topic, []).append(item.message)
        for topic, messages in by_topic.items():
            if not self._appender.append(topic, messages, give_up):
                self._feed.outlet.lost([Item(topic, message) for message in messages])
            elif topic == trades_topic(self._feed.outlet.exchange):
                self._places.appended(messages)

    def _end(self, stop: threading.Event, give_up: threading.Event) -> None:
        stop.wait()
        self._buffer.close()
        time.sleep(_ENDING)
        give_up.set()


def choose_collector(settings: Settings, log: EventLog) -> Collector:
    """The collector of the market that the settings name.

    Raises:
        SettingsError: the market has no exchange to listen to.
    """
    buffer = Buffer(settings.buffer_messages, settings.buffer_policy)
    missed = Missed(settings)

    outlet = Outlet(_exchange(settings), buffer, settings.buffer_policy, missed)
    return Collector(log, _feed(settings, outlet), buffer, missed, Places(settings.home, outlet.exchange))


def _exchange(settings: Settings) -> str:
    exchanges = {"binance": binance.EXCHANGE, "coinbase": coinbase.EXCHANGE, "simulated": simulation.EXCHANGE}
    if settings.market not in exchanges:
        raise SettingsError(
            f"the market {settings.market} has no exchange to listen to; set BITPREDICT_MARKET to binance or coinbase, "
            "or replay recordings with `bitpredict replay`"
        )
    return exchanges[settings.market]


def _feed(settings: Settings, outlet: Outlet) -> Feed:
    if outlet.exchange == simulation.EXCHANGE:
        return simulation.SimulatedFeed(settings.symbols, settings.simulation_seed, outlet)
    if outlet.exchange == coinbase.EXCHANGE:
        return WebsocketFeed(CoinbaseStream(settings.coinbase_url, settings.symbols, outlet), outlet)
    # What a stream missed holds back what it says: a repair may not take long.
    http = HttpClient("binance_trades", timeout=4.0, deadline=8.0, attempts=2, wait_max=1.0, longest_pause=5.0)
    trades = BinanceTrades(settings.binance_url, http)
    if not settings.binance_stream_url:
        return BinancePolling(trades, settings.symbols, outlet)
    stream = BinanceStream(settings.binance_stream_url, settings.symbols, Repair(trades, outlet))
    return WebsocketFeed(stream, outlet)
