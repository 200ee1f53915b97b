"""Missing minutes: found and named, never filled."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from bitpredict.market.time import MINUTE, from_numpy, to_numpy

_STEP = np.timedelta64(1, "m")


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Minutes of [start, end) that ought to have a candle and have none."""

    start: datetime
    end: datetime

    @property
    def minutes(self) -> int:
        return (self.end - self.start) // MINUTE


def find_gaps(open_time: npt.NDArray[np.datetime64], start: datetime, end: datetime) -> list[Gap]:
    """Find every hole of a one-minute series in [start, end).

    Args:
        open_time: minutes present, UTC, in any order, repeats allowed.
        start, end: the expected range, both on a full minute.

    Returns:
        Gaps in order of time; together with the minutes present they tile the range.
    """
    expected = np.arange(to_numpy(start), to_numpy(end), _STEP)
    return spans(expected[~np.isin(expected, open_time)])


def spans(minutes: npt.NDArray[np.datetime64]) -> list[Gap]:
    """Minutes, in order and each once, as unbroken runs."""
    if minutes.size == 0:
        return []
    breaks = np.flatnonzero(np.diff(minutes) > _STEP) + 1
    return [Gap(from_numpy(run[0]), from_numpy(run[-1] + _STEP)) for run in np.split(minutes, breaks)]


def first_expected(
    open_time: npt.NDArray[np.datetime64], start: datetime, end: datetime, traded_before: Callable[[], bool]
) -> datetime:
    """From where in [start, end) a symbol's minutes are expected: not before it was listed.

    Args:
        open_time: its minutes present in the range.
        traded_before: whether it has a candle before `start`; asked only when the range does not begin with one.
    """
    first = from_numpy(open_time.min()) if open_time.size else end
    return start if first == start or traded_before() else first


def days_to_repair(
    gaps: Iterable[tuple[datetime, datetime]], lookback_days: int, now: datetime
) -> list[tuple[date, date]]:
    """The days to compute again when `gaps` ([start, end) each) are fetched anew.

    Returns:
        First and last day (inclusive) of each range: from a gap's first day to the last day whose windows of
        `lookback_days` reach it, not beyond today. Ranges are in order, overlapping or touching ones are one.
    """
    ranges: list[tuple[date, date]] = []
    for start, end in sorted(gaps):
        first = start.date()
        last = min((end - MINUTE).date() + timedelta(days=lookback_days), now.date())
        if ranges and first <= ranges[-1][1] + timedelta(days=1):
            ranges[-1] = (ranges[-1][0], max(last, ranges[-1][1]))
        else:
            ranges.append((first, last))
    return ranges
