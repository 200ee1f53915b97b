"""What MySQL and MariaDB need of us that other databases do by themselves: a lock for a transaction, tables whose texts
are compared by every character, and upgrades that are taken back as a whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    column,
    func,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import OperationalError

from bitpredict.errors import StorageError
from bitpredict.storage.schema import metadata

UPGRADE = Table(
    "bitpredict_upgrade",
    MetaData(),
    Column("made", String(64), primary_key=True, comment="table that the upgrade makes"),
    Column("before", String(32), nullable=False, comment="version of the schema; empty: there was none"),
    Column("after", String(32), nullable=False),
    mysql_engine="InnoDB",
    comment="there while an upgrade runs",
)


@contextmanager
def alone_on_mysql(connection: Connection, seconds: float) -> Iterator[None]:
    """One of these at a time in a database. The lock is the connection's and no transaction's: it outlives the commits
    that changes to the schema bring with them, and is taken before the transaction and given back after it.

    Raises:
        OperationalError: another held it all the time.
    """
    lock = "CONCAT('bitpredict.', MD5(DATABASE()))"
    got = connection.execute(text(f"SELECT GET_LOCK({lock}, :seconds)"), {"seconds": seconds}).scalar()
    connection.rollback()
    if got != 1:
        raise OperationalError("GET_LOCK", None, TimeoutError("lock wait timeout: another process holds GET_LOCK"))
    try:
        yield
    finally:
        if not connection.invalidated:  # with its connection a lock is gone too
            connection.execute(text(f"SELECT RELEASE_LOCK({lock})"))
            connection.rollback()


def told_apart(made: Table, connection: Connection, **_: Any) -> None:
    """Listens to `before_create`: texts differ where a character does, be it a capital or a blank at the end, as on
    the other databases. MySQL's own default takes them for the same."""
    if connection.dialect.name == "mysql":
        mariadb = getattr(connection.dialect, "is_mariadb", False)
        made.kwargs["mysql_engine"] = "InnoDB"
        made.kwargs["mysql_charset"] = "utf8mb4"
        made.kwargs["mysql_collate"] = "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin"


@contextmanager
def undone_if_it_fails(connection: Connection, version_table: str, target: str) -> Iterator[None]:
    """An upgrade to the schema version `target`, of which nothing stays if it fails: MySQL commits each change to it by
    itself. `connection` is in no transaction, before and after.

    What an upgrade left whose process was killed is taken back first: tables that it noted, made, and nobody wrote to.
    What it changed in tables of before stays: a migration that does so must be one that can be begun again.

    Raises:
        StorageError: such a table has rows, so that it is not taken back.
    """
    _take_back(connection, version_table)
    present = inspect(connection).get_table_names()
    version = _version(connection, version_table) if version_table in present else ""
    ours = [*(each.name for each in metadata.sorted_tables), version_table]
    UPGRADE.create(connection)
    if notes := [{"made": name, "before": version, "after": target} for name in ours if name not in present]:
        connection.execute(insert(UPGRADE), notes)
    connection.commit()
    try:
        yield
        connection.commit()
    except BaseException:
        if not connection.invalidated:
            connection.rollback()
            _take_back(connection, version_table)
        raise
    UPGRADE.drop(connection)
    connection.commit()


def _take_back(connection: Connection, version_table: str) -> None:
    """Undo the upgrade that `UPGRADE` tells of, if there is one and it did not come to its end."""
    present = inspect(connection).get_table_names()
    if UPGRADE.name not in present:
        return
    notes = connection.execute(select(UPGRADE)).all()
    version = _version(connection, version_table) if version_table in present else ""
    if notes and version != notes[0].after:
        made = [name for name in present if name in {note.made for note in notes}]
        if kept := [name for name in made if name != version_table and _rows(connection, name)]:
            raise StorageError(f"an upgrade to schema {notes[0].after} was broken off, and {kept} have rows since then")
        connection.execute(text("SET foreign_key_checks = 0"))
        for name in made:
            Table(name, MetaData()).drop(connection)
        connection.execute(text("SET foreign_key_checks = 1"))
        if version_table not in made and version_table in present:
            versions = table(version_table, column("version_num"))
            connection.execute(update(versions).values(version_num=notes[0].before))
    connection.commit()
    UPGRADE.drop(connection)
    connection.commit()


def _version(connection: Connection, version_table: str) -> str:
    return connection.execute(select(column("version_num")).select_from(table(version_table))).scalar() or ""


def _rows(connection: Connection, name: str) -> int:
    return connection.execute(select(func.count()).select_from(table(name))).scalar_one()
