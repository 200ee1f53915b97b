"""Messages in the SQL event log, inside a transaction of the caller's: appending, reading, finding and forgetting."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from bitpredict.errors import OffsetsLostError, UnknownTopicError
from bitpredict.streaming.log import Message, Partition, Record, partition_of
from bitpredict.streaming.sql_schema import SqlStore

SWEEP_MESSAGES = 2_000
"""Forgotten at once: a few milliseconds in which nobody else writes."""


class Span(NamedTuple):
    """A partition's row: the messages in [start, end) are there."""

    topic_id: int
    number: int
    start: int
    end: int
    newest: int


def spans(store: SqlStore, connection: Connection, topic: str, *, hold: bool = False) -> list[Span]:
    """The partitions of a topic in order of number.

    Args:
        hold: nobody else appends to the topic before this transaction is done.

    Raises:
        UnknownTopicError: there is no such topic.
    """
    rows = store.rows(connection, _SPANS + (_HOLD if hold and not store.is_sqlite else ""), [topic])
    if not rows:
        raise unknown(topic)
    return [Span(*row) for row in rows]


def unknown(topic: str) -> UnknownTopicError:
    return UnknownTopicError(f"the event log has no topic {topic}; make it with bitpredict topics create")


def append(store: SqlStore, connection: Connection, topic: str, messages: Sequence[Message]) -> None:
    """Append in order to the partitions of the messages' keys.

    Raises:
        UnknownTopicError: there is no such topic.
    """
    found = spans(store, connection, topic, hold=True)
    offsets = [span.end for span in found]
    newest = [span.newest for span in found]
    numbers: dict[str, tuple[int, bytes]] = {}
    rows: list[tuple[int, int, int, bytes, bytes, int, int]] = []
    topic_id = found[0].topic_id
    for key, value, timestamp in messages:
        place = numbers.get(key)
        if place is None:
            place = numbers[key] = partition_of(key, len(found)), key.encode()
        number, encoded = place
        newest[number] = max(newest[number], timestamp)
        rows.append((topic_id, number, offsets[number], encoded, value, timestamp, newest[number]))
        offsets[number] += 1
    if store.is_sqlite:
        connection.exec_driver_sql(_INSERT, rows)
    else:
        _, *columns = map(list, zip(*rows, strict=True))
        connection.exec_driver_sql(_INSERT_POSTGRESQL, (topic_id, *columns))
    for span, end, largest in zip(found, offsets, newest, strict=True):
        if end > span.end:
            store.run(connection, _ADVANCE, [end, largest, topic_id, span.number])


def append_outputs(store: SqlStore, connection: Connection, outputs: Iterable[tuple[str, Message]]) -> None:
    """Append to several topics, always in the same order of topics, so that two transactions cannot wait for each
    other."""
    by_topic: dict[str, list[Message]] = {}
    for topic, message in outputs:
        by_topic.setdefault(topic, []).append(message)
    for topic in sorted(by_topic):
        append(store, connection, topic, by_topic[topic])


def fetch(
    store: SqlStore, connection: Connection, topic_id: int, number: int, start: int, end: int, limit: int
) -> list[Record]:
    """What is there of [start, end), at most `limit` from its beginning."""
    rows = store.rows(connection, _FETCH, [topic_id, number, start, end, limit])
    if store.is_sqlite:
        return [Record(offset, str(key, "utf-8"), value, timestamp) for offset, key, value, timestamp in rows]
    return [Record(offset, str(key, "utf-8"), bytes(value), timestamp) for offset, key, value, timestamp in rows]


def lost(partition: Partition, asked: int, first: int) -> OffsetsLostError:
    return OffsetsLostError(
        f"{partition.topic}/{partition.number}: offset {asked} was deleted by retention; the first is {first}", first
    )


def first_at(store: SqlStore, connection: Connection, span: Span, moment: int, end: int | None = None) -> int:
    """The first offset of [start, end) with a timestamp not before `moment` (milliseconds); `end` where there is none.

    That message is the first whose `newest` reaches the moment, which halving finds, as `newest` never falls.
    """
    low, high = span.start, span.end if end is None else end
    while low < high:
        middle = (low + high) // 2
        found = store.rows(connection, _NEWEST, [span.topic_id, span.number, middle])
        if not found or found[0][0] < moment:  # not found: forgotten meanwhile, so it was older
            low = middle + 1
        else:
            high = middle
    return low


def sweep(store: SqlStore, now: int) -> bool:
    """Forget what is older than its topic's retention, one bounded bite of each partition.

    Args:
        now: milliseconds since 1970 UTC.

    Returns:
        Whether there may be more to forget.
    """
    more = False
    cuts: list[tuple[int, int, int]] = []
    with store.reading() as connection:
        for *row, retention in store.rows(connection, _KEPT_SPANS):
            span = Span(*row)
            bite = min(span.end, span.start + SWEEP_MESSAGES)
            cut = first_at(store, connection, span, now - retention, bite)
            if cut > span.start:
                cuts.append((span.topic_id, span.number, cut))
                more |= cut == span.start + SWEEP_MESSAGES
    for topic_id, number, cut in cuts:
        _forget(store, topic_id, number, cut)
    return more


def empty(store: SqlStore, topic: str) -> None:
    """Forget all that the topic holds now, in bites too: a day's messages at once would keep others waiting."""
    with store.reading() as connection:
        found = [Span(*row) for row in store.rows(connection, _SPANS, [topic])]
    for span in found:
        for cut in range(span.start, span.end, SWEEP_MESSAGES):
            _forget(store, span.topic_id, span.number, min(cut + SWEEP_MESSAGES, span.end))


def _forget(store: SqlStore, topic_id: int, number: int, cut: int) -> None:
    with store.writing() as connection:
        store.run(connection, _CUT, [cut, topic_id, number, cut])
        store.run(connection, _FORGET, [topic_id, number, cut])


_SPANS = (
    "SELECT p.topic_id, p.number, p.start_offset, p.end_offset, p.newest FROM event_log_topics t "
    "JOIN event_log_partitions p ON p.topic_id = t.topic_id WHERE t.name = ? ORDER BY p.number"
)
_HOLD = " FOR UPDATE OF p"
_KEPT_SPANS = (
    "SELECT p.topic_id, p.number, p.start_offset, p.end_offset, p.newest, t.retention_ms FROM event_log_topics t "
    "JOIN event_log_partitions p ON p.topic_id = t.topic_id "
    "WHERE t.retention_ms IS NOT NULL AND p.start_offset < p.end_offset"
)
_INSERT = "INSERT INTO event_log_messages VALUES (?, ?, ?, ?, ?, ?, ?)"
_INSERT_POSTGRESQL = (
    "INSERT INTO event_log_messages SELECT %s, * "
    "FROM unnest(%s::int[], %s::bigint[], %s::bytea[], %s::bytea[], %s::bigint[], %s::bigint[])"
)
_ADVANCE = "UPDATE event_log_partitions SET end_offset = ?, newest = ? WHERE topic_id = ? AND number = ?"
_FETCH = (
    "SELECT message_offset, message_key, value, timestamp FROM event_log_messages "
    "WHERE topic_id = ? AND number = ? AND message_offset >= ? AND message_offset < ? ORDER BY message_offset LIMIT ?"
)
_NEWEST = "SELECT newest FROM event_log_messages WHERE topic_id = ? AND number = ? AND message_offset = ?"
_CUT = "UPDATE event_log_partitions SET start_offset = ? WHERE topic_id = ? AND number = ? AND start_offset < ?"
_FORGET = "DELETE FROM event_log_messages WHERE topic_id = ? AND number = ? AND message_offset < ?"
