"""Time as the platform counts it: UTC, whole minutes, half-open ranges, days from midnight to midnight."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
MINUTES_A_DAY = 1440


def utc(moment: date | datetime) -> datetime:
    """Return `moment` in UTC; a plain date is its midnight.

    Raises:
        ValueError: a datetime without a timezone, which could mean any instant.
    """
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no timezone; write it in UTC")
    return moment.astimezone(UTC)


def days(start: datetime, end: datetime) -> Iterator[date]:
    """Every UTC day that [start, end) touches, in order."""
    day = utc(start).date()
    last = utc(end) - timedelta(microseconds=1)
    while day <= last.date():
        yield day
        day += DAY


def month_of(moment: date | datetime) -> str:
    """The month's partition key, `2023-12-01`."""
    return utc(moment).strftime("%Y-%m-01")


def to_numpy(moment: datetime) -> np.datetime64:
    """`moment` as numpy's zone-less microseconds, which mean UTC everywhere in the project."""
    return np.datetime64(utc(moment).replace(tzinfo=None), "us")


def from_numpy(instant: np.datetime64) -> datetime:
    """The inverse of `to_numpy`."""
    moment: datetime = instant.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def floor_minute(moment: datetime) -> datetime:
    """The start of the minute that `moment` lies in."""
    return utc(moment).replace(second=0, microsecond=0)
