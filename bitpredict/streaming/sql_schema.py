"""The SQL event log's tables, which it makes itself, and its transactions.

Offsets have no holes: a transaction takes them from its partition's row, which it holds until it is done, so that
what another can read ends at the partition's `end_offset` whatever is being written.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    CursorResult,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import DBAPIError

from bitpredict.errors import EventLogError, StorageError
from bitpredict.storage.database import open_engine
from bitpredict.storage.remedies import remedy

VERSION = 1
VARIABLE = "BITPREDICT_EVENT_LOG_URL"
BUSY_SECONDS = 5.0
_LOCK = 0x6269746576656E74  # any constant: the key of PostgreSQL's advisory lock

_METADATA = MetaData()

VERSIONS = Table("event_log_version", _METADATA, Column("version", Integer, nullable=False))

TOPICS = Table(
    "event_log_topics",
    _METADATA,
    Column("topic_id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("incarnation", String, nullable=False),
    Column("retention_ms", BigInteger),
    sqlite_autoincrement=True,  # an id never comes back: whoever still reads a deleted topic reads nothing
)

PARTITIONS = Table(
    "event_log_partitions",
    _METADATA,
    Column("topic_id", ForeignKey(TOPICS.c.topic_id, ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("start_offset", BigInteger, nullable=False, default=0),
    Column("end_offset", BigInteger, nullable=False, default=0),
    Column("newest", BigInteger, nullable=False, default=-(2**63)),
    PrimaryKeyConstraint("topic_id", "number"),
)
"""`newest`: the largest timestamp that was ever appended."""

MESSAGES = Table(
    "event_log_messages",
    _METADATA,
    Column("topic_id", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("message_offset", BigInteger, nullable=False),
    Column("message_key", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("newest", BigInteger, nullable=False),
    PrimaryKeyConstraint("topic_id", "number", "message_offset"),
    sqlite_with_rowid=False,
)
"""`newest`: the largest timestamp of the partition so far. It never falls from one offset to the next, so that a moment
is found by halving. The key is its UTF-8 bytes: PostgreSQL's text holds no zero."""

MEMBERS = Table(
    "event_log_members",
    _METADATA,
    Column("group_name", String, nullable=False),
    Column("member", String, nullable=False),
    Column("topics", String, nullable=False),
    Column("beat", BigInteger, nullable=False),
    PrimaryKeyConstraint("group_name", "member"),
)
"""`beat` counts up as long as the member lives. Others judge by their own stopwatch how long it stood still: no
clock is compared with another, and none that is set back or forward does harm."""

CLAIMS = Table(
    "event_log_claims",
    _METADATA,
    Column("group_name", String, nullable=False),
    Column("topic_id", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("owner", String),
    Column("epoch", BigInteger, nullable=False),
    Column("position", BigInteger),
    Column("state", LargeBinary),
    PrimaryKeyConstraint("group_name", "topic_id", "number"),
)
"""Who owns a partition; `epoch` counts its owners, so that a former one is recognised. Position and state are null
before the first checkpoint."""


class SqlStore:
    """Transactions on the log's own database. Its schema is made or checked by the first one.

    Raises:
        SettingsError: the URL is malformed or names another kind of database.
        EventLogError: the folder of a SQLite file cannot be made.
    """

    def __init__(self, url: str) -> None:
        try:
            self.engine = open_engine(url, VARIABLE, BUSY_SECONDS)
        except StorageError as error:
            raise EventLogError(str(error)) from error
        self.name = self.engine.url.render_as_string(hide_password=True)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._writer = self.engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        self._is_ready = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads. On SQLite it sees one state; on PostgreSQL each statement sees its own."""
        self._prepare()
        with self.explained("read"), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all of it or nothing. SQLite's writers are alone."""
        self._prepare()
        with self.explained("write"), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into one line that names the log and what to do."""
        try:
            yield
        except DBAPIError as error:
            raise EventLogError(f"cannot {doing} the event log {self.name}: {remedy(error, VARIABLE)}") from error

    def rows(self, connection: Connection, statement: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """What a statement finds. It is in the driver's own words (with `?` for values): a fifth of the cost of a
        composed one."""
        return self._execute(connection, statement, values).fetchall()

    def run(self, connection: Connection, statement: str, values: Sequence[Any]) -> int:
        """How many rows a statement, in the driver's own words too, has changed."""
        return self._execute(connection, statement, values).rowcount

    def alone(self, connection: Connection, key: int = _LOCK) -> None:
        """Let no other transaction that asks for the same key run before this one is done."""
        if not self.is_sqlite:
            self.rows(connection, "SELECT pg_advisory_xact_lock(?)", [key])

    def _execute(self, connection: Connection, statement: str, values: Sequence[Any]) -> CursorResult[Any]:
        words = statement if self.is_sqlite else statement.replace("?", "%s")
        return connection.exec_driver_sql(words, tuple(values))

    def _prepare(self) -> None:
        if self._is_ready:
            return
        with self.explained("open"):
            with self.engine.begin() as connection:
                found = _version(connection)
            if found is None:
                with self._writer.begin() as connection:
                    self.alone(connection)
                    found = _version(connection)
                    if found is None:
                        _METADATA.create_all(connection)
                        connection.execute(insert(VERSIONS).values(version=VERSION))
                        found = VERSION
        if found != VERSION:
            raise EventLogError(
                f"the event log {self.name} has schema {found}, this BitPredict needs {VERSION}: "
                f"install the BitPredict that made it, or let {VARIABLE} name a new one"
            )
        self._is_ready = True


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(VERSIONS.name):
        return None
    return int(connection.execute(select(VERSIONS.c.version)).scalar_one())
