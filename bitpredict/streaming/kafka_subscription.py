"""A member of a group on Kafka: what it owns, what it has read, and what it stores."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kafka import KafkaConsumer
from kafka.admin import OffsetSpec
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import LogTruncationError, NoOffsetForPartitionError, OffsetOutOfRangeError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

from bitpredict.errors import EventLogError, FencedError
from bitpredict.streaming import kafka_topics
from bitpredict.streaming.kafka_clients import PATIENCE_SECONDS, KafkaClients, record_of
from bitpredict.streaming.kafka_coordinator import mend
from bitpredict.streaming.kafka_transactions import Mark, Transactions, end_dead
from bitpredict.streaming.log import Checkpoint, Message, Partition, Polled, Record

if TYPE_CHECKING:
    from bitpredict.streaming.kafka_log import KafkaLog

POLL_RECORDS = 2_000


@dataclass
class _Owned:
    """Attributes:
    stored: the group's position when it was assigned, or as this member stored it since.
    position: of what is read next.
    """

    incarnation: str
    stored: Mark | None
    position: int


class KafkaSubscription:
    """A `Subscription`. It joins its group at the first poll; from then on a thread gives signs of life.

    A rebalance that leaves a partition with its owner is not told, unless somebody else stored something in between.
    After a checkpoint that failed, the next poll revokes its partitions and assigns those that are still this member's
    again, as they are stored.
    """

    def __init__(self, log: "KafkaLog", clients: KafkaClients, group: str, topics: Sequence[str]) -> None:
        self._log, self._clients, self._group, self._topics = log, clients, group, tuple(topics)
        self._name = f"{group}.{uuid4().hex}"
        self._states = f"{group}{kafka_topics.STATE_SUFFIX}"
        self._transactions = Transactions(clients, log.admin, self._name, self._states)
        self._consumer: KafkaConsumer | None = None
        self._listener = _Listener(None)
        self._member = ConsumerGroupMetadata(group_id=group)
        self._owned: dict[Partition, _Owned] = {}
        self._void: set[Partition] = set()
        self._closed = False

    def poll(self, timeout: float) -> Polled:
        with self._clients.errors():
            consumer = self._joined()
            if self._void:
                return self._assigned(consumer)
            polled: Mapping[TopicPartition, Sequence[Any]] = {}
            gone: Iterable[TopicPartition] = ()
            try:
                polled = consumer.poll(timeout_ms=int(timeout * 1000), max_records=POLL_RECORDS)
            except NoOffsetForPartitionError:  # assigned, but never stored
                pass
            except (OffsetOutOfRangeError, LogTruncationError) as error:
                gone = error.args[0] if isinstance(error, OffsetOutOfRangeError) else error.divergent_offsets
            strangers = {Partition(*where) for where in polled} - self._owned.keys()
            if self._listener.changed or strangers or self._remade(consumer):
                return self._assigned(consumer)
            if gone:
                return self._overtaken(consumer, gone)
            records: dict[Partition, list[Record]] = {}
            for where, found in polled.items():
                partition = Partition(*where)
                records[partition] = [record_of(record) for record in found]
                self._owned[partition].position = found[-1].offset + 1
            return Polled(records=records)

    def checkpoint(
        self,
        checkpoints: Mapping[Partition, Checkpoint],
        outputs: Sequence[tuple[str, Message]] = (),
        first: Callable[[], None] | None = None,
    ) -> None:
        foreign = [p for p in checkpoints if p not in self._owned or p in self._void]
        try:
            if foreign:
                raise FencedError(f"{', '.join(f'{p.topic}/{p.number}' for p in foreign)} is another member's by now")
            with self._clients.errors():
                for topic in {topic for topic, _ in outputs}:
                    self._log.require(topic)
                noted = {p: (self._owned[p].incarnation, checkpoint) for p, checkpoint in checkpoints.items()}
                marks = self._transactions.store(self._member, noted, outputs, first)
        except BaseException:
            self._void |= checkpoints.keys() & self._owned.keys()
            raise
        for partition, mark in marks.items():
            self._owned[partition].stored = mark

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._transactions.close()
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=2000)

    def unsettled(self) -> list[str]:
        """The member's transactions that others may not see yet, told once."""
        told, self._transactions.unsettled = self._transactions.unsettled, False
        return [self._name] if told else []

    def _joined(self) -> KafkaConsumer:
        if self._consumer is None:
            kafka_topics.create_state_topic(self._log.admin(), self._states)
            self._consumer = self._clients.consumer(
                client_id=self._name,
                group_id=self._group,
                session_timeout_ms=6_000,
                heartbeat_interval_ms=500,
                max_poll_interval_ms=120_000,
                metadata_max_age_ms=1_000,  # how soon added partitions and remade topics are noticed
                partition_assignment_strategy=[RangePartitionAssignor],  # partition n of every topic: one member's
                max_poll_records=POLL_RECORDS,
                # A fetch that waits when a transaction ends is not always answered then, but when its wait is over.
                fetch_max_wait_ms=25,
            )
            mend(self._consumer)
            self._listener = _Listener(self._consumer)
            self._consumer.subscribe(topics=self._topics, listener=self._listener)
        return self._consumer

    def _assigned(self, consumer: KafkaConsumer) -> Polled:
        """Compare what is owned with what was, as it is stored now, and go on from there."""
        self._transactions.prepare()
        end_dead(self._log.admin(), self._clients, self._group)
        member = self._listener.member
        topics = kafka_topics.describe(self._log.admin(), self._topics)
        mine = sorted(Partition(*p) for p in consumer.assignment())
        mine = [p for p in mine if p.topic in topics and p.number < topics[p.topic].partitions]
        now: dict[Partition, _Owned] = {}
        assigned: dict[Partition, Checkpoint | None] = {}
        lost: dict[Partition, tuple[int, int]] = {}
        firsts = kafka_topics.offsets(self._log.admin(), [TopicPartition(*p) for p in mine], OffsetSpec.EARLIEST)
        for partition in mine:
            where = TopicPartition(*partition)
            incarnation = topics[partition.topic].incarnation
            stored = _of(incarnation, consumer.committed(where, metadata=True, timeout_ms=int(PATIENCE_SECONDS * 1000)))
            before = self._owned.get(partition)
            if before and partition not in self._void and (before.incarnation, before.stored) == (incarnation, stored):
                now[partition] = before
                continue
            assigned[partition] = self._checkpoint(partition, stored)
            now[partition] = _Owned(incarnation, stored, firsts[where] if stored is None else stored.position)
            if now[partition].position < firsts[where]:
                lost[partition] = (now[partition].position, firsts[where])
                now[partition].position = firsts[where]
        for partition, owned in now.items():
            consumer.seek(TopicPartition(*partition), owned.position)
        revoked = frozenset(p for p in self._owned if p not in now or p in assigned)
        self._owned, self._member = now, member
        self._void.clear()
        self._listener.changed = False
        return Polled(revoked=revoked, assigned=assigned, lost=lost)

    def _checkpoint(self, partition: Partition, stored: Mark | None) -> Checkpoint | None:
        if stored is None:
            return None
        offset = int(stored.note.split(" ")[1])
        record = self._log.state(self._states, offset)
        if record is None or record.key != f"{partition.topic}/{partition.number}":
            raise EventLogError(
                f"the state of group {self._group} in {partition.topic}/{partition.number} is not in {self._states} "
                f"at {offset}: end its members, and `bitpredict topics forget {self._group}` to let it start anew"
            )
        return Checkpoint(stored.position, record.value)

    def _remade(self, consumer: KafkaConsumer) -> bool:
        """Whether a topic is another one than it was, by the metadata that the consumer has anyway."""
        ids = {topic: str(consumer._cluster.topic_id(topic)) for topic in {p.topic for p in self._owned}}
        return any(ids[p.topic] not in (owned.incarnation, "None") for p, owned in self._owned.items())

    def _overtaken(self, consumer: KafkaConsumer, places: Iterable[TopicPartition]) -> Polled:
        """Retention deleted what was to be read next, or the topic was remade and is shorter."""
        lost = {}
        wanted = [where for where in places if Partition(*where) in self._owned]
        firsts = kafka_topics.offsets(self._log.admin(), wanted, OffsetSpec.EARLIEST)
        for where in wanted:
            owned = self._owned[Partition(*where)]
            if owned.position < firsts[where]:
                lost[Partition(*where)] = (owned.position, firsts[where])
                owned.position = firsts[where]
        if not lost:
            return self._assigned(consumer)
        for partition, owned in self._owned.items():
            consumer.seek(TopicPartition(*partition), owned.position)
        return Polled(lost=lost)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes that the assignment changed, and as whom the group knows this member since."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.changed = False
        self.member: ConsumerGroupMetadata | None = None

    def on_partitions_revoked(self, _: object) -> None:
        pass

    def on_partitions_lost(self, _: object) -> None:
        self.changed = True

    def on_partitions_assigned(self, _: object) -> None:
        self.changed = True
        self.member = self._consumer.group_metadata()


def _of(incarnation: str, committed: OffsetAndMetadata | None) -> Mark | None:
    """The group's mark, if it is of this topic and not of one of the same name before it."""
    if committed is None or committed.metadata.split(" ")[0] != incarnation:
        return None
    return Mark(committed.offset, committed.metadata)
