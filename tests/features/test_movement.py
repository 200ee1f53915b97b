import math

import numpy as np
import pytest

from bitpredict.features import movement
from bitpredict.features.table import price_features
from bitpredict.storage.contracts import CANDLES
from tests.support.past import MINUTE, Past, log, over


def expected(past: Past) -> dict[str, float]:
    sigma = math.sqrt(past.rv(1440))
    found: dict[str, float] = {}
    for w in (5, 15, 30, 60, 180, 360, 1440):
        r = past.returns(w)
        net = float(r.sum()) if r.size else math.nan
        found[f"return_{w}"] = net
        found[f"straightness_{w}"] = over(abs(net), math.sqrt(float(np.sum(r**2))))
    for w in (5, 15, 60, 360, 1440):
        found[f"drift_{w}"] = over(abs(found[f"return_{w}"]), sigma * math.sqrt(past.returns(w).size))
    for w in (15, 60, 360, 1440):
        found[f"largest_{w}"] = 2 * log(np.abs(past.returns(w)).max(initial=0)) - log(past.rv(w))
    return found | extremes(past, sigma) | {"log_minutes_since_shock": since_shock(past)}


def extremes(past: Past, sigma: float) -> dict[str, float]:
    found = {}
    close = past.bars["close"].iloc[-1]  # while the exchange stands still, a halted candle repeats it
    for w in (60, 360, 1440, 10080):
        bars, scale = past.last(w), sigma * math.sqrt(past.returns(w).size)
        found[f"below_high_{w}"] = min(4.0, over(math.log(bars["high"].max() / close), scale)) if scale else math.nan
        found[f"above_low_{w}"] = min(4.0, over(math.log(close / bars["low"].min()), scale)) if scale else math.nan
    return found


def since_shock(past: Past) -> float:
    r = past.bars["r"].dropna()
    day_before = (r**2).rolling("1440min", closed="left")
    shocks = r[(day_before.count() >= 720) & (r.abs() > 5 * np.sqrt(day_before.mean()))]
    age = (past.origin - shocks.index[-1]) / MINUTE if len(shocks) else math.inf
    return math.log(1 + min(age, 10080))


def test_movement_follows_its_definitions(case):
    case.check(expected)
    assert {feature.name for feature in movement.FEATURES} == set(
        expected(Past.of(case.candles.to_pandas(), "BTCUSDT"))
    )


def test_shocks_are_unknown_until_half_a_day_is_there_to_judge_them_by(only_bitcoin):
    first = only_bitcoin["open_time"][0].as_py()
    rows = price_features(only_bitcoin, "BTCUSDT", first, first + 780 * MINUTE).to_pandas().set_index("origin")
    known = rows["log_minutes_since_shock"].dropna()
    assert known.index[0] == first + 725 * MINUTE
    assert rows.loc[first + 5 * MINUTE, "coverage"] == pytest.approx(4 / 10080)


def test_without_a_shock_in_the_week_the_count_stops_at_the_week(only_bitcoin):
    frame = only_bitcoin.to_pandas()
    steps = np.where(np.arange(len(frame)) % 2, 1.0001, 1.0)
    frame[["open", "high", "low", "close"]] = np.repeat((30_000 * steps)[:, None], 4, axis=1)
    candles = CANDLES.conform(CANDLES.schema.empty_table().from_pandas(frame, preserve_index=False))
    end = frame["open_time"].iloc[-1].to_pydatetime() + MINUTE
    rows = price_features(candles, "BTCUSDT", end - 10 * MINUTE, end)
    assert rows["log_minutes_since_shock"].to_pylist() == [pytest.approx(math.log(10081))] * 2
