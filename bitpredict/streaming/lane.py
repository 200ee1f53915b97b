"""One symbol of one exchange in market time: which trades count, when a second is over, what is in force."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum

import msgspec

from bitpredict.streaming.bars import Bar
from bitpredict.streaming.continuity import LONGEST_NUMBER, is_numbered
from bitpredict.streaming.messages import Trade
from bitpredict.streaming.window import TickWindow

SECOND = timedelta(seconds=1)
REMEMBERED = 256
"""Trade ids of a symbol that are remembered to know a repeated trade."""


class Verdict(IntEnum):
    """What became of a trade: zero is the common case."""

    KEPT = 0
    CLOSES_SECOND = 1
    DUPLICATE = 2
    LATE = 3


class Standing(msgspec.Struct, frozen=True):
    """A horizon's distribution from the last minute's close: it stays for a minute, around the last trade's price.

    Attributes:
        features_at: the minute's close.
        variance, quantiles, p_up: as `messages.Prediction` has them.
    """

    horizon: str
    features_at: datetime
    variance: float
    quantiles: tuple[float, ...]
    p_up: float
    model: str
    version: str
    feature_set_version: str
    provenance: str
    skill: float | None
    skill_sample_size: int | None


class Missing(msgspec.Struct, frozen=True):
    """Trades that an exchange counted and nobody sent, so far.

    Attributes:
        since: event_time of the trade that arrived before them.
        until: event_time of the trade after them, whose number tells of them.
    """

    since: datetime
    until: datetime


class Lane(msgspec.Struct):
    """The state of one symbol: everything but its closed minutes, which the candles' topic and the lake keep.

    Attributes:
        history_until: minutes before it come from the lake.
        recent: trade ids, the oldest first.
        pending: trades whose second is not over.
        expected: the number after that of the last numbered trade; -1 before the first.
        missing: by the number of the trade after them. What comes while that trade's second is not over fills them.
        closed: the newest second that is over; earlier trades are late. None before the first trade.
        next_close: the event_time at which the second after it is over.
        whole_from: minutes from here on were seen from their beginning; None: with the next trade's next minute.
        bar: the minute that is being traded.
        forecast_at: the newest second that was forecast from ticks.
        minute_at: the newest full minute that was closed.
        standing: by horizon.
    """

    symbol: str
    history_until: datetime
    window: TickWindow
    recent: dict[str, None] = {}
    pending: list[Trade] = []
    expected: int = -1
    missing: dict[int, Missing] = {}
    closed: datetime | None = None
    next_close: datetime | None = None
    whole_from: datetime | None = None
    bar: Bar | None = None
    forecast_at: datetime | None = None
    minute_at: datetime | None = None
    standing: list[Standing] = []

    def accept(self, trade: Trade, lateness: timedelta) -> Verdict:
        """Take a trade in, unless it is late or was there before. Called once a trade: it does as little as it can."""
        recent, name = self.recent, trade.trade_id
        if name in recent:
            return Verdict.DUPLICATE
        recent[name] = None
        if len(recent) > REMEMBERED:
            del recent[next(iter(recent))]
        when = trade.event_time
        if self.closed is None or self.next_close is None:
            self.closed = floor_second(when - lateness)
            self.next_close = self.closed + SECOND + lateness
        late = when < self.closed
        if len(name) < LONGEST_NUMBER and name.isdecimal():
            if int(name) == self.expected and not self.missing:
                self.expected += 1
            else:
                self._line_up(trade, late)
        if late:
            return Verdict.LATE
        self.pending.append(trade)
        return Verdict.KEPT if when < self.next_close else Verdict.CLOSES_SECOND

    def _line_up(self, trade: Trade, late: bool) -> None:
        """A trade that fills a hole, or is not the next one of the exchange's count, if its id counts trades.

        A late one tells of no hole: what is missing before it would be as late.
        """
        if not is_numbered(trade.trade_id, trade.exchange, trade.replayed):
            return
        number = int(trade.trade_id)
        self.missing.pop(number + 1, None)
        if self.expected >= 0 and self.pending and not late and str(number - 1) not in self.recent:
            self.missing[number] = Missing(self.pending[-1].event_time, trade.event_time)
        self.expected = number + 1

    def over(self, second: datetime) -> list[Trade]:
        """The pending trades before `second`, in order of time (of arrival, where that is equal); they are let go."""
        self.pending.sort(key=_event_time)
        cut = bisect_left(self.pending, second, key=_event_time)
        ready, self.pending = self.pending[:cut], self.pending[cut:]
        return ready

    def extend_window(self, trades: Sequence[Trade], end: datetime) -> bool:
        """Take in the trades of the second that ends at `end`; True: some are missing before or among them.

        The window then begins anew behind those: from one side to the other is no return from a trade to the next.
        """
        decided = [number for number, missing in self.missing.items() if missing.until < end]
        for number in decided:
            del self.missing[number]
        if decided:
            after = {str(number) for number in decided}
            trades = trades[max((i for i, trade in enumerate(trades) if trade.trade_id in after), default=0) :]
            self.window = TickWindow(self.window.size)
        self.window.extend(trades, end)
        return bool(decided)

    def lacks(self, end: datetime) -> bool:
        """Whether trades before `end` may be missing, as far as that is not decided."""
        return any(missing.since < end for missing in self.missing.values())

    def interrupted(self) -> None:
        """Trades were lost: the minute that is being traded is not whole, and neither is the one that comes next."""
        self.bar = None
        self.whole_from = None


def by_second(trades: Sequence[Trade]) -> list[tuple[datetime, Sequence[Trade]]]:
    """Trades in order of time, cut at full seconds; each part with its second's start."""
    parts = []
    first = 0
    while first < len(trades):
        start = floor_second(trades[first].event_time)
        after = bisect_left(trades, start + SECOND, lo=first, key=_event_time)
        parts.append((start, trades[first:after]))
        first = after
    return parts


def floor_second(moment: datetime) -> datetime:
    """The full second that `moment` lies in, in UTC."""
    floored = moment.replace(microsecond=0)
    return floored if floored.tzinfo is UTC else floored.astimezone(UTC)


def _event_time(trade: Trade) -> datetime:
    return trade.event_time
