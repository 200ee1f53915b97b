"""Dates of feeds: in UTC, and known to be so only where the zone is one that can be known."""

from datetime import UTC

import pytest
from feedparser.datetimes import _parse_date

from bitpredict.sources.feed_dates import read_date


def read(said: str) -> tuple[str, bool]:
    moment, zone_is_known = read_date(said, _parse_date(said))
    assert moment.tzinfo is UTC
    return f"{moment:%d %H:%M}", zone_is_known


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("Fri, 06 Feb 2026 07:00:00 GMT", "06 07:00"),
        ("Fri, 06 Feb 2026 07:00:00 gmt", "06 07:00"),
        ("Fri, 06 Feb 2026 07:00 UT", "06 07:00"),
        ("06 Feb 26 07:00:00 UTC", "06 07:00"),
        ("Fri, 06 Feb 2026 07:00:00 Z", "06 07:00"),
        ("Fri, 06 Feb 2026 07:00:00 EST", "06 12:00"),
        ("Fri, 06 Feb 2026 07:00:00 EDT", "06 11:00"),
        ("Fri, 06 Feb 2026 07:00:00 CST", "06 13:00"),
        ("Fri, 06 Feb 2026 07:00:00 MDT", "06 13:00"),
        ("Fri, 06 Feb 2026 07:00:00 PST", "06 15:00"),
        ("Fri, 06 Feb 2026 07:00:00 +0530", "06 01:30"),
        ("Fri, 06 Feb 2026 07:00:00 +05:30", "06 01:30"),
        ("Fri, 06 Feb 2026 07:00:00 -0500 (EST)", "06 12:00"),
        ("Fri Feb 06 2026 07:00:00 GMT+0100 (Central European Time)", "06 06:00"),
        ("Fri, 06 Feb 2026 07:00:00 +1400", "05 17:00"),
        ("Fri, 06 Feb 2026 07:00:00 -1400", "06 21:00"),
        ("2026-02-06T07:00:00Z", "06 07:00"),
        ("2026-02-06t07:00:00z", "06 07:00"),
        ("2026-02-06T07:00:00.123456789Z", "06 07:00"),
        ("2026-02-06T07:00+05:30", "06 01:30"),
        ("2026-02-06T07:00:00+0530", "06 01:30"),
        ("2026-02-06 07:00:00 +0530", "06 01:30"),
        ("2026-02-06T07:00:00+05", "06 02:00"),
        ("2026-02-06 07:00:00 UTC", "06 07:00"),
        ("2026-02-06 07:00:00 EST", "06 12:00"),
        ("2026-02-06T07:00:00-14:00", "06 21:00"),
    ],
)
def test_a_zone_that_is_known(said, moment):
    assert read(said) == (moment, True)


UNKNOWN = [
    "",
    *(f" {zone}" for zone in ("JST", "IST", "AEDT", "XYZ", "CET", "BST", "ET", "A", "M", "(EST)", "Europe/Rome")),
]
NO_OFFSETS = ["+1401", "+14:30", "-1500", "+9900", "-99:00", "+0175"]


@pytest.mark.parametrize("zone", [*UNKNOWN, *(f" {offset}" for offset in NO_OFFSETS), " GMT +02:00", " UTC+02:00"])
def test_a_local_time_of_another_zone_is_taken_as_utc(zone):
    assert read(f"Fri, 06 Feb 2026 07:00:00{zone}") == ("06 07:00", False)


@pytest.mark.parametrize("zone", [*UNKNOWN[:-2], *NO_OFFSETS[:-1]])
def test_the_same_of_iso(zone):
    for said in (f"2026-02-06T07:00:00{zone}", f"2026-02-06 07:00{zone}"):
        assert read(said) == ("06 07:00", False)


def test_a_day_without_a_time_has_no_zone():
    for said in ("2026-02-06", "06 Feb 2026", "20260206", "Fri, 06 Feb 2026"):
        assert read(said) == ("06 00:00", False)


@pytest.mark.parametrize("said", ["yesterday", "2026-02-30T07:00:00Z", "2026-02-06T25:00:00Z", "Fri, 99 Feb 20260 GMT"])
def test_what_is_no_date(said):
    with pytest.raises((TypeError, ValueError)):
        read(said)
