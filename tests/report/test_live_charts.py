from datetime import timedelta

import numpy as np
import pytest

from bitpredict.report.live_charts import live_chart
from bitpredict.report.series import quantile_prices
from dashboard.following import frame_of
from tests.support.live_messages import TRADES_END, made_prediction

SECOND = timedelta(seconds=1)


def traces(chart, name):
    return [trace for trace in chart.data if trace.name == name]


def wall_clock(times) -> np.ndarray:
    return np.array([time.tz_convert("UTC").tz_localize(None) for time in times], dtype="datetime64[ms]")


def prediction(seconds: int, price: float = 100.0, horizon: str = "1m"):
    origin = TRADES_END + seconds * SECOND
    return made_prediction("BTCUSD", horizon, origin, price, origin, made_from="coinbase-trades/0@1")


def test_the_fan_is_of_the_newest_forecast_and_ends_in_its_quantiles():
    made = frame_of([prediction(-1, 90.0), prediction(0, 100.0)])
    chart = live_chart([(TRADES_END, 100.0)], made)
    price = quantile_prices(made).iloc[-1]
    for name, quantile in (("q05", "q05"), ("90 %", "q95"), ("50 %", "q75")):
        (edge,) = traces(chart, name)
        assert edge.y[0] == pytest.approx(100.0)
        assert edge.y[-1] == pytest.approx(price[quantile])
        assert edge.x[-1] == wall_clock(made["target_time"])[-1]


def test_what_was_forecast_earlier_lies_where_it_was_forecast_for():
    made = frame_of([prediction(seconds, 100.0 + seconds) for seconds in range(-90, 1)])
    low, high = traces(live_chart([], made), "90 %, earlier")
    due = made[made["target_time"] <= made["origin"].iloc[-1]]
    assert np.array_equal(low.x, wall_clock(due["target_time"]))
    assert np.allclose(low.y, quantile_prices(due)["q05"])
    assert np.allclose(high.y, quantile_prices(due)["q95"])


def test_the_line_breaks_where_minutes_are_missing_but_not_in_a_quiet_second():
    times = [TRADES_END - timedelta(seconds=seconds) for seconds in (300, 240, 100, 99, 60)]
    (line,) = traces(live_chart([(time, 1.0) for time in times], frame_of([prediction(0)])), "price")
    assert list(line.y) == [1.0, 1.0, None, 1.0, 1.0, 1.0]


def test_only_as_much_past_is_drawn_as_the_horizon_needs():
    points = [(TRADES_END - timedelta(minutes=minutes), 1.0) for minutes in range(100, -1, -1)]
    for horizon, minutes in (("1m", 10), ("5m", 20), ("1h", 100)):
        (line,) = traces(live_chart(points, frame_of([prediction(0, horizon=horizon)])), "price")
        first = (TRADES_END.replace(tzinfo=None) - line.x[0].astype("datetime64[us]").item()) / timedelta(minutes=1)
        assert first == minutes
