"""DataFrames in and out of the database's tables: checked and converted by column, not by row.

The conversions are those of the types in `schema` (a test compares them), done on whole arrays: SQLAlchemy's own,
value by value, would take longer than the database.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Double,
    Integer,
    Numeric,
    Select,
    Table,
    cast,
    func,
    literal_column,
    text,
    type_coerce,
)
from sqlalchemy import select as sql_select
from sqlalchemy.types import NULLTYPE

from bitpredict.errors import ContractError
from bitpredict.storage.schema import UtcDateTime

ROWS_AT_ONCE = 50_000


def to_columns(table: Table, frame: pd.DataFrame, dialect: Dialect) -> dict[str, list[Any]]:
    """The frame's values by column, as the dialect's driver takes them, in order of the table's key.

    Raises:
        ContractError: columns are missing or unknown, or a value does not fit its column.
    """
    names = [column.name for column in table.columns]
    if frame.empty:
        return {name: [] for name in names}
    if missing := [name for name in names if name not in frame.columns]:
        raise ContractError(f"{table.name} lacks the columns {missing}")
    if unknown := [name for name in frame.columns if name not in names]:
        raise ContractError(f"{table.name} has no columns {unknown}")
    frame = frame.sort_values([column.name for column in table.primary_key], kind="stable")
    return {column.name: _encode(table, column, frame[column.name], dialect) for column in table.columns}


def select(columns: Iterable[ColumnElement[Any]], dialect: Dialect) -> Select[*tuple[Any, ...]]:
    """A SELECT whose rows come in the types that `fetch` takes, past SQLAlchemy's conversions."""
    return sql_select(*(_plain(column, dialect).label(column.name) for column in columns))


def fetch(
    connection: Connection,
    query: Select[*tuple[Any, ...]],
    columns: Sequence[ColumnElement[Any]],
    order: Sequence[ColumnElement[Any]],
) -> pd.DataFrame:
    """The result of `query`, which selects `columns`: aware UTC instants, prices as floats.

    Rows are put in order here: databases differ in how they sort text.
    """
    parts: list[list[pd.Series[Any]]] = [[] for _ in columns]
    for rows in connection.execute(query).partitions(ROWS_AT_ONCE):
        for part, column, values in zip(parts, columns, zip(*rows, strict=True), strict=True):
            part.append(_decode(column, values))
    whole = {column.name: _joined(column, part) for column, part in zip(columns, parts, strict=True)}
    frame = pd.DataFrame(whole, copy=False)
    return frame.sort_values([column.name for column in order], kind="stable", ignore_index=True)


def _joined(column: ColumnElement[Any], parts: "list[pd.Series[Any]]") -> "pd.Series[Any]":
    if len(parts) == 1:
        return parts[0]
    return pd.concat(parts, ignore_index=True) if parts else _decode(column, ())


def _plain(column: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    if dialect.name == "postgresql" and isinstance(column.type, UtcDateTime):
        return cast(func.extract("epoch", type_coerce(column, DateTime)) * 1_000_000, BigInteger)
    if dialect.name == "postgresql" and isinstance(column.type, Numeric):
        return cast(column, Double)
    if dialect.name == "mysql" and isinstance(column.type, UtcDateTime):
        return func.timestampdiff(text("MICROSECOND"), text("'1970-01-01'"), type_coerce(column, NULLTYPE))
    if dialect.name == "mysql" and isinstance(column.type, Numeric):
        return type_coerce(
            type_coerce(column, Double) + literal_column("0e0"), NULLTYPE
        )  # CAST AS DOUBLE is not in every version
    return type_coerce(column, NULLTYPE)


def _encode(table: Table, column: Column[Any], values: "pd.Series[Any]", dialect: Dialect) -> list[Any]:
    def refuse(bad: Any, of: "pd.Series[Any]", what: str) -> None:
        if found := of[np.asarray(bad, dtype="bool")].tolist():
            raise ContractError(
                f"{table.name}.{column.name} {what} in {len(found)} of {len(values)} rows, the first is {found[0]!r}"
            )

    null = values.isna().to_numpy(dtype="bool")
    if not column.nullable:
        refuse(null, values, "is null")
    present = values[~null]
    try:
        for bad, what in _faults(column, present):
            refuse(bad, present, what)
        encoded = _convert(column, present, dialect)
    except ContractError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ContractError(f"{table.name}.{column.name}: {error}") from error
    if len(encoded) == len(values):
        return encoded
    remaining = iter(encoded)
    return [None if absent else next(remaining) for absent in null]


def _faults(column: Column[Any], values: "pd.Series[Any]") -> Iterator[tuple[Any, str]]:
    """What one database would refuse and the other store: rows at fault, and why."""
    if isinstance(column.type, UtcDateTime):
        if not isinstance(values.dtype, pd.DatetimeTZDtype):
            yield [getattr(value, "tzinfo", None) is None for value in values], "has no timezone"
    elif isinstance(column.type, (Double, Numeric)):
        yield ~np.isfinite(values.to_numpy(dtype="float64")), "is not finite"
    elif isinstance(column.type, Integer):
        numbers = values.to_numpy(dtype="float64")
        yield numbers != np.rint(numbers), "is not a whole number"
    elif isinstance(column.type, Boolean):
        if values.dtype != "bool":
            yield [not isinstance(value, (bool, np.bool_)) for value in values], "is not true or false"
    else:
        distinct = pd.unique(values)  # few texts are in many rows
        yield values.isin([value for value in distinct if not isinstance(value, str)]), "is not text"
        if (limit := getattr(column.type, "length", None)) is not None:
            long = [value for value in distinct if len(value) > limit]
            yield values.isin(long), f"is longer than {limit} characters"
        yield values.isin([value for value in distinct if "\0" in value]), "holds a NUL"


def _convert(column: Column[Any], values: "pd.Series[Any]", dialect: Dialect) -> list[Any]:
    converted: list[Any]
    if isinstance(column.type, UtcDateTime):
        moments = pd.to_datetime(values, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        distinct, codes = np.unique(moments, return_inverse=True)  # few instants are in many rows
        zone = "+00" if dialect.name == "postgresql" else ""
        texts = [moment.replace("T", " ") + zone for moment in np.datetime_as_string(distinct, unit="us").tolist()]
        converted = np.array(texts, dtype="object")[codes].tolist()
    elif isinstance(column.type, (Double, Numeric)):
        # A float is sent as its shortest exact digits, which is what PostgreSQL's and MySQL's NUMERIC keep.
        # SQLite has no exact numbers and keeps a double.
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
        return pd.Series(np.array(values, dtype="datetime64[us]")).dt.tz_localize(UTC)
    if isinstance(column.type, (Double, Numeric)):
        return pd.Series(np.array(values, dtype="float64"))
    if isinstance(column.type, Integer):
        return pd.Series(values, dtype="Int64" if getattr(column, "nullable", False) else "int64")
    if isinstance(column.type, Boolean):
        return pd.Series(values, dtype="bool")
    return pd.Series(values, dtype="object")
