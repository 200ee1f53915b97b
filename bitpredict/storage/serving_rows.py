"""The newest feature row of each symbol, for whoever serves it without reading the lake."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import Connection, Engine

from bitpredict.storage.database import reading, undeterred, writing
from bitpredict.storage.frames import fetch, select
from bitpredict.storage.schema import ml_features_materialized
from bitpredict.storage.upserts import upsert


@dataclass(frozen=True)
class ServingWritten:
    """How many rows were written, and of which symbols a newer row was there and stayed."""

    written: int
    newer_there: tuple[str, ...]


@undeterred
def write_serving_rows(engine: Engine, rows: pd.DataFrame) -> ServingWritten:
    """Make each row its symbol's, in one transaction, unless one of a later origin is there.

    Args:
        rows: of `schema.ml_features_materialized`, one a symbol; `features` as `encoded` makes it.

    Raises:
        ContractError: the rows do not fit the table. Nothing was written.
        StorageError: the database cannot be written. Nothing was written.
    """
    with writing(engine, alone=True) as connection:
        there = _read(connection, engine).set_index("symbol")["origin"]
        stored = rows["symbol"].map(there)
        newer = (stored > rows["origin"]).to_numpy(dtype=bool)
        upsert(connection, ml_features_materialized, rows[~newer], stamp="written_at")
    return ServingWritten(int((~newer).sum()), tuple(sorted(rows["symbol"][newer])))


def read_serving_rows(engine: Engine) -> pd.DataFrame:
    """Rows of `schema.ml_features_materialized`, ordered by symbol; `decoded` reads their features."""
    with reading(engine) as connection:
        return _read(connection, engine)


def encoded(features: Mapping[str, float | None]) -> str:
    """Numbers by feature as the table keeps them: every bit of a number survives. Raises ValueError: one is infinite
    or not a number."""
    return json.dumps(dict(features), allow_nan=False, separators=(",", ":"))


def decoded(features: str) -> dict[str, float | None]:
    """The inverse of `encoded`."""
    values: dict[str, float | None] = json.loads(features)
    return values


def _read(connection: Connection, engine: Engine) -> pd.DataFrame:
    columns = list(ml_features_materialized.columns)
    return fetch(connection, select(columns, engine.dialect), columns, [ml_features_materialized.c.symbol])
