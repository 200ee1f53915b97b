"""Many rows into a table in few statements; rows that are there already are kept, or replaced where they differ."""

import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Table, bindparam, cast, column, func, or_, select, table
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import NULLTYPE

from bitpredict.errors import ContractError
from bitpredict.storage import mysql_upserts
from bitpredict.storage.frames import to_columns

ROWS_AT_ONCE = 20_000

Insert = sqlite.Insert | postgresql.Insert | mysql.Insert


def insert_new(connection: Connection, into: Table, frame: pd.DataFrame) -> int:
    """Insert the frame's rows whose key is not in the table, and return how many these were.

    Raises:
        ContractError: the rows do not fit the table.
    """
    values = to_columns(into, frame, connection.dialect)
    if connection.dialect.name == "mysql":
        return mysql_upserts.insert_new(connection, into, values)
    insert = _insert(connection, into).on_conflict_do_nothing(index_elements=_key(into))
    return _execute(connection, insert, values)


def insert_few(connection: Connection, into: Table, rows: Iterable[Mapping[str, Any]]) -> int:
    """`insert_new` for a handful of rows whose values are already of the columns' types: no frame is made of them,
    which takes ten times as long.

    Raises:
        ContractError: a value is null or not finite where its column is neither.
    """
    insert = _typed(connection.dialect.name, into)
    inserted = 0
    for row in sorted(rows, key=lambda row: [row[name] for name in _key(into)]):
        values = {name: None if value != value else value for name, value in row.items()}  # NaN is null, as in a frame
        for each in into.columns:
            value = values[each.name]
            if (value is None and not each.nullable) or (isinstance(value, float) and math.isinf(value)):
                raise ContractError(f"{into.name}.{each.name} is null or not finite: {row[each.name]}")
        inserted += connection.execute(insert, values).rowcount
    return inserted


def upsert(connection: Connection, into: Table, frame: pd.DataFrame, *, stamp: str | None = None) -> None:
    """Insert the frame's rows, and replace those of the same key that differ in anything but `stamp`.

    Args:
        stamp: the column that says when a row was made, if there is one: it changes only together with something else.

    Raises:
        ContractError: the rows do not fit the table, or two have the same key.
    """
    values = to_columns(into, frame, connection.dialect)
    key = _key(into)
    if len(frame) and (twice := frame.duplicated(key)).any():
        raise ContractError(f"{into.name} is given the same key twice: {frame.loc[twice, key].iloc[0].to_dict()}")
    if connection.dialect.name == "mysql":
        mysql_upserts.upsert(connection, into, values, stamp)
        return
    insert = _insert(connection, into)
    others = [name for name in values if name not in key]
    changed = (into.c[name].is_distinct_from(insert.excluded[name]) for name in others if name != stamp)
    _execute(
        connection,
        insert.on_conflict_do_update(
            index_elements=key, set_={name: insert.excluded[name] for name in others}, where=or_(*changed)
        ),
        values,
    )


def _key(into: Table) -> list[str]:
    return [column.name for column in into.primary_key]


@cache
def _typed(dialect: str, into: Table) -> Insert:
    if dialect == "mysql":
        first = next(iter(into.primary_key))
        return mysql.insert(into).on_duplicate_key_update({first.name: first})
    insert = sqlite.insert(into) if dialect == "sqlite" else postgresql.insert(into)
    return insert.on_conflict_do_nothing(index_elements=_key(into))


def _insert(connection: Connection, into: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert of encoded values: row by row for SQLite, and from one array a column for PostgreSQL."""
    names = [column.name for column in into.columns]
    plain = table(into.name, *(column(name) for name in names))
    if connection.dialect.name == "sqlite":
        return sqlite.insert(plain)
    arrays = (cast(bindparam(c.name, type_=NULLTYPE), postgresql.ARRAY(c.type)) for c in into.columns)
    rows = func.unnest(*arrays).table_valued(*names).render_derived()
    return postgresql.insert(plain).from_select(names, select(*rows.c))


def _execute(connection: Connection, insert: Insert, values: dict[str, list[Any]]) -> int:
    """Run `insert` in the driver's own way, and return how many rows it inserted or changed."""
    statement = str(insert.compile(dialect=connection.dialect))
    written = 0
    for first in range(0, len(next(iter(values.values()))), ROWS_AT_ONCE):
        part = {name: column[first : first + ROWS_AT_ONCE] for name, column in values.items()}
        if connection.dialect.name == "sqlite":
            written += connection.exec_driver_sql(statement, list(zip(*part.values(), strict=True))).rowcount
        else:
            arrays = {name: _array_literal(column) for name, column in part.items()}
            written += connection.exec_driver_sql(statement, arrays).rowcount
    return written


def _array_literal(values: list[Any]) -> str:
    """PostgreSQL's text form of an array, which the driver would make ten times slower."""

    def quoted(value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, str):
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return repr(value)

    return "{" + ",".join(map(quoted, values)) + "}"
