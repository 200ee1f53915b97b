import numpy as np
import pytest

from bitpredict.forecasting.baselines import ConstantVariance, Ewma, RandomWalk, WeightedVariance, ring_weights
from bitpredict.forecasting.calibration import calibrate
from bitpredict.market.horizons import QUANTILE_LEVELS


def test_the_random_walks_quantiles_are_the_empirical_ones(hourly):
    fitted = RandomWalk().fit(hourly)
    forecast = fitted.forecaster.variance(hourly.rows)
    assert forecast == pytest.approx(hourly.realized_variance.mean())
    quantiles = calibrate(hourly.log_return, fitted.held_out).returns(forecast[:1])[0]
    assert quantiles.tolist() == pytest.approx(np.quantile(hourly.log_return, QUANTILE_LEVELS).tolist())


def test_ring_weights_are_exponential_weights_averaged_over_each_ring():
    minutes = np.arange(360)
    exact = 0.5 ** (minutes / 30) * (1 - 0.5 ** (1 / 30)) / (1 - 0.5 ** (360 / 30))
    by_minute = sum(
        np.where(minutes < window, weight / window, 0.0)
        for window, weight in zip((5, 15, 30, 60, 180, 360), ring_weights(30.0), strict=True)
    )
    assert by_minute.sum() == pytest.approx(1.0)
    for start, end in ((0, 5), (5, 15), (15, 30), (30, 60), (60, 180), (180, 360)):
        assert by_minute[start:end].tolist() == pytest.approx([exact[start:end].mean()] * (end - start))


def test_the_ewma_is_the_weighted_mean_of_squared_returns_times_its_factor(hourly):
    fitted = Ewma().fit(hourly).forecaster
    forecast = fitted.variance(hourly.rows)
    assert (hourly.realized_variance / forecast).mean() == pytest.approx(1.0)
    windows = np.exp(hourly.rows.matrix(fitted.inputs))
    ratio = forecast / (windows @ ring_weights(30.0))
    assert np.ptp(ratio) < 1e-9 * ratio[0]


@pytest.mark.parametrize("recipe", [RandomWalk(), Ewma()], ids=lambda r: r.name)
def test_arrays_bring_them_back(recipe, hourly):
    kinds = {kind.kind: kind for kind in (ConstantVariance, WeightedVariance)}
    fitted = recipe.fit(hourly).forecaster
    again = kinds[fitted.kind].from_arrays(fitted.to_arrays(), fitted.inputs)
    assert np.array_equal(again.variance(hourly.rows), fitted.variance(hourly.rows))
