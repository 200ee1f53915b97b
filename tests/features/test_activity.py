import math

from bitpredict.features import activity
from tests.support.past import Past, log, over


def expected(past: Past) -> dict[str, float]:
    def mean(column: str, minutes: int) -> float:
        return past.last(minutes)[column].mean()

    def usual(w: int) -> float:
        return log(mean("volume", w)) - log(mean("trade_count", w))

    def imbalance(w: int) -> float:
        bars = past.last(w)
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
