"""Training of whole months: every symbol and horizon of each, on the history that the lake holds before it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from bitpredict.errors import ModelError
from bitpredict.features.catalog import FEATURE_TABLE
from bitpredict.forecasting.history import history
from bitpredict.forecasting.model import TrainedModel
from bitpredict.forecasting.recipes import recipes_for
from bitpredict.forecasting.store import ModelStore
from bitpredict.forecasting.training import train_month
from bitpredict.market.horizons import HORIZONS
from bitpredict.market.time import utc
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from bitpredict.storage.schema import model_evaluations

HISTORY_MONTHS = 12
"""A month's models are trained on at most this much history before it."""


@dataclass(frozen=True, eq=False)
class TrainedMonths:
    """What training came to.

    Attributes:
        models: every version of the months, new or found in the store.
        evaluations: rows of `storage.schema.model_evaluations`.
        dropped: `symbol horizon: reason` -> origins that no model was trained on.
        newly_trained: how many versions were not in the store before.
        untrained: why a month, symbol and horizon has no models.
    """

    models: tuple[TrainedModel, ...]
    evaluations: pd.DataFrame
    dropped: Mapping[str, int]
    newly_trained: int
    untrained: tuple[str, ...]


def train_months(
    lake: Lake,
    *,
    months: Sequence[str],
    store: ModelStore,
    now: datetime,
    on_step: Callable[[str], None] = lambda _text: None,
) -> TrainedMonths:
    """Train each month on the twelve before it, one month's history in memory at a time.

    Args:
        lake: holds candles and the feature table.
        months: first days, `2023-12-01`.
        on_step: told what is being trained.

    Raises:
        StorageError: the lake or the model store fails.
    """
    models: list[TrainedModel] = []
    evaluations: list[pd.DataFrame] = []
    dropped: Counter[str] = Counter()
    newly_trained = 0
    untrained: list[str] = []
    for month in months:
        end = utc(date.fromisoformat(month))
        start = utc((pd.Timestamp(end) - pd.DateOffset(months=HISTORY_MONTHS)).date())
        features = lake.read(FEATURE_TABLE, start, end)
        candles = lake.read(CANDLES, start, end)
        if not features.num_rows:
            untrained.append(f"{month[:7]} has no features before it; materialize the feature table of earlier days")
        for symbol in sorted(features["symbol"].unique().to_pylist()):
            past = history(features, candles, symbol, month)
            for horizon in HORIZONS:
                on_step(f"{month[:7]} {symbol} {horizon.name}")
                try:
                    trained = train_month(past, horizon, recipes_for(horizon), store, now)
                except ModelError as error:
                    untrained.append(str(error))
                    continue
                models.extend(trained.models)
                evaluations.append(trained.evaluations)
                newly_trained += len(trained.fitted)
                dropped.update({f"{symbol} {horizon.name}: {why}": n for why, n in trained.dropped.items()})
    table = pd.concat(evaluations, ignore_index=True) if evaluations else _no_evaluations()
    return TrainedMonths(tuple(models), table, dict(dropped), newly_trained, tuple(untrained))


def _no_evaluations() -> pd.DataFrame:
    return pd.DataFrame(columns=[column.name for column in model_evaluations.columns])
