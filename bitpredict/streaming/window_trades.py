"""Which trades a forecast's window was made of, found again in the topic by the predictor's own rules."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from bitpredict.errors import MessageError
from bitpredict.streaming.credible import fault_of_trade
from bitpredict.streaming.lane import REMEMBERED, SECOND, Lane, Verdict, by_second, floor_second
from bitpredict.streaming.log import EventLog, Record
from bitpredict.streaming.look_back import Place, before
from bitpredict.streaming.messages import Trade, decode_trade
from bitpredict.streaming.window import RECENT, TickWindow


class PlacedTrade(NamedTuple):
    """A trade and its offset."""

    offset: int
    trade: Trade


class WindowTrades(NamedTuple):
    """What was found.

    Attributes:
        trades: of the window, the oldest first.
        window: as the predictor had it.
        whole: False where the topic no longer reaches back far enough to say so.
    """

    trades: Sequence[PlacedTrade]
    window: TickWindow
    whole: bool


def window_before(
    log: EventLog, trigger: Place, symbol: str, origin: datetime, size: int, lateness: timedelta
) -> WindowTrades:
    """The window at `origin` of the symbol's trades before the message that closed its second.

    Args:
        size: trades in a window.
        lateness: how much a trade may be older than the newest and still be used.

    Raises:
        EventLogError: the log cannot be reached.
    """
    found: deque[PlacedTrade] = deque()
    whole = log.topic(trigger.topic).start[trigger.partition] == 0
    for record in before(log, trigger.topic, trigger.partition, trigger.offset):
        if (trade := _decoded(record, symbol)) is None:
            continue
        found.appendleft(PlacedTrade(record.offset, trade))
        # Enough to know which were late or double, and every second of the last minute.
        if len(found) >= size + REMEMBERED and trade.event_time < origin - RECENT - SECOND:
            whole = True
            break
    lane = Lane(symbol, origin, TickWindow(size))
    used: list[PlacedTrade] = []
    for placed in found:
        verdict = lane.accept(placed.trade, lateness)
        if verdict in (Verdict.KEPT, Verdict.CLOSES_SECOND):
            used.append(placed)
        if verdict is Verdict.CLOSES_SECOND:
            _close(lane, min(floor_second(placed.trade.event_time - lateness), origin), lateness)
    _close(lane, origin, lateness)
    in_time = sorted((placed for placed in used if placed.trade.event_time < origin), key=_event_time)
    return WindowTrades(in_time[len(in_time) - lane.window.statistics().n :], lane.window, whole)


def _close(lane: Lane, second: datetime, lateness: timedelta) -> None:
    lane.closed, lane.next_close = second, second + SECOND + lateness
    for start, trades in by_second(lane.over(second)):
        lane.extend_window(trades, start + SECOND)


def _decoded(record: Record, symbol: str) -> Trade | None:
    if record.key != symbol:
        return None
    try:
        trade = decode_trade(record.value)
    except MessageError:
        return None  # the predictor passed it over too
    return None if fault_of_trade(trade, trade.exchange) else trade


def _event_time(placed: PlacedTrade) -> datetime:
    return placed.trade.event_time
