from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from bitpredict.errors import BeforeListingError
from bitpredict.sources.simulated import EPOCH, JUMPS_A_DAY, Simulator, bridge
from bitpredict.storage.contracts import BINANCE_CANDLES

DAY = date(2023, 11, 6)
SPAN = [date(2023, 1, 1) + timedelta(days=i) for i in range(120)]


@pytest.fixture(scope="module")
def market():
    """120 days of candles and of what they were made from, end to end."""
    simulator = Simulator(7)
    candles = [simulator.day("BTCUSDT", day).candles for day in SPAN]
    truths = [simulator.truth("BTCUSDT", day) for day in SPAN]
    columns = {name: np.concatenate([c[name].to_numpy() for c in candles]) for name in ("open", "high", "low", "close")}
    variance = np.concatenate([truth.variance for truth in truths])
    jump = np.concatenate([truth.jump for truth in truths])
    before = np.log(truths[0].previous_close)
    return columns | {
        "variance": variance,
        "jump": jump,
        "log_return": np.diff(np.log(columns["close"]), prepend=before),
    }


def test_a_day_keeps_the_lakes_contract_and_says_what_it_is():
    batch = Simulator(7).day("BTCUSDT", DAY)
    assert BINANCE_CANDLES.conform(batch.candles).num_rows == 1440
    assert batch.candles["provenance"].unique().to_pylist() == ["simulated"]
    assert not batch.rejected


def test_the_same_seed_symbol_and_day_give_the_same_candles_whatever_was_made_before():
    alone = Simulator(7).day("BTCUSDT", DAY).candles
    after_others = Simulator(7)
    for day in (DAY + timedelta(days=1), DAY - timedelta(days=400)):
        after_others.day("ETHUSDT", day)
        after_others.day("BTCUSDT", day)
    assert after_others.day("BTCUSDT", DAY).candles.equals(alone)


@pytest.mark.parametrize(
    ("seed", "symbol", "day"), [(8, "BTCUSDT", DAY), (7, "ETHUSDT", DAY), (7, "BTCUSDT", DAY + timedelta(days=1))]
)
def test_another_seed_symbol_or_day_gives_others(seed, symbol, day):
    one = Simulator(7).day("BTCUSDT", DAY).candles["close"].to_numpy()
    other = Simulator(seed).day(symbol, day).candles["close"].to_numpy()
    assert abs(np.corrcoef(np.diff(np.log(one)), np.diff(np.log(other)))[0, 1]) < 0.15


def test_a_day_starts_where_the_day_before_ended(market):
    starts = market["open"][1440::1440]
    ends = market["close"][1439:-1:1440]
    np.testing.assert_allclose(starts, ends, rtol=1e-9)


def test_returns_are_independent_normal_steps_of_the_stated_variance(market):
    from scipy import stats

    step = (market["log_return"] - market["jump"]) / np.sqrt(market["variance"])
    assert stats.kstest(step, "norm").pvalue > 0.01
    assert abs(step.var() - 1) < 4 * np.sqrt(2 / step.size)
    lags = [np.corrcoef(step[:-lag], step[lag:])[0, 1] for lag in (1, 2, 60, 1440)]
    assert np.abs(lags).max() < 4 / np.sqrt(step.size)


def test_a_bridge_over_a_drawn_total_gives_independent_steps_back():
    random = np.random.default_rng(0)
    variance = np.array([1.0, 4.0, 0.25, 9.0])
    draws = np.sqrt(variance) * random.normal(size=(40_000, 4))
    totals = np.sqrt(variance.sum()) * random.normal(size=40_000)
    bent = np.array([bridge(steps, variance, total) for steps, total in zip(draws, totals, strict=True)])
    np.testing.assert_allclose(bent.sum(axis=1), totals)
    np.testing.assert_allclose(np.cov(bent.T), np.diag(variance), atol=0.15)


def test_a_days_realized_variance_scatters_about_its_true_variance(market):
    realized = ((market["log_return"] - market["jump"]) ** 2).reshape(-1, 1440).sum(axis=1)
    true = market["variance"].reshape(-1, 1440).sum(axis=1)
    assert abs(np.mean(realized / true) - 1) < 0.02
    assert np.std(np.log(true)) > 0.3


def test_the_range_within_a_minute_is_that_of_a_brownian_path(market):
    """Rogers and Satchell's estimator is unbiased for it, whatever the two ends are."""
    high, low, open_, close = (np.log(market[name]) for name in ("high", "low", "open", "close"))
    estimate = (high - open_) * (high - close) + (low - open_) * (low - close)
    assert abs(np.mean(estimate / market["variance"]) - 1) < 0.02


def test_volatility_has_a_memory_and_an_intraday_season(market):
    days = np.log(market["variance"].reshape(-1, 1440).sum(axis=1))
    assert np.corrcoef(days[:-1], days[1:])[0, 1] > 0.7
    hours = market["variance"].reshape(-1, 24, 60).mean(axis=(0, 2))
    assert np.argmax(hours) in (14, 15)
    assert hours.max() > 2 * hours.min()


def test_jumps_are_rare_and_stand_out(market):
    from scipy import stats

    jumps = np.flatnonzero(market["jump"])
    assert stats.binomtest(jumps.size, len(SPAN), JUMPS_A_DAY).pvalue > 0.01
    size = np.abs(market["jump"][jumps]) / np.sqrt(market["variance"][jumps])
    assert np.median(size) > 5


def test_prices_stay_in_a_range_that_someone_could_believe():
    simulator = Simulator(7)
    prices = [simulator.truth("BTCUSDT", date(year, 1, 1)).previous_close for year in range(2017, 2030)]
    assert min(prices) > 100
    assert max(prices) < 10_000_000


def test_of_a_running_day_only_complete_minutes_are_delivered_and_they_do_not_change_later():
    noon = datetime(2023, 11, 6, 12, 0, 30, tzinfo=UTC)
    so_far = Simulator(7, now=lambda: noon).day("BTCUSDT", DAY).candles
    assert so_far.num_rows == 720
    assert so_far.equals(Simulator(7).day("BTCUSDT", DAY).candles.slice(0, 720))


def test_before_the_market_began():
    with pytest.raises(BeforeListingError, match="starts on 2017-01-01"):
        Simulator(7).day("BTCUSDT", EPOCH - timedelta(days=1))
