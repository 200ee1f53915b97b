"""What every event log promises to groups: shared partitions, and one owner's work stored whole or not at all."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from bitpredict.errors import EventLogError, FencedError, StorageError, UnknownTopicError
from bitpredict.streaming.log import Checkpoint, Message, Partition, Polled, TopicSpec
from tests.support.log_member import Member, messages, poll_until
from tests.support.stopwatch import Stopwatch


def partitions(topic: str, count: int) -> set[Partition]:
    return {Partition(topic, number) for number in range(count)}


def test_one_member_reads_all_from_the_first_message(event_log, topic, members):
    """Without a checkpoint every partition is assigned with None; what is appended later comes too."""
    member = members(topic)
    poll_until(lambda: len(member.values()) == 100, [member])
    assert member.owned == dict.fromkeys(partitions(topic, 2))
    event_log.append(topic, messages(10, "late"))
    poll_until(lambda: len(member.values()) == 110, [member])
    assert sorted(member.values()) == sorted(m.value for m in messages(100) + messages(10, "late"))


def test_a_poll_without_news_waits_no_longer_than_it_may(topic, members):
    """It returns nothing after its timeout."""
    member = members(topic)
    poll_until(lambda: len(member.values()) == 100, [member])
    started = time.monotonic()
    polled = member.poll(0.5)
    assert 0.4 < time.monotonic() - started < 10
    assert polled == Polled()


def test_polls_that_do_not_wait_get_everything(event_log, topic, members):
    """What was asked for while one poll lasted may be answered between it and the next: nothing of it is lost."""
    member = members(topic)

    def patiently(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline
            member.poll(0)
            time.sleep(0.05)

    patiently(lambda: len(member.values()) == 100)
    member.subscription.checkpoint({p: Checkpoint(member.position(p), b"") for p in member.records})
    event_log.create([TopicSpec(topic, 5, None)])
    event_log.append(topic, messages(50, "new"))
    patiently(lambda: member.owned.keys() == partitions(topic, 5))
    patiently(lambda: sum(value.startswith(b"new") for value in member.values()) == 50)


def test_a_group_goes_on_at_its_checkpoint(event_log, topic, members, group):
    """Position and state come back to the next member; `groups` tells the position. Other groups have their own."""
    member = members(topic)
    poll_until(lambda: len(member.values()) == 100, [member])
    first, second = sorted(member.records)
    half = member.records[first][30].offset
    member.subscription.checkpoint(
        {first: Checkpoint(half, b"\x00state"), second: Checkpoint(member.position(second), b"")}
    )
    assert event_log.groups(topic)[group] == {0: half, 1: member.position(second)}
    member.subscription.close()
    again, other = members(topic), Member(event_log, f"{topic}-b", topic)
    poll_until(
        lambda: bool(len(again.owned) == 2 and again.records[first] and len(other.values()) == 100), [again, other]
    )
    assert again.owned[first] == Checkpoint(half, b"\x00state")
    assert again.owned[second] is not None
    assert again.owned[second].state == b""
    assert again.records[first][0].offset == half
    assert other.owned == dict.fromkeys(partitions(topic, 2))
    assert f"{topic}-b" not in event_log.groups(topic)


def test_a_checkpoint_appends_its_outputs(event_log, topic, members):
    """In order, to several topics, together with the positions; also when it stores no position anew."""
    outs = [f"{topic}-out", f"{topic}-more"]
    event_log.create([TopicSpec(out, 1, None) for out in outs])
    member = members(topic)
    poll_until(lambda: len(member.values()) == 100, [member])
    for turn in range(3):
        member.subscription.checkpoint(
            {partition: Checkpoint(member.position(partition), b"%d" % turn) for partition in member.records},
            [(outs[i % 2], Message("k", b"%d.%d" % (turn, i), 1)) for i in range(4)],
        )
    assert [r.value for r in event_log.read(outs[0], 0, 0)] == [b"0.0", b"0.2", b"1.0", b"1.2", b"2.0", b"2.2"]
    assert [r.value for r in event_log.read(outs[1], 0, 0)] == [b"0.1", b"0.3", b"1.1", b"1.3", b"2.1", b"2.3"]


def test_a_refused_checkpoint_stores_nothing(event_log, topic, members):
    """An output to an unknown topic: no position, no output; its partitions come back as they were stored."""
    event_log.create([TopicSpec(f"{topic}-out", 1, None)])
    member = members(topic)
    poll_until(lambda: len(member.values()) == 100, [member])
    after = {partition: Checkpoint(member.position(partition), b"") for partition in member.records}
    outputs = [(f"{topic}-out", Message("k", b"v", 1)), (f"{topic}-none", Message("k", b"v", 1))]
    with pytest.raises(UnknownTopicError):
        member.subscription.checkpoint(after, outputs)
    assert event_log.read(f"{topic}-out", 0, 0) == []
    assert event_log.groups(topic) == {}
    poll_until(lambda: set(member.revoked) == partitions(topic, 2) and len(member.values()) == 100, [member])
    assert member.owned == dict.fromkeys(partitions(topic, 2))
    member.subscription.checkpoint(after, outputs[:1])
    assert len(event_log.read(f"{topic}-out", 0, 0)) == 1


def test_what_comes_first_is_done_before_a_checkpoint_counts(event_log, topic, members, group):
    """While it lasts nobody sees a position or an output; if it fails, neither is ever there."""
    event_log.create([TopicSpec(f"{topic}-out", 1, None)])
    seen: list[object] = []

    def look() -> None:
        time.sleep(0.2)
        seen.append((event_log.groups(topic), event_log.read(f"{topic}-out", 0, 0)))

    def fail() -> None:
        time.sleep(0.1)
        raise StorageError("the ledger is away")

    member = members(topic)
    poll_until(lambda: len(member.values()) == 100, [member])
    after = {partition: Checkpoint(member.position(partition), b"") for partition in member.records}
    with pytest.raises(StorageError, match="the ledger is away"):
        member.subscription.checkpoint(after, [(f"{topic}-out", Message("k", b"never", 1))], fail)
    poll_until(lambda: set(member.revoked) == partitions(topic, 2) and len(member.values()) == 100, [member])
    assert member.owned == dict.fromkeys(partitions(topic, 2))
    member.subscription.checkpoint(after, [(f"{topic}-out", Message("k", b"v", 1))], look)
    assert seen == [({}, [])]
    assert event_log.groups(topic)[group] == {p.number: each.position for p, each in after.items()}
    assert [record.value for record in event_log.read(f"{topic}-out", 0, 0)] == [b"v"]


def test_two_members_share(event_log, topic, members):
    """Each gets one of two partitions, and keeps it; together they read everything, nothing twice after checkpoints.
    When one leaves, the other has both within two seconds of Kafka's or the log's rounds."""
    first = members(topic)
    poll_until(lambda: len(first.values()) == 100, [first])
    first.subscription.checkpoint({p: Checkpoint(first.position(p), b"first") for p in first.records})
    second = members(topic)
    poll_until(lambda: len(first.owned) == len(second.owned) == 1, [first, second])
    assert first.owned.keys() | second.owned.keys() == partitions(topic, 2)
    assert [checkpoint.state for checkpoint in second.owned.values() if checkpoint] == [b"first"]
    event_log.append(topic, messages(20, "new"))
    expected = {message.value for message in messages(20, "new")}

    def new() -> list[bytes]:
        return [value for value in first.values() + second.values() if value.startswith(b"new")]

    poll_until(lambda: len(new()) >= 20, [first, second])
    assert sorted(new()) == sorted(expected)
    owned = set(first.owned)
    for _ in range(20):
        first.poll(0.05), second.poll(0.05)
    assert set(first.owned) == owned
    second.subscription.close()
    watch = Stopwatch()
    poll_until(lambda: len(first.owned) == 2, [first])
    watch.assert_within(10)


def test_one_without_a_partition_waits_for_its_turn(event_log, name, members):
    """More members than partitions: one stands by, and takes over when the owner leaves."""
    event_log.create([TopicSpec(name, 1, None)])
    both = [members(name), members(name)]
    poll_until(lambda: sum(len(member.owned) for member in both) == 1, both)
    owner, waiting = sorted(both, key=lambda member: -len(member.owned))
    owner.subscription.close()
    poll_until(lambda: len(waiting.owned) == 1, [waiting])


def test_a_checkpoint_of_what_one_does_not_own_is_fenced(event_log, topic, members, group):
    """It belongs to the other member, and nothing is stored, not even the outputs."""
    both = [members(topic), members(topic)]
    poll_until(lambda: all(len(member.owned) == 1 for member in both), both)
    foreign = next(iter(both[1].owned))
    with pytest.raises(FencedError):
        both[0].subscription.checkpoint({foreign: Checkpoint(5, b"")}, [(topic, Message("k", b"v", 1))])
    assert event_log.groups(topic) == {}
    poll_until(lambda: sum(map(len, both[1].records.values())) > 0, both)
    both[1].subscription.checkpoint({foreign: Checkpoint(7, b"")})
    assert event_log.groups(topic) == {group: {foreign.number: 7}}


def test_a_topic_deleted_and_remade_is_assigned_anew(event_log, topic, members):
    """The old one's partitions are revoked, the new one's come without a checkpoint, from their first message."""
    member = members(topic)
    poll_until(lambda: len(member.values()) == 100, [member])
    member.subscription.checkpoint({p: Checkpoint(member.position(p), b"old") for p in member.records})
    event_log.delete(topic)
    poll_until(lambda: not member.owned, [member])
    event_log.create([TopicSpec(topic, 2, None)])
    event_log.append(topic, messages(10, "new"))
    poll_until(lambda: len(member.values()) == 10, [member])
    assert member.owned == dict.fromkeys(partitions(topic, 2))
    assert sorted(member.values()) == sorted(message.value for message in messages(10, "new"))


def test_added_partitions_are_assigned(event_log, topic, members):
    """A running member gets them, and loses nothing of the others'."""
    member = members(topic)
    poll_until(lambda: len(member.values()) == 100, [member])
    member.subscription.checkpoint({p: Checkpoint(member.position(p), b"") for p in member.records})
    event_log.create([TopicSpec(topic, 5, None)])
    event_log.append(topic, messages(50, "new"))
    poll_until(lambda: member.owned.keys() == partitions(topic, 5), [member])
    poll_until(lambda: sum(value.startswith(b"new") for value in member.values()) == 50, [member])


