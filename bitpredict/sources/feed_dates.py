"""When a feed says that something was published, and whether it says so in a zone that is known."""

import calendar
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import struct_time

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ]\s*(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?\s*([+-]\d\d(?::?\d\d)?|[A-Za-z]{1,5})?")
"""Read here: of some such dates feedparser loses the offset's minutes, or the whole time."""

_MAIL = re.compile(
    r"(?<![\d-])\d{2,4}\s+\d\d?:\d\d(?::\d\d)?\s+(?:GMT(?=[+-]))?([+-]\d\d:?\d\d|[A-Za-z]{1,5})(?:\s*\([^()]*\))?$"
)
"""How a date of RFC 822 ends that has a zone."""

_OFFSET = re.compile(r"([+-])(\d\d):?([0-5]\d)?")
_LARGEST_OFFSET = timedelta(hours=14)
_HOURS = {"UT": 0, "UTC": 0, "GMT": 0, "Z": 0} | {
    f"{region}{season}T": standard + (season == "D")
    for region, standard in (("E", -5), ("C", -6), ("M", -7), ("P", -8))
    for season in "SD"
}
"""The names of RFC 822. Of the others some stand for several zones (IST), and feedparser takes most for UTC (JST)."""


def read_date(said: str, parsed: struct_time | None) -> tuple[datetime, bool]:
    """The moment, and whether its zone is known: a local time of another zone is taken as UTC.

    Args:
        said: as the feed has it, without blanks around it.
        parsed: feedparser's reading, in UTC; None if it cannot read it.

    Raises:
        TypeError, ValueError, OverflowError, OSError: it is no date.
    """
    if iso := _ISO.fullmatch(said):
        moment, zone = datetime.fromisoformat(f"{iso[1]}T{iso[2]}").replace(tzinfo=UTC), iso[3] or ""
        offset = _offset(zone)
        return (moment, False) if offset is None else (moment - offset, True)
    parsed = parsed or parsedate_to_datetime(said).timetuple()  # feedparser needs a zone in some
    moment = datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    mail = _MAIL.search(said)
    if mail and _offset(mail[1]) is None:
        with suppress(TypeError, ValueError):  # feedparser goes by offsets that there are none of
            moment = parsedate_to_datetime(said[: mail.start(1)]).replace(tzinfo=UTC)
        return moment, False
    return moment, mail is not None


def _offset(zone: str) -> timedelta | None:
    """From UTC; None where it is not known, or can be none."""
    if number := _OFFSET.fullmatch(zone):
        size = timedelta(hours=int(number[2]), minutes=int(number[3] or 0))
        return None if size > _LARGEST_OFFSET else -size if number[1] == "-" else size
    hours = _HOURS.get(zone.upper())
    return None if hours is None else timedelta(hours=hours)
