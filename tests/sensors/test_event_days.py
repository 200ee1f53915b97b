"""Bites cut by the day of the trades' own time."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.streaming.log import Record
from bitpredict.streaming.messages import Trade, encode
from bitpredict.streaming.ranges import Range
from bitpredict_sensors.event_days import cut, event_day

TOPIC = "coinbase-trades"
MIDNIGHT = datetime(2024, 3, 5, tzinfo=UTC)
MONDAY, TUESDAY = date(2024, 3, 4), date(2024, 3, 5)


def message(moment: datetime | None) -> bytes:
    if moment is None:
        return b"{not a trade"
    return encode(Trade("coinbase", "BTCUSD", "1", 5.0, 1.0, "buy", moment, moment))


def records(*hours: float | None, start: int = 0) -> list[Record]:
    """Messages of so many hours after midnight; None cannot be decoded."""
    return [
        Record(start + i, "BTCUSD", message(None if hour is None else MIDNIGHT + timedelta(hours=hour)), 1000 + i)
        for i, hour in enumerate(hours)
    ]


def whole(found: list[Record], partition: int = 0) -> Range:
    return Range(TOPIC, partition, found[0].offset, found[-1].offset + 1)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (message(MIDNIGHT), TUESDAY),
        (message(MIDNIGHT - timedelta(microseconds=1)), MONDAY),
        (b'{"event_time":"2024-03-04T23:30:00-01:00"}', TUESDAY),
        (b'{"event_time":"2024-03-04T23:30:00"}', None),
        (b'{"event_time":"0001-01-01T00:00:00+01:00"}', None),
        (b'{"price":1}', None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_the_day_of_a_message(value, day):
    assert event_day(value) == day


def test_at_midnight_the_bite_becomes_two_ranges():
    found = records(-2, -1, 0, 1, start=100)
    done = cut({whole(found): found}, 2)
    assert done.days == {MONDAY: (Range(TOPIC, 0, 100, 102),), TUESDAY: (Range(TOPIC, 0, 102, 104),)}
    assert done.taken == (whole(found),)
    assert done.times == {(TOPIC, 0): 1003}


def test_late_trades_make_ranges_overlap():
    found = records(-2, 0, -1, 1)
    done = cut({whole(found): found}, 2)
    assert done.days == {MONDAY: (Range(TOPIC, 0, 0, 3),), TUESDAY: (Range(TOPIC, 0, 1, 4),)}


def test_more_days_than_asked_for_are_left_for_the_next_tick():
    monday, tuesday = records(-2, -1, 0, 1, 2), records(0, 1)
    done = cut({whole(monday): monday, whole(tuesday, 1): tuesday}, 1)
    assert done.days == {MONDAY: (Range(TOPIC, 0, 0, 2),)}
    assert done.taken == (Range(TOPIC, 0, 0, 2),)
    assert done.times == {(TOPIC, 0): 1001}


def test_what_has_no_time_goes_with_its_neighbours():
    found = records(None, -1, None, 0, None)
    done = cut({whole(found): found}, 2)
    assert done.days == {MONDAY: (Range(TOPIC, 0, 0, 3),), TUESDAY: (Range(TOPIC, 0, 3, 5),)}
    assert done.undated == 0


def test_a_partition_without_any_time_is_taken_and_counted():
    found = records(None, None)
    done = cut({whole(found): found}, 1)
    assert (done.days, done.taken, done.undated) == ({}, (whole(found),), 2)


def test_days_outside_the_calendar_are_taken_and_counted():
    found = records(0, 24 * 400, 1)
    done = cut({whole(found): found}, 1, in_calendar=lambda day: day.year == 2024)
    assert done.days == {TUESDAY: (whole(found),)}
    assert done.impossible == {(MIDNIGHT + timedelta(days=400)).date(): 1}
    assert done.taken == (whole(found),)


def test_offsets_that_hold_no_message_are_taken():
    found = [each._replace(offset=each.offset * 3) for each in records(0, 1)]
    done = cut({Range(TOPIC, 0, 0, 9): found}, 1)
    assert (done.days, done.taken) == ({TUESDAY: (Range(TOPIC, 0, 0, 4),)}, (Range(TOPIC, 0, 0, 9),))


hours = st.one_of(st.none(), st.sampled_from([-49.0, -25.0, -1.0, 0.0, 1.0, 23.9, 24.0, 50.0]))


@given(st.lists(st.lists(hours, min_size=1, max_size=12), min_size=1, max_size=3), st.integers(1, 3))
def test_bite_after_bite_every_message_is_in_the_range_of_its_day(partitions, most):
    """Cut until nothing is left, as ticks do: each dated message is in exactly one range of its day."""
    left = {number: records(*of, start=10 * number) for number, of in enumerate(partitions)}
    everything = {(number, each.offset): event_day(each.value) for number, of in left.items() for each in of}
    seen: list[tuple[int, int]] = []
    for _ in range(len(everything) + 1):
        bite = {whole(of, number): of for number, of in left.items() if of}
        if not bite:
            break
        done = cut(bite, most)
        assert len(done.days) <= most
        assert done.taken
        for day, ranges in done.days.items():
            for each in ranges:
                assert any(
                    t.partition == each.partition and t.start <= each.start < each.end <= t.end for t in done.taken
                )
                seen += [
                    (each.partition, offset)
                    for offset in range(each.start, each.end)
                    if everything[each.partition, offset] == day
                ]
        ends = {each.partition: each.end for each in done.taken}
        left = {number: [r for r in of if r.offset >= ends.get(number, 0)] for number, of in left.items()}
    assert not any(left.values())
    assert sorted(seen) == sorted(place for place, day in everything.items() if day is not None)


def test_reading_days_needs_no_whole_trade():
    assert event_day(msgspec.json.encode({"event_time": MIDNIGHT, "anything": "else"})) == TUESDAY
