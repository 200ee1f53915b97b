"""Another process at the event log that the environment names: `python -m tests.support.log_worker ROLE …`."""

import sys
import time
from collections.abc import Sequence

from bitpredict.errors import FencedError
from bitpredict.settings import load_settings
from bitpredict.streaming.log import Checkpoint, EventLog, Message, Partition, Record
from bitpredict.streaming.open_log import open_event_log
from tests.support.log_member import Member, poll_until


def write(log: EventLog, topic: str, writer: str, count: str) -> None:
    """Append `<writer>:<i>` for i below `count`, ten at a time, over eight keys."""
    _ready()
    _wait_for_go()
    for first in range(0, int(count), 10):
        messages = [Message(f"key{i % 8}", f"{writer}:{i}".encode(), _now()) for i in range(first, first + 10)]
        log.append(topic, messages)


def hold(log: EventLog, group: str, *topics: str) -> None:
    """Be a member that polls and does nothing more, until killed. Another one must poll too, to give it its part."""
    member = Member(log, group, *topics)
    _ready()
    while True:
        member.poll()


def ponder(log: EventLog, group: str, topic: str) -> None:
    """Be a member that has read something and thinks about it until told to go; then its checkpoint must be fenced."""
    member = Member(log, group, topic)
    poll_until(lambda: bool(member.values()), [member])
    _ready()
    _wait_for_go()
    read = [partition for partition, records in member.records.items() if records]
    try:
        member.subscription.checkpoint(
            {partition: Checkpoint(member.position(partition), b"stale") for partition in read},
            [(topic, Message("stale", b"stale", _now()))],
        )
    except FencedError:
        poll_until(lambda: set(read) <= set(member.revoked), [member])
        return
    raise SystemExit("its checkpoint was stored")


def copy(log: EventLog, group: str, source: str, target: str) -> None:
    """Copy a topic message by message, exactly once, until killed."""
    copier = Copier(log, group, source, target)
    poll_until(lambda: bool(copier.member.owned), [copier.member])
    _ready()
    while True:
        copier.step()


class Copier:
    """Puts out `<partition>@<offset>#<how many of the partition so far>` for each message, 20 to a checkpoint."""

    def __init__(self, log: EventLog, group: str, source: str, target: str) -> None:
        self.member = Member(log, group, source)
        self.target = target

    def step(self) -> None:
        polled = self.member.poll()
        for partition, records in polled.records.items():
            for first in range(0, len(records), 20):
                self._copy(partition, records[first : first + 20])

    def _copy(self, partition: Partition, records: Sequence[Record]) -> None:
        before = self.member.owned[partition]
        done = int(before.state) if before else 0
        outputs = [
            (self.target, Message(record.key, f"{partition.number}@{record.offset}#{done + i}".encode(), _now()))
            for i, record in enumerate(records, 1)
        ]
        after = Checkpoint(records[-1].offset + 1, str(done + len(records)).encode())
        self.member.subscription.checkpoint({partition: after}, outputs)
        self.member.owned[partition] = after


def _ready() -> None:
    print("ready", flush=True)


def _wait_for_go() -> None:
    sys.stdin.readline()


def _now() -> int:
    return int(time.time() * 1000)


ROLES = {role.__name__: role for role in (write, hold, ponder, copy)}

if __name__ == "__main__":
    with open_event_log(load_settings()) as opened:
        ROLES[sys.argv[1]](opened, *sys.argv[2:])
