"""Binance's websocket frames: combined streams of trades and klines.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from bitpredict.errors import MessageError
from bitpredict.streaming.frames import from_milliseconds, not_negative, parsed, positive, symbol_of
from bitpredict.streaming.messages import Candle, Trade

EXCHANGE = "binance"

_OTHER_EVENTS = frozenset(
    {"depthUpdate", "24hrTicker", "24hrMiniTicker", "1hTicker", "4hTicker", "1dTicker", "avgPrice"}
)
_OTHER_STREAMS = ("@bookTicker", "@depth", "@miniTicker", "@ticker")
_INTERVALS: dict[str, tuple[Literal["1s", "1m"], timedelta]] = {
    "1s": ("1s", timedelta(seconds=1)),
    "1m": ("1m", timedelta(minutes=1)),
}


class _Data(msgspec.Struct, gc=False):
    e: str = ""


class _TradeData(msgspec.Struct, gc=False):
    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool


class _AggTradeData(msgspec.Struct, gc=False):
    s: str
    a: int
    p: str
    q: str
    T: int
    m: bool


class _Kline(msgspec.Struct, gc=False):
    t: int
    i: str
    o: str
    h: str
    l: str  # noqa: E741
    c: str
    v: str
    q: str
    n: int
    V: str
    x: bool


class _KlineData(msgspec.Struct, gc=False):
    s: str
    k: _Kline


class _Frame(msgspec.Struct, gc=False):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")


_FRAME = msgspec.json.Decoder(_Frame)
_DATA = msgspec.json.Decoder(_Data)
_TRADE = msgspec.json.Decoder(_TradeData)
_AGG_TRADE = msgspec.json.Decoder(_AggTradeData)
_KLINE = msgspec.json.Decoder(_KlineData)


def stream_url(base: str, symbols: Iterable[str]) -> str:
    """The address of one connection with the trades and the one-second klines of all symbols."""
    names = [f"{symbol.lower()}@{stream}" for symbol in symbols for stream in ("trade", "kline_1s")]
    return f"{base.rstrip('/')}/stream?streams={'/'.join(names)}"


def decode_frame(frame: bytes | str, received_at: datetime) -> list[Trade | Candle]:
    """The trade or the closed candle of a frame; nothing of one that is known and holds none.

    Raises:
        MessageError: broken, unknown, not believable, or the exchange's own refusal (reason `refused`).
    """
    head = parsed(_FRAME, frame)
    if bytes(head.error):
        raise MessageError(f"refused: Binance says {bytes(head.error)[:200]!r}")
    if not head.stream:
        if bytes(head.result):
            return []  # the answer to a subscription
        raise MessageError(f"unknown frame: not of a combined stream: {frame[:40]!r}")
    return _decoded(head, received_at)


def _decoded(head: _Frame, received_at: datetime) -> list[Trade | Candle]:
    data = bytes(head.data)
    event = parsed(_DATA, data).e
    if event == "trade":
        return [_trade(parsed(_TRADE, data), received_at)]
    if event == "kline":
        return _candle(parsed(_KLINE, data), received_at)
    if event == "aggTrade":
        return [_agg_trade(parsed(_AGG_TRADE, data), received_at)]
    if event in _OTHER_EVENTS or (not event and any(name in head.stream for name in _OTHER_STREAMS)):
        return []
    raise MessageError(f"unknown frame: event {event[:40]!r} in the stream {head.stream[:40]!r} of Binance")


def trade_of(
    symbol: str, trade_id: str, price: str, size: str, *, milliseconds: int, buyer_is_maker: bool, received_at: datetime
) -> Trade:
    """A trade from the fields that stream and REST have in common. Raises MessageError: not believable."""
    sequence = int(trade_id.removeprefix("agg:"))
    if sequence < 0:
        raise MessageError(f"trade_id: {trade_id} is below zero")
    return Trade(
        exchange=EXCHANGE,
        symbol=symbol_of(symbol),
        trade_id=trade_id,
        price=positive(price, "price"),
        size=positive(size, "size"),
        side="sell" if buyer_is_maker else "buy",
        event_time=from_milliseconds(milliseconds, received_at),
        received_at=received_at,
        sequence=sequence,
    )


def _trade(data: _TradeData, received_at: datetime) -> Trade:
    return trade_of(
        data.s, str(data.t), data.p, data.q, milliseconds=data.T, buyer_is_maker=data.m, received_at=received_at
    )


def _agg_trade(data: _AggTradeData, received_at: datetime) -> Trade:
    # Aggregates are counted apart from trades: their numbers must not be taken for one another.
    return trade_of(
        data.s, f"agg:{data.a}", data.p, data.q, milliseconds=data.T, buyer_is_maker=data.m, received_at=received_at
    )


def _candle(data: _KlineData, received_at: datetime) -> list[Trade | Candle]:
    kline = data.k
    if kline.i not in _INTERVALS:
        raise MessageError(f"interval: {kline.i[:10]!r} is neither 1s nor 1m")
    interval, length = _INTERVALS[kline.i]
    open_time = from_milliseconds(kline.t, received_at)
    if open_time.microsecond or open_time.timestamp() % length.total_seconds():
        raise MessageError(f"time: {open_time.isoformat()} does not begin a candle of {interval}")
    opened, high, low, close = (positive(text, "price") for text in (kline.o, kline.h, kline.l, kline.c))
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise MessageError(f"candle: {opened}, {high}, {low}, {close} are not open, high, low and close of a candle")
    if kline.n < 0:
        raise MessageError(f"candle: {kline.n} trades")
    candle = Candle(
        exchange=EXCHANGE,
        symbol=symbol_of(data.s),
        interval=interval,
        open_time=open_time,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=not_negative(kline.v, "volume"),
        quote_volume=not_negative(kline.q, "volume"),
        trade_count=kline.n,
        taker_buy_volume=not_negative(kline.V, "volume"),
        received_at=received_at,
    )
    return [candle] if kline.x else []
