"""The only place where the dashboard reads stores. Everything is cached: by table version, or for a few seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pandas as pd
import streamlit as st
from sqlalchemy import Engine

from bitpredict.features.breadth import MARKET_BREADTH
from bitpredict.features.catalog import FEATURE_TABLE, PRICE_FEATURES
from bitpredict.market.time import DAY, MINUTE, utc
from bitpredict.report.series import QUANTILES, presence
from bitpredict.settings import Settings
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES, HOURLY_SENTIMENT
from bitpredict.storage.database import connect
from bitpredict.storage.evaluations import read_champions, read_evaluations, read_scorecard
from bitpredict.storage.gap_ledger import read_gaps
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import latest_forecasts, read_forecasts, read_scored

SECONDS = 10
"""How old an answer from the database may be."""

DAYS_SHOWN = 366
SCORED_DAYS = 31

TABLES = (BINANCE_CANDLES, CANDLES, PRICE_FEATURES, MARKET_BREADTH, HOURLY_SENTIMENT, FEATURE_TABLE)
_CALIBRATION = ("variant", "realized_log_return", *QUANTILES)
HASHED = {Settings: lambda settings: settings.model_dump_json()}
"""How settings are told apart in a cache's key."""


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def forecasts(settings: Settings) -> pd.DataFrame:
    """The newest served forecast of each symbol and horizon."""
    with database(settings) as engine:
        return latest_forecasts(engine)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def scorecard(settings: Settings) -> pd.DataFrame:
    with database(settings) as engine:
        return read_scorecard(engine)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def evaluations(settings: Settings) -> pd.DataFrame:
    with database(settings) as engine:
        return read_evaluations(engine)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def champions(settings: Settings, month: str) -> pd.DataFrame:
    """Who serves in a month (its first day), and why."""
    with database(settings) as engine:
        return read_champions(engine, month=month)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def gaps(settings: Settings) -> pd.DataFrame:
    with database(settings) as engine:
        return read_gaps(engine)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def served(settings: Settings, symbol: str, horizon: str, start: datetime, end: datetime) -> pd.DataFrame:
    """Served forecasts of one symbol and horizon with origin in [start, end)."""
    with database(settings) as engine:
        return read_forecasts(engine, symbol, horizon, start, end, "champion")


@st.cache_data(ttl=10 * 60, max_entries=4, show_spinner="Reading outcomes", hash_funcs=HASHED)
def served_outcomes(settings: Settings, kind: str, until: datetime) -> pd.DataFrame:
    """Served forecasts of one kind with their outcomes, origins in the last `SCORED_DAYS` days before `until`."""
    with database(settings) as engine:
        start, end = until - SCORED_DAYS * DAY, until + MINUTE
        scored = read_scored(engine, kind=kind, start=start, end=end, columns=_CALIBRATION)
    return scored[scored["variant"] == "champion"]


def tables(settings: Settings) -> pd.DataFrame:
    """The lake's tables: name, version, how many days, first and last, what it holds."""
    lake = Lake.from_settings(settings)
    rows = []
    for contract in TABLES:
        days = lake.days(contract)
        rows.append(
            {
                "table": contract.table,
                "version": lake.version(contract),
                "days": len(days),
                "first day": days[0] if days else None,
                "last day": days[-1] if days else None,
                "holds": contract.description,
            }
        )
    return pd.DataFrame(rows).astype({"version": "Int64"})


def candles(settings: Settings, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
    """Minutes of one symbol with open_time in [start, end)."""
    return _candles(settings, Lake.from_settings(settings).version(CANDLES), symbol, start, end)


def provenances(settings: Settings) -> list[str]:
    """Which provenances the newest stored day of candles has."""
    lake = Lake.from_settings(settings)
    return _provenances(settings, lake.version(CANDLES))


def presence_by_day(settings: Settings) -> pd.DataFrame:
    """Share of minutes present of the configured symbols, over at most the last `DAYS_SHOWN` days; may be empty."""
    return _presence(settings, Lake.from_settings(settings).version(CANDLES))


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHED)
def _candles(settings: Settings, version: int | None, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
    _ = version  # part of the key: what was read stays true until the table changes
    return Lake.from_settings(settings).read(CANDLES, start, end, symbols=[symbol]).to_pandas()


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=HASHED)
def _provenances(settings: Settings, version: int | None) -> list[str]:
    lake = Lake.from_settings(settings)
    days = lake.days(CANDLES) if version is not None else []
    if not days:
        return []
    rows = lake.read(CANDLES, utc(days[-1]), columns=["provenance"])
    return sorted(set(rows["provenance"].to_pylist()))


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=HASHED)
def _presence(settings: Settings, version: int | None) -> pd.DataFrame:
    lake = Lake.from_settings(settings)
    days = lake.days(CANDLES) if version is not None else []
    if not days:
        return pd.DataFrame(columns=["symbol", "day", "minutes", "expected", "share"])
    start = max(utc(days[0]), utc(days[-1]) - (DAYS_SHOWN - 1) * DAY)
    rows = lake.read(CANDLES, start, columns=["symbol", "open_time"]).to_pandas()
    end = rows["open_time"].max().to_pydatetime() + MINUTE
    symbols = sorted({*settings.symbols, *rows["symbol"].unique()})
    return presence(rows, symbols, start, end)


@contextmanager
def database(settings: Settings) -> Iterator[Engine]:
    """The database for the time of a read."""
    engine = connect(settings)
    try:
        yield engine
    finally:
        engine.dispose()
