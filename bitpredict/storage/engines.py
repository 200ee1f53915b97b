"""What each kind of database needs before it is used: how a connection is set up, and how many there are."""

import math
import sqlite3
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from bitpredict.errors import StorageError

_STRICT = "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


@dataclass(frozen=True)
class Pool:
    """A process's connections to a server.

    Attributes:
        size: kept open once they were needed.
        overflow: made beyond these while all are in use, and closed afterwards.
    """

    size: int
    overflow: int


SMALL_POOL = Pool(size=5, overflow=10)


def open_sqlite(url: URL, busy_seconds: float) -> Engine:
    """An engine for a file, whose folder is made.

    Raises:
        StorageError: the folder cannot be made.
    """
    if url.database:
        folder = Path(url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot create {folder}: {error.strerror}; set BITPREDICT_HOME elsewhere") from error
    engine = create_engine(url, connect_args={"timeout": busy_seconds}, hide_parameters=True)
    event.listen(engine, "connect", partial(_prepare_sqlite, busy_seconds=busy_seconds))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def open_postgresql(url: URL, busy_seconds: float, pool: Pool) -> Engine:
    """An engine for PostgreSQL by psycopg2."""
    url = url.set(drivername="postgresql+psycopg2")
    engine = _open_server(url, busy_seconds, pool)
    event.listen(engine, "connect", partial(_prepare_postgresql, busy_seconds=busy_seconds))
    return engine


def open_mysql(url: URL, busy_seconds: float, pool: Pool) -> Engine:
    """An engine for MySQL and MariaDB by PyMySQL.

    The session's settings are ours, whatever the server's are: what does not fit is refused and not cut, and
    backslashes escape (`mysql_upserts`). Waiting for another's lock ends after a third of `busy_seconds`, because a
    transaction that waited in vain is tried again (`database.undeterred`).
    """
    url = url.set(drivername="mysql+pymysql")
    wait = max(1, math.ceil(busy_seconds / 3))
    connect_args = {
        "charset": "utf8mb4",
        "client_flag": 0,  # without SQLAlchemy's FOUND_ROWS a row that stays as it was is not counted as affected
        "init_command": f"SET time_zone = '+00:00', sql_mode = '{_STRICT}', innodb_lock_wait_timeout = {wait}",
    }
    return _open_server(url, busy_seconds, pool, connect_args=connect_args, isolation_level="READ COMMITTED")


def _open_server(url: URL, busy_seconds: float, pool: Pool, **options: Any) -> Engine:
    return create_engine(
        url,
        pool_pre_ping=True,  # a server that was started anew is noticed before a connection is used
        pool_size=pool.size,
        max_overflow=pool.overflow,
        pool_timeout=busy_seconds,
        hide_parameters=True,
        **options,
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any, *, busy_seconds: float) -> None:
    """The driver's own transactions are turned off: it would begin them late and without their lock."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    deadline = time.monotonic() + busy_seconds
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:  # changing the mode does not wait for other processes' locks by itself
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _prepare_postgresql(connection: Any, _record: Any, *, busy_seconds: float) -> None:
    """Waiting for another's lock ends as on SQLite; PostgreSQL by itself would wait for ever."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = %s", (f"{busy_seconds * 1000:.0f}ms",))
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))
