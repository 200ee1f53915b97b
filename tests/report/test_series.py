from datetime import UTC, datetime, timedelta
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from bitpredict.report.series import QUANTILES, bars, calibration, closes, fan, presence, quantile_prices
from tests.support.stores import HOLE, SYMBOLS, real_candles

NOON = datetime(2023, 12, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def minutes(prices: list[float | None], *, halted: tuple[int, ...] = ()) -> pd.DataFrame:
    """One candle a minute from noon on; None is a missing minute."""
    rows = [
        {
            "symbol": "BTCUSDT",
            "open_time": NOON + i * MINUTE,
            "open": price,
            "high": price + 1,
            "low": price - 1,
            "close": price,
            "volume": 2.0,
            "halted": i in halted,
        }
        for i, price in enumerate(prices)
        if price is not None
    ]
    return pd.DataFrame(rows)


def forecast(horizon: str, length: timedelta, spread: float) -> dict[str, object]:
    quantiles = {name: spread * (i - 3) for i, name in enumerate(QUANTILES)}
    return {"symbol": "BTCUSDT", "origin": NOON, "horizon": horizon, "target_time": NOON + length} | {
        "reference_price": 100.0,
        **quantiles,
    }


HOUR_AND_DAY = pd.DataFrame([forecast("1d", timedelta(days=1), 0.03), forecast("1h", timedelta(hours=1), 0.01)])


def test_quantiles_become_prices_around_the_reference():
    prices = quantile_prices(HOUR_AND_DAY)
    assert prices["q50"].tolist() == [100.0, 100.0]
    assert prices["q95"].tolist() == pytest.approx([100 * np.exp(0.09), 100 * np.exp(0.03)])


def test_a_fan_starts_at_the_reference_and_passes_through_every_forecast():
    paths = fan(HOUR_AND_DAY).set_index("time")
    assert paths.loc[NOON].tolist() == [100.0] * 7
    for row, prices in zip(HOUR_AND_DAY.to_dict("records"), quantile_prices(HOUR_AND_DAY).to_numpy(), strict=True):
        assert paths.loc[row["target_time"]].tolist() == pytest.approx(prices.tolist())


def test_a_fan_of_one_horizon_widens_with_the_root_of_time():
    paths = fan(HOUR_AND_DAY.iloc[[1]], points=5)
    elapsed = (paths["time"] - NOON) / timedelta(hours=1)
    assert np.log(paths["q95"] / 100).tolist() == pytest.approx((0.03 * np.sqrt(elapsed)).tolist())


def test_closes_carry_the_instant_at_which_they_were_known():
    line = closes(minutes([10.0, 11.0, 12.0]), NOON, NOON + 3 * MINUTE)
    assert line["time"].tolist() == [NOON + MINUTE, NOON + 2 * MINUTE, NOON + 3 * MINUTE]
    assert line["close"].tolist() == [10.0, 11.0, 12.0]


@pytest.mark.parametrize(
    "candles",
    [
        pytest.param(minutes([10.0, None, 12.0, 13.0]), id="a missing minute"),
        pytest.param(minutes([10.0, 11.0, 12.0, 13.0], halted=(1,)), id="a halted minute"),
    ],
)
def test_the_line_breaks_where_there_was_no_price(candles):
    line = closes(candles, NOON, NOON + 4 * MINUTE)
    assert np.isnan(line["close"]).tolist() == [False, True, False, False]


def test_a_thinned_line_ends_at_the_end_and_a_hole_stays_visible():
    prices: list[float | None] = [float(i) for i in range(1, 12)]
    prices[4] = None
    line = closes(minutes(prices), NOON, NOON + 11 * MINUTE, points=5)
    assert line["time"].tolist() == [NOON + n * MINUTE for n in (3, 5, 7, 9, 11)]
    assert np.array_equal(line["close"], [3.0, np.nan, 7.0, 9.0, 11.0], equal_nan=True)


@pytest.mark.slow
def test_bars_against_a_plain_loop():
    candles = real_candles()
    btc = candles[candles["symbol"] == "BTCUSDT"]
    table = bars(btc.sample(frac=1.0, random_state=1), timedelta(hours=4)).set_index("open_time")
    start = HOLE[0].replace(hour=4, minute=0)
    inside = [r for r in btc.to_dict("records") if start <= r["open_time"] < start + timedelta(hours=4)]
    inside.sort(key=lambda r: r["open_time"])
    expected = (inside[0]["open"], max(r["high"] for r in inside), min(r["low"] for r in inside), inside[-1]["close"])
    assert tuple(table.loc[start, ["open", "high", "low", "close"]]) == expected
    assert table.loc[start, "minutes"] == len(inside) == 240 - 30
    assert table.loc[start, "volume"] == pytest.approx(sum(r["volume"] for r in inside))


def test_bars_leave_out_what_has_no_minute():
    table = bars(minutes([10.0, None, None, None, 14.0]), timedelta(minutes=2))
    assert table["open_time"].tolist() == [NOON, NOON + 4 * MINUTE]


def test_presence_counts_days_symbols_and_the_days_that_have_nothing():
    candles = real_candles()
    start = HOLE[0].replace(hour=0, minute=0)
    table = presence(candles, [*SYMBOLS, "SOLUSDT"], start, start + timedelta(days=2)).set_index(["symbol", "day"])
    assert table.loc[("BTCUSDT", start), ["minutes", "expected"]].tolist() == [1360, 1440]
    assert table.loc[("ETHUSDT", start), "share"] == 1.0
    assert table.loc["SOLUSDT", "share"].tolist() == [0.0, 0.0]
    assert len(table) == 6


def test_presence_expects_of_a_cut_day_only_what_lies_inside_the_range():
    table = presence(minutes([10.0, None, 12.0]), ["BTCUSDT"], NOON, NOON + 4 * MINUTE)
    assert table[["minutes", "expected", "share"]].to_numpy().tolist() == [[2, 4, 0.5]]
    assert table["day"].tolist() == [NOON.replace(hour=0)]


def scored(horizon: str, step: timedelta, n: int, scale: float) -> pd.DataFrame:
    """Forecasts of a standard normal, outcomes at its own quantiles times `scale`."""
    rows = pd.DataFrame({"origin": [NOON + i * step for i in range(n)], "horizon": horizon, "symbol": "BTCUSDT"})
    normal = NormalDist()
    rows["realized_log_return"] = [scale * normal.inv_cdf((i + 0.5) / n) for i in range(n)]
    levels = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    return rows.assign(**{name: normal.inv_cdf(level) for name, level in zip(QUANTILES, levels, strict=True)})


def test_calibration_of_a_right_and_of_a_too_narrow_distribution():
    right = calibration(scored("5m", timedelta(minutes=5), 1000, 1.0))
    assert right["observed"].tolist() == pytest.approx(right["level"].tolist(), abs=0.001)
    narrow = calibration(scored("5m", timedelta(minutes=5), 1000, 2.0)).set_index("level")["observed"]
    assert narrow[0.05] == pytest.approx(NormalDist().cdf(NormalDist().inv_cdf(0.05) / 2), abs=0.001)


def test_calibration_trusts_only_outcomes_that_do_not_overlap():
    both = pd.concat([scored("1h", timedelta(minutes=5), 120, 1.0), scored("5m", timedelta(minutes=5), 120, 1.0)])
    table = calibration(both)
    assert table["horizon"].unique().tolist() == ["5m", "1h"]
    assert table.groupby("horizon")["independent"].first().to_dict() == {"1h": 10, "5m": 120}
    half = table[(table["horizon"] == "1h") & (table["level"] == 0.5)].iloc[0]
    assert half["high"] - 0.5 == pytest.approx(1.96 * (0.25 / 10) ** 0.5)


def test_calibration_counts_two_symbols_at_one_time_as_one_look():
    rows = scored("1h", timedelta(hours=1), 20, 1.0)
    table = calibration(pd.concat([rows, rows.assign(symbol="ETHUSDT")]))
    assert table[["sample_size", "independent"]].iloc[0].tolist() == [40, 20]
