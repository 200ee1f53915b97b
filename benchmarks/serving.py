"""One forecast in process, from a row of features to its quantiles: against ONNX Runtime's own call of the network."""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from bitpredict.features.table import price_features
from bitpredict.forecasting.boosting import Boosting
from bitpredict.forecasting.frame import FeatureRows
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.history import History, history, usable
from bitpredict.forecasting.lstm import Lstm
from bitpredict.forecasting.network import ANSWERS, READS, Network
from bitpredict.forecasting.ridge import Ridge
from bitpredict.forecasting.store import ModelStore
from bitpredict.forecasting.training import train_month
from bitpredict.market.candles import canonical
from bitpredict.market.horizons import parse_horizon
from bitpredict.settings import Settings
from bitpredict.sources.candles import choose_source, collect

SYMBOL, HORIZON, MONTH = "BTCUSDT", parse_horizon("1h"), "2023-12-01"
START, END = datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 12, 1, tzinfo=UTC)
RECIPES = (SeasonalHar(), Ridge(), Boosting(), Lstm(epochs=1))
"""How long a network is trained does not change how long it takes to ask it."""

CALLS = 2_000


def main() -> None:
    """Print microseconds a forecast, and for the network the ratio to the bare call: lower is better."""
    past = _november()
    with tempfile.TemporaryDirectory() as folder:
        models = train_month(past, HORIZON, RECIPES, ModelStore(Path(folder)), datetime.now(UTC)).models
    for model in models:
        row = _row(past, model.forecaster.inputs)
        forecast = partial(model.distribution, row)
        if isinstance(model.forecaster, Network):
            ours, bare = _in_turns(forecast, _bare(model.forecaster, row))
            print(f"{model.name:13s} {ours:6.1f} us, ONNX Runtime's bare call {bare:.1f} us", end=": ")
            print(f"{ours / bare:.2f} x (target 2)")
        else:
            (ours,) = _in_turns(forecast)
            print(f"{model.name:13s} {ours:6.1f} us")


def _november() -> History:
    candles = canonical(collect(choose_source(Settings(symbols=(SYMBOL,))), [SYMBOL], START, END).candles)
    return history(price_features(candles, SYMBOL, START, END), candles, SYMBOL, MONTH)


def _row(past: History, inputs: tuple[str, ...]) -> FeatureRows:
    """The values of the last usable origin, asked for at the month's start."""
    rows = usable(past, HORIZON, inputs)[0].rows
    return FeatureRows(np.array([MONTH], "datetime64[us]"), rows.names, rows.values[-1:].copy())


def _bare(network: Network, row: FeatureRows) -> Callable[[], object]:
    session, values = network.session, row.values.astype(np.float32)
    return lambda: session.run((ANSWERS,), {READS: values})


def _in_turns(*calls: Callable[[], object]) -> list[float]:
    """Median microseconds of each; they take turns, so that a busy machine slows all alike."""
    times = np.empty((CALLS, len(calls)))
    for taken in times:
        for place, call in enumerate(calls):
            start = time.perf_counter()
            call()
            taken[place] = time.perf_counter() - start
    return [float(value) * 1e6 for value in np.median(times, axis=0)]


if __name__ == "__main__":
    main()
