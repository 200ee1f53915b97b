"""Any table of the lake or the database as a stream of Arrow tables, so that years of it fit into little memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Boolean, Column, Dialect, Double, Engine, Integer, Numeric, Select, Table

from bitpredict.errors import BitPredictError
from bitpredict.features.catalog import FEATURE_TABLE, PRICE_FEATURES
from bitpredict.market.time import DAY, utc
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES, TIMESTAMP, Contract
from bitpredict.storage.database import reading
from bitpredict.storage.frames import select
from bitpredict.storage.lake import Lake
from bitpredict.storage.schema import UtcDateTime, metadata

LAKE_TABLES = {contract.table: contract for contract in (BINANCE_CANDLES, CANDLES, PRICE_FEATURES, FEATURE_TABLE)}
DATABASE_TABLES = dict(metadata.tables)

ROW_TIMES = {
    "data_gaps": "start",
    "champions": "valid_from",
    "forecasts": "origin",
    "forecast_outcomes": "target_time",
    "price_data_real": "observed_at",
}
"""The column by whose UTC day a database table's rows are chosen; the other tables have no such day."""

ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Selection:
    """Which rows are wanted.

    Attributes:
        symbols: of these trading pairs; None for all.
        first, last: UTC days, both included; None leaves that side open.
    """

    symbols: tuple[str, ...] | None = None
    first: date | None = None
    last: date | None = None

    @property
    def by_day(self) -> bool:
        return self.first is not None or self.last is not None


def require_table(name: str) -> Contract | Table:
    """The lake's or the database's table of that name.

    Raises:
        BitPredictError: there is none; the message lists them.
    """
    tables: dict[str, Contract | Table] = {**LAKE_TABLES, **DATABASE_TABLES}
    if name not in tables:
        raise BitPredictError(f"table {name!r} is unknown; choose one of {', '.join(tables)}")
    return tables[name]


def lake_rows(lake: Lake, contract: Contract, wanted: Selection) -> Iterator[pa.Table]:
    """The wanted rows, a month at a time."""
    days = [day for day in lake.days(contract) if (wanted.first or day) <= day <= (wanted.last or day)]
    for _, month in groupby(days, key=lambda day: (day.year, day.month)):
        first, *_, last = [*month] * 2
        rows = lake.read(contract, utc(first), utc(last) + DAY, symbols=wanted.symbols)
        if rows.num_rows:
            yield rows


def database_schema(table: Table) -> pa.Schema:
    """The table's columns as Arrow types; prices become float64, as in the lake."""
    return pa.schema([pa.field(column.name, _arrow_type(column), nullable=bool(column.nullable)) for column in table.c])


def database_rows(engine: Engine, table: Table, wanted: Selection) -> Iterator[pa.Table]:
    """The wanted rows in the order of the table's key, `ROWS_AT_ONCE` at a time.

    Raises:
        BitPredictError: rows are chosen by a symbol or a day that they do not have.
        StorageError: the database cannot be read.
    """
    schema = database_schema(table)
    with reading(engine) as connection:
        query = _query(table, wanted, engine.dialect)
        for rows in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).partitions():
            columns = zip(*rows, strict=True)
            arrays = [_array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            yield pa.Table.from_arrays(arrays, schema=schema)


def _query(table: Table, wanted: Selection, dialect: Dialect) -> Select[*tuple[Any, ...]]:
    query = select(table.columns, dialect).order_by(*table.primary_key)
    if wanted.symbols is not None:
        if "symbol" not in table.c:
            raise BitPredictError(f"{table.name} has no column symbol; leave out --symbols")
        query = query.where(table.c.symbol.in_(wanted.symbols))
    if wanted.by_day:
        if table.name not in ROW_TIMES:
            raise BitPredictError(f"the rows of {table.name} belong to no day; leave out --from and --to-day")
        moment = table.c[ROW_TIMES[table.name]]
        if wanted.first:
            query = query.where(moment >= utc(wanted.first))
        if wanted.last:
            query = query.where(moment < utc(wanted.last) + DAY)
    return query


def _arrow_type(column: Column[Any]) -> pa.DataType:
    kinds = ((UtcDateTime, TIMESTAMP), (Boolean, pa.bool_()), (Integer, pa.int64()), ((Numeric, Double), pa.float64()))
    return next((type_ for kind, type_ in kinds if isinstance(column.type, kind)), pa.string())


def _array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """A column as the drivers give it (`storage.frames.select`): instants as text or microseconds, truth as 0 and 1."""
    if type_ == TIMESTAMP:
        moments = np.array(values, "datetime64[us]" if isinstance(values[0], str) else "int64")
        return pa.array(moments.astype("datetime64[us]")).cast(type_)
    return pa.array(values).cast(type_) if type_ == pa.bool_() else pa.array(values, type_)
