import math

import numpy as np

from bitpredict.features import estimators
from tests.support.past import Past, log, over


def ranges(past: Past, minutes: int) -> dict[str, float]:
    bars = past.last(minutes)
    if bars.empty:
        return dict.fromkeys(
            (f"log_{name}_{minutes}" for name in ("parkinson", "garman_klass", "rogers_satchell")), math.nan
        )
    o, h, lo, c = (bars[name].to_numpy() for name in ("open", "high", "low", "close"))
    spread, body = np.log(h / lo), np.log(c / o)
    return {
        f"log_parkinson_{minutes}": log(np.mean(spread**2) / (4 * math.log(2))),
        f"log_garman_klass_{minutes}": log(np.mean(0.5 * spread**2 - (2 * math.log(2) - 1) * body**2)),
        f"log_rogers_satchell_{minutes}": log(np.mean(np.log(h / c) * np.log(h / o) + np.log(lo / c) * np.log(lo / o))),
    }


def downside_share(past: Past, minutes: int) -> float:
    r = past.returns(minutes)
    return over(float(np.sum(r[r < 0] ** 2)), float(np.sum(r**2)))


def jump_share(past: Past, minutes: int) -> float:
    """Products of neighbouring returns, both inside the window."""
    r = past.last(minutes)["r"]
    pairs = (r * r.shift(freq="1min").reindex(r.index)).abs().dropna()
    return max(0.0, 1 - math.pi / 2 * pairs.mean() / past.rv(minutes)) if len(pairs) else math.nan


def log_ewma(past: Past) -> float:
    r = past.last(512)["r"].dropna()
    age = np.array([(past.origin - moment).total_seconds() / 60 - 1 for moment in r.index])
    weight = 0.5 ** (age / 30)
    return log(float(np.sum(weight * r.to_numpy() ** 2) / weight.sum()))


def expected(past: Past) -> dict[str, float]:
    return {
        **ranges(past, 60),
        **ranges(past, 1440),
        **{f"downside_share_{w}": downside_share(past, w) for w in (60, 360, 1440)},
        **{f"jump_share_{w}": jump_share(past, w) for w in (60, 1440)},
        "log_ewma_variance": log_ewma(past),
    }


def test_estimators_follow_their_definitions(case):
    case.check(expected)
    assert {feature.name for feature in estimators.FEATURES} == set(
        expected(Past.of(case.candles.to_pandas(), "BTCUSDT"))
    )
