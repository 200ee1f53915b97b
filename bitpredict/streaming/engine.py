"""The predictor's heart: what one partition of an exchange's trades and candles comes to. No clock, no I/O of its own.

Everything follows from the records of each topic in order of offset, however they are cut into polls. The two topics of
one partition number share their symbols; between them there is no order, and none is needed:

- A symbol with trades is led by them: their watermark closes seconds and minutes. Candles only fill minutes that have
  no bar yet, and a forecast at a minute never looks at later ones.
- A symbol without trades is led by its candles: each one closes its minute.

What the order does decide, where an exchange sends both: which of two tellings of one minute is kept (the first), and
where the lake's history ends (with the first message of the symbol).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa

from bitpredict.errors import EventLogError, MessageError
from bitpredict.features.catalog import LOOKBACK
from bitpredict.market.time import MINUTE, floor_minute
from bitpredict.streaming import forecasts
from bitpredict.streaming.bars import Bar
from bitpredict.streaming.credible import fault_of_candle, fault_of_trade
from bitpredict.streaming.forecasts import Trigger
from bitpredict.streaming.lane import SECOND, Lane, Verdict, by_second, floor_second
from bitpredict.streaming.live_features import LiveRow, row_at
from bitpredict.streaming.log import Record
from bitpredict.streaming.messages import Candle, Prediction, Rejected, Trade, decode_candle, decode_trade
from bitpredict.streaming.minute_store import MinuteStore
from bitpredict.streaming.models_in_force import ModelsInForce
from bitpredict.streaming.topics import candles_topic, trades_topic
from bitpredict.streaming.window import TickWindow

History = Callable[[str, datetime, datetime], pa.Table]
"""symbol, start, end -> the lake's candles of [start, end), as `storage.contracts.CANDLES`."""

_CONTENT = 4096
_NOW = timedelta(0)


@dataclass(frozen=True)
class EngineSettings:
    """`Settings.tick_window` and `Settings.allowed_lateness_ms`."""

    tick_window: int = 50
    lateness: timedelta = timedelta(0)


