from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.streaming.window import TickWindow
from tests.support.streams import START, trade

PRICES = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=130)


def filled(prices: list[float], size: int, by: int = 1) -> TickWindow:
    window = TickWindow(size)
    for first in range(0, len(prices), by):
        second = [trade(first + i / 1000, price) for i, price in enumerate(prices[first : first + by])]
        window.extend(second, START + timedelta(seconds=first + 1))
    return window


@given(PRICES, st.integers(3, 60), st.integers(1, 40))
def test_mean_and_spread_are_those_of_numpy_over_the_last_trades(prices, size, by):
    found = filled(prices, size, by).statistics()
    last = prices[-size:]
    returns = np.diff(np.log(last))
    assert found.n == len(last)
    if len(returns):
        assert found.ret_mean == pytest.approx(returns.mean(), rel=1e-9, abs=1e-12)
    if len(returns) > 1:
        assert found.ret_std == pytest.approx(returns.std(ddof=1), rel=1e-7, abs=1e-12)


def test_pandas_over_recorded_trades_says_the_same(recordings):
    prices = pd.read_parquet(recordings / "trades" / "binance__btcusdt-trades.parquet")["price"]
    returns = np.log(prices).diff()
    window, found = TickWindow(50), []
    for i, price in enumerate(prices):
        window.extend([trade(i, price)], START + timedelta(seconds=i + 1))
        found.append(window.statistics())
    std = np.array([one.ret_std for one in found[49:]])
    np.testing.assert_allclose(std, returns.rolling(49).std(ddof=1)[49:], rtol=1e-6)
    np.testing.assert_allclose([one.ret_mean for one in found[49:]], returns.rolling(49).mean()[49:], atol=1e-12)
    assert {one.n for one in found[49:]} == {50}


@given(PRICES, st.integers(3, 60))
def test_how_trades_are_cut_into_seconds_does_not_matter(prices, size):
    assert filled(prices, size, 1).statistics() == filled(prices, size, 13).statistics()


@pytest.mark.parametrize(("prices", "expected"), [([], (None, None, 0)), ([5.0], (None, None, 1))])
def test_too_few_trades_have_no_returns(prices, expected):
    assert filled(prices, 50).statistics() == expected


def test_only_the_last_minute_of_seconds_is_kept():
    window = filled([1.0] * 200, 50)
    assert len(window.seconds) == 60
    assert len(window.last_minute(START + timedelta(seconds=230))) == 30
    assert len(window.returns) == 49
