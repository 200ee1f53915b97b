"""Coinbase's websocket frames: the Advanced Trade feed of today, and the Exchange feed as it was recorded in 2021.

https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels and
https://docs.cdp.coinbase.com/exchange/websocket-feed/channels
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from bitpredict.errors import MessageError
from bitpredict.market.symbols import base_currency
from bitpredict.streaming.frames import believable, not_negative, parsed, positive, symbol_of
from bitpredict.streaming.messages import Side, Trade

EXCHANGE = "coinbase"
CHANNELS = ("heartbeats", "market_trades", "ticker")
"""What a collector subscribes to; heartbeats tell a stalled socket from a quiet one, and keep quiet ones open."""

_OTHER_CHANNELS = frozenset({"heartbeats", "subscriptions", "status", "candles", "ticker_batch", "l2_data", "user"})
_OTHER_TYPES = frozenset(
    {"heartbeat", "subscriptions", "subscribe", "unsubscribe", "snapshot", "l2update", "status",
     "received", "open", "done", "change", "activate"}
)  # fmt: skip
_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
_TAKER_OF_MAKER: dict[str, Side] = {"buy": "sell", "sell": "buy"}


class _Tick(msgspec.Struct, gc=False):
    product_id: str
    price: str


class _MarketTrade(msgspec.Struct, gc=False):
    trade_id: str
    product_id: str
    price: str
    size: str
    side: str
    time: datetime


class _TickerEvent(msgspec.Struct, gc=False):
    tickers: list[_Tick]


class _TradesEvent(msgspec.Struct, gc=False):
    trades: list[_MarketTrade]


class _Tickers(msgspec.Struct, gc=False):
    events: list[_TickerEvent]


class _Trades(msgspec.Struct, gc=False):
    events: list[_TradesEvent]


class _Match(msgspec.Struct, gc=False):
    """Of 2021: a match, or the ticker of one; `last_size` is the ticker's name of the size."""

    trade_id: int
    product_id: str
    price: str
    side: str
    time: datetime
    sequence: int
    size: str = ""
    last_size: str = ""


class _Head(msgspec.Struct, gc=False):
    channel: str = ""
    type: str = ""
    message: str = ""
    reason: str = ""
    timestamp: datetime | None = None
    sequence_num: int | None = None


_HEAD = msgspec.json.Decoder(_Head)
_TICKERS = msgspec.json.Decoder(_Tickers)
_TRADES = msgspec.json.Decoder(_Trades)
_MATCH = msgspec.json.Decoder(_Match)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame came to.

    Attributes:
        trades: in order of trade_id within a product, oldest first.
        sequence_num: counts the frames of one connection, whatever they hold; None in the feed of 2021.
        ticks: the trades are ticks of the ticker channel, which have no size, side and id of their own.
    """

    trades: list[Trade]
    sequence_num: int | None = None
    ticks: bool = False


def subscriptions(symbols: Iterable[str]) -> list[bytes]:
    """What to send first: a message for each channel, as Coinbase wants it."""
    products = [product_of(symbol) for symbol in symbols]
    return [
        msgspec.json.encode({"type": "subscribe", "channel": channel, "product_ids": products}) for channel in CHANNELS
    ]


def product_of(symbol: str) -> str:
    """Coinbase's name: `BTC-USD` of `BTCUSD`."""
    base = base_currency(symbol)
    return f"{base}-{symbol.removeprefix(base)}"


def decode_frame(frame: bytes | str, received_at: datetime) -> list[Trade]:
    """The trades of a frame; none in one that is known and holds none.

    Raises:
        MessageError: broken, unknown, not believable, or the exchange's own refusal (reason `refused`).
    """
    return decode(frame, received_at).trades


def decode(frame: bytes | str, received_at: datetime) -> Frame:
    """`decode_frame`, with what a collector needs to see gaps."""
    head = parsed(_HEAD, frame)
    if head.type == "error":
        raise MessageError(f"refused: Coinbase says {head.message[:200]!r} {head.reason[:200]!r}")
    if head.channel:
        return _advanced(head, frame, received_at)
    if head.type in ("match", "last_match", "ticker"):
        return Frame([_match(parsed(_MATCH, frame), head.type, received_at)])
    if head.type in _OTHER_TYPES:
        return Frame([])
    raise MessageError(f"unknown frame: type {head.type[:40]!r} of Coinbase")


def _advanced(head: _Head, frame: bytes | str, received_at: datetime) -> Frame:
    if head.channel == "market_trades":
        rows = [trade for event in parsed(_TRADES, frame).events for trade in event.trades]
        trades = [_market_trade(row, head.sequence_num, received_at) for row in rows]
        return Frame(sorted(trades, key=lambda trade: int(trade.trade_id)), head.sequence_num)
    if head.channel == "ticker":
        if head.timestamp is None or head.sequence_num is None:
            raise MessageError("unknown shape: a ticker of Coinbase without timestamp or sequence_num")
        moment = believable(head.timestamp, received_at)
        ticks = [tick for event in parsed(_TICKERS, frame).events for tick in event.tickers]
        return Frame([_tick(tick, moment, head.sequence_num, received_at) for tick in ticks], head.sequence_num, True)
    if head.channel in _OTHER_CHANNELS:
        return Frame([], head.sequence_num)
    raise MessageError(f"unknown frame: channel {head.channel[:40]!r} of Coinbase")


def _tick(tick: _Tick, moment: datetime, sequence: int, received_at: datetime) -> Trade:
    return Trade(
        exchange=EXCHANGE,
        symbol=symbol_of(tick.product_id),
        # The count begins anew with each connection: the time makes the id unique.
        trade_id=f"seq:{sequence}:{int(moment.timestamp() * 1000)}",
        price=positive(tick.price, "price"),
        size=0.0,
        side="unknown",
        event_time=moment,
        received_at=received_at,
        sequence=sequence,
    )


def _market_trade(trade: _MarketTrade, sequence: int | None, received_at: datetime) -> Trade:
    if not (trade.trade_id.isascii() and trade.trade_id.isdecimal() and len(trade.trade_id) <= 19):
        raise MessageError(f"trade_id: {trade.trade_id[:40]!r} is not a number")
    return Trade(
        exchange=EXCHANGE,
        symbol=symbol_of(trade.product_id),
        trade_id=str(int(trade.trade_id)),
        price=positive(trade.price, "price"),
        size=positive(trade.size, "size"),
        side=_TAKER_OF_MAKER.get(trade.side.lower(), "unknown"),
        event_time=believable(trade.time, received_at),
        received_at=received_at,
        sequence=sequence,
    )


def _match(match: _Match, kind: str, received_at: datetime) -> Trade:
    if match.trade_id < 0 or match.sequence < 0:
        raise MessageError(f"trade_id: {match.trade_id} or sequence {match.sequence} is below zero")
    # A match tells the maker's side, the ticker the taker's.
    sides = _SIDES if kind == "ticker" else _TAKER_OF_MAKER
    return Trade(
        exchange=EXCHANGE,
        symbol=symbol_of(match.product_id),
        trade_id=str(match.trade_id),
        price=positive(match.price, "price"),
        size=not_negative(match.last_size if kind == "ticker" else match.size, "size"),
        side=sides.get(match.side, "unknown"),
        event_time=believable(match.time, received_at),
        received_at=received_at,
        sequence=match.sequence,
    )
