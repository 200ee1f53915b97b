"""What a parity check reads: the day's trades from the lake, minutes and forecasts from the topics."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.errors import MessageError
from bitpredict.features.catalog import LOOKBACK
from bitpredict.market.time import DAY, utc
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES, STREAMED_TRADES
from bitpredict.storage.lake import Lake
from bitpredict.streaming.batch_lane import UsedTrades
from bitpredict.streaming.log import EventLog, TopicState
from bitpredict.streaming.look_back import Place
from bitpredict.streaming.messages import Candle, Prediction, decode_candle, decode_prediction
from bitpredict.streaming.parity import Inputs, Models, Parity, SymbolParity, TickModels, compare_all
from bitpredict.streaming.ranges import Range, read_range
from bitpredict.streaming.topics import PREDICTIONS, candles_topic

NEWEST = 5_000
"""Messages of each partition among which an exchange's newest forecast is looked for."""


def newest_day(log: EventLog, exchange: str) -> date | None:
    """The day of the exchange's newest forecast; None where there is none."""
    ends = [
        Range(PREDICTIONS, number, max(start, state.end[number] - NEWEST), state.end[number])
        for state in _state(log, PREDICTIONS)
        for number, start in state.start.items()
    ]
    origins = [each.origin for _, each in _predictions(log, ends) if each.exchange == exchange]
    return max(origins).date() if origins else None


def check_day(
    log: EventLog,
    lake: Lake,
    models: Models,
    ticks: TickModels,
    settings: Settings,
    exchange: str,
    day: date,
) -> Parity:
    """Compare a day of an exchange with what batch makes of it.

    Raises:
        EventLogError: the log cannot be reached.
    """
    start, end = utc(day), utc(day) + DAY
    trades = lake.read(STREAMED_TRADES, start - DAY, end)
    trades = trades.filter(pc.equal(trades["exchange"], exchange))
    candles = _candles(log, candles_topic(exchange))
    symbols = sorted({*trades["symbol"].unique().to_pylist(), *candles})
    history = lake.read(CANDLES, start - LOOKBACK, end, symbols=symbols)
    lateness = timedelta(milliseconds=settings.allowed_lateness_ms)
    made = {
        symbol: SymbolParity(
            _inputs(symbol, start, end, trades, candles.get(symbol, {}), history, lateness),
            models,
            ticks,
            settings.tick_window,
        )
        for symbol in symbols
    }
    today = trades.filter(pc.greater_equal(trades["event_time"], pa.scalar(start)))
    received = [each.received_at for of in candles.values() for each in of.values() if start <= each.open_time < end]
    received += [pc.min(today["received_at"]).as_py()] if today.num_rows else []
    parity = Parity()
    compare_all(made, _of_the_day(log, exchange, start, end, min(received, default=None)), parity)
    return parity


def _inputs(
    symbol: str,
    start: datetime,
    end: datetime,
    trades: pa.Table,
    candles: Mapping[datetime, Candle],
    history: pa.Table,
    lateness: timedelta,
) -> Inputs:
    own = trades.filter(pc.equal(trades["symbol"], symbol))
    if own.num_rows:  # where partitions were added, a symbol can have moved to another one
        partition = own["partition"][own.num_rows - 1].as_py()
        own = own.filter(pc.equal(own["partition"], partition))
        trades = trades.filter(pc.equal(trades["partition"], partition))
    return Inputs(
        symbol=symbol,
        start=start,
        end=end,
        trades=UsedTrades.of(own, lateness),
        newest_offset=pc.max(own["offset"]).as_py() if own.num_rows else -1,
        candles=candles,
        history=history.filter(pc.equal(history["symbol"], symbol)),
        from_the_start=bool(own.num_rows) and pc.min(trades["offset"]).as_py() == 0,
    )


def _candles(log: EventLog, topic: str) -> dict[str, dict[datetime, Candle]]:
    """Symbol -> open time -> the first minute candle that the topic has of it."""
    found: dict[str, dict[datetime, Candle]] = {}
    for state in _state(log, topic):
        for number, start in state.start.items():
            for page in read_range(log, Range(topic, number, start, state.end[number])):
                for record in page:
                    try:
                        candle = decode_candle(record.value)
                    except MessageError:
                        continue  # the predictor passed it over too
                    if candle.interval == "1m":
                        found.setdefault(candle.symbol, {}).setdefault(utc(candle.open_time), candle)
    return found


def _of_the_day(
    log: EventLog, exchange: str, start: datetime, end: datetime, since: datetime | None
) -> Iterator[tuple[Place, Prediction]]:
    """The exchange's forecasts of [start, end) that were written since their first input was received."""
    for state in _state(log, PREDICTIONS):
        first = log.offset_at(PREDICTIONS, since) if since else state.start
        ranges = [Range(PREDICTIONS, number, first[number], state.end[number]) for number in state.start]
        for place, each in _predictions(log, ranges):
            if each.exchange == exchange and start <= each.origin < end:
                yield place, each


def _predictions(log: EventLog, ranges: list[Range]) -> Iterator[tuple[Place, Prediction]]:
    for wanted in ranges:
        for page in read_range(log, wanted):
            for record in page:
                try:
                    yield Place(PREDICTIONS, wanted.partition, record.offset), decode_prediction(record.value)
                except MessageError:
                    continue  # the sensor that reports them counts it


def _state(log: EventLog, topic: str) -> list[TopicState]:
    there = log.topics()
    return [there[topic]] if topic in there else []
