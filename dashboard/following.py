"""What the event log said in the last minutes, followed: asked again, it reads only what came since."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from threading import Lock
from typing import Any, NamedTuple

import pandas as pd

from bitpredict.errors import MessageError, OffsetsLostError, UnknownTopicError
from bitpredict.report.series import QUANTILES
from bitpredict.streaming.log import EventLog, Record, TopicState
from bitpredict.streaming.messages import Prediction, decode_candle, decode_prediction, decode_trade
from bitpredict.streaming.topics import PREDICTIONS, candles_topic, trades_topic

KEPT = timedelta(minutes=15)
"""How far back the first look goes, by the moment of receipt."""

RATE_SECONDS = 10
FIRST, AT_ONCE = 200, 30_000
"""Messages of a partition that are read however old they are, and at most at one look: older ones are passed over."""

_PAGE = 10_000
_POINTS, _PREDICTIONS = 4_000, 1_000
_STEP = timedelta(seconds=1)
_BACK = timedelta(seconds=90)
"""A clock that goes back further than late trades do: the replay starts again."""


class Source(NamedTuple):
    """Whose prices."""

    exchange: str
    symbol: str


class Point(NamedTuple):
    """The last price of a second of market time."""

    time: datetime
    price: float


@dataclass(frozen=True)
class Following:
    """How a topic stands.

    Attributes:
        rate: messages a second over the last `RATE_SECONDS`.
        newest: when its newest message was received; None where there is none.
        lag: group -> messages that it has not read yet.
    """

    rate: float
    newest: datetime | None
    lag: Mapping[str, int]


@dataclass(frozen=True)
class View:
    """What the page shows.

    Attributes:
        topics: name -> how it stands, of those that there are.
        missing: topics that are not there.
        prices: ordered by time, a point a second at most.
        replayed, simulated: whose newest price came from a recording, or from the simulator.
        newest: symbol and horizon -> the newest forecast, with the earlier ones in `earlier`, the last being newest.
        latency: seconds from the message that triggered to the forecast written, of the last `RATE_SECONDS`.
        unreadable: messages that could not be decoded.
    """

    topics: Mapping[str, Following]
    missing: tuple[str, ...]
    prices: Mapping[Source, Sequence[Point]]
    replayed: frozenset[Source]
    simulated: frozenset[Source]
    earlier: Mapping[tuple[str, str], Sequence[Prediction]]
    latency: Sequence[float]
    unreadable: int

    @property
    def newest(self) -> dict[tuple[str, str], Prediction]:
        return {key: predictions[-1] for key, predictions in self.earlier.items()}


def frame_of(predictions: Sequence[Prediction]) -> pd.DataFrame:
    """Predictions as rows with the ledger's columns, quantiles apart, and what only the live lane knows."""
    return pd.DataFrame([_row(prediction) for prediction in predictions])


def _row(prediction: Prediction) -> dict[str, Any]:
    row = {name: getattr(prediction, name) for name in prediction.__struct_fields__}
    return row | dict(zip(QUANTILES, row.pop("quantiles"), strict=True))


@dataclass
class _Follower:
    """Reads a topic onwards. A topic that was made again is read from its start."""

    log: EventLog
    topic: str
    incarnation: str = ""
    positions: dict[int, int] = field(default_factory=dict)

    def records(self, state: TopicState, now: datetime) -> Iterator[Record]:
        """What came since the last look, partition by partition."""
        if state.incarnation != self.incarnation:
            self.incarnation, self.positions = state.incarnation, {}
        if new := state.end.keys() - self.positions.keys():
            recent = self.log.offset_at(self.topic, now - KEPT)
            self.positions |= {number: min(recent[number], state.end[number] - FIRST) for number in new}
        for number, end in state.end.items():
            start = max(self.positions[number], state.start[number], end - AT_ONCE)
            for page in self._pages(number, start, end):
                yield from page
                self.positions[number] = page[-1].offset + 1
            self.positions[number] = end

    def _pages(self, number: int, start: int, end: int) -> Iterator[list[Record]]:
        while start < end:
            try:
                page = self.log.read(self.topic, number, start, end, _PAGE)
            except OffsetsLostError as lost:
                start = lost.first
                continue
            if not page:
                return
            yield page
            start = page[-1].offset + 1


