"""Runs that were asked for are kept until they succeeded."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from bitpredict.streaming.ranges import Range
from bitpredict_sensors.offsets import CursorError, Position, decoded, dump
from bitpredict_sensors.requested import Found, Requested, State, TradesCursor, review

NOW = datetime(2024, 3, 5, 12, tzinfo=UTC)
RANGES = (Range("a-trades", 0, 5, 9), Range("b-trades", 1, 0, 3))
RUN = Requested(date(2024, 3, 5), RANGES, {"a-trades": "x", "b-trades": "y"})


def test_a_run_key_names_day_offsets_and_incarnations():
    assert RUN.run_key == "2024-03-05 a-trades/0[5,9)@x b-trades/1[0,3)@y"


@pytest.mark.parametrize(
    "change",
    [
        {"day": date(2024, 3, 6)},
        {"ranges": (Range("a-trades", 0, 5, 10), RUN.ranges[1])},
        {"incarnations": {"a-trades": "x", "b-trades": "z"}},
        {"attempt": 1},
    ],
)
def test_another_run_has_another_key(change):
    assert msgspec.structs.replace(RUN, **change).run_key != RUN.run_key


def test_the_order_of_ranges_does_not_matter():
    assert msgspec.structs.replace(RUN, ranges=RUN.ranges[::-1]).run_key == RUN.run_key


@pytest.mark.parametrize(
    ("found", "kept", "attempts"),
    [
        pytest.param(Found(State.SUCCEEDED), 0, [], id="done"),
        pytest.param(Found(State.UNDER_WAY), 1, [], id="wait"),
        pytest.param(Found(State.ABSENT), 1, [0], id="never made: the same again"),
        pytest.param(Found(State.FAILED, NOW - timedelta(seconds=4)), 1, [], id="failed just now"),
        pytest.param(Found(State.FAILED, NOW - timedelta(seconds=5)), 1, [1], id="failed: another attempt"),
        pytest.param(Found(State.FAILED, NOW + timedelta(hours=1)), 1, [], id="a clock that stepped back"),
    ],
)
def test_what_becomes_of_a_run(found, kept, attempts):
    runs, again = review([RUN], {RUN.run_key: found}, NOW)
    assert len(runs) == kept
    assert [run.attempt for run in again] == attempts
    assert all(run in runs for run in again)


def test_pauses_grow_to_five_minutes():
    def waits(attempt: int, seconds: float) -> bool:
        run = msgspec.structs.replace(RUN, attempt=attempt)
        found = {run.run_key: Found(State.FAILED, NOW - timedelta(seconds=seconds))}
        return not review([run], found, NOW)[1]

    assert [waits(attempt, 39) for attempt in (1, 2, 3)] == [False, False, True]
    assert (waits(60, 299), waits(60, 300)) == (True, False)


def test_the_cursor_survives_being_written():
    cursor = TradesCursor({"a-trades": Position("x", {0: 9, 1: 0}, {0: 17})}, (RUN,))
    assert decoded(dump(cursor), TradesCursor, TradesCursor()) == cursor


@pytest.mark.parametrize(
    "text", ["[]", '{"topics":{},"runs":[{}]}', '{"a-trades":{"incarnation":"x","partitions":{}}}']
)
def test_another_cursor_is_refused(text):
    with pytest.raises(CursorError, match="malformed"):
        decoded(text, TradesCursor, TradesCursor())
