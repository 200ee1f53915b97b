"""Reads recorded market data: the sample's ticks, flat and raw frames as NDJSON, and whole websocket sessions.

What a file is, is told from its first line:

- `event_time,product_id,price,best_bid,best_ask`: the sample's CSV of Coinbase ticks;
- `{"ts": …, "product_id": …, "price": …}`: the same, an object a line;
- `{"channel": …}`: raw frames of Coinbase's Advanced Trade feed;
- `wss://… <-> …`: a session, each frame as `<unix time of receipt>: <frame>`; what was sent, and HTTP, is passed over.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec

from bitpredict.errors import BadSourceDataError, MessageError, SourceError
from bitpredict.streaming import binance, coinbase
from bitpredict.streaming.frames import believable, parsed, positive, symbol_of
from bitpredict.streaming.messages import Candle, Rejected, Trade

_CSV_HEADER = "event_time,product_id,price,best_bid,best_ask"
_SESSION = re.compile(r"wss://[^ ]*(binance|coinbase)[^ ]* <-> ")
_RECEIVED = re.compile(r"([0-9]{9,11}(?:\.[0-9]+)?): (.*)")
_NOT_RECEIVED = re.compile(r"(?:wss?|https?)://|configuration: ")
_KEPT = 4096
_REMEDY = "known are CSV and NDJSON of Coinbase ticks, NDJSON of its frames, and sessions of `<unix time>: <frame>`"

_Read = Callable[[int, str], Sequence[Trade | Candle]]


class _Tick(msgspec.Struct, gc=False):
    ts: datetime
    product_id: str
    price: msgspec.Raw


class _Stamp(msgspec.Struct, gc=False):
    timestamp: datetime


_TICK = msgspec.json.Decoder(_Tick)
_STAMP = msgspec.json.Decoder(_Stamp)


class Recording:
    """A file of recorded market data, which can be read again and again.

    Iterating gives what the lines hold, in their order, `received_at` as recorded (the event's time where the
    recording does not tell), and a Rejected for each line that cannot be used.

    Attributes:
        exchange: whose data it is.

    Raises:
        SourceError: there is no such file.
        BadSourceDataError: its first line is of none of the known formats.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _opened(path) as file:
            self._read, self.exchange = _format_of(file.readline(_KEPT).rstrip(), path)

    def __iter__(self) -> Iterator[Trade | Candle | Rejected]:
        with _opened(self._path) as file:
            for number, line in enumerate(file, start=1):
                if not (text := line.strip()):
                    continue
                try:
                    yield from self._read(number, text)
                except MessageError as error:
                    yield Rejected(str(error), f"{self._path.name}:{number}", datetime.now(UTC), text[:_KEPT])


def read_recording(path: Path) -> Iterator[Trade | Candle]:
    """What a recording holds, strictly. Raises as Recording does, and MessageError at a line that cannot be used."""
    for item in Recording(path):
        if isinstance(item, Rejected):
            raise MessageError(f"{item.source}: {item.reason}")
        yield item


def _opened(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}); name a recording") from error


def _format_of(first_line: str, path: Path) -> tuple[_Read, str]:
    if first_line == _CSV_HEADER:
        return _csv_tick, coinbase.EXCHANGE
    if first_line.startswith('{"ts"'):
        return _flat_tick, coinbase.EXCHANGE
    if first_line.startswith('{"channel"'):
        return _raw_frame, coinbase.EXCHANGE
    if session := _SESSION.match(first_line):
        return (_binance_session if session[1] == binance.EXCHANGE else _coinbase_session), session[1]
    raise BadSourceDataError(f"{path} begins with {first_line[:60]!r}, which is no known recording; {_REMEDY}")


def _csv_tick(number: int, line: str) -> list[Trade]:
    if number == 1:
        return []
    cells = line.split(",")
    if len(cells) != _CSV_HEADER.count(",") + 1:
        raise MessageError(f"unknown shape: {len(cells)} columns in place of {_CSV_HEADER}")
    try:
        moment = datetime.fromisoformat(cells[0])
    except ValueError as error:
        raise MessageError(f"time: {cells[0][:40]!r} is no time") from error
    return [_tick(number - 1, moment, cells[1], cells[2])]


def _flat_tick(number: int, line: str) -> list[Trade]:
    tick = parsed(_TICK, line)
    return [_tick(number, tick.ts, tick.product_id, bytes(tick.price).decode())]


def _tick(number: int, moment: datetime, product: str, price: str) -> Trade:
    """A tick named by its place, the same in both formats; it has no size, and nobody says who bought."""
    event_time = believable(moment, datetime.now(UTC))
    return Trade(
        exchange=coinbase.EXCHANGE,
        symbol=symbol_of(product),
        trade_id=f"seq:{number}",
        price=positive(price, "price"),
        size=0.0,
        side="unknown",
        event_time=event_time,
        received_at=event_time,
        sequence=number,
    )


def _raw_frame(_number: int, line: str) -> list[Trade]:
    stamp = parsed(_STAMP, line).timestamp
    return coinbase.decode_frame(line, believable(stamp, datetime.now(UTC)))


def _binance_session(_number: int, line: str) -> Sequence[Trade | Candle]:
    received = _received(line)
    return binance.decode_frame(received[1], received[0]) if received else []


def _coinbase_session(_number: int, line: str) -> list[Trade]:
    received = _received(line)
    return coinbase.decode_frame(received[1], received[0]) if received else []


def _received(line: str) -> tuple[datetime, str] | None:
    """When a frame was received, and the frame; None of a line that is no received frame."""
    if found := _RECEIVED.fullmatch(line):
        return datetime.fromtimestamp(float(found[1]), UTC), found[2]
    if _NOT_RECEIVED.match(line):
        return None
    raise MessageError(f"unknown shape: {line[:40]!r} is no `<unix time>: <frame>`")
