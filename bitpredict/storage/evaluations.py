"""How good the models are: walk-forward evaluations, which version serves, and the scorecard of real forecasts."""

from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Table, delete, tuple_

from bitpredict.storage.database import reading, undeterred, writing
from bitpredict.storage.frames import fetch, select
from bitpredict.storage.schema import champions, model_evaluations, scorecard
from bitpredict.storage.upserts import upsert


@undeterred
def write_evaluations(engine: Engine, frame: pd.DataFrame) -> None:
    """Write rows of `schema.model_evaluations`; those of the same month, symbol, horizon and model are replaced.

    Raises:
        ContractError: the rows do not fit the table. Nothing was written.
        StorageError: the database cannot be written. Nothing was written.
    """
    with writing(engine) as connection:
        upsert(connection, model_evaluations, frame, stamp="evaluated_at")


def read_evaluations(
    engine: Engine, *, month: str | None = None, symbol: str | None = None, horizon: str | None = None
) -> pd.DataFrame:
    """Evaluations ordered by month, symbol, horizon and model."""
    return _read(engine, model_evaluations, month=month, symbol=symbol, horizon=horizon)


@undeterred
def write_champions(engine: Engine, frame: pd.DataFrame) -> None:
    """Write rows of `schema.champions`; those of the same month, symbol, horizon and valid_from are replaced.

    Raises:
        ContractError: the rows do not fit the table. Nothing was written.
        StorageError: the database cannot be written. Nothing was written.
    """
    with writing(engine) as connection:
        upsert(connection, champions, frame, stamp="decided_at")


def read_champions(
    engine: Engine, *, month: str | None = None, symbol: str | None = None, horizon: str | None = None
) -> pd.DataFrame:
    """Champions ordered by month, symbol, horizon and valid_from."""
    return _read(engine, champions, month=month, symbol=symbol, horizon=horizon)


def champion_at(engine: Engine, symbol: str, horizon: str, origin: datetime) -> "pd.Series[Any] | None":
    """The row of the champion in force at `origin`: the latest with valid_from at or before it; None without any."""
    query = (
        select(champions.columns, engine.dialect)
        .where(champions.c.symbol == symbol, champions.c.horizon == horizon, champions.c.valid_from <= origin)
        .order_by(champions.c.valid_from.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        found = fetch(connection, query, list(champions.columns), [])
    return None if found.empty else found.iloc[0]


@undeterred
def replace_scorecard(engine: Engine, frame: pd.DataFrame) -> None:
    """Make `frame` the whole scorecard, in one transaction: readers see the old one or the new one.

    Rows that say the same as before keep their `updated_at`.

    Raises:
        ContractError: the rows do not fit the table. Nothing was changed.
        StorageError: the database cannot be written. Nothing was changed.
    """
    key = list(scorecard.primary_key.columns)
    kept = list(frame[[column.name for column in key]].itertuples(index=False, name=None)) if len(frame) else []
    with writing(engine, alone=True) as connection:
        connection.execute(delete(scorecard).where(tuple_(*key).not_in(kept)))
        upsert(connection, scorecard, frame, stamp="updated_at")


def read_scorecard(engine: Engine) -> pd.DataFrame:
    """The scorecard, ordered by kind, symbol, horizon and model."""
    return _read(engine, scorecard)


def _read(engine: Engine, table: Table, **equal: str | None) -> pd.DataFrame:
    query = select(table.columns, engine.dialect)
    for name, value in equal.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    with reading(engine) as connection:
        return fetch(connection, query, list(table.columns), list(table.primary_key))
