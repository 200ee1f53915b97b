"""Ranges cut by the UTC day of the trades' own time, so that a run writes one partition.

Offsets follow the order of receipt, days the exchange's clock: around midnight late trades and several symbols
interleave, and a replay's time is the market's. So the days are read from the messages themselves (their event_time
alone is decoded). A day's range reaches from its first to its last message; where two days interleave their ranges
overlap, and as a run keeps the trades of its own day, every trade is still kept by exactly one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated

import msgspec

from bitpredict.streaming.log import Record
from bitpredict.streaming.ranges import Range


class _When(msgspec.Struct, frozen=True):
    """Of a trade's message its time alone."""

    event_time: Annotated[datetime, msgspec.Meta(tz=True)]


_DECODER = msgspec.json.Decoder(_When)


@dataclass(frozen=True)
class Cut:
    """A bite by day.

    Attributes:
        days: day -> the ranges that hold all of its trades in the bite.
        taken: what of the bite was cut: all of it, or less where it holds more days than asked for.
        times: (topic, partition) -> timestamp of the last message taken.
        undated: messages that are in no range of any day, because no time can be read from a whole partition of them.
        impossible: messages of a day that the calendar does not have, and that no run can take.
    """

    days: Mapping[date, tuple[Range, ...]]
    taken: tuple[Range, ...]
    times: Mapping[tuple[str, int], int]
    undated: int
    impossible: Mapping[date, int]


def event_day(value: bytes) -> date | None:
    """The UTC day of a trade's message; None where no time can be read from it."""
    try:
        return _DECODER.decode(value).event_time.astimezone(UTC).date()
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
        return None


def cut(
    bite: Mapping[Range, Sequence[Record]], most: int, in_calendar: Callable[[date], bool] = lambda _day: True
) -> Cut:
    """Cut a bite into at most `most` days; what comes first goes first.

    Args:
        bite: range -> its messages in order of offset.
        most: at least 1. A partition is taken up to its first message of a day that has no place any more.
    """
    days = {each: [event_day(record.value) for record in records] for each, records in bite.items()}
    chosen = _first_days(days, most, in_calendar)
    hulls: dict[date, dict[Range, tuple[int, int]]] = {}
    impossible: dict[date, int] = {}
    taken, times, undated = [], {}, 0
    for each, records in bite.items():
        end, current, before = each.end, None, 0
        for record, day in zip(records, days[each], strict=True):
            if day is not None and day not in chosen and in_calendar(day):
                end = record.offset
                break
            times[each.topic, each.partition] = record.timestamp
            if day is not None and not in_calendar(day):
                impossible[day] = impossible.get(day, 0) + 1
                continue
            # What has no day goes with the day before it, or with the first one, whose run counts it.
            current = day or current
            if current is None:
                before += 1
                continue
            first, _ = hulls.setdefault(current, {}).get(each, (record.offset if not before else each.start, 0))
            hulls[current][each] = (first, record.offset + 1)
            before = 0
        undated += before
        taken.append(each._replace(end=end))
    return Cut(
        {
            day: tuple(sorted(each._replace(start=first, end=end) for each, (first, end) in of_day.items()))
            for day, of_day in sorted(hulls.items())
        },
        tuple(sorted(each for each in taken if each.start < each.end)),
        times,
        undated,
        impossible,
    )


def _first_days(
    days: Mapping[Range, Sequence[date | None]], most: int, in_calendar: Callable[[date], bool]
) -> frozenset[date]:
    """The `most` days that appear first: each partition counts its messages, and the first of equals is the earlier."""
    appearance: dict[date, int] = {}
    for of_range in days.values():
        for index, day in enumerate(of_range):
            if day is not None and in_calendar(day):
                appearance[day] = min(index, appearance.get(day, index))
    return frozenset(sorted(appearance, key=lambda day: (appearance[day], day))[:most])
