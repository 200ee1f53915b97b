"""Many rows into a table of MySQL or MariaDB, written out as text: the driver would do it value by value.

`INSERT IGNORE` would store what does not fit, cut to fit; `ON DUPLICATE KEY UPDATE` refuses it. A row that it leaves as
it was is not counted as affected (`engines.open_mysql`). `VALUES(x)` is the value that was to be inserted.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table

CHARACTERS_AT_ONCE = 1_000_000
"""Of a statement's rows: four megabytes at most, a quarter of what servers take by default."""


def insert_new(connection: Connection, into: Table, values: Mapping[str, Sequence[Any]]) -> int:
    """Insert rows, given by column, whose key is not in the table, and return how many these were."""
    quote = connection.dialect.identifier_preparer.quote
    key = quote(next(iter(into.primary_key)).name)
    return _insert(connection, into, values, f"{key} = {quote(into.name)}.{key}")


def upsert(connection: Connection, into: Table, values: Mapping[str, Sequence[Any]], stamp: str | None) -> None:
    """Insert rows, given by column, and replace those of the same key that differ in anything but `stamp`."""
    quote = connection.dialect.identifier_preparer.quote
    keys = {column.name for column in into.primary_key}
    others = [quote(name) for name in values if name not in keys and name != stamp]
    sets = [f"{name} = VALUES({name})" for name in others]
    if stamp is not None:
        # First: assignments happen in order, and what comes later would see the new values.
        same = " AND ".join(f"{name} <=> VALUES({name})" for name in others)
        made = quote(stamp)
        sets.insert(0, f"{made} = IF({same}, {made}, VALUES({made}))")
    _insert(connection, into, values, ", ".join(sets))


def _insert(connection: Connection, into: Table, values: Mapping[str, Sequence[Any]], on_duplicate: str) -> int:
    quote = connection.dialect.identifier_preparer.quote
    head = f"INSERT INTO {quote(into.name)} ({', '.join(map(quote, values))}) VALUES "  # noqa: S608
    rows = ["(" + ",".join(row) + ")" for row in zip(*map(_literals, values.values()), strict=True)]
    written = 0
    for part in _parts(rows):
        statement = f"{head}{','.join(part)} ON DUPLICATE KEY UPDATE {on_duplicate}"
        written += connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).rowcount
    return written


def _parts(rows: Sequence[str]) -> Iterator[Sequence[str]]:
    first = length = 0
    for place, row in enumerate(rows):
        if length and length + len(row) > CHARACTERS_AT_ONCE:
            yield rows[first:place]
            first, length = place, 0
        length += len(row)
    if rows:
        yield rows[first:]


def _literals(values: Sequence[Any]) -> list[str]:
    """Values as they are written in SQL. In the sessions that we open a backslash escapes, and nothing else does."""

    def literal(value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, str):
            return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
        return repr(value)

    return [literal(value) for value in values]
