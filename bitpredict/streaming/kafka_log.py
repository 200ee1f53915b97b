"""The event log on Apache Kafka."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Self

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import GroupIdNotFoundError, KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError
from kafka.structs import TopicPartition

from bitpredict.errors import OffsetsLostError, UnknownTopicError
from bitpredict.settings import Settings
from bitpredict.streaming import kafka_topics
from bitpredict.streaming.kafka_clients import (
    PATIENCE_SECONDS,
    KafkaClients,
    abandon,
    patiently,
    place,
    record_of,
    store,
)
from bitpredict.streaming.kafka_subscription import KafkaSubscription
from bitpredict.streaming.kafka_transactions import settle
from bitpredict.streaming.log import Message, Record, TopicSpec, TopicState, has_members, milliseconds


class KafkaLog:
    """An `EventLog` on Kafka; clients are made when they are first needed. It may be used by several threads.

    Raises:
        SettingsError: BITPREDICT_EVENT_LOG_URL is malformed.
    """

    def __init__(self, settings: Settings) -> None:
        self._clients = KafkaClients(settings)
        self._lock = threading.RLock()
        self._admin: KafkaAdminClient | None = None
        self._producer: KafkaProducer | None = None
        self._reader: KafkaConsumer | None = None
        self._incarnations: dict[str, str] = {}
        self._known: set[str] = set()
        self._subscriptions: list[KafkaSubscription] = []

    def create(self, topics: Iterable[TopicSpec]) -> None:
        with self._lock, self._clients.errors():
            kafka_topics.create(self.admin(), topics)
            self._drop_producer()  # its next one knows of added partitions

    def delete(self, topic: str) -> None:
        with self._lock, self._clients.errors():
            self._known.discard(topic)
            kafka_topics.delete(self.admin(), topic)

    def topics(self) -> Mapping[str, TopicState]:
        with self._lock, self._clients.errors():
            self._settle()
            return kafka_topics.states(self.admin())

    def topic(self, name: str) -> TopicState:
        with self._lock, self._clients.errors():
            self._settle()
            try:
                return kafka_topics.states(self.admin(), [name])[name]
            except (KeyError, UnknownTopicOrPartitionError):
                raise kafka_topics.unknown(name) from None

    def append(self, topic: str, messages: Sequence[Message]) -> None:
        if not messages:
            return
        with self._lock, self._clients.errors():
            self.require(topic)
            if self._producer is None:
                self._producer = self._clients.producer()
            try:
                store(self._producer, place(self._producer, ((topic, message) for message in messages)))
            except KafkaError:
                self._drop_producer()  # what it still holds must not be stored later
                self._known.discard(topic)
                self.require(topic)
                raise

    def read(self, topic: str, partition: int, start: int, end: int | None = None, limit: int = 10_000) -> list[Record]:
        with self._lock, self._clients.errors():
            self._settle()
            described = kafka_topics.describe(self.admin(), [topic]).get(topic)
            if described is None:
                raise kafka_topics.unknown(topic)
            if partition not in range(described.partitions):
                raise UnknownTopicError(f"{topic} has no partition {partition}, but 0 to {described.partitions - 1}")
            where = TopicPartition(topic, partition)
            last = kafka_topics.offsets(self.admin(), [where], OffsetSpec.LATEST)[where]
            until = last if end is None else min(end, last)
            if start >= until or limit <= 0:
                return []
            first = kafka_topics.offsets(self.admin(), [where], OffsetSpec.EARLIEST)[where]
            if start < first:
                raise _lost(where, start, first)
            try:
                return self._fetch(described.incarnation, where, start, until, limit)
            except OffsetOutOfRangeError:  # retention was faster
                first = kafka_topics.offsets(self.admin(), [where], OffsetSpec.EARLIEST)[where]
                raise _lost(where, start, first) from None

    def offset_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        since = max(milliseconds(moment), 0)
        with self._lock, self._clients.errors():
            self._settle()
            described = kafka_topics.describe(self.admin(), [topic]).get(topic)
            if described is None:
                raise kafka_topics.unknown(topic)
            wanted = [TopicPartition(topic, number) for number in range(described.partitions)]
            found = kafka_topics.offsets(self.admin(), wanted, since)
            ends = kafka_topics.offsets(self.admin(), wanted, OffsetSpec.LATEST)
            return {where.partition: found[where] if found[where] >= 0 else ends[where] for where in wanted}

    def groups(self, topic: str) -> Mapping[str, Mapping[int, int]]:
        with self._lock, self._clients.errors():
            self._settle()
            described = kafka_topics.describe(self.admin(), [topic]).get(topic)
            names = self._groups()
            if described is None or not names:
                return {}
            wanted = [TopicPartition(topic, number) for number in range(described.partitions)]
            stored = patiently(lambda: self.admin().list_group_offsets(dict.fromkeys(names, wanted)))
            found = {
                group: {where.partition: place.offset for where, place in sorted(places.items()) if place.offset >= 0}
                for group, places in sorted(stored.items())
            }
            return {group: positions for group, positions in found.items() if positions}

    def subscribe(self, group: str, topics: Sequence[str]) -> KafkaSubscription:
        subscription = KafkaSubscription(self, self._clients, group, topics)
        self._subscriptions.append(subscription)
        return subscription

    def forget(self, group: str) -> None:
        with self._lock, self._clients.errors():
            if group in self._groups():
                if members := patiently(lambda: self.admin().describe_groups([group]))[group]["members"]:
                    raise has_members(group, len(members))
                if (said := self.admin().delete_groups([group])[group]) not in ("OK", GroupIdNotFoundError.__name__):
                    raise self._clients.unreachable(said)
        self.delete(f"{group}{kafka_topics.STATE_SUFFIX}")

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        with self._lock:
            self._drop_producer()
            self._drop_reader()
            if self._admin is not None:
                self._admin.close()
                self._admin = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def admin(self) -> KafkaAdminClient:
        """The admin client; of a group's members too."""
        with self._lock:
            if self._admin is None:
                self._admin = self._clients.admin()
            return self._admin

    def require(self, topic: str) -> None:
        """Raises UnknownTopicError: the topic was not there when it was first asked for."""
        if topic not in self._known:
            if not kafka_topics.describe(self.admin(), [topic]):
                raise kafka_topics.unknown(topic)
            self._known.add(topic)

    def state(self, topic: str, offset: int) -> Record | None:
        """One message of a group's states, when its transaction has come to an end; None where it is no more."""
        where = TopicPartition(topic, 0)
        with self._lock:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while kafka_topics.offsets(self.admin(), [where], OffsetSpec.LATEST)[where] <= offset:
                if time.monotonic() > deadline:
                    return None
                time.sleep(0.005)
            found = self._fetch("", where, offset, offset + 1, 1)
            return found[0] if found else None

    def _fetch(self, incarnation: str, where: TopicPartition, start: int, until: int, limit: int) -> list[Record]:
        """Messages below the last committed offset: all that is asked for is there, so that waiting has an end."""
        reader = self._reading(where.topic, incarnation)
        reader.assign([where])
        reader.seek(where, start)  # what it has fetched ahead from there is used
        records: list[Record] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        at = start
        while at < until and len(records) < limit:
            found = reader.poll(timeout_ms=1000, max_records=limit - len(records)).get(where, ())
            records.extend(record_of(r) for r in found if r.offset < until)
            at = reader.position(where)
            if found:
                deadline = time.monotonic() + PATIENCE_SECONDS
            elif time.monotonic() > deadline:
                raise self._clients.unreachable(f"nothing came of {where.topic}/{where.partition} from {at}")
        return records

    def _reading(self, topic: str, incarnation: str) -> KafkaConsumer:
        """The consumer, when it holds nothing of an earlier topic of the same name."""
        if self._incarnations.setdefault(topic, incarnation) != incarnation:
            self._incarnations[topic] = incarnation
            self._drop_reader()
        if self._reader is None:
            self._reader = self._clients.consumer(max_poll_records=10_000, fetch_max_wait_ms=100)
        return self._reader

    def _groups(self) -> list[str]:
        return [str(group["group_id"]) for group in patiently(self.admin().list_groups)]

    def _settle(self) -> None:
        """What this process has stored, it sees."""
        pending = {name for subscription in self._subscriptions for name in subscription.unsettled()}
        if pending:
            settle(self.admin(), pending)

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.close(autocommit=False, timeout_ms=1000)
            self._reader = None

    def _drop_producer(self) -> None:
        if self._producer is not None:
            abandon(self._producer)
            self._producer = None


def _lost(where: TopicPartition, start: int, first: int) -> OffsetsLostError:
    return OffsetsLostError(
        f"{where.topic}/{where.partition}: messages from {start} on are deleted; the first that is there is {first}",
        first,
    )
