"""What the decoders of all exchanges check in the same way: a frame's size and JSON, amounts, instants, symbols."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeVar

import msgspec

from bitpredict.errors import MessageError, UnknownSymbolError
from bitpredict.market.symbols import parse_symbol

LARGEST_FRAME = 1 << 20
"""Bytes. Subscriptions of trades, ticks and candles never come near it; an order book's first frame may."""

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
"""No exchange that is read here traded before."""

AHEAD = timedelta(days=1)
"""How far an event may lie after its receipt: a wrong clock of this machine must not make good trades unbelievable."""

_LARGEST_AMOUNT = 1e15
_DECIMAL = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
_PAIR = re.compile(r"[A-Z0-9]{1,12}-?[A-Z0-9]{1,12}")
_T = TypeVar("_T")


def reason_of(error: MessageError) -> str:
    """What is wrong in a word or two, the same for all frames of that fault: what stands before the colon."""
    return str(error).partition(":")[0]


def parsed(decoder: msgspec.json.Decoder[_T], frame: bytes | str) -> _T:
    """A frame as `decoder` understands it.

    Raises:
        MessageError: larger than LARGEST_FRAME, no JSON, or of another shape.
    """
    if len(frame) > LARGEST_FRAME:
        raise MessageError(f"too large: a frame of {len(frame)} bytes, where {LARGEST_FRAME} are the most")
    try:
        if isinstance(frame, bytes):
            frame.decode()  # the decoder does not look at what it skips
        return decoder.decode(frame)
    except msgspec.ValidationError as error:
        raise MessageError(f"unknown shape: {error}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MessageError(f"not JSON: {error}; it begins with {frame[:40]!r}") from error


def positive(text: str, what: str) -> float:
    """A price or size above zero.

    Raises:
        MessageError: no plain decimal number, zero, or absurdly large.
    """
    amount = not_negative(text, what)
    if amount == 0:
        raise MessageError(f"{what}: {text!r} is not above zero")
    return amount


def not_negative(text: str, what: str) -> float:
    """An amount of zero or more. Raises as `positive` does."""
    if not _DECIMAL.fullmatch(text):
        raise MessageError(f"{what}: {text[:40]!r} is not a plain decimal number")
    amount = float(text)
    if amount > _LARGEST_AMOUNT:
        raise MessageError(f"{what}: {text[:40]!r} is larger than {_LARGEST_AMOUNT:g}")
    return amount


def from_milliseconds(milliseconds: int, received_at: datetime) -> datetime:
    """An instant from milliseconds since 1970.

    Raises:
        MessageError: before EARLIEST, or more than AHEAD after `received_at`.
    """
    try:
        moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MessageError(f"time: {milliseconds} is no time in milliseconds") from error
    return believable(moment.replace(microsecond=milliseconds % 1000 * 1000), received_at)


def believable(moment: datetime, received_at: datetime) -> datetime:
    """`moment` in UTC. Raises MessageError as `from_milliseconds` does, and where it has no timezone."""
    if moment.tzinfo is None:
        raise MessageError(f"time: {moment.isoformat()} has no timezone")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as error:
        raise MessageError(f"time: {moment!r} lies outside the calendar") from error
    if not EARLIEST <= moment <= received_at + AHEAD:
        raise MessageError(f"time: {moment.isoformat()} is not believable in a frame of {received_at.isoformat()}")
    return moment


@lru_cache(maxsize=4096)
def symbol_of(name: str) -> str:
    """An exchange's name of a pair (`BTC-USD`, `BTCUSDT`) as ours.

    Raises:
        MessageError: it is no pair with a quote currency that is known here.
    """
    if not _PAIR.fullmatch(name):
        raise MessageError(f"symbol: {name[:40]!r} is not a trading pair")
    try:
        return parse_symbol(name)
    except UnknownSymbolError as error:
        raise MessageError(f"symbol: {error}") from error
