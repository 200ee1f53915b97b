"""Keeps one websocket of an exchange open, whatever happens to it, and hands its frames to whoever understands them."""

import threading
import time
from datetime import datetime
from typing import Protocol

import structlog
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from bitpredict.breaker import Breaker
from bitpredict.errors import MessageError
from bitpredict.masking import masked
from bitpredict.streaming.frames import LARGEST_FRAME, reason_of
from bitpredict.streaming.messages import Candle, Trade
from bitpredict.streaming.outlet import Outlet

_log = structlog.get_logger(__name__)

SILENCE = 8.0
"""Seconds without a frame after which a socket is stalled: both feeds have something to say every second."""

OLDEST = 23.8 * 3600
"""Seconds after which a connection is made anew, before Binance ends it at 24 hours."""

_LOOK = 0.25  # seconds between looks at the clock and at `stop` while nothing comes
_BROKEN_IN_A_ROW = 20  # frames that cannot be used, without one that can: this is not the feed it should be
_MESSAGE_TOO_BIG = 1009


class Dialect(Protocol):
    """What differs between exchanges."""

    @property
    def url(self) -> str: ...

    def connected(self) -> list[bytes]:
        """A new connection is open: what to send first."""

    def understand(self, frame: bytes | str, received_at: datetime) -> list[Trade | Candle]:
        """What a frame holds that was not seen before.

        Raises:
            MessageError: it cannot be used.
            ReconnectError: the connection has to be made anew.
        """


class ReconnectError(Exception):
    """This connection is of no use any more; the message says why in a word or two."""


class WebsocketFeed:
    """Connects, listens, and connects anew, until it is told to stop.

    Args:
        silence, oldest: seconds, as SILENCE and OLDEST.
    """

    def __init__(
        self,
        dialect: Dialect,
        outlet: Outlet,
        *,
        breaker: Breaker | None = None,
        silence: float = SILENCE,
        oldest: float = OLDEST,
    ) -> None:
        self.outlet = outlet
        self.ready = False
        self._dialect = dialect
        self._breaker = breaker or Breaker()
        self._silence = silence
        self._oldest = oldest

    def run(self, stop: threading.Event) -> None:
        """Feed the outlet until `stop`."""
        while not stop.is_set():
            why = self._connection(stop)
            self.ready = False
            if stop.is_set():
                return
            self.outlet.reconnecting(why)
            pause = self._breaker.pause()
            _log.warning(
                "connecting anew",
                exchange=self.outlet.exchange,
                why=why,
                seconds=round(pause, 2),
                open=self._breaker.open,
            )
            stop.wait(pause)

    def _connection(self, stop: threading.Event) -> str:
        """One connection from its opening to its end, and why it ended."""
        try:
            with connect(
                self._dialect.url,
                open_timeout=10,
                close_timeout=0.5,
                ping_interval=self._silence / 2,
                ping_timeout=self._silence / 2,
                max_size=LARGEST_FRAME,
                max_queue=1024,
            ) as connection:
                for message in self._dialect.connected():
                    connection.send(message.decode())
                self._listen(connection, stop)
        except ReconnectError as error:
            return str(error)
        except ConnectionClosed as error:
            return self._closed(error)
        except InvalidStatus as error:
            body = error.response.body or b""
            self.outlet.reject(bytes(body), MessageError(f"refused: HTTP status {error.response.status_code}"))
            return "refused"
        except (WebSocketException, OSError, EOFError) as error:
            _log.warning("no connection", exchange=self.outlet.exchange, error=masked(str(error))[:200])
            return "no connection"
        return "ended"

    def _listen(self, connection: ClientConnection, stop: threading.Event) -> None:
        began = heard = time.monotonic()
        broken = 0
        while not stop.is_set():
            try:
                frame = connection.recv(timeout=_LOOK)
            except TimeoutError:
                if time.monotonic() - heard > self._silence:
                    raise ReconnectError("silent") from None
                continue
            received_at = self.outlet.received()
            try:
                messages = self._dialect.understand(frame, received_at)
            except MessageError as error:
                self.outlet.reject(frame, error)
                broken += 1
                if reason_of(error) == "refused" or broken >= _BROKEN_IN_A_ROW:
                    raise ReconnectError(reason_of(error)) from error
            else:
                broken = 0
                self.ready = True
                self._breaker.works()
                if messages:
                    self.outlet.put(messages)
            heard = time.monotonic()
            if heard - began > self._oldest:
                raise ReconnectError("old")

    def _closed(self, error: ConnectionClosed) -> str:
        if error.sent and error.sent.code == _MESSAGE_TOO_BIG:
            self.outlet.reject("", MessageError(f"too large: a frame of more than {LARGEST_FRAME} bytes"))
            return "too large"
        if error.rcvd:
            return "closed"
        return "broken off" if error.sent is None else "silent"
