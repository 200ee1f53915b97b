"""DataFrames in and out of the database's tables: checked and converted by column, not by row.

The conversions are those of the types in `schema` (a test compares them), done on whole arrays: SQLAlchemy's own,
value by value, would take longer than the database.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Double,
    Integer,
    Numeric,
    Select,
    Table,
    type_coerce,
)
from sqlalchemy import column as plain_column
from sqlalchemy import select as sql_select
from sqlalchemy import table as plain_table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import NULLTYPE

from bitpredict.errors import ContractError
from bitpredict.storage.schema import UtcDateTime

ROWS_AT_ONCE = 50_000

Insert = sqlite.Insert | postgresql.Insert


def insert_into(table: Table, dialect: Dialect) -> Insert:
    """An insert of rows that `to_rows` made, which takes the dialect's ON CONFLICT clauses."""
    plain = plain_table(table.name, *(plain_column(column.name) for column in table.columns))
    return postgresql.insert(plain) if dialect.name == "postgresql" else sqlite.insert(plain)


def to_rows(table: Table, frame: pd.DataFrame, dialect: Dialect) -> list[dict[str, Any]]:
    """The frame's rows, in order of the table's key, as the dialect's driver takes them.

    Raises:
        ContractError: columns are missing or unknown, or a value does not fit its column. Nothing was written.
    """
    if frame.empty:
        return []
    names = [column.name for column in table.columns]
    if missing := [name for name in names if name not in frame.columns]:
        raise ContractError(f"{table.name} lacks the columns {missing}")
    if unknown := [name for name in frame.columns if name not in names]:
        raise ContractError(f"{table.name} has no columns {unknown}")
    frame = frame.sort_values([column.name for column in table.primary_key], kind="stable")
    values = [_encode(table, column, frame[column.name], dialect) for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def select(columns: Iterable[ColumnElement[Any]]) -> Select[*tuple[Any, ...]]:
    """A SELECT whose rows come as the driver gives them, for `to_frame`."""
    return sql_select(*(type_coerce(column, NULLTYPE).label(column.name) for column in columns))


def to_frame(
    connection: Connection, query: Select[*tuple[Any, ...]], columns: Sequence[ColumnElement[Any]]
) -> pd.DataFrame:
    """The result of `query`, which selects `columns`: aware UTC instants, prices as floats."""
    parts: list[list[pd.Series[Any]]] = [[_decode(column, ())] for column in columns]
    for rows in connection.execute(query).partitions(ROWS_AT_ONCE):
        for part, column, values in zip(parts, columns, zip(*rows, strict=True), strict=True):
            part.append(_decode(column, values))
    filled = [part[1:] or part for part in parts]
    return pd.DataFrame(
        {column.name: pd.concat(part, ignore_index=True) for column, part in zip(columns, filled, strict=True)}
    )


def _encode(table: Table, column: Column[Any], values: "pd.Series[Any]", dialect: Dialect) -> list[Any]:
    null = values.isna().to_numpy(dtype="bool")
    present = values[~null]
    try:
        faults = [] if column.nullable else [(null, values, "is null")]
        faults += [(np.asarray(bad, dtype="bool"), present, what) for bad, what in _faults(column, present)]
        for bad, of, what in faults:
            if bad.any():
                raise ContractError(
                    f"{table.name}.{column.name} {what} in {bad.sum()} of {len(values)} rows, "
                    f"the first is {of[bad].iloc[0]!r}"
                )
        encoded = _convert(column, present, dialect)
    except (TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, ContractError):
            raise
        raise ContractError(f"{table.name}.{column.name}: {error}") from error
    if len(encoded) == len(values):
        return encoded
    remaining = iter(encoded)
    return [None if absent else next(remaining) for absent in null]


def _faults(column: Column[Any], values: "pd.Series[Any]") -> Iterator[tuple[Any, str]]:
    """What one database would refuse and the other store: rows at fault, and why."""
    if isinstance(column.type, UtcDateTime):
        naive = not isinstance(values.dtype, pd.DatetimeTZDtype)
        yield [naive and getattr(value, "tzinfo", None) is None for value in values] if naive else [], "has no timezone"
    elif isinstance(column.type, (Double, Numeric)):
        yield ~np.isfinite(values.to_numpy(dtype="float64")), "is not finite"
    elif isinstance(column.type, Integer):
        numbers = values.to_numpy(dtype="float64")
        yield numbers != np.rint(numbers), "is not a whole number"
    elif isinstance(column.type, Boolean):
        yield [not isinstance(value, (bool, np.bool_)) for value in values], "is not true or false"
    else:
        yield [not isinstance(value, str) for value in values], "is not text"
        limit = getattr(column.type, "length", None)
        yield [limit is not None and len(value) > limit for value in values], f"is longer than {limit} characters"


def _convert(column: Column[Any], values: "pd.Series[Any]", dialect: Dialect) -> list[Any]:
    converted: list[Any]
    if isinstance(column.type, UtcDateTime):
        codes, instants = pd.factorize(pd.to_datetime(values, utc=True))  # few instants are in many rows
        moments = [instant.to_pydatetime() for instant in instants]
        if dialect.name == "sqlite":
            moments = [f"{moment:%Y-%m-%d %H:%M:%S.%f}" for moment in moments]
        converted = np.array(moments, dtype="object")[codes].tolist()
    elif isinstance(column.type, Numeric) and not isinstance(column.type, Double) and dialect.name != "sqlite":
        converted = [Decimal(str(value)) for value in values]  # the shortest digits that mean this float
    elif isinstance(column.type, (Double, Numeric)):  # SQLite has no exact numbers: it keeps prices as doubles
        converted = values.to_numpy(dtype="float64").tolist()
    elif isinstance(column.type, Integer):
        converted = values.astype("int64").tolist()
    elif isinstance(column.type, Boolean):
        converted = values.astype("bool").tolist()
    else:
        converted = values.tolist()
    return converted


def _decode(column: ColumnElement[Any], values: Sequence[Any]) -> "pd.Series[Any]":
    if isinstance(column.type, UtcDateTime):
        if values and isinstance(values[0], str):
            return pd.Series(np.array(values, dtype="datetime64[us]")).dt.tz_localize(UTC)
        return pd.Series(pd.to_datetime(list(values), utc=True).as_unit("us"))
    if isinstance(column.type, (Double, Numeric)):
        return pd.Series(np.array(values, dtype="float64"))
    if isinstance(column.type, Integer):
        return pd.Series(values, dtype="Int64" if getattr(column, "nullable", False) else "int64")
    if isinstance(column.type, Boolean):
        return pd.Series(values, dtype="bool")
    return pd.Series(values, dtype="object")
