"""The database: SQLite below BITPREDICT_HOME, or PostgreSQL or MySQL by setting; its schema version is checked."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import stamina
from sqlalchemy import Connection, Engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bitpredict.errors import SettingsError, StorageError
from bitpredict.settings import Settings
from bitpredict.storage.engines import SMALL_POOL, Pool, open_mysql, open_postgresql, open_sqlite
from bitpredict.storage.mysql_schema import alone_on_mysql, undone_if_it_fails
from bitpredict.storage.remedies import is_collision, remedy

REVISIONS = ("0001", "0002_markets", "0003_news", "0004_sentiment")
"""Every schema version in order, so that a current database is recognised without loading Alembic."""

VERSION_TABLE = "bitpredict_version"
"""Our own name: MLflow and Dagster keep an `alembic_version` of theirs, and may share the database."""

MIGRATIONS = Path(__file__).parent / "migrations"

VARIABLE = "BITPREDICT_DATABASE_URL"
BUSY_SECONDS = 30.0
ATTEMPTS = 5
"""Of a transaction that collides with others."""
_LOCK = 0x6269747072656469  # any constant: the key of PostgreSQL's advisory lock

P = ParamSpec("P")
T = TypeVar("T")


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
    pool = Pool(settings.database_pool_size, settings.database_pool_overflow)
    return open_engine(settings.database, VARIABLE, BUSY_SECONDS, pool)


def open_engine(address: str, variable: str, busy_seconds: float, pool: Pool = SMALL_POOL) -> Engine:
    """An engine for a SQLite file, or a database of PostgreSQL, MySQL or MariaDB.

    Args:
        variable: the setting that errors name.
        busy_seconds: how long a transaction waits for another's lock.
    """
    try:
        url = make_url(address)
        if "@" in (url.host or ""):  # the driver would show it: the rest of a password
            raise SettingsError(f"{variable} is not usable: an @ in a password is written %40")
        if url.drivername == "sqlite":
            return open_sqlite(url, busy_seconds)
        if url.drivername in ("postgresql", "postgres", "postgresql+psycopg2"):
            return open_postgresql(url, busy_seconds, pool)
        if url.drivername in ("mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"):
            return open_mysql(url, busy_seconds, pool)
        raise SettingsError(f"{variable}: {url.drivername} is not supported; use sqlite, postgresql, mysql or mariadb")
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
    with _upgrading(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _collided(error: Exception) -> bool:
    return isinstance(error.__cause__, DBAPIError) and is_collision(error.__cause__)


def undeterred(function: Callable[P, T]) -> Callable[P, T]:
    """For a function that is one transaction of `writing` and changes nothing else: where a server gave it up for
    another's (a deadlock), it is called again with the same arguments, of which none is an iterator."""

    @wraps(function)
    def trying(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in stamina.retry_context(
            on=_collided, attempts=ATTEMPTS, timeout=None, wait_initial=0.01, wait_max=1.0, wait_jitter=0.1
        ):
            with attempt:
                return function(*args, **kwargs)
        raise AssertionError("the last attempt returns or raises")

    return trying


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: one consistent state.

    Raises:
        StorageError: the database cannot be reached or read.
    """
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with explained(engine, "read"), engine.begin() as connection:
        if engine.dialect.name == "mysql":  # for this transaction: by the option it would be four statements
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield connection


@contextmanager
def writing(engine: Engine, doing: str = "write", *, alone: bool = False) -> Iterator[Connection]:
    """A transaction that writes: all of it or nothing. A function that does nothing else is decorated `undeterred`.

    Args:
        alone: no other such transaction runs meanwhile, so that what this one reads is still true when it writes.
            SQLite's writers are always alone.

    Raises:
        StorageError: the database cannot be written, is full, or was locked for too long by another process.
    """
    engine = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
    with explained(engine, doing), engine.connect() as connection, _alone(connection, alone), connection.begin():
        if alone and engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


@contextmanager
def explained(engine: Engine, doing: str) -> Iterator[None]:
    """Turn the driver's errors into one line that names the database and what to do."""
    try:
        yield
    except DBAPIError as error:
        raise StorageError(f"cannot {doing} {_name(engine)}: {remedy(error, VARIABLE)}") from error
    except PoolTimeoutError as error:
        raise StorageError(
            f"cannot {doing} {_name(engine)}: all connections of this process are in use; "
            "raise BITPREDICT_DATABASE_POOL_SIZE"
        ) from error


@contextmanager
def _upgrading(engine: Engine) -> Iterator[Connection]:
    """A connection for changes to the schema: all of them or none, by one process at a time."""
    if engine.dialect.name != "mysql":
        with writing(engine, "upgrade", alone=True) as connection:
            yield connection
        return
    with (
        explained(engine, "upgrade"),
        engine.connect() as connection,
        alone_on_mysql(connection, BUSY_SECONDS),
        undone_if_it_fails(connection, VERSION_TABLE, REVISIONS[-1]),
    ):
        yield connection


def _alone(connection: Connection, alone: bool) -> AbstractContextManager[None]:
    return alone_on_mysql(connection, BUSY_SECONDS) if alone and connection.dialect.name == "mysql" else nullcontext()


def _name(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
