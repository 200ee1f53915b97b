"""Forecasts of a range of origins by the versions in force: what batch serving is, without an orchestrator."""

from collections import Counter
from datetime import datetime

import pandas as pd
from sqlalchemy import Engine

from bitpredict.forecasting.inference import COLUMNS, Forecasts, make_forecasts
from bitpredict.forecasting.store import ModelStore
from bitpredict.market.time import month_of
from bitpredict.storage.evaluations import read_champions, read_evaluations


def forecast_by_month(
    features: pd.DataFrame, store: ModelStore, engine: Engine, *, made_from: str, now: datetime
) -> Forecasts:
    """Forecast each row with the versions of its origin's month, and with no other month's.

    Rows of a month without models are skipped and counted.

    Args:
        features: rows of the feature table, any symbols and months.
        made_from: the table version that they were read from.
        now: written_at.

    Raises:
        ModelError: a version is damaged or does not fit the features.
    """
    tables: list[pd.DataFrame] = []
    skipped: Counter[str] = Counter()
    for month, rows in features.groupby(features["origin"].map(month_of), sort=True):
        evaluated = read_evaluations(engine, month=str(month))
        if evaluated.empty:
            skipped[f"no models for {month:.7}"] += len(rows)
            continue
        models = [store.load(version) for version in evaluated["model_version"]]
        made = make_forecasts(rows, models, read_champions(engine, month=str(month)), made_from, now)
        tables.append(made.table)
        skipped.update(made.skipped)
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    return Forecasts(table, dict(skipped))