class Reader:
    """The live lane as a reader sees it; several sessions share one."""

    def __init__(self, log: EventLog, exchanges: Sequence[str]) -> None:
        self._log = log
        self._exchanges = exchanges
        self._lock = Lock()
        self._followers: dict[str, _Follower] = {}
        self._newest: dict[str, int] = {}
        self._ticks: dict[Source, deque[Point]] = {}
        self._closes: dict[Source, deque[Point]] = {}
        self._replayed: dict[Source, bool] = {}
        self._simulated: dict[Source, bool] = {}
        self._predictions: dict[tuple[str, str], deque[Prediction]] = {}
        self._unreadable = 0

    def look(self, now: datetime | None = None) -> View:
        """Read on, and say how everything stands.

        Raises:
            EventLogError: the log cannot be reached.
        """
        now = now or datetime.now(UTC)
        wanted = [name for exchange in self._exchanges for name in (trades_topic(exchange), candles_topic(exchange))]
        with self._lock:
            topics, missing = {}, []
            for name in (*wanted, PREDICTIONS):
                try:
                    topics[name] = self._follow(name, now)
                except UnknownTopicError:
                    missing.append(name)
                    self._followers.pop(name, None)
            return View(
                topics=topics,
                missing=tuple(missing),
                prices={source: tuple(points) for source, points in (self._closes | self._ticks).items()},
                replayed=frozenset(source for source, on in self._replayed.items() if on),
                simulated=frozenset(source for source, on in self._simulated.items() if on),
                earlier={key: tuple(made) for key, made in self._predictions.items()},
                latency=self._latency(now),
                unreadable=self._unreadable,
            )

    def close(self) -> None:
        """Let go of the log."""
        self._log.close()

    def _follow(self, name: str, now: datetime) -> Following:
        state = self._log.topic(name)
        follower = self._followers.setdefault(name, _Follower(self._log, name))
        for record in follower.records(state, now):
            self._newest[name] = max(record.timestamp, self._newest.get(name, 0))
            try:
                self._take(name, record.value)
            except MessageError:
                self._unreadable += 1
        recent = self._log.offset_at(name, now - RATE_SECONDS * _STEP)
        newest = self._newest.get(name)
        return Following(
            rate=sum(max(0, end - recent.get(number, end)) for number, end in state.end.items()) / RATE_SECONDS,
            newest=datetime.fromtimestamp(newest / 1000, UTC) if newest else None,
            lag={group: _behind(state, positions) for group, positions in self._log.groups(name).items()},
        )

    def _take(self, name: str, value: bytes) -> None:
        if name == PREDICTIONS:
            prediction = decode_prediction(value)
            key = prediction.symbol, prediction.horizon
            made = self._predictions.setdefault(key, deque(maxlen=_PREDICTIONS))
            if made and prediction.origin < made[-1].origin - _BACK:
                made.clear()
            made.append(prediction)
        elif name.endswith("-trades"):
            trade = decode_trade(value)
            second = trade.event_time.replace(microsecond=0) + _STEP
            self._price(self._ticks, Source(trade.exchange, trade.symbol), Point(second, trade.price))
            self._origin(Source(trade.exchange, trade.symbol), trade.replayed, trade.provenance)
        else:
            candle = decode_candle(value)
            length = timedelta(minutes=1) if candle.interval == "1m" else _STEP
            source = Source(candle.exchange, candle.symbol)
            self._price(self._closes, source, Point(candle.open_time + length, candle.close))
            self._origin(source, candle.replayed, candle.provenance)

    def _price(self, kept: dict[Source, deque[Point]], source: Source, point: Point) -> None:
        """Add a price. One that is late stays out; one from long before starts the line again."""
        points = kept.setdefault(source, deque(maxlen=_POINTS))
        if points and point.time < points[-1].time - _BACK:
            points.clear()
        if points and point.time == points[-1].time:
            points[-1] = point
        elif not points or point.time > points[-1].time:
            points.append(point)

    def _origin(self, source: Source, replayed: bool, provenance: str) -> None:
        self._replayed[source] = replayed
        self._simulated[source] = provenance == "simulated"

    def _latency(self, now: datetime) -> list[float]:
        since = now - RATE_SECONDS * _STEP
        recent = (takewhile(lambda one: one.written_at >= since, reversed(made)) for made in self._predictions.values())
        return [(one.written_at - one.triggered_at).total_seconds() for made in recent for one in made]


def _behind(state: TopicState, positions: Mapping[int, int]) -> int:
    return sum(max(0, end - positions.get(number, state.start[number])) for number, end in state.end.items())
