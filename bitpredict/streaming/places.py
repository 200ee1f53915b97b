"""Where a collector stood: each symbol's last trade that the topic was given, in a file that outlives retention."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from bitpredict.files import replace_file
from bitpredict.streaming.continuity import is_numbered
from bitpredict.streaming.log import Message
from bitpredict.streaming.messages import decode_trade

FOLDER = "collected"
_log = structlog.get_logger(__name__)


class Place(msgspec.Struct, frozen=True):
    """Number and event_time of a symbol's last trade."""

    number: int
    event_time: datetime


_PLACES = msgspec.json.Decoder(dict[str, Place])


class Places:
    """One exchange's. One thread uses it."""

    def __init__(self, home: Path, exchange: str) -> None:
        self._file = home / FOLDER / f"{exchange}.json"
        self._appended: dict[str, Message] = {}
        self._own: dict[str, Place] = {}
        self._failed = False

    def read(self) -> Mapping[str, Place]:
        """What is known; nothing where there is no such file, or none that can be read, which is told."""
        try:
            places = _PLACES.decode(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            if not self._failed:
                _log.warning("where the collector stood cannot be read", file=str(self._file), problem=str(error))
            return {}
        return {symbol: place for symbol, place in places.items() if place.event_time.tzinfo is not None}

    def appended(self, messages: Sequence[Message]) -> None:
        """These trades are in the topic."""
        self._appended.update((message.key, message) for message in messages)

    def write(self) -> None:
        """Keep the places of what was appended since the last time, beside those of symbols that others collect."""
        if not self._appended:
            return
        for symbol, message in self._appended.items():
            trade = decode_trade(message.value)
            if is_numbered(trade.trade_id, trade.exchange, trade.replayed):
                self._own[symbol] = Place(int(trade.trade_id), trade.event_time)
        self._appended.clear()
        try:
            replace_file(self._file, msgspec.json.encode({**self.read(), **self._own}))
        except OSError as error:
            if not self._failed:
                _log.warning("where the collector stands is not kept", file=str(self._file), problem=error.strerror)
            self._failed = True
        else:
            self._failed = False
