"""Frames of both exchanges: what they hold, and that a broken one is an error of ours with a reason, never another."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpredict.errors import MessageError
from bitpredict.streaming import binance, coinbase
from bitpredict.streaming.frames import AHEAD, EARLIEST, LARGEST_FRAME, reason_of
from bitpredict.streaming.messages import Candle, Trade

NOW = datetime(2026, 4, 5, 12, tzinfo=UTC)

TRADE = {"e": "trade", "E": 1775390399010, "s": "BTCUSDT", "t": 4711, "p": "67223.50000000", "q": "0.00021000",
         "T": 1775390399009, "m": True, "M": True}  # fmt: skip
KLINE = {"t": 1775390340000, "T": 1775390399999, "s": "BTCUSDT", "i": "1m", "f": 100, "L": 200, "o": "10.0",
         "c": "11.5", "h": "12.0", "l": "9.5", "v": "1000", "n": 101, "x": True, "q": "10500.25", "V": "500",
         "Q": "5200", "B": "0"}  # fmt: skip
MARKET_TRADES = {
    "channel": "market_trades", "client_id": "", "timestamp": "2026-04-05T11:59:59.9Z", "sequence_num": 7,
    "events": [{"type": "snapshot", "trades": [
        {"trade_id": "12", "product_id": "ETH-USD", "price": "1260.01", "size": "0.3", "side": "BUY",
         "time": "2026-04-05T11:59:59.123456Z"},
        {"trade_id": "9", "product_id": "BTC-USD", "price": "21921.73", "size": "0.06", "side": "SELL",
         "time": "2026-04-05T11:59:58Z"},
    ]}],
}  # fmt: skip


def combined(data: Any, stream: str = "btcusdt@trade") -> str:
    return json.dumps({"stream": stream, "data": data})


def kline(**changes: object) -> str:
    return combined({"e": "kline", "E": 1775390400001, "s": "BTCUSDT", "k": KLINE | changes}, "btcusdt@kline_1m")


def test_a_trade_of_binance() -> None:
    assert binance.decode_frame(combined(TRADE), NOW) == [
        Trade(
            exchange="binance",
            symbol="BTCUSDT",
            trade_id="4711",
            price=67223.5,
            size=0.00021,
            side="sell",  # the buyer was the maker
            event_time=datetime(2026, 4, 5, 11, 59, 59, 9000, UTC),
            received_at=NOW,
            sequence=4711,
        )
    ]
    assert binance.decode_frame(combined(TRADE | {"m": False}), NOW)[0].side == "buy"  # type: ignore[union-attr]


def test_a_candle_of_binance_counts_when_it_is_closed() -> None:
    assert binance.decode_frame(kline(), NOW) == [
        Candle("binance", "BTCUSDT", "1m", datetime(2026, 4, 5, 11, 59, tzinfo=UTC), 10.0, 12.0, 9.5, 11.5, 1000.0,
               10500.25, 101, 500.0, NOW)
    ]  # fmt: skip
    assert binance.decode_frame(kline(x=False), NOW) == []
    second = binance.decode_frame(kline(i="1s", t=1775390341000), NOW)[0]
    assert isinstance(second, Candle)
    assert (second.interval, second.open_time.second) == ("1s", 1)


@pytest.mark.parametrize(
    "frame",
    [
        '{"result": null, "id": 1}',
        combined({"e": "depthUpdate", "E": 1, "s": "BTCUSDT"}, "btcusdt@depth@100ms"),
        combined({"u": 1, "s": "BTCUSDT", "b": "1", "B": "1", "a": "2", "A": "1"}, "btcusdt@bookTicker"),
        combined({"e": "24hrTicker", "s": "BTCUSDT"}, "btcusdt@ticker"),
    ],
)
def test_what_binance_sends_beside_trades_is_nothing(frame: str) -> None:
    assert binance.decode_frame(frame, NOW) == []


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ('{"error": {"code": 2, "msg": "Invalid request"}, "id": 1}', "refused"),
        ('{"code": -1121, "msg": "Invalid symbol."}', "unknown frame"),
        ("<html><body>502 Bad Gateway</body></html>", "not JSON"),
        ("", "not JSON"),
        ('{"data": ' + "[" * 100_000, "not JSON"),
        ("[]", "unknown shape"),
        (b"\xff\xfe", "not JSON"),
        (" " * (LARGEST_FRAME + 1), "too large"),
        (combined(TRADE | {"p": "0.00"}), "price"),
        (combined(TRADE | {"p": "-1"}), "price"),
        (combined(TRADE | {"p": "NaN"}), "price"),
        (combined(TRADE | {"p": "1_0"}), "price"),
        (combined(TRADE | {"p": "1" * 19}), "price"),
        (combined(TRADE | {"p": 67223.5}), "unknown shape"),
        (combined(TRADE | {"q": "0"}), "size"),
        (combined(TRADE | {"t": -1}), "trade_id"),
        (combined(TRADE | {"T": 10**17}), "time"),
        (combined(TRADE | {"T": -(10**17)}), "time"),
        (combined(TRADE | {"T": int((NOW + AHEAD).timestamp() * 1000) + 1}), "time"),
        (combined(TRADE | {"T": int(EARLIEST.timestamp() * 1000) - 1}), "time"),
        (combined(TRADE | {"s": "BTC"}), "symbol"),
        (combined(TRADE | {"s": "BTCßUSD"}), "symbol"),
        (combined({"e": "liquidation"}), "unknown frame"),
        (combined({}), "unknown frame"),
        (kline(h="9"), "candle"),
        (kline(n=-1), "candle"),
        (kline(i="5m"), "interval"),
        (kline(t=1775390340001), "time"),
        (kline(v="-1"), "volume"),
    ],
)
def test_what_binance_sends_wrong_is_refused_with_a_reason(frame: str | bytes, reason: str) -> None:
    with pytest.raises(MessageError) as caught:
        binance.decode_frame(frame, NOW)
    assert reason_of(caught.value) == reason


def test_market_trades_of_coinbase_oldest_first_with_the_takers_side() -> None:
    frame = coinbase.decode(json.dumps(MARKET_TRADES), NOW)
    assert (frame.sequence_num, frame.ticks) == (7, False)
    assert [(t.symbol, t.trade_id, t.price, t.size, t.side, t.sequence) for t in frame.trades] == [
        ("BTCUSD", "9", 21921.73, 0.06, "buy", 7),
        ("ETHUSD", "12", 1260.01, 0.3, "sell", 7),
    ]
    assert frame.trades[1].event_time == datetime(2026, 4, 5, 11, 59, 59, 123456, UTC)


@pytest.mark.parametrize(
    "frame",
    [
        '{"channel": "heartbeats", "timestamp": "2026-04-05T11:00:00Z", "sequence_num": 3, "events": []}',
        '{"channel": "subscriptions", "sequence_num": 1, "events": [{"subscriptions": {"ticker": ["BTC-USD"]}}]}',
        '{"channel": "l2_data", "sequence_num": 1, "events": []}',
        '{"type": "subscriptions", "channels": []}',
        '{"type": "heartbeat", "sequence": 90}',
        '{"type": "l2update", "product_id": "SKL-BTC", "changes": []}',
    ],
)
def test_what_coinbase_sends_beside_trades_is_nothing(frame: str) -> None:
    assert coinbase.decode_frame(frame, NOW) == []


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ('{"type": "error", "message": "Failed to subscribe", "reason": "BTC-XYZ is not a valid product"}', "refused"),
        ("{}", "unknown frame"),
        ('{"channel": "surprises"}', "unknown frame"),
        ('{"channel": "market_trades"}', "unknown shape"),
        ('{"channel": "ticker", "events": [{"tickers": []}]}', "unknown shape"),
        (json.dumps(MARKET_TRADES).replace('"9"', '"nine"'), "trade_id"),
        (json.dumps(MARKET_TRADES).replace('"9"', '"٩"'), "trade_id"),
        (json.dumps(MARKET_TRADES).replace("0.06", "0"), "size"),
        (json.dumps(MARKET_TRADES).replace("BTC-USD", "BTC-XYZ"), "symbol"),
        (json.dumps(MARKET_TRADES).replace("11:59:58Z", "11:59:58"), "time"),
        (json.dumps(MARKET_TRADES).replace("2026-04-05T11:59:58Z", "9999-12-31T23:59:59-12:00"), "time"),
    ],
)
def test_what_coinbase_sends_wrong_is_refused_with_a_reason(frame: str, reason: str) -> None:
    with pytest.raises(MessageError) as caught:
        coinbase.decode_frame(frame, NOW)
    assert reason_of(caught.value) == reason


def test_one_frame_recorded_twice_is_one_trade(recordings: Path) -> None:
    for decode, frame, received_at in recorded(recordings):
        again = received_at + timedelta(seconds=1)
        assert [(m.symbol, _id(m)) for m in decode(frame, received_at)] == [
            (m.symbol, _id(m)) for m in decode(frame, again)
        ]


def test_subscriptions_name_products_as_coinbase_does() -> None:
    sent = [json.loads(message) for message in coinbase.subscriptions(["BTCUSD", "ETHUSDT"])]
    assert [m["channel"] for m in sent] == ["heartbeats", "market_trades", "ticker"]
    assert all(m["type"] == "subscribe" and m["product_ids"] == ["BTC-USD", "ETH-USDT"] for m in sent)
    assert (
        binance.stream_url("wss://x:9443/", ["BTCUSDT"]) == "wss://x:9443/stream?streams=btcusdt@trade/btcusdt@kline_1s"
    )


@settings(max_examples=100)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300)))
def test_any_bytes_are_decoded_or_refused(frame: bytes | str) -> None:
    for decode in (binance.decode_frame, coinbase.decode_frame):
        with pytest.raises(MessageError):
            decode(frame, NOW)


_MARKET_TRADE = ["trade_id", "product_id", "price", "size", "side", "time"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.sampled_from(sorted(TRADE)), _JSON, st.sampled_from(sorted(KLINE)), st.sampled_from(_MARKET_TRADE))
def test_any_json_in_any_place_is_decoded_or_refused(field: str, value: Any, of_kline: str, of_coinbase: str) -> None:
    broken = json.loads(json.dumps(MARKET_TRADES))
    broken["events"][0]["trades"][0][of_coinbase] = value
    for decode, frame in (
        (binance.decode_frame, combined(TRADE | {field: value})),
        (binance.decode_frame, kline(**{of_kline: value})),
        (coinbase.decode_frame, json.dumps(broken)),
    ):
        try:
            messages = decode(frame, NOW)
        except MessageError:
            continue
        assert all(_believable(message, NOW) for message in messages)


def test_ten_thousand_recorded_frames_with_flipped_bytes(recordings: Path) -> None:
    """What is decoded all the same is what an independent reader finds in the same bytes."""
    chance = random.Random(20260403)
    frames = [*recorded(recordings)]
    decoded, refused, reasons = 0, 0, set[str]()
    for _ in range(10_000):
        decode, frame, received_at = chance.choice(frames)
        mutated = bytearray(frame)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            mutated[chance.randrange(len(mutated))] ^= 1 << chance.randrange(8)
        try:
            messages = decode(bytes(mutated), received_at)
        except MessageError as error:
            reasons.add(reason_of(error))
            refused += 1
            continue
        decoded += 1
        assert all(_believable(message, received_at) for message in messages)
        prices = _prices(json.loads(bytes(mutated)))
        assert messages or b"price" not in mutated, mutated
        assert all(message.price in prices for message in messages if isinstance(message, Trade))
    assert decoded > 2000
    assert refused > 2000
    assert reasons < REASONS


REASONS = frozenset(
    {"not JSON", "unknown shape", "unknown frame", "too large", "refused", "price", "size", "volume", "time", "symbol",
     "trade_id", "candle", "interval"}
)  # fmt: skip

Decode = Callable[[bytes, datetime], list[Trade] | list[Trade | Candle]]


def recorded(recordings: Path) -> Iterator[tuple[Decode, bytes, datetime]]:
    """Every recorded frame that holds a trade or candle, and some that hold none."""
    for line in (recordings / "coinbase_ticker" / "BTC-USD_20260404_raw_frames.ndjson").read_bytes().splitlines()[:500]:
        yield coinbase.decode_frame, line, datetime(2026, 4, 4, 22, tzinfo=UTC)
    yield coinbase.decode_frame, json.dumps(MARKET_TRADES).encode(), NOW
    for name, decode, holding in (
        ("COINBASE.ws.28.0", coinbase.decode_frame, (b"match", b"ticker", b'"subscriptions"')),
        ("BINANCE.ws.1.0", binance.decode_frame, (b"aggTrade", b"kline", b"bookTicker")),
    ):
        for line in (recordings / "ws_recordings" / name).read_bytes().splitlines():
            stamp, _, frame = line.partition(b": ")
            if stamp.replace(b".", b"").isdigit() and any(word in frame for word in holding):
                yield decode, frame, datetime.fromtimestamp(float(stamp), UTC)  # type: ignore[misc]
    for frame in (combined(TRADE), kline(), kline(i="1s")):
        yield binance.decode_frame, frame.encode(), NOW


def _id(message: Trade | Candle) -> str:
    return message.trade_id if isinstance(message, Trade) else f"{message.interval} {message.open_time}"


def _believable(message: Trade | Candle, received_at: datetime) -> bool:
    if isinstance(message, Candle):
        return 0 < message.low <= min(message.open, message.close) <= max(message.open, message.close) <= message.high
    return (
        0 < message.price < 1e16 and 0 <= message.size < 1e16 and EARLIEST <= message.event_time <= received_at + AHEAD
    )


def _prices(value: Any) -> set[float]:
    """Every number under a key that could be a price, found without knowing a frame's shape."""
    if isinstance(value, dict):
        own = {float(v) for k, v in value.items() if k in ("p", "price") and _is_number(v)}
        return own.union(*(_prices(inner) for inner in value.values()))
    return set().union(*(_prices(inner) for inner in value)) if isinstance(value, list) else set()


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
