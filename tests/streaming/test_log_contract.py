"""What every event log promises about topics and messages. Offsets may have holes: Kafka's transactions take some."""

import itertools
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from bitpredict.errors import OffsetsLostError, UnknownTopicError
from bitpredict.streaming.log import Message, Record, TopicSpec, partition_of
from bitpredict.streaming.open_log import open_event_log
from tests.support.processes import go, running, succeed

KEPT = None


def now() -> int:
    return int(time.time() * 1000)


def read_all(log, topic: str) -> dict[int, list[Record]]:
    state = log.topic(topic)
    found: dict[int, list[Record]] = {}
    for partition, start in state.start.items():
        found[partition] = []
        while records := log.read(topic, partition, start, limit=1000):
            found[partition].extend(records)
            start = records[-1].offset + 1
    return found


def test_what_was_appended_is_read(event_log, name):
    """Key, value and timestamp come back as they were, whatever bytes and letters; an empty value too."""
    event_log.create([TopicSpec(name, 3, KEPT)])
    moment = now()
    values = [b"", b"\x00\xff" * 5, bytes(range(256)), "größe".encode(), b"x" * 100_000]
    keys = ["BTCUSDT", "", "ключ", "🙂", "a\x00b"]
    messages = [Message(key, value, moment + i) for i, (key, value) in enumerate(zip(keys, values, strict=True))]
    event_log.append(name, messages)
    for number, records in read_all(event_log, name).items():
        expected = [message for message in messages if partition_of(message.key, 3) == number]
        assert [Message(*record[1:]) for record in records] == expected
        assert all(type(record.value) is bytes and type(record) is Record for record in records)


def test_messages_of_a_key_stay_in_order(event_log, name):
    """Each partition holds its keys' messages in the order of appending, over many appends, by rising offsets."""
    event_log.create([TopicSpec(name, 2, KEPT)])
    keys = [f"key{i % 7}" for i in range(700)]
    for first in range(0, 700, 50):
        event_log.append(name, [Message(keys[i], str(i).encode(), now()) for i in range(first, first + 50)])
    found = read_all(event_log, name)
    for number, records in found.items():
        assert [int(r.value) for r in records] == [i for i in range(700) if partition_of(keys[i], 2) == number]
        assert all(a.offset < b.offset for a, b in itertools.pairwise(records))
    assert all(found.values())


def test_read_gives_the_range_asked_for(event_log, name):
    """[start, end) and at most `limit`; nothing at the end, and it does not wait there."""
    event_log.create([TopicSpec(name, 1, KEPT)])
    assert event_log.read(name, 0, 0) == []
    event_log.append(name, [Message("k", str(i).encode(), now()) for i in range(100)])
    records = event_log.read(name, 0, 0)
    assert [int(record.value) for record in records] == list(range(100))
    assert event_log.read(name, 0, records[10].offset, records[20].offset) == records[10:20]
    assert event_log.read(name, 0, records[10].offset, limit=7) == records[10:17]
    assert event_log.read(name, 0, records[10].offset, records[10].offset) == []
    started = time.monotonic()
    assert event_log.read(name, 0, event_log.topic(name).end[0]) == []
    assert time.monotonic() - started < 10


def test_the_end_grows_by_what_is_appended(event_log, name):
    """`end` lies after the last message, `start` at the first; appending nothing changes nothing."""
    event_log.create([TopicSpec(name, 1, KEPT)])
    state = event_log.topic(name)
    assert state.start == state.end == {0: 0}
    event_log.append(name, [])
    assert event_log.topic(name) == state
    event_log.append(name, [Message("k", b"a", now()), Message("k", b"b", now())])
    state = event_log.topic(name)
    assert state.start[0] == event_log.read(name, 0, 0)[0].offset
    assert state.end[0] > event_log.read(name, 0, 0)[-1].offset


def test_an_offset_is_found_by_its_moment(event_log, name):
    """The first message at or after the moment, though timestamps went back in between; the end when all are older."""
    event_log.create([TopicSpec(name, 1, KEPT)])
    first = now() - 60_000
    seconds = [0, 1, 5, 3, 4, 6, 6, 20]
    event_log.append(name, [Message("k", b"", first + 1000 * second) for second in seconds])
    records = event_log.read(name, 0, 0)
    for second in range(-1, 23):
        moment = datetime.fromtimestamp((first + 1000 * second) / 1000, UTC)
        expected = next((r.offset for r, at in zip(records, seconds, strict=True) if at >= second), None)
        found = event_log.offset_at(name, moment)[0]
        assert found == (event_log.topic(name).end[0] if expected is None else expected)


