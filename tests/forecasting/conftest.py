"""Real rows to fit on: two and a half weeks of the sample around the start of a month."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from bitpredict.features.table import price_features
from bitpredict.forecasting.baselines import Ewma, RandomWalk
from bitpredict.forecasting.boosting import Boosting
from bitpredict.forecasting.frame import TrainingFrame
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.history import History, history, usable
from bitpredict.forecasting.model import TrainedModel
from bitpredict.forecasting.ridge import Ridge
from bitpredict.forecasting.store import ModelStore
from bitpredict.forecasting.training import TrainedMonth, train_month
from bitpredict.market.horizons import parse_horizon
from tests.support.candles import archived_candles
from tests.support.once import once

MONTH = "2023-12-01"
NOW = datetime(2024, 1, 5, 12, tzinfo=UTC)
SMALL = Boosting(trees=15, least_rows_a_leaf=100)
QUICK_RECIPES = (RandomWalk(), Ewma(), SeasonalHar(), Ridge(), SMALL)


@pytest.fixture(scope="session")
def candles(sample: Path) -> pa.Table:
    """BTCUSDT, 2023-11-18 to 2023-12-05."""
    return archived_candles(sample, ["BTCUSDT"], date(2023, 11, 18), date(2023, 12, 6))


@pytest.fixture(scope="session")
def features(candles: pa.Table) -> pa.Table:
    return price_features(candles, "BTCUSDT", datetime(2023, 11, 18, tzinfo=UTC), datetime(2023, 12, 6, tzinfo=UTC))


@pytest.fixture(scope="session")
def past(features: pa.Table, candles: pa.Table) -> History:
    """What was known before December."""
    return history(features, candles, "BTCUSDT", MONTH)


@pytest.fixture(scope="session")
def hourly(past: History) -> TrainingFrame:
    """Every row of it that the most demanding recipe can use for the next hour."""
    horizon = parse_horizon("1h")
    return usable(past, horizon, Boosting().inputs(horizon))[0]


@pytest.fixture(scope="session")
def trained(past: History, tmp_path_factory: pytest.TempPathFactory) -> TrainedMonth:
    """Every recipe's model of the next hour, with small trees."""

    def make(folder: Path) -> TrainedMonth:
        return train_month(past, parse_horizon("1h"), QUICK_RECIPES, ModelStore(folder), NOW)

    return once(tmp_path_factory, "month", make)


@pytest.fixture(scope="session")
def ridge_model(trained: TrainedMonth) -> TrainedModel:
    return next(model for model in trained.models if model.name == "ridge")
