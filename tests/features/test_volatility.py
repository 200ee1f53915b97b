import numpy as np
import pandas as pd

from bitpredict.features import volatility
from tests.support.past import Past, log


def expected(past: Past) -> dict[str, float]:
    found = {f"log_rv_{w}": log(past.rv(w)) for w in (5, 15, 30, 60, 180, 360, 720, 1440, 4320, 10080)}
    hours = []
    for day in range(1, 8):
        begin = past.origin - pd.Timedelta(days=day)
        hour = past.bars[begin : begin + pd.Timedelta(minutes=59)]["r"].dropna()
        level = past.bars[begin : begin + pd.Timedelta(minutes=1439)]["r"].dropna()
        if len(hour) and len(level):
            hours.append(log((hour**2).mean()) - log((level**2).mean()))
    return found | {"season_next_hour": float(np.mean(hours))}


def test_variances_and_the_coming_hours_season(case):
    case.check(expected)
    assert {feature.name for feature in volatility.FEATURES} == set(
        expected(Past.of(case.candles.to_pandas(), "BTCUSDT"))
    )


def test_a_price_that_did_not_move_has_no_log_variance_but_a_return_of_zero(still_hour):
    last = still_hour.iloc[-1]
    assert np.isnan(last["log_rv_60"])
    assert np.isnan(last["straightness_60"])
    assert last["return_60"] == 0.0
    assert last["coverage_60"] == 1.0
    assert np.isfinite(last["log_rv_180"])
