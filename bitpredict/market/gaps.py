"""Missing minutes: found and named, never filled."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from bitpredict.market.time import MINUTE, from_numpy, to_numpy


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
    step = np.timedelta64(1, "m")
    expected = np.arange(to_numpy(start), to_numpy(end), step)
    absent = expected[~np.isin(expected, open_time)]
    if absent.size == 0:
        return []
    breaks = np.flatnonzero(np.diff(absent) > step) + 1
    return [Gap(from_numpy(run[0]), from_numpy(run[-1] + step)) for run in np.split(absent, breaks)]
