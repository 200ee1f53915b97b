"""Read exactly the ranges that a run was given: what is gone of them goes to the gap ledger, the rest are trades."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from bitpredict.streaming.log import EventLog, Record
from bitpredict.streaming.lost_ranges import record_lost, still_there
from bitpredict.streaming.ranges import Range, read_range
from bitpredict.streaming.trade_table import Trades, trades_table


@dataclass(frozen=True)
class Taken:
    """Attributes:
    ranges: what was read. lost: what was gone by then. trades: what was in the ranges.
    """

    ranges: tuple[Range, ...]
    lost: tuple[Range, ...]
    trades: Trades


def everything(log: EventLog, topics: Sequence[str]) -> list[tuple[str, Range]]:
    """All that the log still has of these topics, as (incarnation, range); a topic that is not there has nothing."""
    there = log.topics()
    return [
        (state.incarnation, Range(state.name, number, start, state.end[number]))
        for state in (there[name] for name in topics if name in there)
        for number, start in sorted(state.start.items())
    ]


def take(
    log: EventLog,
    engine: Engine,
    wanted: Sequence[tuple[str, Range]],
    start: datetime,
    end: datetime,
    *,
    now: datetime,
) -> Taken:
    """The trades of [start, end) in the ranges (incarnation of their topic, offsets).

    Raises:
        EventLogError: the log cannot be reached, or forgot a range while it was read. Asking again is safe.
    """
    ranges, lost = [], []
    for incarnation, each in wanted:
        there = still_there(log, each, incarnation)
        if there.start > each.start:
            lost.append(each._replace(end=there.start))
            record_lost(engine, log, lost[-1], None, now)
        if there.start < there.end:
            ranges.append(there)
    return Taken(tuple(ranges), tuple(lost), trades_table(_pages(log, ranges), start, end))


def _pages(log: EventLog, ranges: Sequence[Range]) -> Iterator[tuple[str, int, Sequence[Record]]]:
    for each in ranges:
        for page in read_range(log, each):
            yield each.topic, each.partition, page