def test_create_may_be_repeated(event_log, name):
    """Nothing is lost by it; a topic gets more partitions and another retention, never fewer partitions."""
    day = timedelta(days=1)
    event_log.create([TopicSpec(name, 2, day), TopicSpec(f"{name}-b", 1, KEPT)])
    event_log.append(name, [Message("k", b"a", now())])
    before = event_log.topic(name)
    assert before.retention == day
    assert event_log.topic(f"{name}-b").retention is None
    event_log.create([TopicSpec(name, 1, 2 * day)])
    after = event_log.topic(name)
    assert (after.incarnation, after.end, after.retention) == (before.incarnation, before.end, 2 * day)
    event_log.create([TopicSpec(name, 3, KEPT)])
    grown = event_log.topic(name)
    assert (grown.incarnation, grown.retention) == (before.incarnation, None)
    assert grown.end == {**before.end, 2: 0}
    assert {record.value for records in read_all(event_log, name).values() for record in records} == {b"a"}


def test_topics_are_listed(event_log, name):
    """By name, with the same state as one by one; without the log's own topics."""
    event_log.create([TopicSpec(f"{name}-a", 1, KEPT), TopicSpec(f"{name}-b", 2, KEPT)])
    listed = event_log.topics()
    ours = {topic for topic in listed if topic.startswith(name)}
    assert ours == {f"{name}-a", f"{name}-b"}
    assert all(listed[topic] == event_log.topic(topic) for topic in ours)
    assert not [topic for topic in listed if topic.startswith("_")]


def test_a_topic_remade_is_another(event_log, name):
    """Deleting forgets all messages; the remade topic has another incarnation, and starts from nothing."""
    event_log.create([TopicSpec(name, 2, KEPT)])
    event_log.append(name, [Message("k", b"old", now())] * 10)
    before = event_log.topic(name)
    event_log.delete(name)
    assert name not in event_log.topics()
    event_log.delete(name)
    event_log.create([TopicSpec(name, 2, KEPT)])
    after = event_log.topic(name)
    assert after.incarnation != before.incarnation
    assert read_all(event_log, name) == {0: [], 1: []}
    event_log.append(name, [Message("k", b"new", now())])
    assert [r.value for records in read_all(event_log, name).values() for r in records] == [b"new"]


def test_an_unknown_topic_is_named(event_log, name):
    """Every method says which topic is missing, and how to make it."""
    ask = [
        lambda: event_log.topic(name),
        lambda: event_log.append(name, [Message("k", b"", now())]),
        lambda: event_log.read(name, 0, 0),
        lambda: event_log.offset_at(name, datetime.now(UTC)),
    ]
    for question in ask:
        with pytest.raises(UnknownTopicError, match=rf"{name}.*bitpredict topics create"):
            question()
    assert name not in event_log.topics()


def test_old_messages_are_deleted(event_log, name):
    """Within a minute in which the log is in use, messages older than the retention are gone, and `start` says so;
    asking for them says where to go on. Newer ones stay."""
    event_log.create([TopicSpec(name, 1, timedelta(hours=1))])
    old = now() - 2 * 3_600_000
    for first in range(0, 6000, 1000):
        event_log.append(name, [Message("k", str(first + i).encode(), old) for i in range(1000)])
    last = event_log.topic(name).end[0]
    deadline = time.monotonic() + 60
    kept = 0
    while event_log.topic(name).start[0] < last - 1:
        assert time.monotonic() < deadline
        event_log.append(name, [Message("k", b"new", now())])
        kept += 1
        time.sleep(0.2)
    with pytest.raises(OffsetsLostError) as lost:
        event_log.read(name, 0, 10)
    assert lost.value.first == event_log.topic(name).start[0]
    assert [r.value for r in event_log.read(name, 0, lost.value.first) if r.timestamp > old] == [b"new"] * kept


def test_another_log_sees_the_same(event_log, log_settings, name):
    """Two that are open at once, as in two processes: what one appends or makes, the other reads at once."""
    event_log.create([TopicSpec(name, 1, KEPT)])
    with open_event_log(log_settings) as other:
        assert other.topic(name) == event_log.topic(name)
        event_log.append(name, [Message("k", b"1", now())])
        assert [record.value for record in other.read(name, 0, 0)] == [b"1"]
        other.create([TopicSpec(name, 2, KEPT)])
        assert len(event_log.topic(name).end) == 2


@pytest.mark.slow
def test_several_writers_at_once_lose_nothing(event_log, name):
    """Four processes append at the same time: every message is there once, and each writer's keys are in its order."""
    event_log.create([TopicSpec(name, 3, KEPT)])
    with ExitStack() as stack:
        writers = [
            stack.enter_context(running("tests.support.log_worker", "write", name, f"w{i}", 500)) for i in range(4)
        ]
        for writer in writers:
            go(writer)
        for writer in writers:
            succeed(writer)
    found = read_all(event_log, name)
    values = [record.value.decode() for records in found.values() for record in records]
    assert sorted(values) == sorted(f"w{w}:{i}" for w in range(4) for i in range(500))
    for records in found.values():
        for w in range(4):
            of_writer = [int(r.value[3:]) for r in records if r.value.startswith(f"w{w}:".encode())]
            assert of_writer == sorted(of_writer)
