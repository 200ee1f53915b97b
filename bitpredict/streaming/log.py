"""The event log: topics of partitions of numbered messages. Everything live talks through this interface only.

Two adapters: `sql_log` (its own SQLite file by default, PostgreSQL by setting) and `kafka_log`. A group's positions,
its state and what it puts out are stored in one step, so that a reader killed at any instant goes on without losing a
message and without putting anything out twice.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, Self

from bitpredict.errors import EventLogError
from bitpredict.market.time import EPOCH


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class Message(NamedTuple):
    """What is appended. `key` decides the partition; `timestamp` is milliseconds since 1970 UTC, the moment of receipt:
    retention and `offset_at` go by it, and a replay of old trades must not be forgotten at once."""

    key: str
    value: bytes
    timestamp: int


class Record(NamedTuple):
    """What is read: a message at its place."""

    offset: int
    key: str
    value: bytes
    timestamp: int


@dataclass(frozen=True)
class TopicSpec:
    """How a topic is made.

    Attributes:
        retention: messages older than this may be deleted; None keeps them.
    """

    name: str
    partitions: int
    retention: timedelta | None


@dataclass(frozen=True)
class TopicState:
    """What a topic holds now.

    Attributes:
        incarnation: another one after the topic was deleted and made again: offsets of an earlier one mean nothing.
        start: partition number -> first offset still there.
        end: partition number -> the offset that the next message gets at least. A transaction's markers take offsets
            on Kafka, so that counts are made by reading, never by subtracting.
    """

    name: str
    incarnation: str
    retention: timedelta | None
    start: Mapping[int, int]
    end: Mapping[int, int]


@dataclass(frozen=True)
class Checkpoint:
    """Where a group stands in one partition: the next offset to read, and what it had made of those before."""

    position: int
    state: bytes


@dataclass(frozen=True)
class Polled:
    """What a subscription brings at once.

    Attributes:
        revoked: partitions that this member no longer owns: what it made of them since the last checkpoint is void.
        assigned: partitions that it owns from now on, with the group's last checkpoint (None where it never made one).
        records: in order of offset.
        lost: ranges [start, end) that retention deleted before this group read them.
    """

    revoked: frozenset[Partition] = frozenset()
    assigned: Mapping[Partition, Checkpoint | None] = field(default_factory=dict)
    records: Mapping[Partition, Sequence[Record]] = field(default_factory=dict)
    lost: Mapping[Partition, tuple[int, int]] = field(default_factory=dict)


class Subscription(Protocol):
    """One member of a group. Members share a topic's partitions; one that dies loses them within ten seconds."""

    def poll(self, timeout: float) -> Polled:
        """Wait until there is something, at most `timeout` seconds.

        A partition that is assigned without a checkpoint is read from its first message.

        Raises:
            EventLogError: the log cannot be reached.
        """

    def checkpoint(
        self,
        checkpoints: Mapping[Partition, Checkpoint],
        outputs: Sequence[tuple[str, Message]] = (),
        first: Callable[[], None] | None = None,
    ) -> None:
        """Store positions and states and append `outputs` (topic, message), all of it or nothing.

        Args:
            first: done before anything of it counts, perhaps in another thread while the log works; nothing is stored
                if it raises.

        Raises:
            FencedError: one of the partitions belongs to another member by now; nothing was stored.
            EventLogError: the log cannot be reached; whether it was stored is known after the next assignment.
            StorageError: from `first`.
        """

    def close(self) -> None:
        """Leave the group: others take over at once."""


class EventLog(Protocol):
    """The log itself. Every method may raise EventLogError when the log cannot be reached or refuses."""

    def create(self, topics: Iterable[TopicSpec]) -> None:
        """Make topics that are not there; give more partitions and another retention to those that are. Never fewer."""

    def delete(self, topic: str) -> None:
        """Delete a topic and all in it; nothing happens where there is none."""

    def topics(self) -> Mapping[str, TopicState]:
        """Every topic by name, without the log's own."""

    def topic(self, name: str) -> TopicState:
        """One topic.

        Raises:
            UnknownTopicError: there is none of that name; the message says how to make it.
        """

    def append(self, topic: str, messages: Sequence[Message]) -> None:
        """Append in order; when it returns they are stored, whatever happens to this process."""

    def read(self, topic: str, partition: int, start: int, end: int | None = None, limit: int = 10_000) -> list[Record]:
        """Committed messages with offsets in [start, end), at most `limit`; it never waits for more to come.

        Raises:
            OffsetsLostError: `start` lies before the first message that is still there; says which.
        """

    def offset_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        """By partition, the first offset whose timestamp is not before `moment`; the end where there is none."""

    def groups(self, topic: str) -> Mapping[str, Mapping[int, int]]:
        """Group -> partition number -> position, for groups that made a checkpoint."""

    def subscribe(self, group: str, topics: Sequence[str]) -> Subscription:
        """Become a member of a group."""

    def forget(self, group: str) -> None:
        """Delete a group's checkpoints: it starts anew. Nothing happens where there is none of that name.

        Raises:
            EventLogError: the group has members that are alive.
        """

    def close(self) -> None:
        """Let go of connections and threads."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key, the same in every adapter."""
    return zlib.crc32(key.encode()) % partitions


def milliseconds(moment: datetime) -> int:
    """The first whole millisecond since 1970 that is not before `moment`, as messages are stamped."""
    return -((EPOCH - moment) // timedelta(milliseconds=1))


def has_members(group: str, count: int) -> EventLogError:
    """Why a group cannot be forgotten, the same in every adapter."""
    return EventLogError(f"the group {group} has {count} members that are alive; end these processes first")
