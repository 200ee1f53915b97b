"""What every event log promises when members die or stand still: real processes, killed and stopped for real."""

import random
import signal
import time
from collections import defaultdict

import pytest

from bitpredict.streaming.log import Checkpoint, TopicSpec
from tests.support.log_member import messages, poll_until
from tests.support.log_worker import Copier
from tests.support.processes import go, running, succeed
from tests.support.stopwatch import Stopwatch

WORKER = "tests.support.log_worker"


@pytest.mark.slow
def test_a_killed_member_is_replaced_within_ten_seconds(topic, members, group):
    """Killed by SIGKILL while it held a partition: the other, which never left, has both."""
    survivor = members(topic)
    poll_until(lambda: len(survivor.owned) == 2, [survivor])
    with running(WORKER, "hold", group, topic) as victim:
        poll_until(lambda: len(survivor.owned) == 1, [survivor])
        victim.kill()
        watch = Stopwatch()
        poll_until(lambda: len(survivor.owned) == 2, [survivor])
        watch.assert_within(10)


@pytest.mark.slow
def test_a_paused_member_is_fenced(event_log, topic, members, group):
    """One that stood still while another took over cannot store what it made before, and is told what it lost."""
    with running(WORKER, "ponder", group, topic) as sleeper:
        sleeper.send_signal(signal.SIGSTOP)
        other = members(topic)
        poll_until(lambda: len(other.owned) == 2 and len(other.values()) == 100, [other])
        other.subscription.checkpoint({p: Checkpoint(other.position(p), b"mine") for p in other.records})
        stored = event_log.groups(topic)
        sleeper.send_signal(signal.SIGCONT)
        go(sleeper)
        succeed(sleeper)
        assert event_log.groups(topic) == stored
        assert not [r for p in (0, 1) for r in event_log.read(topic, p, 0) if r.value == b"stale"]


@pytest.mark.slow
def test_a_busy_member_keeps_its_partitions(topic, members):
    """One that thinks for longer than a dead one is waited for, without polling, is not taken for dead."""
    busy, other = members(topic), members(topic)
    poll_until(lambda: len(busy.owned) == len(other.owned) == 1 and len(busy.values()) > 0, [busy, other])
    ends = time.monotonic() + 12
    poll_until(lambda: time.monotonic() > ends, [other])
    busy.subscription.checkpoint({p: Checkpoint(busy.position(p), b"done") for p in busy.records})
    assert len(busy.owned) == len(other.owned) == 1


@pytest.mark.slow
def test_a_copy_killed_at_any_instant_is_exact(event_log, name, group):
    """Positions, states and outputs go together: after kills at random instants each message was copied once, in
    order, and the counts that the states carry have no hole."""
    target = f"{name}-copy"
    event_log.create([TopicSpec(name, 2, None), TopicSpec(target, 2, None)])
    chance = random.Random(7)
    midway = 0
    for turn in range(4):
        before = event_log.groups(name).get(group, {})
        while sum(event_log.topic(name).end.values()) - sum(before.values()) < 6000:  # more than a turn copies
            event_log.append(name, messages(1000))
        with running(WORKER, "copy", group, name, target) as copier:
            deadline = time.monotonic() + 120
            while turn % 2 and event_log.groups(name).get(group, {}) == before:  # every other one has begun to copy
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 0.4))
            copier.kill()
        at = event_log.groups(name).get(group, {})
        midway += bool(at) and at != event_log.topic(name).end
    assert midway >= 2, "the kills came when nothing or all was done"
    last = Copier(event_log, group, name, target)
    ends = event_log.topic(name).end
    deadline = time.monotonic() + 120
    while any(event_log.groups(name).get(group, {}).get(number, 0) < end for number, end in ends.items()):
        assert time.monotonic() < deadline
        last.step()
    last.member.subscription.close()
    copied = defaultdict(list)
    for number in (0, 1):
        start = 0
        while records := event_log.read(target, number, start):
            for record in records:
                source, _, place = record.value.decode().partition("@")
                copied[int(source)].append(tuple(map(int, place.split("#"))))
            start = records[-1].offset + 1
    for number in (0, 1):
        start, offsets = 0, []
        while records := event_log.read(name, number, start):
            offsets.extend(record.offset for record in records)
            start = offsets[-1] + 1
        assert copied[number] == [(offset, i) for i, offset in enumerate(offsets, 1)]
