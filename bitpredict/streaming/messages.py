"""What the topics hold: JSON, typed, decoded with msgspec. What does not fit goes to `<topic>-rejected`, saying why."""

from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from bitpredict.errors import MessageError

_T = TypeVar("_T")

Side = Literal["buy", "sell", "unknown"]
Provenance = Literal["observed", "simulated"]


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade (or, from feeds without trades, one tick) as an exchange told of it.

    Attributes:
        symbol: ours: `BTC-USD` of Coinbase is `BTCUSD`.
        trade_id: unique by exchange and symbol; of a feed without ids, made from its sequence (`seq:17`).
        price: quote currency. size: base currency; 0 where the feed tells none.
        side: of the taker.
        event_time: when the exchange says it was.
        received_at: when we had it.
        sequence: the feed's own number, where it counts.
        replayed: read from a recording, in market time.
    """

    exchange: str
    symbol: str
    trade_id: str
    price: float
    size: float
    side: Side
    event_time: datetime
    received_at: datetime
    sequence: int | None = None
    provenance: Provenance = "observed"
    replayed: bool = False


class Candle(msgspec.Struct, frozen=True, gc=False):
    """A closed candle of an exchange, or a minute bar that the predictor built from trades (`built`)."""

    exchange: str
    symbol: str
    interval: Literal["1s", "1m"]
    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trade_count: int
    taker_buy_volume: float
    received_at: datetime
    provenance: Provenance = "observed"
    replayed: bool = False
    built: bool = False


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """A forecast as the topic `predictions` has it: a row of the ledger, and what only the live lane knows.

    Attributes:
        origin: a full second of market time.
        features_at: the minute's close whose features it was made from (equal to origin at a full minute; for the
            tick model the origin).
        quantiles: of the log return from origin to target_time, at `market.horizons.QUANTILE_LEVELS`.
        input: `topic/partition@offset` of the message that closed its second: everything before it was known.
        ret_mean, ret_std, n: of the window of the last trades; null without trades.
        triggered_at: timestamp of that message. written_at: by the clock.
    """

    forecast_id: str
    kind: Literal["live", "backtest"]
    exchange: str
    symbol: str
    horizon: str
    origin: datetime
    target_time: datetime
    features_at: datetime
    reference_price: float
    quantiles: tuple[float, ...]
    p_up: float
    realized_variance: float
    model: str
    model_version: str
    variant: str
    feature_set_version: str
    input: str
    provenance: str
    skill: float | None
    skill_sample_size: int | None
    ret_mean: float | None
    ret_std: float | None
    n: int
    triggered_at: datetime
    written_at: datetime
    replayed: bool = False


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """What could not be used, as it came (not more than 4 kB of it), and why."""

    reason: str
    source: str
    received_at: datetime
    content: str


_ENCODER = msgspec.json.Encoder()
_TRADE, _CANDLE = msgspec.json.Decoder(Trade), msgspec.json.Decoder(Candle)
_PREDICTION, _REJECTED = msgspec.json.Decoder(Prediction), msgspec.json.Decoder(Rejected)

encode = _ENCODER.encode
"""A message as bytes; floats keep every bit."""


def decode_trade(value: bytes) -> Trade:
    """Raises MessageError: the bytes are no trade."""
    return _decoded(_TRADE, value)


def decode_candle(value: bytes) -> Candle:
    """Raises MessageError: the bytes are no candle."""
    return _decoded(_CANDLE, value)


def decode_prediction(value: bytes) -> Prediction:
    """Raises MessageError: the bytes are no prediction."""
    return _decoded(_PREDICTION, value)


def decode_rejected(value: bytes) -> Rejected:
    """Raises MessageError: the bytes are no rejected message."""
    return _decoded(_REJECTED, value)


def _decoded(decoder: msgspec.json.Decoder[_T], value: bytes) -> _T:
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"not a {decoder.type.__name__.lower()}: {error}") from error
