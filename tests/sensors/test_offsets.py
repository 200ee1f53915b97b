"""The cursor's arithmetic against a topic that grows, forgets, is remade and gets partitions."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.streaming.log import TopicState
from bitpredict.streaming.ranges import Range
from bitpredict_sensors.offsets import (
    CursorError,
    Limits,
    Position,
    advanced,
    bite,
    dump,
    parse,
    place,
    waiting,
    why_wait,
)

TOPIC = "coinbase-trades"
NOW = datetime(2024, 3, 5, 12, tzinfo=UTC)
LIMITS = Limits(min_messages=1000, max_age=timedelta(seconds=60), bite=50_000)


def state(start: dict[int, int], end: dict[int, int], incarnation: str = "first", topic: str = TOPIC) -> TopicState:
    return TopicState(topic, incarnation, timedelta(hours=1), start, end)


def cursor(**partitions: int) -> dict[str, Position]:
    return {TOPIC: Position("first", {int(number[1:]): offset for number, offset in partitions.items()})}


def test_a_first_tick_takes_what_is_there():
    placed = place({}, [state({0: 5, 1: 0}, {0: 9, 1: 0})])
    assert waiting(placed.cursor, [state({0: 5, 1: 0}, {0: 9, 1: 0})]) == (Range(TOPIC, 0, 5, 9),)
    assert (placed.lost, placed.remade, placed.added, placed.rewound) == ((), (), (), ())


def test_the_next_tick_goes_on_behind():
    (first,) = waiting(cursor(p0=0), [state({0: 0}, {0: 9})])
    assert waiting(advanced(cursor(p0=0), [first]), [state({0: 0}, {0: 12})]) == (Range(TOPIC, 0, 9, 12),)


def test_offsets_that_retention_deleted_are_reported_once():
    states = [state({0: 100}, {0: 150})]
    placed = place(cursor(p0=30), states)
    assert placed.lost == (Range(TOPIC, 0, 30, 100),)
    assert waiting(placed.cursor, states) == (Range(TOPIC, 0, 100, 150),)
    assert place(placed.cursor, states).lost == ()


def test_a_remade_topic_is_read_from_its_start_whatever_the_old_offsets_were():
    states = [state({0: 0}, {0: 50}, incarnation="second")]
    placed = place(cursor(p0=30), states)
    assert (placed.remade, placed.lost) == ((TOPIC,), ())
    assert waiting(placed.cursor, states) == (Range(TOPIC, 0, 0, 50),)


def test_a_partition_that_was_added_is_read_from_its_start():
    states = [state({0: 0, 1: 0}, {0: 30, 1: 4})]
    placed = place(cursor(p0=30), states)
    assert placed.added == ((TOPIC, 1),)
    assert waiting(placed.cursor, states) == (Range(TOPIC, 1, 0, 4),)


def test_a_log_that_lost_its_newest_messages_is_read_on_from_its_end():
    placed = place(cursor(p0=30), [state({0: 0}, {0: 20})])
    assert placed.rewound == (Range(TOPIC, 0, 20, 30),)
    assert waiting(placed.cursor, [state({0: 0}, {0: 25})]) == (Range(TOPIC, 0, 20, 25),)


def test_a_topic_that_is_away_keeps_its_place():
    placed = place(cursor(p0=30), [])
    assert placed.cursor == cursor(p0=30)
    assert waiting(placed.cursor, []) == ()


@pytest.mark.parametrize(
    ("count", "age", "waits"),
    [
        pytest.param(0, None, "nothing new", id="nothing"),
        pytest.param(3, None, "nothing new", id="offsets without a message: a transaction's markers"),
        pytest.param(999, 59, "999 new messages, the oldest 59 s old", id="few and young"),
        pytest.param(1000, 0, None, id="enough"),
        pytest.param(1, 60, None, id="old enough"),
        pytest.param(5, -20, "the oldest 0 s old", id="a clock that stepped back a little"),
        pytest.param(5, -3600, None, id="a clock that stepped back an hour"),
    ],
)
def test_a_run_needs_enough_messages_or_old_ones(count, age, waits):
    oldest = None if age is None else NOW - timedelta(seconds=age)
    ranges = [Range(TOPIC, 0, 10, 10 + count)] if count else []
    reason = why_wait(ranges, oldest, LIMITS, NOW)
    assert reason is None if waits is None else waits in reason


def test_a_bite_is_shared_and_what_one_does_not_need_goes_to_the_others():
    ranges = [Range(TOPIC, 0, 0, 1000), Range(TOPIC, 1, 7, 10), Range(TOPIC, 2, 0, 1000)]
    assert [each.end - each.start for each in bite(ranges, 103)] == [50, 3, 50]


def test_a_range_that_does_not_begin_at_the_cursor_is_refused():
    with pytest.raises(ValueError, match=r"coinbase-trades/0\[12,14\) does not begin at offset 10"):
        advanced(cursor(p0=10), [Range(TOPIC, 0, 12, 14)])


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "17",
        json.dumps({TOPIC: {"partitions": {"0": 1}}}),
        json.dumps({TOPIC: {"incarnation": "a", "partitions": {"0": -1}}}),
        json.dumps({TOPIC: {"incarnation": "a", "partitions": {"zero": 1}}}),
        json.dumps({TOPIC: {"incarnation": "a", "partitions": {"0": "1"}}}),
        json.dumps({TOPIC: {"incarnation": "a", "partitions": {"0": 1}, "more": 1}}),
    ],
)
def test_a_malformed_cursor_is_refused_with_the_remedy(text):
    with pytest.raises(CursorError, match="reset the sensor's cursor"):
        parse(text)


positions = st.builds(
    Position,
    st.text(max_size=8),
    st.dictionaries(st.integers(0, 999), st.integers(0, 2**53), max_size=4),
    st.dictionaries(st.integers(0, 999), st.integers(0, 2**53), max_size=4),
)


@given(st.dictionaries(st.text(min_size=1, max_size=12), positions, max_size=3))
def test_a_cursor_survives_being_written(before):
    assert parse(dump(before)) == before
    assert dump(dict(reversed(before.items()))) == dump(before)


def test_there_is_no_cursor_at_first():
    assert parse(None) == parse("") == {}


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100), st.integers(1, 100)), unique_by=lambda x: x[0]),
    st.integers(0, 400),
    st.randoms(),
)
def test_a_bite_is_bounded_whole_and_does_not_depend_on_order(rows, size, random):
    ranges = [Range(TOPIC, number, start, start + length) for number, start, length in rows]
    taken = bite(ranges, size)
    whole = {each.partition: each for each in ranges}
    assert sum(each.end - each.start for each in taken) == min(size, sum(each.end - each.start for each in ranges))
    for each in taken:
        assert whole[each.partition].start == each.start < each.end <= whole[each.partition].end
    if size >= len(ranges):
        assert len(taken) == len(ranges)
    random.shuffle(ranges)
    assert bite(ranges, size) == taken


# What can happen to a topic between two ticks: (what, partition, how much).
happenings = st.lists(
    st.tuples(st.sampled_from(["append", "append", "forget", "remake", "add"]), st.integers(0, 3), st.integers(0, 60)),
    max_size=12,
)


@given(st.lists(st.tuples(happenings, st.integers(1, 50)), max_size=12), st.randoms())
def test_ticks_are_adjacent_and_leave_out_nothing_that_is_not_lost(ticks, random):
    """Every offset ever appended is taken once, or lost, or still waiting, or went with a topic that was remade."""
    start, end, generation = {0: 0, 1: 0}, {0: 0, 1: 0}, 0
    text: str | None = None
    taken: list[tuple[int, int, int]] = []
    lost: list[tuple[int, int, int]] = []
    for events, size in ticks:
        for what, number, amount in events:
            if what == "append" and number in end:
                end[number] += amount
            elif what == "forget" and number in end:
                start[number] = min(end[number], start[number] + amount)
            elif what == "add" and len(end) < 4:
                start[len(start)], end[len(end)] = 0, 0
            elif what == "remake":
                start, end, generation = {0: 0, 1: 0}, {0: 0, 1: 0}, generation + 1
        numbers = list(start)
        random.shuffle(numbers)
        states = [state({n: start[n] for n in numbers}, {n: end[n] for n in numbers}, f"{generation}")]
        placed = place(parse(text), states)
        chosen = bite(waiting(placed.cursor, states), size)
        text = dump(advanced(placed.cursor, chosen))
        taken += [(generation, r.partition, offset) for r in chosen for offset in range(r.start, r.end)]
        lost += [(generation, r.partition, offset) for r in placed.lost for offset in range(r.start, r.end)]
    assert len(set(taken)) == len(taken)
    assert len(set(lost)) == len(lost)
    assert not {*taken} & {*lost}
    if ticks:
        for number, position in parse(text)[TOPIC].partitions.items():
            of_this = {offset for g, n, offset in taken + lost if (g, n) == (generation, number)}
            first = min(of_this, default=position)
            assert of_this == set(range(first, position))
