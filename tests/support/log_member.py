"""A member of a group as a worker would be: it remembers what it owns and what it read, and forgets what is void."""

import time
from collections.abc import Callable, Sequence

from bitpredict.streaming.log import Checkpoint, EventLog, Message, Partition, Polled, Record, Subscription


class Member:
    """Polls a subscription and keeps count.

    Attributes:
        owned: partition -> checkpoint with which it was assigned.
        records: partition -> what was read of it since it was assigned.
        lost: every range reported lost.
    """

    def __init__(self, log: EventLog, group: str, *topics: str) -> None:
        self.subscription: Subscription = log.subscribe(group, topics)
        self.owned: dict[Partition, Checkpoint | None] = {}
        self.records: dict[Partition, list[Record]] = {}
        self.lost: list[tuple[Partition, int, int]] = []
        self.revoked: list[Partition] = []

    def poll(self, timeout: float = 0.1) -> Polled:
        polled = self.subscription.poll(timeout)
        self.revoked.extend(polled.revoked)
        for partition in polled.revoked:
            del self.owned[partition], self.records[partition]
        for partition, checkpoint in polled.assigned.items():
            assert partition not in self.owned, "assigned what it owns already"
            self.owned[partition], self.records[partition] = checkpoint, []
        self.lost.extend((partition, *lost) for partition, lost in polled.lost.items())
        for partition, records in polled.records.items():
            self.records[partition].extend(records)
        return polled

    def values(self) -> list[bytes]:
        """What it read of the partitions that it owns."""
        return [record.value for records in self.records.values() for record in records]

    def position(self, partition: Partition) -> int:
        """After what it read last."""
        records = self.records[partition]
        return records[-1].offset + 1


def poll_until(condition: Callable[[], bool], members: Sequence[Member], seconds: float = 120) -> None:
    """Poll the members in turn until the condition holds; it must within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        for member in members:
            member.poll()


def messages(count: int, prefix: str = "") -> list[Message]:
    """With keys key0 to key7 in turn, the values 0, 1, … behind a prefix, received now."""
    moment = int(time.time() * 1000)
    return [Message(f"key{i % 8}", f"{prefix}{i}".encode(), moment) for i in range(count)]
