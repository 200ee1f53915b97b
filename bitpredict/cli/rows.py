"""Any table of the lake or the database as a stream of Arrow tables, so that years of it fit into little memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Dialect,
    Double,
    Engine,
    Integer,
    Numeric,
    Select,
    Table,
    func,
    or_,
)
from sqlalchemy import select as sql_select

from bitpredict.errors import BitPredictError, UnknownSymbolError
from bitpredict.features.breadth import MARKET_BREADTH
from bitpredict.features.catalog import FEATURE_TABLE, PRICE_FEATURES
from bitpredict.market.time import DAY, utc
from bitpredict.storage.contracts import (
    BINANCE_CANDLES,
    CANDLES,
    CRYPTOCOMPARE_CANDLES,
    HOURLY_SENTIMENT,
    STREAMED_TRADES,
    TIMESTAMP,
    Contract,
)
from bitpredict.storage.database import reading
from bitpredict.storage.frames import select
from bitpredict.storage.lake import Lake
from bitpredict.storage.schema import UtcDateTime, crypto_assets, metadata

LAKE_TABLES = {
    contract.table: contract
    for contract in (
        *(BINANCE_CANDLES, CRYPTOCOMPARE_CANDLES, CANDLES, PRICE_FEATURES, FEATURE_TABLE, MARKET_BREADTH),
        *(HOURLY_SENTIMENT, STREAMED_TRADES),
    )
}
"""Every table that a lake can have."""

DATABASE_TABLES = dict(metadata.tables)

ROW_TIMES = {
    "data_gaps": "start",
    "champions": "valid_from",
    "forecasts": "origin",
    "forecast_outcomes": "target_time",
    "price_data_real": "observed_at",
    "crypto_news": "first_seen_at",
    "tweets": "first_seen_at",
    "article_sentiment": "scored_at",
    "ml_features_materialized": "origin",
}
"""The column by whose UTC day a database table's rows are chosen; the other tables have no such day."""

ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Selection:
    """Which rows are wanted.

    Attributes:
        symbols: of these trading pairs, or in tables of coins of these coins by symbol or id; None for all.
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
    """The wanted rows, a month at a time; of trades a day.

    Raises:
        BitPredictError: rows are chosen by a symbol that they do not have.
    """
    if wanted.symbols is not None and "symbol" not in contract.schema.names:
        raise BitPredictError(f"{contract.table} has no column symbol; leave out --symbols")
    days = [day for day in lake.days(contract) if (wanted.first or day) <= day <= (wanted.last or day)]
    trades = contract is STREAMED_TRADES
    for _, together in groupby(days, key=lambda day: (day.year, day.month, day.day if trades else 0)):
        first, *_, last = [*together] * 2
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
        if wanted.symbols is not None and has_coins(table):
            _require_coins(connection, wanted.symbols)
        query = _query(table, wanted, engine.dialect)
        for rows in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).partitions():
            columns = zip(*rows, strict=True)
            arrays = [_array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            yield pa.Table.from_arrays(arrays, schema=schema)


def has_coins(table: Contract | Table) -> bool:
    """Whether its rows are of coins instead of trading pairs."""
    return isinstance(table, Table) and "coin_id" in table.c


def _require_coins(connection: Connection, wanted: tuple[str, ...]) -> None:
    coins = connection.execute(sql_select(crypto_assets.c.coin_id, crypto_assets.c.symbol)).all()
    known = {coin_id for coin_id, _ in coins} | {symbol.lower() for _, symbol in coins}
    if coins and (unknown := [name for name in wanted if name.lower() not in known]):
        raise UnknownSymbolError(
            f"no quote of {', '.join(unknown)} was ever collected; name coins by symbol or id, as BTC or bitcoin "
            "(`bitpredict coins list` shows both)"
        )


def _query(table: Table, wanted: Selection, dialect: Dialect) -> Select[*tuple[Any, ...]]:
    query = select(table.columns, dialect).order_by(*table.primary_key)
    if wanted.symbols is not None:
        if has_coins(table):
            names = [name.lower() for name in wanted.symbols]
            coin = crypto_assets.c
            chosen = sql_select(coin.coin_id).where(or_(func.lower(coin.symbol).in_(names), coin.coin_id.in_(names)))
            query = query.where(table.c.coin_id.in_(chosen))
        elif "symbol" in table.c:
            query = query.where(table.c.symbol.in_(wanted.symbols))
        else:
            raise BitPredictError(f"{table.name} has no column symbol; leave out --symbols")
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
        return pa.array(np.array(values, "datetime64[us]")).cast(type_)
    return pa.array(values).cast(type_) if type_ == pa.bool_() else pa.array(values, type_)
