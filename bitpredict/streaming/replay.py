"""Puts recorded messages into the topics in market time: with the recorded gaps between them, or as fast as it goes."""

import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from bitpredict.streaming.appending import Appender
from bitpredict.streaming.log import EventLog, Message
from bitpredict.streaming.messages import Candle, Rejected, Trade, encode
from bitpredict.streaming.metrics import REJECTED
from bitpredict.streaming.passes import LoopPlace, extent, of_pass
from bitpredict.streaming.topics import candles_topic, rejected_topic, trades_topic

BATCH = 5000
"""Messages appended at once, at most. Nothing is decoded while it is waited for that they are stored."""

_TOGETHER = 0.002  # seconds: what is due within them is appended at once

Replayed = Trade | Candle | Rejected


class Replay:
    """A worker that appends recorded messages in their order, marked as replayed and received now.

    Looped, market time goes on: the n-th pass (from 0) is shifted by n times the recording's length, its trade_ids end
    in `#n`, and after a restart it goes on behind what is in the topic.

    Args:
        exchange: whose topics are written.
        messages: in the order of their `received_at`, which paces them; looped, they are iterated once for each pass.
        speed: 1 keeps the recorded gaps, 10 makes them ten times shorter; None knows no gaps.
        loop: begin again at the end.
    """

    def __init__(
        self, log: EventLog, exchange: str, messages: Iterable[Replayed], speed: float | None, loop: bool
    ) -> None:
        self._log = log
        self._appender = Appender(log)
        self._exchange = exchange
        self._messages = messages
        self._speed = speed
        self._loop = loop
        self._running = False
        self._rejected = self._passes = 0
        self._seconds = 0.0

    def run(self, stop: threading.Event) -> None:
        """Replay until the end, or until `stop`. Raises BadSourceDataError: there is nothing to loop over."""
        began = time.monotonic()
        self._running = True
        try:
            self._replay(stop)
        finally:
            self._running = False
            self._seconds = time.monotonic() - began

    def ready(self) -> bool:
        return self._running and not self._appender.waiting

    def summary(self) -> str:
        rate = self._appender.appended / self._seconds if self._seconds else 0.0
        passes = f", {self._passes:,} whole passes" if self._loop else ""
        return (
            f"replayed {self._appender.appended:,} messages of {self._exchange} in {self._seconds:.1f} s "
            f"({rate:,.0f}/s{passes}), {self._rejected:,} of them rejected"
        )

    def _replay(self, stop: threading.Event) -> None:
        pace, together = _Pace(self._speed), list[Replayed]()
        for offset, message in self._looped(stop) if self._loop else self._one_pass():
            due = pace.seconds_until(offset)
            if together and (due > _TOGETHER or len(together) == BATCH):
                if not self._append(together, stop):
                    return
                together = []
                due = pace.seconds_until(offset)
            if stop.wait(due) if due > 0 else stop.is_set():
                break
            together.append(message)
        self._append(together, stop)

    def _one_pass(self) -> Iterator[tuple[float, Replayed]]:
        """Each message with its second since the first one's."""
        first: datetime | None = None
        offset = 0.0
        for message in self._messages:
            if not isinstance(message, Rejected):
                first = first or message.received_at
                offset = (message.received_at - first).total_seconds()
            yield offset, message

    def _looped(self, stop: threading.Event) -> Iterator[tuple[float, Replayed]]:
        """Pass after pass, from behind what is in the topic."""
        length, count = extent(self._messages)
        topic = trades_topic(self._exchange)
        place = self._appender.patiently(lambda: LoopPlace.read(self._log, topic, count), stop)
        number = place.first_pass if place else 0
        while place and not stop.is_set():
            for offset, message in self._one_pass():
                shifted = of_pass(message, number, number * length)
                if not (isinstance(shifted, Trade) and place.has(shifted, number)):
                    yield offset + (number * length).total_seconds(), shifted
            number += 1
            self._passes += 1

    def _append(self, together: list[Replayed], stop: threading.Event) -> bool:
        """Append until it is done; False if `stop` came first."""
        now = datetime.now(UTC)
        by_topic: dict[str, list[Message]] = {}
        for message in together:
            topic, key, value = self._stored(message, now)
            by_topic.setdefault(topic, []).append(Message(key, value, int(now.timestamp() * 1000)))
        return all(self._appender.append(topic, messages, stop) for topic, messages in by_topic.items())

    def _stored(self, message: Replayed, now: datetime) -> tuple[str, str, bytes]:
        if isinstance(message, Rejected):
            self._rejected += 1
            topic = trades_topic(self._exchange)
            REJECTED.labels(topic, message.reason.partition(":")[0]).inc()
            return rejected_topic(topic), message.source, encode(message)
        topic = (trades_topic if isinstance(message, Trade) else candles_topic)(self._exchange)
        return topic, message.symbol, encode(msgspec.structs.replace(message, received_at=now, replayed=True))


class _Pace:
    """When each message is due, counted from the first."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._began: float | None = None
        self._first = 0.0

    def seconds_until(self, offset: float) -> float:
        if self._speed is None:
            return 0.0
        now = time.monotonic()
        if self._began is None:
            self._began, self._first = now, offset
        return max(0.0, self._began + (offset - self._first) / self._speed - now)
