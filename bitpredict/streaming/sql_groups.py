"""Groups of the SQL event log: who is alive, who owns what, and what each member may own."""

import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from bitpredict.errors import EventLogError
from bitpredict.streaming.log import Partition, has_members
from bitpredict.streaming.sql_schema import CLAIMS, MEMBERS, PARTITIONS, TOPICS, SqlStore

LEASE_SECONDS, BEAT_SECONDS = 5.0, 1.0


@dataclass(frozen=True)
class Share:
    """A partition as the group sees it.

    Attributes:
        owner: None where it has none, or one that is dead.
        epoch: how many owners it had.
        first: its first offset that is still there.
    """

    partition: Partition
    topic_id: int
    owner: str | None
    epoch: int
    first: int


@dataclass(frozen=True)
class GroupView:
    """A group as one transaction saw it; peers are the members alive that have the same topics."""

    peers: frozenset[str]
    shares: Sequence[Share]


def fair_share(me: str, peers: frozenset[str], owners: Mapping[int, str | None]) -> tuple[set[int], set[int]]:
    """Which numbers this member must give up, and which it may take.

    Each member decides for itself, and all come to the same division: every one gets its even part, and where it does
    not come out even, those who have more already keep it. Nothing moves that need not.

    Args:
        owners: number -> its owner among the peers, or None.
    """
    held = {peer: sorted(n for n, owner in owners.items() if owner == peer) for peer in peers}
    base, extra = divmod(len(owners), len(peers))
    favoured = sorted(peers, key=lambda peer: (-len(held[peer]), peer))[:extra]
    quota = base + (me in favoured)
    free = sorted(n for n, owner in owners.items() if owner is None)
    return set(held[me][quota:]), set(free[: max(0, quota - len(held[me]))])