@pytest.mark.slow
def test_what_retention_took_is_reported(event_log, name, members):
    """A group that was away too long goes on after the hole, which it is told of."""
    event_log.create([TopicSpec(name, 1, timedelta(hours=1))])
    partition = Partition(name, 0)
    old = int(time.time() * 1000) - 2 * 3_600_000
    event_log.append(name, [Message("k", b"seen", int(time.time() * 1000)), Message("k", b"lost", old)])
    member = members(name)
    poll_until(lambda: len(member.values()) == 2, [member])
    seen = member.records[partition][0].offset + 1
    member.subscription.checkpoint({partition: Checkpoint(seen, b"")})
    member.subscription.close()
    event_log.create([TopicSpec(name, 1, timedelta(milliseconds=1))])
    deadline = time.monotonic() + 60
    while event_log.topic(name).start[0] <= seen:
        assert time.monotonic() < deadline
        event_log.append(name, [Message("k", b"more", int(time.time() * 1000))])
        time.sleep(0.2)
    event_log.create([TopicSpec(name, 1, timedelta(hours=1))])
    # Of a minute from now: a broker that does not know the new retention yet leaves it there too.
    event_log.append(name, [Message("k", b"last", int(time.time() * 1000) + 60_000)])
    again = members(name)
    again.poll(5)  # long enough to join and to ask for the hole in the same breath
    poll_until(lambda: again.values()[-1:] == [b"last"], [again])
    ((where, start, end),) = again.lost
    assert (where, start) == (partition, seen)
    assert seen < end <= again.records[partition][0].offset
    assert all(record.offset >= end for record in again.records[partition])


@pytest.mark.slow
def test_a_forgotten_group_starts_anew(event_log, topic, members, group):
    """Not while it has members that are alive; other groups keep what they have; nothing happens to an unknown one."""
    event_log.forget(f"{group}-unknown")
    member, other = members(topic), Member(event_log, f"{group}-other", topic)
    poll_until(lambda: len(member.values()) == len(other.values()) == 100, [member, other])
    for each in (member, other):
        each.subscription.checkpoint({p: Checkpoint(each.position(p), b"state") for p in each.records})
    with pytest.raises(EventLogError, match=f"{group} has 1 members"):
        event_log.forget(group)
    member.subscription.close()
    event_log.forget(group)
    assert set(event_log.groups(topic)) == {f"{group}-other"}
    again = members(topic)
    poll_until(lambda: len(again.values()) == 100, [again])
    assert again.owned == dict.fromkeys(partitions(topic, 2))
    other.subscription.close()
