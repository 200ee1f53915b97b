"""The forecast ledger: what was forecast, written once and never changed, and what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Engine, and_, case, false, func, or_
from sqlalchemy import select as sql_select

from bitpredict.storage.database import reading, undeterred, writing
from bitpredict.storage.frames import fetch, select
from bitpredict.storage.schema import forecast_outcomes, forecasts
from bitpredict.storage.upserts import insert_few, insert_new, upsert

QUANTILES = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")
_TO_SCORE = ("forecast_id", "symbol", "horizon", "origin", "target_time", *QUANTILES, "realized_variance")
_SCORED: dict[str, ColumnElement[Any]] = {
    **{column.name: column for column in forecasts.columns},
    "realized_log_return": forecast_outcomes.c.realized_log_return,
    "outcome_variance": forecast_outcomes.c.realized_variance.label("outcome_variance"),
    **{name: forecast_outcomes.c[name] for name in ("inside_50", "inside_90", "qlike", "pinball", "scored_at")},
}


@dataclass(frozen=True)
class WriteResult:
    """How many forecasts were new, and how many had been written before and stayed as they were."""

    inserted: int
    already_there: int


@undeterred
def write_forecasts(engine: Engine, frame: pd.DataFrame) -> WriteResult:
    """Add forecasts, in one transaction. A forecast_id that is there already keeps its first row.

    Args:
        frame: rows of `schema.forecasts`, all columns.

    Raises:
        ContractError: the rows do not fit the table. Nothing was written.
        StorageError: the database cannot be written. Nothing was written.
    """
    with writing(engine) as connection:
        inserted = insert_new(connection, forecasts, frame)
    return WriteResult(inserted, len(frame) - inserted)


@undeterred
def write_few_forecasts(engine: Engine, rows: Sequence[Mapping[str, Any]]) -> WriteResult:
    """`write_forecasts` for the few of one moment, in milliseconds.

    Args:
        rows: values by column of `schema.forecasts`, all columns; instants are aware.

    Raises:
        ContractError: a value is null or not finite where its column is neither. Nothing was written.
        StorageError: the database cannot be written. Nothing was written.
    """
    with writing(engine) as connection:
        inserted = insert_few(connection, forecasts, rows)
    return WriteResult(inserted, len(rows) - inserted)


def read_forecasts(
    engine: Engine, symbol: str, horizon: str, start: datetime, end: datetime, variant: str | None = None
) -> pd.DataFrame:
    """Forecasts of one symbol and horizon with origin in [start, end), ordered by origin and model."""
    table = forecasts.c
    conditions = [table.symbol == symbol, table.horizon == horizon, table.origin >= start, table.origin < end]
    if variant is not None:
        conditions.append(table.variant == variant)
    return _read(engine, list(forecasts.columns), conditions, [table.origin, table.model, table.forecast_id])


def find_forecast(engine: Engine, forecast_id: str) -> pd.DataFrame:
    """The forecast of that id: one row, or none."""
    return _read(engine, list(forecasts.columns), [forecasts.c.forecast_id == forecast_id], [forecasts.c.forecast_id])


def due_forecasts(engine: Engine, start: datetime, end: datetime) -> pd.DataFrame:
    """Forecasts with target_time in (start, end]: what the candles of that range decide, scored before or not.

    Returns:
        What scoring needs of them: identity, origin, target_time, quantiles and realized_variance.
    """
    table = forecasts.c
    conditions = [table.target_time > start, table.target_time <= end]
    return _read(engine, [table[name] for name in _TO_SCORE], conditions, [table.target_time, table.forecast_id])


def ledger_faults(engine: Engine, start: datetime, end: datetime) -> dict[str, int]:
    """Count what must not be in the ledger, of forecasts with origin in [start, end).

    Returns:
        rows: forecasts looked at; crossing: those with a quantile above the next one; served_twice: symbols, horizons
        and origins with more than one served forecast of one kind.
    """
    table = forecasts.c
    within = and_(table.origin >= start, table.origin < end)
    crossing = or_(*(table[lower] > table[upper] for lower, upper in pairwise(QUANTILES)))
    served = (
        sql_select(table.origin)
        .where(within, table.variant == "champion")
        .group_by(table.kind, table.symbol, table.horizon, table.origin)
        .having(func.count() > 1)
        .subquery()
    )
    with reading(engine) as connection:
        counts = connection.execute(sql_select(func.count(), func.count(case((crossing, 1)))).where(within)).one()
        twice = connection.execute(sql_select(func.count()).select_from(served)).scalar_one()
    return {"rows": counts[0], "crossing": counts[1], "served_twice": twice}


def latest_forecasts(engine: Engine) -> pd.DataFrame:
    """Of each symbol and horizon the newest forecast that was served (variant champion)."""
    table = forecasts.c
    served = table.variant == "champion"
    with reading(engine) as connection:
        newest = []
        for symbol, horizon in _pairs(connection):
            these = and_(table.symbol == symbol, table.horizon == horizon, served)
            newest.append(and_(these, table.origin == _first(connection, func.max(table.origin), these)))
        query = select(forecasts.columns, engine.dialect).where(or_(false(), *newest))
        order = [table.symbol, table.horizon, table.written_at, table.forecast_id]
        found = fetch(connection, query, list(forecasts.columns), order)
    return found.drop_duplicates(["symbol", "horizon"], keep="last", ignore_index=True)


def _pairs(connection: Connection) -> Iterator[tuple[str, str]]:
    """Every symbol and horizon of the ledger, each by a look into the index: DISTINCT would read all of it."""
    symbol_of, horizon_of = forecasts.c.symbol, forecasts.c.horizon
    symbol = _first(connection, func.min(symbol_of))
    while symbol is not None:
        horizon = _first(connection, func.min(horizon_of), symbol_of == symbol)
        while horizon is not None:
            yield symbol, horizon
            horizon = _first(connection, func.min(horizon_of), symbol_of == symbol, horizon_of > horizon)
        symbol = _first(connection, func.min(symbol_of), symbol_of > symbol)


def _first(connection: Connection, least: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Any:
    return connection.execute(sql_select(least).where(*conditions)).scalar_one()


@undeterred
def write_outcomes(engine: Engine, frame: pd.DataFrame) -> None:
    """Write what came of forecasts; an outcome that a repaired minute changes is replaced.

    Raises:
        ContractError: the rows do not fit the table. Nothing was written.
        StorageError: the database cannot be written, or a row names no forecast. Nothing was written.
    """
    with writing(engine) as connection:
        upsert(connection, forecast_outcomes, frame, stamp="scored_at")


def read_scored(
    engine: Engine,
    *,
    kind: str | None = None,
    symbol: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Forecasts that have an outcome, one a row, ordered by origin, symbol, horizon and model.

    Columns are the ledger's and the outcome's realized_log_return, outcome_variance, inside_50, inside_90, qlike,
    pinball and scored_at. The forecast's variance keeps its name `realized_variance`; what came is `outcome_variance`.

    Args:
        start, end: only origins in [start, end).
        columns: only these, beside origin, symbol, horizon and model; a year of forecasts is read twice as fast so.
    """
    table = forecasts.c
    order = [table.origin, table.symbol, table.horizon, table.model]
    names = list(_SCORED) if columns is None else dict.fromkeys([*(column.name for column in order), *columns])
    conditions = [forecast_outcomes.c.forecast_id == table.forecast_id]
    conditions += [] if kind is None else [table.kind == kind]
    conditions += [] if symbol is None else [table.symbol == symbol]
    conditions += [] if start is None else [table.origin >= start]
    conditions += [] if end is None else [table.origin < end]
    return _read(engine, [_SCORED[name] for name in names], conditions, order)


def _read(
    engine: Engine,
    columns: Sequence[ColumnElement[Any]],
    conditions: Sequence[ColumnElement[bool]],
    order: Sequence[ColumnElement[Any]],
) -> pd.DataFrame:
    with reading(engine) as connection:
        return fetch(connection, select(columns, engine.dialect).where(*conditions), columns, order)