class Membership:
    """One member's rows: its sign of life, given by a thread of its own, and the partitions that it claims.

    Partitions of one number go together, whatever their topic, so that a key's messages in all topics with equally
    many partitions meet in one member.
    """

    def __init__(self, store: SqlStore, group: str, member: str, topics: Sequence[str]) -> None:
        self.member = member
        self._store, self._group = store, group
        self._topics = sorted(set(topics))
        self._lock_key = zlib.crc32(group.encode())
        self._is_mine = (MEMBERS.c.group_name == group) & (MEMBERS.c.member == member)
        self._stopwatch = Stopwatch()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> GroupView:
        """Look at the group, and when it is time to, join it, give up partitions or claim some.

        Raises:
            EventLogError: the log cannot be reached.
        """
        with self._store.reading() as connection:
            view = self._view(connection)
        if self.member not in view.peers or any(self._changes(view)):
            with self._store.writing() as connection:
                self._store.alone(connection, self._lock_key)
                self._join(connection)
                view = self._view(connection)
                for changed, owner in zip(self._changes(view), (None, self.member), strict=True):
                    for share in changed:
                        self._assign(connection, share, owner)
                view = self._view(connection)
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name=f"member {self.member}", daemon=True)
            self._thread.start()
        return view

    def leave(self) -> None:
        """Give up everything at once; without the log, the others notice by themselves."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            with suppress(EventLogError), self._store.writing() as connection:
                self._store.alone(connection, self._lock_key)
                mine = (CLAIMS.c.group_name == self._group) & (CLAIMS.c.owner == self.member)
                connection.execute(update(CLAIMS).where(mine).values(owner=None))
                connection.execute(delete(MEMBERS).where(self._is_mine))

    def _view(self, connection: Connection) -> GroupView:
        of_group = select(MEMBERS.c.member, MEMBERS.c.topics).where(MEMBERS.c.group_name == self._group)
        alive = {row.member: row.topics for row in connection.execute(of_group)}
        claim = (
            (CLAIMS.c.topic_id == PARTITIONS.c.topic_id)
            & (CLAIMS.c.number == PARTITIONS.c.number)
            & (CLAIMS.c.group_name == self._group)
        )
        rows = connection.execute(
            select(TOPICS.c.name, PARTITIONS.c.number, TOPICS.c.topic_id, CLAIMS.c.owner, CLAIMS.c.epoch)
            .add_columns(PARTITIONS.c.start_offset)
            .join_from(TOPICS, PARTITIONS)
            .outerjoin(CLAIMS, claim)
            .where(TOPICS.c.name.in_(self._topics))
            .order_by(TOPICS.c.name, PARTITIONS.c.number)
        )
        return GroupView(
            frozenset(member for member, topics in alive.items() if topics == self._interest),
            [
                Share(Partition(name, number), topic_id, owner if owner in alive else None, epoch or 0, first)
                for name, number, topic_id, owner, epoch, first in rows
            ],
        )

    @property
    def _interest(self) -> str:
        return " ".join(self._topics)

    def _changes(self, view: GroupView) -> tuple[list[Share], list[Share]]:
        owners: dict[int, str | None] = {}
        for share in view.shares:
            owners[share.partition.number] = owners.get(share.partition.number) or share.owner
        ours = {number: owner for number, owner in owners.items() if owner is None or owner in view.peers}
        give, take = fair_share(self.member, view.peers, ours)
        take |= {number for number, owner in ours.items() if owner == self.member and number not in give}
        return (
            [s for s in view.shares if s.owner == self.member and s.partition.number in give],
            [s for s in view.shares if s.owner is None and s.partition.number in take],
        )

    def _join(self, connection: Connection) -> None:
        if connection.execute(update(MEMBERS).where(self._is_mine).values(beat=MEMBERS.c.beat + 1)).rowcount == 0:
            row = {"group_name": self._group, "member": self.member, "topics": self._interest, "beat": 0}
            connection.execute(insert(MEMBERS).values(row))

    def _assign(self, connection: Connection, share: Share, owner: str | None) -> None:
        place = {"group_name": self._group, "topic_id": share.topic_id, "number": share.partition.number}
        there = update(CLAIMS).where(*(CLAIMS.c[name] == value for name, value in place.items()))
        if connection.execute(there.values(owner=owner, epoch=CLAIMS.c.epoch + 1)).rowcount == 0:
            connection.execute(insert(CLAIMS).values(**place, owner=owner, epoch=1))

    def _live(self) -> None:
        """Give a sign of life each second, and remove the members that gave none for the time of a lease."""
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(EventLogError):  # whoever polls is told; here the next second is another try
                self._beat()

    def _beat(self) -> None:
        with self._store.writing() as connection:
            connection.execute(update(MEMBERS).where(self._is_mine).values(beat=MEMBERS.c.beat + 1))
        with self._store.reading() as connection:
            others = select(MEMBERS.c.member, MEMBERS.c.beat).where(MEMBERS.c.group_name == self._group)
            beats = {member: beat for member, beat in connection.execute(others) if member != self.member}
        for member in self._stopwatch.silent(beats, time.monotonic()):
            with self._store.writing() as connection:
                dead = (MEMBERS.c.group_name == self._group) & (MEMBERS.c.member == member)
                connection.execute(delete(MEMBERS).where(dead, MEMBERS.c.beat == beats[member]))


def forget(store: SqlStore, group: str) -> None:
    """Delete a group's checkpoints, when whoever is a member of it gave no sign of life for the time of a lease.

    Raises:
        EventLogError: somebody did.
    """
    beats = _beats(store, group)
    if beats:
        time.sleep(LEASE_SECONDS)
    with store.writing() as connection:
        store.alone(connection, zlib.crc32(group.encode()))
        found = select(MEMBERS.c.member, MEMBERS.c.beat).where(MEMBERS.c.group_name == group)
        if alive := {member for member, beat in connection.execute(found) if beats.get(member) != beat}:
            raise has_members(group, len(alive))
        for table in (MEMBERS, CLAIMS):
            connection.execute(delete(table).where(table.c.group_name == group))


def _beats(store: SqlStore, group: str) -> dict[str, int]:
    with store.reading() as connection:
        found = select(MEMBERS.c.member, MEMBERS.c.beat).where(MEMBERS.c.group_name == group)
        return {row.member: row.beat for row in connection.execute(found)}


class Stopwatch:
    """For how long each beat has stood still. A look after a long pause counts as one beat's time: when this process
    or the whole machine stood still, the others may have too."""

    def __init__(self) -> None:
        self._still: dict[str, tuple[int, float]] = {}
        self._looked = 0.0

    def silent(self, beats: Mapping[str, int], now: float) -> list[str]:
        passed = min(now - self._looked, 1.5 * BEAT_SECONDS)
        self._looked = now
        still: dict[str, tuple[int, float]] = {}
        for member, beat in beats.items():
            before, seconds = self._still.get(member, (None, 0.0))
            still[member] = (beat, seconds + passed if beat == before else 0.0)
        self._still = still
        return [member for member, (_, seconds) in still.items() if seconds >= LEASE_SECONDS]
