"""A member of a group at the SQL event log: what it owns, what it has read, and what it stores."""

import os
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from uuid import uuid4

from sqlalchemy import Connection, select
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection

from bitpredict.errors import EventLogError, FencedError, StorageError
from bitpredict.streaming.log import Checkpoint, Message, Partition, Polled, Record
from bitpredict.streaming.sql_groups import Membership, Share
from bitpredict.streaming.sql_messages import append_outputs, fetch
from bitpredict.streaming.sql_schema import CLAIMS, SqlStore

POLL_RECORDS = 2_000
LOOK_SECONDS = 0.25
IDLE_SECONDS = {"sqlite": 0.005, "postgresql": 0.01}
"""At most between two looks for messages, a quarter at first: SQLite tells by a counter in shared memory that nothing
changed, PostgreSQL by a query."""


@dataclass
class _Owned:
    topic_id: int
    epoch: int
    position: int


class SqlSubscription:
    """A `Subscription`. It joins its group at the first poll; from then on a thread gives signs of life.

    After a checkpoint that failed, the next poll revokes its partitions and assigns those that are still this member's
    again, as they are stored.

    Args:
        tidy: called at each poll, to enforce retention.
    """

    def __init__(self, store: SqlStore, group: str, topics: Sequence[str], tidy: Callable[[], None]) -> None:
        member = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._store, self._group, self._tidy = store, group, tidy
        self._membership = Membership(store, group, member, topics)
        self._changes = _Changes(store)
        self._idle = IDLE_SECONDS[store.engine.dialect.name]
        self._owned: dict[Partition, _Owned] = {}
        self._void: set[Partition] = set()
        self._look_due = 0.0
        self._looked_up_to: int | None = None
        self._read_up_to: int | None = None

    def poll(self, timeout: float) -> Polled:
        deadline = time.monotonic() + timeout
        pause = self._idle / 4
        while True:
            self._tidy()
            if self._void or time.monotonic() >= self._look_due:
                polled = self._look()
                if polled.revoked or polled.assigned:
                    return polled
            polled = self._fetch()
            left = deadline - time.monotonic()
            if polled.records or polled.lost or left <= 0:
                return polled
            time.sleep(min(pause, left))
            pause = min(2 * pause, self._idle)

    def checkpoint(
        self,
        checkpoints: Mapping[Partition, Checkpoint],
        outputs: Sequence[tuple[str, Message]] = (),
        first: Callable[[], None] | None = None,
    ) -> None:
        try:
            if first:
                first()  # not beside it: what it writes may lie in the same database, which has one writer
            with self._store.writing() as connection:
                for partition, checkpoint in sorted(checkpoints.items(), key=itemgetter(0)):
                    if not self._store_one(connection, partition, checkpoint):
                        raise FencedError(
                            f"{partition.topic}/{partition.number} is no longer this member's of {self._group}: "
                            "its work since the last checkpoint is void"
                        )
                append_outputs(self._store, connection, outputs)
        except StorageError:
            self._void.update(self._owned.keys() & checkpoints.keys())
            raise

    def close(self) -> None:
        self._membership.leave()
        self._changes.close()
        self._owned.clear()

    def _store_one(self, connection: Connection, partition: Partition, checkpoint: Checkpoint) -> bool:
        owned = self._owned.get(partition)
        if owned is None:
            return False
        values = (checkpoint.position, checkpoint.state)
        place = (self._group, owned.topic_id, partition.number, self._membership.member, owned.epoch)
        return self._store.run(connection, _STORE, values + place) == 1

    def _look(self) -> Polled:
        """Bring what it owns in line with what the group says, if anything was committed since it was asked last."""
        change = self._changes.count()
        if change is not None and change == self._looked_up_to and not self._void:
            self._look_due = time.monotonic() + LOOK_SECONDS
            return Polled()
        mine = {
            share.partition: share for share in self._membership.look().shares if share.owner == self._membership.member
        }
        revoked = self._void | {
            partition
            for partition, owned in self._owned.items()
            if partition not in mine or (owned.topic_id, owned.epoch) != _identity(mine[partition])
        }
        fresh = [share for partition, share in mine.items() if partition in revoked or partition not in self._owned]
        stored = self._stored(fresh) if fresh else {}
        for partition in revoked:
            del self._owned[partition]
        self._void.clear()
        for share in fresh:
            if share.partition in stored:
                checkpoint = stored[share.partition]
                position = share.first if checkpoint is None else checkpoint.position
                self._owned[share.partition] = _Owned(share.topic_id, share.epoch, position)
                self._read_up_to = None
        self._looked_up_to = change
        self._look_due = time.monotonic() + LOOK_SECONDS
        return Polled(revoked=frozenset(revoked), assigned=stored)

    def _stored(self, shares: Sequence[Share]) -> dict[Partition, Checkpoint | None]:
        """The checkpoints of partitions that are still this member's."""
        found: dict[Partition, Checkpoint | None] = {}
        with self._store.reading() as connection:
            for share in shares:
                row = connection.execute(
                    select(CLAIMS.c.position, CLAIMS.c.state).where(
                        CLAIMS.c.group_name == self._group,
                        CLAIMS.c.topic_id == share.topic_id,
                        CLAIMS.c.number == share.partition.number,
                        CLAIMS.c.owner == self._membership.member,
                        CLAIMS.c.epoch == share.epoch,
                    )
                ).first()
                if row is not None:
                    found[share.partition] = None if row[0] is None else Checkpoint(row[0], bytes(row[1]))
        return found

    def _fetch(self) -> Polled:
        """What came since; nothing is asked when nothing was committed since all was read."""
        if not self._owned:
            return Polled()
        change = self._changes.count()
        if change is not None and change == self._read_up_to:
            return Polled()
        records: dict[Partition, list[Record]] = {}
        lost: dict[Partition, tuple[int, int]] = {}
        with self._store.reading() as connection:
            ids = sorted({owned.topic_id for owned in self._owned.values()})
            query = _ENDS.format(", ".join("?" * len(ids)))
            ends = {(i, n): (start, end) for i, n, start, end in self._store.rows(connection, query, ids)}
            for partition, owned in self._owned.items():
                start, end = ends.get((owned.topic_id, partition.number), (0, 0))
                at = max(owned.position, start)
                if at < end:
                    found = fetch(self._store, connection, owned.topic_id, partition.number, at, end, POLL_RECORDS)
                    if found:
                        records[partition] = found
                        at = found[0].offset
                if at > owned.position:
                    lost[partition] = (owned.position, at)
        for partition, (_, after) in lost.items():
            self._owned[partition].position = after
        for partition, found in records.items():
            self._owned[partition].position = found[-1].offset + 1
        if not records and not lost:
            self._read_up_to = change
        return Polled(records=records, lost=lost)


class _Changes:
    """Counts the commits to a SQLite file, for microseconds each time; on PostgreSQL nobody counts them."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._connection: PoolProxiedConnection | None = None
        self._cursor: DBAPICursor | None = None

    def count(self) -> int | None:
        if not self._store.is_sqlite:
            return None
        try:
            if self._connection is None or self._cursor is None:
                self._connection = self._store.engine.raw_connection()
                self._cursor = self._connection.cursor()
            self._cursor.execute("PRAGMA data_version")
            return int(self._cursor.fetchall()[0][0])
        except sqlite3.Error as error:
            raise EventLogError(f"cannot read the event log {self._store.name}: {error}") from error

    def close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = self._cursor = None


def _identity(share: Share) -> tuple[int, int]:
    return share.topic_id, share.epoch


_STORE = (
    "UPDATE event_log_claims SET position = ?, state = ? "
    "WHERE group_name = ? AND topic_id = ? AND number = ? AND owner = ? AND epoch = ?"
)
_ENDS = (
    "SELECT topic_id, number, start_offset, end_offset FROM event_log_partitions "
    "WHERE topic_id IN ({}) ORDER BY topic_id, number"
)
