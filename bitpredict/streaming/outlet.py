"""Where a feed's messages go: into the buffer, counted; what cannot be used, with its reason, to the rejected topic."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from bitpredict.errors import MessageError
from bitpredict.streaming.buffer import Buffer, Item
from bitpredict.streaming.continuity import Continuity, Hole
from bitpredict.streaming.frames import reason_of
from bitpredict.streaming.log import Message
from bitpredict.streaming.messages import Candle, Rejected, Trade, encode
from bitpredict.streaming.metrics import DROPPED, GAPS, LAST_MESSAGE, RECEIVED, RECONNECTS, REJECTED
from bitpredict.streaming.missed import Missed
from bitpredict.streaming.topics import candles_topic, rejected_topic, trades_topic

_log = structlog.get_logger(__name__)

_KEPT = 4096  # bytes of a rejected frame
_SAY_AGAIN = 10.0  # seconds between two lines in the log about the same trouble


@dataclass
class Tally:
    """What a feed did, for the last line."""

    received: int = 0
    rejected: int = 0
    dropped: int = 0
    reconnections: int = 0
    gaps: int = 0
    repaired: int = 0


class Outlet:
    """One exchange's way into the event log. One feed uses it.

    Attributes:
        continuity: what was put through so far, in this process or, by the topic, in the one before.
    """

    def __init__(self, exchange: str, buffer: Buffer, policy: str, missed: Missed) -> None:
        self.exchange = exchange
        self.tally = Tally()
        self.continuity = Continuity()
        self._buffer = buffer
        self._policy = policy
        self._missed = missed
        self._trades, self._candles = trades_topic(exchange), candles_topic(exchange)
        self._said = float("-inf")

    def received(self) -> datetime:
        """A frame or reply came just now."""
        self.tally.received += 1
        RECEIVED.labels(self.exchange).inc()
        now = datetime.now(UTC)
        LAST_MESSAGE.labels(self.exchange).set(now.timestamp())
        return now

    def put(self, messages: Sequence[Trade | Candle]) -> None:
        """Send messages on their way; waits where the policy is to wait."""
        self._queue(
            [
                Item(
                    self._trades if isinstance(message, Trade) else self._candles,
                    Message(message.symbol, encode(message), int(message.received_at.timestamp() * 1000)),
                )
                for message in messages
            ]
        )

    def reject(self, content: bytes | str, error: MessageError) -> None:
        """Send what cannot be used to the rejected topic."""
        self.tally.rejected += 1
        REJECTED.labels(self._trades, reason_of(error)).inc()
        now = datetime.now(UTC)
        text = content[:_KEPT] if isinstance(content, str) else content[:_KEPT].decode(errors="replace")
        message = Rejected(str(error), self.exchange, now, text)
        key = f"{self.exchange}:{reason_of(error)}"
        self._queue([Item(rejected_topic(self._trades), Message(key, encode(message), int(now.timestamp() * 1000)))])

    def reconnecting(self, why: str) -> None:
        """A connection ended."""
        self.tally.reconnections += 1
        RECONNECTS.labels(self.exchange, why).inc()

    def found_gap(self) -> None:
        """Something was missed."""
        self.tally.gaps += 1
        GAPS.labels(self.exchange, "found").inc()

    def repaired_gap(self) -> None:
        """What was missed was fetched."""
        self.tally.repaired += 1
        GAPS.labels(self.exchange, "repaired").inc()

    def record_gap(self, hole: Hole) -> None:
        """What was missed cannot be fetched: the gap ledger gets it."""
        GAPS.labels(self.exchange, "recorded").inc()
        _log.warning("trades were missed", symbol=hole.symbol, first=hole.first, last=hole.last)
        self._missed.add(self._trades, hole.symbol, hole.start, hole.end)

    def lost(self, items: Sequence[Item]) -> None:
        """These messages never reach the log: count them, say so, and keep their minutes in the gap ledger."""
        if not items:
            return
        self.tally.dropped += len(items)
        DROPPED.labels(self.exchange, self._policy).inc(len(items))
        for item in items:
            if item.topic == self._trades:
                moment = datetime.fromtimestamp(item.message.timestamp / 1000, UTC)
                self._missed.add(item.topic, item.message.key, moment, moment)
        if time.monotonic() - self._said >= _SAY_AGAIN:
            self._said = time.monotonic()
            _log.warning("messages are lost", exchange=self.exchange, in_all=self.tally.dropped)

    def _queue(self, items: list[Item]) -> None:
        self.lost(self._buffer.put(items))