@dataclass(eq=False)
class Outputs:
    """What records came to.

    Attributes:
        predictions: in order; their `kind` and `written_at` are left to whoever writes them.
        candles: minutes built from trades.
        rejected: (topic they came from, what is wrong).
        counts: trades and candles used, duplicates, late ones, and interruptions: trades that the ids leave out.
        skipped: horizons without a forecast, by reason.
        rows: symbol -> the features of its newest full minute; none of a replay's, whose minutes are past.
    """

    predictions: list[Prediction] = field(default_factory=list)
    candles: list[Candle] = field(default_factory=list)
    rejected: list[tuple[str, Rejected]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    rows: dict[str, LiveRow] = field(default_factory=dict)

    @property
    def made(self) -> bool:
        """Whether there is something to store."""
        return bool(self.predictions or self.candles or self.rejected)

    def add(self, more: "Outputs") -> None:
        """Take in what other records came to."""
        self.predictions += more.predictions
        self.candles += more.candles
        self.rejected += more.rejected
        self.counts += more.counts
        self.skipped += more.skipped
        self.rows |= more.rows


class _State(msgspec.Struct):
    version: int
    settings: EngineSettings
    lanes: dict[str, Lane]


_STATE = msgspec.msgpack.Decoder(_State)


class PartitionEngine:
    """One partition number of one exchange.

    Args:
        history: asked once a symbol, for the minutes before its first message.
    """

    def __init__(self, exchange: str, number: int, settings: EngineSettings, history: History) -> None:
        self.exchange = exchange
        self.number = number
        self.models = ModelsInForce()
        self._settings = settings
        self._history = history
        self._lanes: dict[str, Lane] = {}
        self._stores: dict[str, MinuteStore] = {}

    def process(self, topic: str, records: Sequence[Record], outputs: Outputs) -> None:
        """Take in records of one of the exchange's two topics, in order of offset."""
        if topic == trades_topic(self.exchange):
            self._trades(topic, records, outputs)
        elif topic == candles_topic(self.exchange):
            for record in records:
                self._candle(topic, record, outputs)

    def lost(self, topic: str) -> None:
        """Records of `topic` were deleted unread: minutes that may lack trades are not built."""
        if topic == trades_topic(self.exchange):
            for lane in self._lanes.values():
                lane.interrupted()

    def snapshot(self) -> bytes:
        """The state, small: closed minutes are not in it (see `restore`)."""
        return msgspec.msgpack.encode(_State(1, self._settings, self._lanes))

    def restore(self, state: bytes | None, candles: Iterable[Candle]) -> None:
        """Become what `snapshot` was taken of; without a state, an engine that knows these minutes.

        Args:
            candles: minutes of the candles' topic: those that were built, and those before the checkpoint's position.

        Raises:
            EventLogError: the state is of another version.
        """
        self._lanes, self._stores = {}, {}
        if state:
            try:
                self._lanes = _STATE.decode(state).lanes
            except msgspec.DecodeError as error:
                raise EventLogError(
                    f"the predictor's checkpoint cannot be read ({error}): another version wrote it; end predictors, "
                    "`bitpredict topics forget predictor`, and start them again"
                ) from error
        for lane in self._lanes.values():
            lane.window.size = self._settings.tick_window
            self._stores[lane.symbol] = self._store(lane)
        for candle in sorted(candles, key=lambda candle: not candle.built):
            if candle.symbol not in self._lanes:
                self._open(candle.symbol, candle.open_time)
            self._stores[candle.symbol].add(candle)

    @property
    def symbols(self) -> Mapping[str, datetime | None]:
        """Symbol -> the newest moment of its market that is over."""
        return {name: lane.closed or lane.minute_at for name, lane in self._lanes.items()}

    def _trades(self, topic: str, records: Sequence[Record], outputs: Outputs) -> None:
        lanes, lateness, exchange = self._lanes, self._settings.lateness, self.exchange
        duplicates = late = used = 0
        for record in records:
            try:
                trade = decode_trade(record.value)
            except MessageError as error:
                self._reject(topic, record, str(error), outputs)
                continue
            if fault := fault_of_trade(trade, exchange):
                self._reject(topic, record, fault, outputs)
                continue
            lane = lanes.get(trade.symbol)
            if lane is None:
                # The minute of the first trade was not seen whole: the lake may have it.
                lane = self._open(trade.symbol, floor_minute(trade.event_time) + MINUTE)
            verdict = lane.accept(trade, lateness)
            if verdict is Verdict.KEPT:
                used += 1
            elif verdict is Verdict.CLOSES_SECOND:
                used += 1
                self._advance(lane, trade, self._trigger(topic, record, trade.replayed), outputs)
            elif verdict is Verdict.LATE:
                late += 1
            else:
                duplicates += 1
        outputs.counts.update(trades=used, late=late, duplicates=duplicates)

    def _candle(self, topic: str, record: Record, outputs: Outputs) -> None:
        try:
            candle = decode_candle(record.value)
        except MessageError as error:
            self._reject(topic, record, str(error), outputs)
            return
        if fault := fault_of_candle(candle, self.exchange):
            self._reject(topic, record, fault, outputs)
            return
        if candle.interval != "1m":
            return
        lane = self._lanes.get(candle.symbol) or self._open(candle.symbol, floor_minute(candle.open_time))
        if not self._stores[lane.symbol].add(candle) or candle.built:
            return
        outputs.counts["candles"] += 1
        close = floor_minute(candle.open_time) + MINUTE
        if lane.closed is None and (lane.minute_at is None or close > lane.minute_at):
            self._close_minute(lane, close, self._trigger(topic, record, candle.replayed), outputs)

    def _open(self, symbol: str, history_until: datetime) -> Lane:
        lane = Lane(symbol, history_until, TickWindow(self._settings.tick_window))
        self._stores[symbol] = self._store(lane)
        self._lanes[symbol] = lane
        return lane

    def _store(self, lane: Lane) -> MinuteStore:
        store = MinuteStore(lane.symbol)
        start = lane.history_until - LOOKBACK
        store.load(self._history(lane.symbol, start, lane.history_until), start, lane.history_until)
        row_at(store, lane.history_until)  # unused: what a first row costs beyond others is paid before one is awaited
        return store

    def _advance(self, lane: Lane, trade: Trade, trigger: Trigger, outputs: Outputs) -> None:
        """The watermark passed one or more full seconds: the newest of them is forecast."""
        lateness = self._settings.lateness
        before, second = lane.closed, floor_second(trade.event_time - lateness)
        lane.closed, lane.next_close = second, second + SECOND + lateness

        def reach(minute: datetime) -> None:
            if lane.bar is not None and lane.bar.open_time + MINUTE <= minute:
                self._end_bar(lane, lane.bar, trade, trigger, outputs)
            if before is not None and minute > before and (lane.minute_at is None or minute > lane.minute_at):
                self._close_minute(lane, minute, trigger, outputs)

        for start, trades in by_second(lane.over(second)):
            minute = start.replace(second=0)
            reach(minute)
            if lane.extend_window(trades, start + SECOND):
                lane.interrupted()
                outputs.counts["interruptions"] += 1
            lane.whole_from = lane.whole_from or minute + MINUTE
            lane.bar = lane.bar or Bar.starting(minute, trades[0].price)
            lane.bar.add(trades)
        reach(second.replace(second=0))
        self._forecast(lane, second, trigger, outputs)

    def _end_bar(self, lane: Lane, bar: Bar, trade: Trade, trigger: Trigger, outputs: Outputs) -> None:
        """The minute's last trade is in: its bar is a candle, and it is closed."""
        lane.bar = None
        close = bar.open_time + MINUTE
        whole = lane.whole_from is not None and bar.open_time >= lane.whole_from and not lane.lacks(close)
        built = bar.candle(self.exchange, lane.symbol, trade.received_at, replayed=trade.replayed)
        if whole and self._stores[lane.symbol].add(built):
            outputs.candles.append(built)
        if lane.minute_at is None or close > lane.minute_at:
            self._close_minute(lane, close, trigger, outputs)

    def _close_minute(self, lane: Lane, close: datetime, trigger: Trigger, outputs: Outputs) -> None:
        """Features of a full minute, and the forecasts at it; a minute without a bar ends what stood from the last."""
        lane.minute_at = close
        row = row_at(self._stores[lane.symbol], close)
        lane.standing = [] if row is None else forecasts.standings(row, lane.symbol, self.models, outputs.skipped)
        if row is None:
            outputs.skipped["no bar for the minute"] += 1
            return
        if not trigger.replayed:
            outputs.rows[lane.symbol] = row
        statistics = lane.window.statistics()
        outputs.predictions += forecasts.from_minute(lane, close, row.reference_price, statistics, trigger)
        if lane.closed is not None:
            outputs.predictions += forecasts.from_ticks(lane, close, statistics, self.models, trigger, outputs.skipped)
            lane.forecast_at = close

    def _forecast(self, lane: Lane, second: datetime, trigger: Trigger, outputs: Outputs) -> None:
        """Forecasts at a second that is over, unless the minute's close made them already."""
        if lane.forecast_at is not None and second <= lane.forecast_at:
            return
        lane.forecast_at = second
        statistics = lane.window.statistics()
        outputs.predictions += forecasts.from_ticks(lane, second, statistics, self.models, trigger, outputs.skipped)
        lane.standing = [made for made in lane.standing if _NOW <= second - made.features_at < MINUTE]
        if lane.window.price is not None:
            outputs.predictions += forecasts.from_minute(lane, second, lane.window.price, statistics, trigger)

    def _trigger(self, topic: str, record: Record, replayed: bool) -> Trigger:
        place = f"{topic}/{self.number}@{record.offset}"
        return Trigger(self.exchange, place, _moment(record.timestamp), replayed)

    def _reject(self, topic: str, record: Record, reason: str, outputs: Outputs) -> None:
        content = record.value[:_CONTENT].decode(errors="replace")
        source = f"{topic}/{self.number}@{record.offset}"
        outputs.rejected.append((topic, Rejected(reason, source, _moment(record.timestamp), content)))


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
