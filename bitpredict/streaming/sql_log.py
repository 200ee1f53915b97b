"""The event log in SQL: a SQLite file of its own, which needs no server, or PostgreSQL."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select, update

from bitpredict.errors import UnknownTopicError
from bitpredict.streaming.log import Message, Partition, Record, TopicSpec, TopicState, milliseconds
from bitpredict.streaming.sql_groups import forget
from bitpredict.streaming.sql_messages import append, empty, fetch, first_at, lost, spans, sweep, unknown
from bitpredict.streaming.sql_schema import CLAIMS, MESSAGES, PARTITIONS, TOPICS, SqlStore
from bitpredict.streaming.sql_subscription import SqlSubscription

SWEEP_SECONDS, SWEEP_AGAIN_SECONDS = 1.0, 0.05
_MILLISECOND = timedelta(milliseconds=1)


class SqlLog:
    """An `EventLog` in a SQLite file or a PostgreSQL database; its tables are made when it is first used.

    Retention is enforced by whoever appends or polls, a bite a second.

    Args:
        url: SQLAlchemy's: `sqlite:////folder/events.db`, `postgresql://user:password@host/name`.

    Raises:
        SettingsError: the URL is malformed or names another kind of database.
    """

    def __init__(self, url: str) -> None:
        self._store = SqlStore(url)
        self._subscriptions: list[SqlSubscription] = []
        self._sweeping = threading.Lock()
        self._sweep_due = 0.0

    def create(self, topics: Iterable[TopicSpec]) -> None:
        with self._store.writing() as connection:
            self._store.alone(connection)
            for spec in topics:
                _create(connection, spec)

    def delete(self, topic: str) -> None:
        empty(self._store, topic)
        with self._store.writing() as connection:
            topic_id = connection.scalar(select(TOPICS.c.topic_id).where(TOPICS.c.name == topic))
            if topic_id is not None:
                for table in (CLAIMS, PARTITIONS, MESSAGES, TOPICS):
                    connection.execute(delete(table).where(table.c.topic_id == topic_id))

    def topics(self) -> Mapping[str, TopicState]:
        query = select(
            TOPICS.c.name,
            TOPICS.c.incarnation,
            TOPICS.c.retention_ms,
            PARTITIONS.c.number,
            PARTITIONS.c.start_offset,
            PARTITIONS.c.end_offset,
        )
        found: dict[str, TopicState] = {}
        starts: dict[str, dict[int, int]] = {}
        ends: dict[str, dict[int, int]] = {}
        with self._store.reading() as connection:
            for name, incarnation, kept, number, start, end in connection.execute(
                query.join_from(TOPICS, PARTITIONS).order_by(TOPICS.c.name, PARTITIONS.c.number)
            ):
                starts.setdefault(name, {})[number] = start
                ends.setdefault(name, {})[number] = end
                retention = None if kept is None else timedelta(milliseconds=kept)
                found[name] = TopicState(name, incarnation, retention, starts[name], ends[name])
        return found

    def topic(self, name: str) -> TopicState:
        try:
            return self.topics()[name]
        except KeyError:
            raise unknown(name) from None

    def append(self, topic: str, messages: Sequence[Message]) -> None:
        if not messages:
            return
        self._sweep()
        with self._store.writing() as connection:
            append(self._store, connection, topic, messages)

    def read(self, topic: str, partition: int, start: int, end: int | None = None, limit: int = 10_000) -> list[Record]:
        with self._store.reading() as connection:
            found = {span.number: span for span in spans(self._store, connection, topic)}
            if partition not in found:
                raise UnknownTopicError(f"{topic} has no partition {partition}, but 0 to {max(found)}")
            span = found[partition]
            until = span.end if end is None else min(end, span.end)
            if start >= until:
                records = []
            elif start < span.start:
                raise lost(Partition(topic, partition), start, span.start)
            else:
                records = fetch(self._store, connection, span.topic_id, partition, start, until, limit)
                if limit > 0 and (not records or records[0].offset > start):  # forgotten between the two statements
                    raise lost(Partition(topic, partition), start, records[0].offset if records else until)
        return records

    def offset_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        since = milliseconds(moment)
        with self._store.reading() as connection:
            return {
                span.number: first_at(self._store, connection, span, since)
                for span in spans(self._store, connection, topic)
            }

    def groups(self, topic: str) -> Mapping[str, Mapping[int, int]]:
        query = (
            select(CLAIMS.c.group_name, CLAIMS.c.number, CLAIMS.c.position)
            .join(TOPICS, TOPICS.c.topic_id == CLAIMS.c.topic_id)
            .where(TOPICS.c.name == topic, CLAIMS.c.position.is_not(None))
            .order_by(CLAIMS.c.group_name, CLAIMS.c.number)
        )
        found: dict[str, dict[int, int]] = {}
        with self._store.reading() as connection:
            for group, number, position in connection.execute(query):
                found.setdefault(group, {})[number] = position
        return found

    def subscribe(self, group: str, topics: Sequence[str]) -> SqlSubscription:
        subscription = SqlSubscription(self._store, group, topics, self._sweep)
        self._subscriptions.append(subscription)
        return subscription

    def forget(self, group: str) -> None:
        forget(self._store, group)

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        self._store.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _sweep(self) -> None:
        """Enforce retention when it is time. Before an append, never after it: what fails here stored nothing."""
        if time.monotonic() < self._sweep_due or not self._sweeping.acquire(blocking=False):
            return
        try:
            self._sweep_due = time.monotonic() + SWEEP_SECONDS
            if sweep(self._store, int(time.time() * 1000)):
                self._sweep_due = time.monotonic() + SWEEP_AGAIN_SECONDS
        finally:
            self._sweeping.release()


def _create(connection: Connection, spec: TopicSpec) -> None:
    kept = None if spec.retention is None else spec.retention // _MILLISECOND
    topic_id = connection.scalar(select(TOPICS.c.topic_id).where(TOPICS.c.name == spec.name))
    if topic_id is None:
        made = insert(TOPICS).values(name=spec.name, incarnation=uuid4().hex, retention_ms=kept)
        topic_id = connection.execute(made.returning(TOPICS.c.topic_id)).scalar_one()
    else:
        connection.execute(update(TOPICS).where(TOPICS.c.topic_id == topic_id).values(retention_ms=kept))
    there = set(connection.scalars(select(PARTITIONS.c.number).where(PARTITIONS.c.topic_id == topic_id)))
    missing = [{"topic_id": topic_id, "number": number} for number in range(spec.partitions) if number not in there]
    if missing:
        connection.execute(insert(PARTITIONS), missing)
