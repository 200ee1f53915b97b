"""What the clock says at an origin: UTC's hour and weekday, and New York's sessions in the coming hour.

New York's wall clock (with its summer time) is looked up through zoneinfo; its public holidays are not known here.
"""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from bitpredict.features.declaration import Feature
from bitpredict.features.minutes import Times
from bitpredict.features.windows import Floats
from bitpredict.market.time import from_numpy

NEW_YORK = ZoneInfo("America/New_York")
WEDNESDAY = 2
AHEAD = 60


@dataclass(frozen=True, slots=True)
class Session:
    """Minutes [start, end) of a New York day, on weekdays (Monday is 0)."""

    name: str
    start: int
    end: int
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)


SESSIONS = (
    Session("0830_0845", 510, 525),
    Session("0930_1000", 570, 600),
    Session("1000_1015", 600, 615),
    Session("0930_1600", 570, 960),
    Session("wednesday_1400_1500", 840, 900, (WEDNESDAY,)),
)

FEATURES: tuple[Feature, ...] = (
    Feature("hour", "UTC hour of the origin, 0 to 23", "h", 0, whole=True),
    Feature("weekday", "UTC weekday of the origin, Monday is 0", "day", 0, whole=True),
    Feature("day_sin", "sine of the origin's place in its UTC day", "", 0),
    Feature("day_cos", "cosine of the origin's place in its UTC day", "", 0),
    Feature("week_sin", "sine of the origin's place in its week", "", 0),
    Feature("week_cos", "cosine of the origin's place in its week", "", 0),
    *(
        Feature(f"new_york_{s.name}", f"share of the next hour inside New York's {s.name.replace('_', ' ')}", "", 0)
        for s in SESSIONS
    ),
)


def compute(origin: Times) -> dict[str, Floats]:
    """The features of this family.

    Args:
        origin: (m,) UTC.
    """
    minute, weekday = _minute_and_weekday(origin)
    day_angle = 2.0 * np.pi / 1440.0 * minute
    week_angle = (2.0 * np.pi * weekday + day_angle) / 7.0
    found = {
        "hour": np.floor_divide(minute, 60.0),
        "weekday": weekday,
        "day_sin": np.sin(day_angle),
        "day_cos": np.cos(day_angle),
        "week_sin": np.sin(week_angle),
        "week_cos": np.cos(week_angle),
    }
    # No session comes near New York's clock changes (Sundays at two), so that the offset of the origin is enough.
    local_minute, local_weekday = _minute_and_weekday(origin + _offset(origin))
    for session in SESSIONS:
        overlap = np.minimum(local_minute + AHEAD, session.end) - np.maximum(local_minute, session.start)
        inside = np.isin(local_weekday, session.weekdays)
        found[f"new_york_{session.name}"] = np.where(inside, np.maximum(overlap, 0.0) / AHEAD, 0.0)
    return found


def _minute_and_weekday(moment: Times) -> tuple[Floats, Floats]:
    minutes = moment.astype("datetime64[m]").astype(np.int64)
    days = minutes // 1440
    return (minutes - 1440 * days).astype(np.float64), ((days + 3) % 7).astype(np.float64)  # 1970-01-01: a Thursday


def _offset(origin: Times) -> npt.NDArray[np.timedelta64]:
    """New York's distance from UTC, looked up once an hour: it changes on full hours."""
    hours, place = np.unique(origin.astype("datetime64[h]"), return_inverse=True)
    offsets = [from_numpy(hour).astimezone(NEW_YORK).utcoffset() or timedelta() for hour in hours]
    return np.array(offsets, "timedelta64[us]")[place]
