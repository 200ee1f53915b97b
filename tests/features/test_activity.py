import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from bitpredict.features import activity
from bitpredict.features.table import price_features
from bitpredict.storage.contracts import CANDLES
from tests.features.conftest import Case
from tests.support.past import Past, log, over


def expected(past: Past) -> dict[str, float]:
    def mean(column: str, minutes: int) -> float:
        return past.last(minutes)[column].mean()

    def counted(w: int) -> pd.DataFrame:
        bars = past.last(w)
        return bars[bars["trade_count"].notna()]

    def usual(w: int) -> float:
        bars = counted(w)
        return log(bars["volume"].mean()) - log(bars["trade_count"].mean())

    def imbalance(w: int) -> float:
        bars = counted(w)
        bought, volume = bars["taker_buy_volume"].sum(), bars["volume"].sum()
        return over(bought - (volume - bought), volume) if volume else math.nan

    return {
        **{f"trades_{w}": log(mean("trade_count", w) / mean("trade_count", 10080)) for w in (5, 15, 60, 360, 1440)},
        **{f"volume_{w}": log(mean("volume", w) / mean("volume", 10080)) for w in (5, 60, 1440)},
        **{f"trade_size_{w}": usual(w) - usual(10080) for w in (5, 60)},
        **{f"taker_imbalance_{w}": imbalance(w) for w in (5, 60, 1440)},
    }


def test_activity_follows_its_definitions(case):
    case.check(expected)
    assert {feature.name for feature in activity.FEATURES} == set(
        expected(Past.of(case.candles.to_pandas(), "BTCUSDT"))
    )


def test_of_repaired_minutes_whose_trades_nobody_counted_the_amount_alone_counts(fortnight):
    """Single minutes of the week, and the ten before one of the origins: of these five minutes nothing is known."""
    frame = fortnight.to_pandas().astype({"trade_count": "Int64"})
    blind = datetime(2023, 11, 11, 14, tzinfo=UTC)
    lost = (np.random.default_rng(5).random(len(frame)) < 0.05) | (
        (frame["open_time"] < blind) & (frame["open_time"] >= blind - pd.Timedelta(minutes=10))
    )
    lost &= frame["symbol"] == "BTCUSDT"
    frame.loc[lost, ["trade_count", "taker_buy_volume"]] = None
    frame.loc[lost, "provenance"] = "repaired:cryptocompare"
    candles = CANDLES.conform(pa.Table.from_pandas(frame, preserve_index=False))
    start, end = datetime(2023, 11, 11, 13, tzinfo=UTC), datetime(2023, 11, 11, 16, tzinfo=UTC)
    features = price_features(candles, "BTCUSDT", start, end).to_pandas().set_index("origin")
    Case(candles, features, list(features.index)).check(expected)
    assert features.loc[blind, ["trades_5", "trade_size_5", "taker_imbalance_5"]].isna().all()
    assert features.loc[blind, ["volume_5", "trades_15"]].notna().all()
    assert set(features["provenance"]) == {"repaired"}
