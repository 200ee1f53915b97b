from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpredict.forecasting.targets import floored, targets
from bitpredict.market.horizons import HORIZONS, Horizon, parse_horizon
from bitpredict.storage.contracts import CANDLES

NOON = datetime(2023, 3, 24, 12, tzinfo=UTC)
FIVE = parse_horizon("5m")


def made(minutes: range, *, missing=(), halted=(), close=None) -> pa.Table:
    """Candles of minutes counted from noon, with closes 100, 101, … unless given."""
    kept = [m for m in minutes if m not in missing]
    return pa.table(
        {
            "symbol": ["BTCUSDT"] * len(kept),
            "open_time": [NOON + timedelta(minutes=m) for m in kept],
            "close": [float(close[m] if close else 100 + m) for m in kept],
            "halted": [m in halted for m in kept],
        },
        schema=pa.schema([CANDLES.schema.field(name) for name in ("symbol", "open_time", "close", "halted")]),
    )


def at_noon(candles: pa.Table, horizon: Horizon = FIVE) -> pd.Series:
    return targets(candles, "BTCUSDT", np.array(["2023-03-24T12:00"], "datetime64[us]"), horizon).iloc[0]


def test_the_sums_run_from_the_origin_to_the_last_minute_of_the_horizon():
    close = dict(zip(range(-2, 7), [90, 100, 110, 99, 99, 120, 130, 1, 2], strict=True))
    found = at_noon(made(range(-2, 7), close=close))
    steps = np.log(np.array([110, 99, 99, 120, 130]) / np.array([100, 110, 99, 99, 120]))
    assert found["complete"]
    assert found["realized_variance"] == pytest.approx((steps**2).sum(), rel=1e-12)
    assert found["log_return"] == pytest.approx(np.log(130 / 100), rel=1e-12)


@pytest.mark.parametrize(
    ("candles", "complete"),
    [
        pytest.param(made(range(-1, 5)), True, id="just enough"),
        pytest.param(made(range(-9, 9), missing=[-2, 5]), True, id="holes on both sides"),
        pytest.param(made(range(-9, 9), missing=[-1]), False, id="the last price before the origin is missing"),
        pytest.param(made(range(-9, 9), missing=[0]), False, id="the first minute is missing"),
        pytest.param(made(range(-9, 9), missing=[4]), False, id="the last minute is missing"),
        pytest.param(made(range(-9, 9), halted=[2]), False, id="the exchange stood still within"),
        pytest.param(made(range(-9, 9), halted=[-1]), False, id="the last price before the origin is no observation"),
        pytest.param(made(range(-9, 9), halted=[-2, 5]), True, id="it stood still before and after"),
        pytest.param(made(range(-9, 4)), False, id="the horizon is not over yet"),
        pytest.param(made(range(0)), False, id="no candle at all"),
    ],
)
def test_a_target_is_whole_or_it_is_none(candles, complete):
    found = at_noon(candles)
    assert found["complete"] == complete
    assert found[["realized_variance", "log_return"]].notna().all() == complete


def test_origins_may_come_in_any_order_and_other_symbols_do_not_matter():
    mine = made(range(-1, 40))
    other = mine.set_column(0, mine.schema.field("symbol"), pa.array(["ETHUSDT"] * mine.num_rows))
    origins = np.datetime64("2023-03-24T12:00", "us") + np.array([30, 0, 15]) * np.timedelta64(1, "m")
    found = targets(pa.concat_tables([other, mine.slice(1), mine.slice(0, 1)]), "BTCUSDT", origins, FIVE)
    alone = [at_noon(made(range(-1, 40), close={m: 100 + m + shift for m in range(-1, 40)})) for shift in (30, 0, 15)]
    assert found["log_return"].tolist() == pytest.approx([one["log_return"] for one in alone])
    assert (found["origin"].dt.tz_localize(None).to_numpy() == origins).all()


def test_no_origins_have_no_targets():
    assert targets(made(range(5)), "BTCUSDT", np.empty(0, "datetime64[us]"), FIVE).empty


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([h for h in HORIZONS if h.minutes < 100]), st.floats(0.0, 0.05))
def test_equal_to_a_loop_over_minutes_whatever_is_missing_or_halted(seed, horizon, share):
    random = np.random.default_rng(seed)
    minutes = range(-1, 200)
    missing = {m for m in minutes if random.random() < share}
    halted = {m for m in minutes if random.random() < share}
    close = dict(zip(minutes, 100 * np.exp(np.cumsum(random.normal(0, 1e-3, len(minutes)))), strict=True))
    found = targets(
        made(minutes, missing=missing, halted=halted, close=close),
        "BTCUSDT",
        np.datetime64("2023-03-24T12:00", "us") + np.arange(0, 200, 5) * np.timedelta64(1, "m"),
        horizon,
    )
    for row, t in zip(found.itertuples(), range(0, 200, 5), strict=True):
        window = range(t - 1, t + horizon.minutes)
        if all(m in close and m not in missing and m not in halted for m in window):
            steps = [np.log(close[m] / close[m - 1]) for m in window[1:]]
            assert row.complete
            assert row.realized_variance == pytest.approx(sum(r * r for r in steps), rel=1e-9)
            assert row.log_return == pytest.approx(np.log(close[window[-1]] / close[t - 1]), rel=1e-9, abs=1e-15)
        else:
            assert not row.complete
            assert np.isnan(row.realized_variance)


def test_a_market_that_stood_still_has_a_variance_with_a_logarithm():
    still = at_noon(made(range(-1, 5), close=dict.fromkeys(range(-1, 5), 100.0)))
    assert still["realized_variance"] == 0.0
    assert floored(np.array([0.0, 1e-3, np.nan]), FIVE).tolist() == pytest.approx([5e-10, 1e-3, np.nan], nan_ok=True)
