"""What a live lane has stored, without what the clock says, to be compared with another lane's."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import msgspec
from sqlalchemy import select

from bitpredict.market.time import EPOCH
from bitpredict.settings import Settings
from bitpredict.storage import schema
from bitpredict.storage.database import connect
from bitpredict.streaming.log import EventLog, Message, Record
from bitpredict.streaming.messages import Candle, Prediction, Trade, decode_candle, decode_prediction, decode_trade
from bitpredict.streaming.predictor import GROUP
from bitpredict.streaming.topics import PREDICTIONS, candles_topic, trades_topic

_PAGE = 10_000


@dataclass(frozen=True)
class Content:
    """By symbol, in the topics' order: forecasts and built minutes; the ledger's rows by id. Without `written_at`."""

    predictions: dict[str, list[Prediction]]
    built: dict[str, list[Candle]]
    ledger: list[tuple[object, ...]]

    def differs(self, other: "Content") -> str:
        """Where the first difference is; empty where there is none."""
        for name in ("predictions", "built"):
            mine, others = getattr(self, name), getattr(other, name)
            for symbol in sorted(mine.keys() | others.keys()):
                one, two = mine.get(symbol, []), others.get(symbol, [])
                for place, (left, right) in enumerate(zip(one, two, strict=False)):
                    if left != right:
                        return f"{name} of {symbol}, number {place}: {left} and {right}"
                if len(one) != len(two):
                    return f"{name} of {symbol}: {len(one)} and {len(two)}"
        if self.ledger != other.ledger:
            return f"ledger: {len(self.ledger)} and {len(other.ledger)} rows, {set(self.ledger) ^ set(other.ledger)}"
        return ""


def content(log: EventLog, settings: Settings, exchange: str) -> Content:
    predictions, built = defaultdict(list), defaultdict(list)
    for record in records(log, PREDICTIONS):
        made = decode_prediction(record.value)
        predictions[made.symbol].append(msgspec.structs.replace(made, written_at=EPOCH))
    for record in records(log, candles_topic(exchange)):
        candle = decode_candle(record.value)
        if candle.built:
            built[candle.symbol].append(candle)
    engine = connect(settings)
    columns = [column for column in schema.forecasts.columns if column.name != "written_at"]
    with engine.connect() as connection:
        rows = connection.execute(select(*columns).order_by(schema.forecasts.c.forecast_id)).all()
    engine.dispose()
    # SQLite keeps a price as a float, and PostgreSQL as it was written.
    ledger = [tuple(float(value) if isinstance(value, Decimal) else value for value in row) for row in rows]
    return Content(dict(predictions), dict(built), ledger)


def records(log: EventLog, topic: str) -> Iterator[Record]:
    """All of a topic, partition by partition."""
    state = log.topic(topic)
    for number in sorted(state.end):
        start = state.start[number]
        while page := log.read(topic, number, start, limit=_PAGE):
            yield from page
            start = page[-1].offset + 1


def trades(log: EventLog, exchange: str) -> dict[str, list[Trade]]:
    """Symbol -> its trades in the topic's order."""
    found = defaultdict(list)
    for record in records(log, trades_topic(exchange)):
        trade = decode_trade(record.value)
        found[trade.symbol].append(trade)
    return dict(found)


def copy_trades(source: EventLog, target: EventLog, exchange: str) -> int:
    """Append every trade to another log as it is, receipt and all; how many there were."""
    topic = trades_topic(exchange)
    copied = [Message(record.key, record.value, record.timestamp) for record in records(source, topic)]
    for first in range(0, len(copied), _PAGE):
        target.append(topic, copied[first : first + _PAGE])
    return len(copied)


def enough(log: EventLog, exchange: str) -> Callable[[], bool]:
    """Whether there are as many trades as four minutes of the sample's ticks, so that there is something to compare."""
    return lambda: sum(log.topic(trades_topic(exchange)).end.values()) >= 1500


def caught_up(log: EventLog, exchange: str) -> Callable[[], bool]:
    """Whether the predictors' checkpoints are behind the last trade."""
    topic = trades_topic(exchange)

    def done() -> bool:
        state, positions = log.topic(topic), log.groups(topic).get(GROUP, {})
        return all(end == state.start[n] or positions.get(n, 0) >= end for n, end in state.end.items())

    return done
