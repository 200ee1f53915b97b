import numpy as np
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.calibration import calibrate
from bitpredict.market.horizons import QUANTILE_LEVELS

RANDOM = np.random.default_rng(5)


def test_quantiles_are_those_of_the_standardized_returns():
    variance = RANDOM.lognormal(-10, 1, 4000)
    returns = np.sqrt(variance) * RANDOM.standard_t(5, 4000)
    found = calibrate(returns, variance)
    assert found.quantiles == pytest.approx(np.quantile(returns / np.sqrt(variance), QUANTILE_LEVELS))
    assert found.p_up == np.mean(returns > 0)
    assert found.sample_size == 4000
    share_below = (returns[:, None] < found.returns(variance)).mean(axis=0)
    assert share_below == pytest.approx(QUANTILE_LEVELS, abs=1e-3)


def test_rows_that_no_fit_was_spared_are_left_out():
    held_out = np.array([np.nan, 1.0, 4.0, np.nan])
    found = calibrate(np.array([9.0, 1.0, -2.0, 9.0]), held_out)
    assert (found.sample_size, found.p_up) == (2, 0.5)
    assert found.quantiles[3] == 0.0


def test_quantiles_are_ordered_and_grow_with_volatility():
    found = calibrate(RANDOM.normal(0, 1, 50), np.ones(50))
    narrow, wide = found.returns(np.array([1e-6, 4e-6]))
    assert (np.diff(narrow) >= 0).all()
    assert wide == pytest.approx(2 * narrow)


def test_nothing_held_out_cannot_be_calibrated_on():
    with pytest.raises(ModelError, match="longer history"):
        calibrate(np.ones(3), np.full(3, np.nan))
