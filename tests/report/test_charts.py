from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from bitpredict.report.charts import candle_chart, fan_chart, gap_map, track_chart
from bitpredict.report.score_charts import calibration_chart, coverage_chart, scorecard_chart
from bitpredict.report.series import bars, calibration, presence, quantile_prices
from tests.support.stores import (
    END,
    HOLE,
    START,
    SYMBOLS,
    made_forecasts,
    made_scorecard,
    made_scored,
    real_candles,
)


@pytest.fixture(scope="module")
def btc() -> pd.DataFrame:
    return real_candles().query("symbol == 'BTCUSDT'")


@pytest.fixture(scope="module")
def newest() -> pd.DataFrame:
    """The newest served BTCUSDT forecast of every horizon."""
    rows = made_forecasts().query("symbol == 'BTCUSDT' and variant == 'champion'")
    return rows[rows["origin"] == rows["origin"].max()]


def traces(chart, name):
    return [trace for trace in chart.data if trace.name == name]


def wall_clock(times) -> np.ndarray:
    return np.array([t.tz_convert("UTC").tz_localize(None) for t in times], dtype="datetime64[ms]")


@pytest.mark.parametrize("horizon", ["5m", "1h", "1d"])
def test_the_fan_ends_in_the_stored_quantiles(btc, newest, horizon):
    row = newest[newest["horizon"] == horizon]
    chart = fan_chart(btc, row)
    price = quantile_prices(row).iloc[0]
    for name, quantile in (("q05", "q05"), ("90 %", "q95"), ("q25", "q25"), ("50 %", "q75")):
        (edge,) = traces(chart, name)
        assert edge.y[0] == pytest.approx(row["reference_price"].iloc[0])
        assert edge.y[-1] == pytest.approx(price[quantile])
        assert edge.x[-1] == wall_clock(row["target_time"])[0]


def test_the_bars_at_the_target_times_are_the_forecasts(btc, newest):
    wide, narrow = traces(fan_chart(btc, newest), "forecast")
    price = quantile_prices(newest)
    assert np.array_equal(wide.x, wall_clock(newest["target_time"]))
    assert np.allclose(wide.y, price["q50"])
    assert np.allclose(wide.y + wide.error_y.array, price["q95"])
    assert np.allclose(wide.y - wide.error_y.arrayminus, price["q05"])
    assert np.allclose(narrow.y + narrow.error_y.array, price["q75"])
    assert np.allclose(narrow.y - narrow.error_y.arrayminus, price["q25"])


def test_what_came_after_the_origin_is_drawn_apart(btc):
    rows = made_forecasts().query("symbol == 'BTCUSDT' and variant == 'champion' and horizon == '1h'")
    row = rows[rows["origin"] == END - timedelta(hours=5)]
    chart = fan_chart(btc, row)
    (before,), (since,) = traces(chart, "close"), traces(chart, "since")
    origin = wall_clock(row["origin"])[0]
    assert before.x[-1] == origin
    assert before.y[-1] == row["reference_price"].iloc[0]
    assert before.x[0] == origin - np.timedelta64(719, "m")
    known = btc.set_index("open_time")["close"]
    assert since.y.tolist() == known[END - timedelta(hours=5) : END - timedelta(hours=4, minutes=1)].tolist()
    assert since.x[0] > origin


def test_a_hole_breaks_the_line(btc):
    row = made_forecasts().query("symbol == 'BTCUSDT' and variant == 'champion' and horizon == '1h'").iloc[[0]]
    at = pd.Timestamp(HOLE[1] + timedelta(hours=1, minutes=10)).as_unit("us")
    chart = fan_chart(btc, row.assign(origin=at, target_time=at + timedelta(hours=1)))
    (line,) = traces(chart, "close")
    assert np.isnan(line.y).sum() == 80
    assert not line.connectgaps


def test_the_track_sets_each_forecast_against_the_close_at_its_target(btc):
    rows = made_forecasts().query("symbol == 'BTCUSDT' and variant == 'champion' and horizon == '1h'").iloc[:-1]
    chart = track_chart(btc, rows.sample(frac=1.0, random_state=3))
    (high,) = traces(chart, "90 %")
    assert np.array_equal(high.x, wall_clock(rows["target_time"]))
    assert np.allclose(high.y, quantile_prices(rows)["q95"])
    known = btc.set_index("open_time")["close"]
    outside = []
    for row, price in zip(rows.to_dict("records"), quantile_prices(rows).to_dict("records"), strict=True):
        close = known.get(row["target_time"] - timedelta(minutes=1))
        if close is not None and not price["q05"] <= close <= price["q95"]:
            outside.append(close)
    misses = chart.data[-1]
    assert list(misses.y) == outside
    assert misses.name == f"outside 90 %: {len(outside)} of {len(rows)}"
    assert 5 < len(outside) < 60


