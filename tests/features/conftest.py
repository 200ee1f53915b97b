"""Candles that features are computed from: as they were, with holes cut into them, and around a real outage."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.features.table import price_features
from bitpredict.storage.contracts import CANDLES
from tests.support.candles import archived_candles
from tests.support.past import Past

Expected = Callable[[Past], dict[str, float]]


@dataclass(frozen=True)
class Case:
    """Candles, the features of BTCUSDT over [start, end), and the origins that are checked one by one."""

    candles: pa.Table
    features: pd.DataFrame
    origins: list[pd.Timestamp]

    def check(self, expected: Expected, rtol: float = 1e-9) -> None:
        """Compare with an oracle at each origin; null is NaN."""
        every = Past.of(self.candles.to_pandas(), "BTCUSDT")
        for origin in self.origins:
            wanted = expected(every.at(origin))
            found = self.features.loc[origin, list(wanted)].to_numpy(np.float64)
            np.testing.assert_allclose(
                found, list(wanted.values()), rtol=rtol, atol=1e-12, err_msg=f"{origin}: {list(wanted)}"
            )


@pytest.fixture(scope="session")
def fortnight(sample: Path) -> pa.Table:
    """BTCUSDT and ETHUSDT, 2023-11-01 to 2023-11-14."""
    return archived_candles(sample, ["BTCUSDT", "ETHUSDT"], date(2023, 11, 1), date(2023, 11, 15))


@pytest.fixture(scope="session")
def holed(fortnight: pa.Table) -> pa.Table:
    """The same with single minutes missing, then a halt of 72 minutes and a hole of 80 on November 11th."""
    frame = fortnight.to_pandas()
    frame = frame[np.random.default_rng(11).random(len(frame)) > 0.03]
    hole = datetime(2023, 11, 11, 12, 40, tzinfo=UTC)
    frame = frame[(frame["open_time"] < hole) | (frame["open_time"] >= hole + pd.Timedelta(minutes=80))]
    halted = (frame["open_time"] < hole) & (frame["open_time"] >= hole - pd.Timedelta(minutes=72))
    before = frame[(frame["open_time"] < hole - pd.Timedelta(minutes=72))].groupby("symbol")["close"].last()
    for price in ("open", "high", "low", "close"):
        frame.loc[halted, price] = frame["symbol"].map(before)
    frame.loc[halted, ["volume", "quote_volume", "taker_buy_volume", "trade_count"]] = 0
    frame = frame.assign(halted=halted)
    return CANDLES.conform(pa.Table.from_pandas(frame, preserve_index=False))


@pytest.fixture(
    scope="session", params=["holed", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sample", "outage"))]
)
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "outage":
        base = request.getfixturevalue("recordings") / "binance_archive"
        candles = archived_candles(base, ["BTCUSDT"], date(2023, 3, 15), date(2023, 3, 26))
        start, end = datetime(2023, 3, 24, 10, tzinfo=UTC), datetime(2023, 3, 25, 16, tzinfo=UTC)
    else:
        candles = request.getfixturevalue("fortnight" if request.param == "sample" else "holed")
        start, end = datetime(2023, 11, 11, 10, tzinfo=UTC), datetime(2023, 11, 12, 16, tzinfo=UTC)
    features = price_features(candles, "BTCUSDT", start, end).to_pandas().set_index("origin")
    origins: list[Any] = list(features.index[::11])
    assert len(origins) > 25
    return Case(candles, features, origins)


@pytest.fixture(scope="session")
def only_bitcoin(fortnight: pa.Table) -> pa.Table:
    return fortnight.filter(pc.equal(fortnight["symbol"], "BTCUSDT"))


@pytest.fixture(scope="session")
def still_hour(only_bitcoin: pa.Table) -> pd.DataFrame:
    """Features of BTCUSDT at 2023-11-10 12:00 and before, after an hour of trades that all had one price."""
    frame = only_bitcoin.to_pandas()
    noon = datetime(2023, 11, 10, 12, tzinfo=UTC)
    still = (frame["open_time"] >= noon - pd.Timedelta(minutes=60)) & (frame["open_time"] < noon)
    price = frame.loc[frame["open_time"] == noon - pd.Timedelta(minutes=61), "close"].item()
    frame.loc[still, ["open", "high", "low", "close"]] = price
    candles = CANDLES.conform(pa.Table.from_pandas(frame, preserve_index=False))
    rows = price_features(candles, "BTCUSDT", noon - pd.Timedelta(minutes=30), noon + pd.Timedelta(minutes=5))
    found: pd.DataFrame = rows.to_pandas()
    return found.set_index("origin")
