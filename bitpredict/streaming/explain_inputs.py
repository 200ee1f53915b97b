"""Where a forecast's inputs came from, rows of a table or messages of a topic, and what follows from them again."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from bitpredict.errors import EventLogError, MessageError
from bitpredict.features.catalog import FEATURE_TABLE, LOOKBACK
from bitpredict.forecasting.frame import FeatureRows
from bitpredict.forecasting.model import TrainedModel
from bitpredict.market.time import MINUTE
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from bitpredict.streaming.lineage import SHORTLY, Lineage
from bitpredict.streaming.live_features import row_at
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.look_back import Place, message_at, newest_first
from bitpredict.streaming.messages import Candle, Trade, decode_candle, decode_trade
from bitpredict.streaming.minute_store import MinuteStore
from bitpredict.streaming.tick_models import BASELINE, TRAINED, TickModel, tick_inputs
from bitpredict.streaming.topics import candles_topic, exchange_of
from bitpredict.streaming.window_trades import window_before

SHOWN = 5
"""Minutes that are listed."""

_TRADE = ("trade_id", "event_time", "price", "size", "side", "received_at")
_BAR = ("open_time", "open", "high", "low", "close", "volume", "trade_count", "provenance")


Model = TrainedModel | TickModel | None


def from_table(settings: Settings, found: Lineage, model: Model) -> None:
    """A batch forecast: its row of the feature table, and the last candles before it."""
    lake, symbol, origin = Lake.from_settings(settings), found.forecast["symbol"], found.instant("origin")
    made_from, version = str(found.forecast["input"]), lake.version(FEATURE_TABLE)
    if made_from != f"{FEATURE_TABLE.table}@{version}":
        found.missing.append(f"{made_from} as it was: the table is at version {version} now, whose row is shown")
    _lake_bars(lake, symbol, origin, found)
    row = lake.read(FEATURE_TABLE, origin, origin + MINUTE, symbols=[symbol])
    if not row.num_rows:
        found.missing.append(f"the features: {FEATURE_TABLE.table} has no row of {symbol} at {origin:%Y-%m-%d %H:%M}")
    elif isinstance(model, TrainedModel):
        _repeat(found, model, FeatureRows.of(row, model.forecaster.inputs))


def _lake_bars(lake: Lake, symbol: str, until: datetime, found: Lineage) -> MinuteStore:
    rows = lake.read(CANDLES, until - LOOKBACK, until, symbols=[symbol])
    store = MinuteStore(symbol)
    store.load(rows, until - LOOKBACK, until)
    found.bars[f"{CANDLES.table}@{lake.version(CANDLES)}"] = rows.num_rows
    last = rows.slice(max(0, rows.num_rows - SHOWN)).select(_BAR).to_pylist()
    found.newest_bars = [row | {"from": f"{CANDLES.table}@{lake.version(CANDLES)}"} for row in last]
    return store


def from_topic(settings: Settings, log: EventLog, place: Place, found: Lineage, model: Model) -> None:
    """A live forecast: the message that closed its second, the window before it, the minutes, the features."""
    symbol, origin = str(found.forecast["symbol"]), found.instant("origin")
    found.trigger = {"place": str(place)}
    try:
        message = message_at(log, place)
        found.trigger |= _fields(place.topic, message.value)
    except (EventLogError, MessageError) as error:
        found.missing.append(f"the message that closed its second: {error}")
    if place.topic.endswith("-trades"):
        _window(settings, log, place, found, model)
    if isinstance(model, TrainedModel):
        features_at = found.instant("features_at") if "features_at" in found.forecast else origin
        store = _lake_bars(Lake.from_settings(settings), symbol, features_at, found)
        _topic_bars(log, candles_topic(exchange_of(place.topic)), store, features_at, found)
        row = row_at(store, features_at)
        if row is None:
            found.missing.append(f"the features: the minute before {features_at:%Y-%m-%d %H:%M} is not stored any more")
        else:
            _repeat(found, model, row.of(model.forecaster.inputs))


def _window(settings: Settings, log: EventLog, place: Place, found: Lineage, model: Model) -> None:
    origin, lateness = found.instant("origin"), timedelta(milliseconds=settings.allowed_lateness_ms)
    try:
        made = window_before(log, place, str(found.forecast["symbol"]), origin, settings.tick_window, lateness)
    except EventLogError as error:
        found.missing.append(f"the trades of the window: {error}")
        return
    found.trades = [
        {"offset": offset, **{name: getattr(trade, name) for name in _TRADE}} for offset, trade in made.trades
    ]
    if not made.whole:
        first = made.trades[0].offset if made.trades else place.offset
        found.missing.append(f"trades of {place.topic}/{place.partition} before @{first}: retention has deleted them")
    statistics = made.window.statistics()
    found.window = statistics._asdict()
    if "ret_std" in found.forecast:
        found.agreement["window"] = all(value == found.forecast[name] for name, value in found.window.items())
    if found.forecast["model"] in (BASELINE, TRAINED):
        inputs = tick_inputs(made.window, statistics, origin)
        found.features = dict(inputs._asdict()) if inputs else {}
        if inputs and isinstance(model, TickModel) and (again := model.forecast(inputs)):
            found.agreement["quantiles"] = again.quantiles == found.quantiles()


def _topic_bars(log: EventLog, topic: str, store: MinuteStore, until: datetime, found: Lineage) -> None:
    """Add the minutes that the topic of candles has and the lake had not; the first of a minute counts."""
    candles: list[tuple[Place, Candle]] = []
    try:
        for place, record in newest_first(log, topic, found.instant("written_at") + SHORTLY):
            if record.key != store.symbol:
                continue
            with suppress(MessageError):  # the predictor passed it over too
                candle = decode_candle(record.value)
                if candle.interval == "1m" and until - LOOKBACK <= candle.open_time < until:
                    candles.append((place, candle))
    except EventLogError as error:
        found.missing.append(f"minutes of {topic}: {error}")
    added = [(place, candle) for place, candle in reversed(candles) if store.add(candle)]
    if added:
        found.bars[f"{added[0][0]} to @{added[-1][0].offset}"] = len(added)
        rows = [{**{name: getattr(bar, name) for name in _BAR}, "from": str(place)} for place, bar in added[-SHOWN:]]
        found.newest_bars = sorted([*found.newest_bars, *rows], key=lambda row: row["open_time"])[-SHOWN:]


def _repeat(found: Lineage, model: TrainedModel, rows: FeatureRows) -> None:
    """Show what the model reads, and forecast from it once more."""
    found.features = dict(zip(rows.names, rows.values[0].tolist(), strict=True))
    if not np.isnan(rows.values).any():
        again = tuple(model.distribution(rows).quantiles[0].tolist())
        found.agreement["quantiles"] = again == found.quantiles()


def _fields(topic: str, value: bytes) -> dict[str, Any]:
    message: Trade | Candle = decode_trade(value) if topic.endswith("-trades") else decode_candle(value)
    return {name: getattr(message, name) for name in message.__struct_fields__}
