"""Real rows to fit on: two and a half weeks of the sample around the start of a month."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from bitpredict.features.table import price_features
from bitpredict.forecasting.boosting import Boosting
from bitpredict.forecasting.frame import TrainingFrame
from bitpredict.forecasting.history import History, history, usable
from bitpredict.market.horizons import parse_horizon
from tests.support.candles import archived_candles

MONTH = "2023-12-01"


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
