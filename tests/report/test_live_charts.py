from datetime import timedelta

import numpy as np
import pytest

from bitpredict.report.live_charts import live_chart
from bitpredict.report.series import quantile_prices
from dashboard.following import frame_of
from tests.support.live_messages import TRADES_END, made_prediction

SECOND = timedelta(seconds=1)


def prediction(seconds: int, price: float = 100.0, horizon: str = "1m"):
    origin = TRADES_END + seconds * SECOND
    return made_prediction("BTCUSD", horizon, origin, price, origin, made_from="coinbase-trades/0@1")


def rows(prices, made, name):
    return live_chart(prices, made)["datasets"][name]


def test_the_fan_is_of_the_newest_forecast_and_ends_in_its_quantiles():
    made = frame_of([prediction(-1, 90.0), prediction(0, 100.0)])
    fan = rows([(TRADES_END, 100.0)], made, "fan")
    price = quantile_prices(made).iloc[-1]
    for name in ("q05", "q25", "q50", "q75", "q95"):
        assert fan[name].iloc[0] == pytest.approx(100.0)
        assert fan[name].iloc[-1] == pytest.approx(price[name])
    assert fan["time"].iloc[-1] == made["target_time"].iloc[-1]


def test_what_was_forecast_earlier_lies_where_it_was_forecast_for():
    made = frame_of([prediction(seconds, 100.0 + seconds) for seconds in range(-90, 1)])
    earlier = rows([], made, "earlier")
    due = made[made["target_time"] <= made["origin"].iloc[-1]]
    assert list(earlier["time"]) == list(due["target_time"])
    assert np.allclose(earlier[["q05", "q95"]], quantile_prices(due)[["q05", "q95"]])


def test_the_line_breaks_where_minutes_are_missing_but_not_in_a_quiet_second():
    times = [TRADES_END - timedelta(seconds=seconds) for seconds in (300, 240, 100, 99, 60)]
    line = rows([(time, 1.0) for time in times], frame_of([prediction(0)]), "price")
    assert list(line["price"].isna()) == [False, False, True, False, False, False]


def test_only_as_much_past_is_drawn_as_the_horizon_needs():
    points = [(TRADES_END - timedelta(minutes=minutes), 1.0) for minutes in range(100, -1, -1)]
    for horizon, minutes in (("1m", 10), ("5m", 20), ("1h", 100)):
        line = rows(points, frame_of([prediction(0, horizon=horizon)]), "price")
        assert TRADES_END - line["time"].iloc[0] == timedelta(minutes=minutes)


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_only_rows_change_from_second_to_second(count):
    """The browser keeps a chart whose specification stays."""
    made = frame_of([prediction(-1), prediction(0)])
    first = live_chart([(TRADES_END, 1.0)], made)
    second = live_chart([(TRADES_END - i * SECOND / 10, 1.0) for i in range(count)][::-1], made.tail(1))
    assert len(second["datasets"]["price"]) == count
    del first["datasets"], second["datasets"]
    assert first == second


def test_a_forecast_tells_its_prices_and_its_second():
    told = rows([], frame_of([prediction(0, 42_000.0)]), "forecast").iloc[0]
    assert (told["forecast"], told["median"]) == ("BTCUSD, 1m ahead, 2026-04-04 09:16:30 UTC", "42,000.0")