def test_the_track_is_cut_where_no_forecast_was_made(btc):
    rows = made_forecasts().query("symbol == 'BTCUSDT' and variant == 'champion' and horizon == '1h'").iloc[:-1]
    chart = track_chart(btc, rows.drop(rows.index[100:110]))
    assert [len(band.x) for band in traces(chart, "90 %")] == [100, 130]


def test_candles_are_the_bars_and_hollow_where_minutes_are_missing(btc):
    chart = candle_chart(btc)
    table = bars(btc, timedelta(hours=4))
    (whole,), (holed,), (volume,) = (traces(chart, n) for n in ("complete", "with missing minutes", "volume"))
    for column in ("open", "high", "low", "close"):
        assert np.array_equal(whole[column], table.loc[table["minutes"] == 240, column])
        assert np.array_equal(holed[column], table.loc[table["minutes"] < 240, column])
    assert np.array_equal(volume.y, table["volume"])
    assert holed.increasing.fillcolor != whole.increasing.fillcolor
    assert list(holed.hovertext) == ["210 of 240 minutes", "190 of 240 minutes"]


def test_the_gap_map_has_every_day_and_says_how_much_is_there():
    shares = presence(real_candles(), [*SYMBOLS, "SOLUSDT"], START, END)
    cells = gap_map(shares).data[0]
    assert list(cells.y) == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert cells.x.shape == (31,)
    day = (HOLE[0] - START).days
    assert cells.customdata[0, day].tolist() == pytest.approx([1360, 1440, 100 * 1360 / 1440])
    assert cells.z[0].tolist() == [2 if i == day else 0 for i in range(31)]
    assert set(cells.z[1]) == {0}
    assert set(cells.z[2]) == {4}


def test_the_scorecard_chart_carries_the_skills_and_fills_what_is_proven():
    card = made_scorecard()
    chart = scorecard_chart(card)
    one = card[(card["symbol"] == "ETHUSDT") & (card["horizon"] == "1h")]
    points = next(t for t in traces(chart, "ETHUSDT") if t.yaxis == "y2")
    assert np.allclose(points.x, 100 * one["skill"])
    assert list(points.text) == one["model"].tolist()
    assert np.array_equal(points.customdata[:, 0], one["sample_size"])
    assert list(points.marker.symbol) == ["square" if p < 0.05 else "square-open" for p in one["p_value"]]


def test_a_skill_beyond_the_axis_is_named_at_its_edge():
    card = made_scorecard()
    card.loc[card["model"] == "random_walk", "skill"] = -7.5
    chart = scorecard_chart(card)
    edges = [text for t in chart.data if t.mode == "markers+text" for text in t.text]
    assert edges.count("\N{MINUS SIGN}750 %") == 6
    assert chart.layout.xaxis.range[0] == pytest.approx(-40.0)


def test_the_coverage_chart_carries_both_coverages_and_marks_what_is_promised():
    card = made_scorecard()
    chart = coverage_chart(card)
    one = card[(card["symbol"] == "BTCUSDT") & (card["horizon"] == "1d")]
    half, most = (t for t in traces(chart, "BTCUSDT") if t.yaxis == "y3")
    assert np.allclose(half.x, 100 * one["coverage_50"])
    assert np.allclose(most.x, 100 * one["coverage_90"])
    assert {shape.x0 for shape in chart.layout.shapes} == {50, 90}


def test_backtest_and_live_never_share_a_chart():
    card = made_scorecard()
    mixed = pd.concat([card, card.assign(kind="live")])
    for chart in (scorecard_chart, coverage_chart):
        with pytest.raises(ValueError, match="never mixed"):
            chart(mixed)


def test_the_calibration_chart_carries_the_shares():
    scored = made_scored().query("variant == 'champion'")
    chart = calibration_chart(scored)
    table = calibration(scored)
    (line,) = (t for t in chart.data if t.name and t.name.startswith("1h"))
    assert np.allclose(line.y, 100 * table.loc[table["horizon"] == "1h", "observed"])
    assert line.name == "1h (n = 480, 240 apart)"


def test_names_from_data_are_no_markup():
    hostile = made_scorecard().replace({"ridge": "<a href='https://example.org'>x</a>"})
    text = scorecard_chart(hostile).to_json()
    assert "<a" not in text
    assert "\\u003ca" not in text
    assert "&lt;a" in text
