"""Trades, candles and records for the predictor's engine, and a run of it over them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from bitpredict.storage.contracts import CANDLES
from bitpredict.streaming.engine import EngineSettings, Outputs, PartitionEngine
from bitpredict.streaming.log import Record
from bitpredict.streaming.messages import Candle, Trade, encode
from bitpredict.streaming.models_in_force import ModelsInForce

START = datetime(2023, 12, 5, 10, 0, tzinfo=UTC)
EXCHANGE = "binance"
TRADES, CANDLES_TOPIC = "binance-trades", "binance-candles"


def trade(seconds: float, price: float = 100.0, trade_id: str | None = None, **others) -> Trade:
    """A trade that many seconds after START; its id is its time unless given."""
    when = START + timedelta(seconds=seconds)
    fields = {
        "exchange": EXCHANGE,
        "symbol": "BTCUSDT",
        "trade_id": trade_id if trade_id is not None else f"at{seconds:.6f}",
        "price": price,
        "size": 1.0,
        "side": "buy",
        "event_time": when,
        "received_at": when,
    }
    return Trade(**fields | others)


def records(values: Iterable[Trade | Candle | bytes], first: int = 0) -> list[Record]:
    """Messages at their places, a millisecond apart."""
    return [
        Record(offset, "key", value if isinstance(value, bytes) else encode(value), 1_700_000_000_000 + offset)
        for offset, value in enumerate(values, first)
    ]


def as_candles(table: pa.Table, **others) -> list[Candle]:
    """Rows of the canonical table as an exchange's closed candles."""
    names = [name for name in Candle.__struct_fields__ if name in table.column_names]
    fields = {"exchange": EXCHANGE, "interval": "1m", "replayed": True} | others
    return [
        Candle(**{name: row[name] for name in names} | {"received_at": row["open_time"]} | fields)
        for row in table.select(names).to_pylist()
    ]


def no_history(_symbol: str, _start: datetime, _end: datetime) -> pa.Table:
    return CANDLES.empty()


def an_engine(
    models: ModelsInForce | None = None,
    history=no_history,
    *,
    exchange: str = EXCHANGE,
    tick_window: int = 50,
    lateness: float = 0.0,
) -> PartitionEngine:
    engine = PartitionEngine(exchange, 0, EngineSettings(tick_window, timedelta(seconds=lateness)), history)
    engine.models = models or ModelsInForce()
    return engine


def run(engine: PartitionEngine, by_topic: Mapping[str, Sequence[Record]] | Sequence[Record]) -> Outputs:
    """Everything at once."""
    outputs = Outputs()
    if not isinstance(by_topic, Mapping):
        by_topic = {TRADES: by_topic}
    for topic, found in by_topic.items():
        engine.process(topic, found, outputs)
    return outputs


def merged(parts: Iterable[Outputs]) -> Outputs:
    """Outputs of several polls as if they were one."""
    whole = Outputs()
    for part in parts:
        whole.predictions += part.predictions
        whole.candles += part.candles
        whole.rejected += part.rejected
        whole.counts.update(part.counts)
        whole.skipped.update(part.skipped)
    return whole
