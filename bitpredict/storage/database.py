"""The database: SQLite below BITPREDICT_HOME by default, PostgreSQL by setting; its schema version is checked."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from bitpredict.errors import SettingsError, StorageError
from bitpredict.settings import Settings

REVISIONS = ("0001", "0002_markets", "0003_news", "0004_sentiment")
"""Every schema version in order, so that a current database is recognised without loading Alembic."""

VERSION_TABLE = "bitpredict_version"
"""Our own name: MLflow and Dagster keep an `alembic_version` of theirs, and may share the database."""

MIGRATIONS = Path(__file__).parent / "migrations"

VARIABLE = "BITPREDICT_DATABASE_URL"
BUSY_SECONDS = 30.0
_LOCK = 0x6269747072656469  # any constant: the key of PostgreSQL's advisory lock


@dataclass(frozen=True)
class SchemaState:
    """Which schema version a database has; None where it has no tables of ours."""

    current: str | None

    @property
    def is_current(self) -> bool:
        return self.current == REVISIONS[-1]

    @property
    def is_newer(self) -> bool:
        return self.current is not None and self.current not in REVISIONS


def connect(settings: Settings) -> Engine:
    """Open the database that the settings name, and make sure of its schema.

    The embedded default is created and upgraded here. A database that the user named is never altered unasked.

    Raises:
        SettingsError: BITPREDICT_DATABASE_URL is malformed or names another kind of database.
        StorageError: it cannot be reached or written, or its schema is older or newer than this version's.
    """
    engine = open_database(settings)
    state = schema_state(engine)
    if state.is_newer:
        raise StorageError(
            f"{_name(engine)} has schema {state.current}, made by a newer BitPredict (this one knows {REVISIONS[-1]}): "
            "update BitPredict"
        )
    if not state.is_current:
        if settings.database_url:
            found = (
                f"schema {state.current}, {REVISIONS[-1]} is needed" if state.current else "no BitPredict tables yet"
            )
            raise StorageError(f"{_name(engine)} has {found}: run bitpredict db upgrade")
        upgrade(engine)
    return engine


def open_database(settings: Settings) -> Engine:
    """Open the database whatever its schema: for the upgrade itself and for diagnosis."""
    return open_engine(settings.database, VARIABLE, BUSY_SECONDS)


def open_engine(address: str, variable: str, busy_seconds: float) -> Engine:
    """An engine for a SQLite file or a PostgreSQL database; `variable` is the setting that errors name.

    Args:
        busy_seconds: how long a transaction waits for another's lock.
    """
    try:
        url = make_url(address)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg2")
        if url.get_backend_name() not in ("sqlite", "postgresql"):
            raise SettingsError(f"{variable}: {url.drivername} is not supported; use sqlite or postgresql")
        if url.get_backend_name() == "sqlite":
            return _open_sqlite(url, busy_seconds)
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
        event.listen(engine, "connect", partial(_prepare_postgresql, busy_seconds=busy_seconds))
        return engine
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise SettingsError(
            f"{variable} is not usable ({error}); write for example postgresql://user:password@host/name"
        ) from error


def schema_state(engine: Engine) -> SchemaState:
    """Which version the database's schema has.

    Raises:
        StorageError: the database cannot be reached or read.
    """
    with explained(engine, "open"), engine.connect() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return SchemaState(None)
        row = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).first()  # noqa: S608
        return SchemaState(None if row is None else str(row[0]))


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest version. Of several processes at once one does it, the others wait for it.

    Raises:
        StorageError: the database cannot be written, or holds tables of these names that are not ours.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with writing(engine, "upgrade", alone=True) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: one consistent state.

    Raises:
        StorageError: the database cannot be reached or read.
    """
    with explained(engine, "read"), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, doing: str = "write", *, alone: bool = False) -> Iterator[Connection]:
    """A transaction that writes: all of it or nothing.

    Args:
        alone: no other such transaction runs meanwhile, so that what this one reads is still true when it writes.
            SQLite's writers are always alone.

    Raises:
        StorageError: the database cannot be written, is full, or was locked for too long by another process.
    """
    with explained(engine, doing), engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin() as connection:
        if alone and engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


@contextmanager
def explained(engine: Engine, doing: str) -> Iterator[None]:
    """Turn the driver's errors into one line that names the database and what to do."""
    try:
        yield
    except DBAPIError as error:
        raise StorageError(f"cannot {doing} {_name(engine)}: {remedy(error)}") from error


def _name(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


_LOCKED = "another process held its lock for many seconds; end that process or wait"

_REMEDIES = (
    ("database is locked", _LOCKED),
    ("lock timeout", _LOCKED),
    ("disk is full", "the disk is full; free some space and run it again"),
    ("no space left", "the disk is full; free some space and run it again"),
    ("disk i/o error", "the disk is full or fails; check it and run it again"),
    ("readonly database", "it is read-only; make the file and its folder writable or set {variable}"),
    ("unable to open database file", "the file cannot be opened; check the folder's rights or set BITPREDICT_HOME"),
    ("not a database", "the file is something else; move it away or set {variable}"),
    ("malformed", "the file is damaged; restore it from a backup"),
    (
        "already exists",
        "it holds tables of these names that are not BitPredict's; give BitPredict a database of its own",
    ),
    ("connection refused", "no server answers there; start it or set {variable}"),
    ("password authentication failed", "user or password is wrong; set {variable}"),
)


def remedy(error: DBAPIError, variable: str = VARIABLE) -> str:
    """What to do about a driver's error, followed by its own words on one line; `variable` is the setting to change."""
    reason = " ".join(str(error.orig).split())[:300]
    for sign, what in _REMEDIES:
        if sign in reason.lower():
            return f"{what.format(variable=variable)} ({reason})"
    return reason


def _open_sqlite(url: URL, busy_seconds: float) -> Engine:
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
