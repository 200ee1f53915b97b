"""Small champions of every horizon, trained on the sample's candles before December."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from bitpredict.features.table import price_features
from bitpredict.forecasting.boosting import Boosting
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.history import history
from bitpredict.forecasting.model import TrainedModel
from bitpredict.forecasting.ridge import Ridge
from bitpredict.forecasting.store import ModelStore
from bitpredict.forecasting.training import train_month
from bitpredict.market.horizons import HORIZONS
from bitpredict.streaming.models_in_force import ModelsInForce

RECIPES = (SeasonalHar(), Ridge(), Boosting(trees=4, least_rows_a_leaf=100))
MONTH = "2023-12-01"
NOW = datetime(2024, 1, 5, 12, tzinfo=UTC)


def train(candles: pa.Table, symbol: str, folder: Path) -> list[TrainedModel]:
    """Every recipe's model of every horizon, in the model store at `folder`."""
    start = candles["open_time"][0].as_py()
    features = price_features(candles, symbol, start, datetime(2023, 12, 1, tzinfo=UTC))
    past = history(features, candles, symbol, MONTH)
    store = ModelStore(folder)
    return [model for horizon in HORIZONS for model in train_month(past, horizon, RECIPES, store, NOW).models]


def in_force(models: list[TrainedModel], name: str) -> ModelsInForce:
    """The recipe's models as champions."""
    return ModelsInForce({(one.symbol, one.horizon.name): one for one in models if one.name == name})
