import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.forecasting import metrics
from bitpredict.market.horizons import QUANTILE_LEVELS

RANDOM = np.random.default_rng(3)


def test_qlike_is_the_papers_formula_and_least_at_the_truth():
    realized, forecast = RANDOM.lognormal(-10, 1, 50), RANDOM.lognormal(-10, 1, 50)
    expected = [y / f - np.log(y / f) - 1 for y, f in zip(realized, forecast, strict=True)]
    assert metrics.qlike(realized, forecast).tolist() == pytest.approx(expected)
    assert metrics.qlike(realized, realized).tolist() == pytest.approx([0.0] * 50)


@given(st.lists(st.floats(1e-9, 1.0), min_size=3, max_size=30), st.floats(0.2, 5.0))
def test_no_other_constant_has_a_lower_mean_qlike_than_the_mean(realized, factor):
    values = np.array(realized)
    best = metrics.qlike(values, np.full(values.size, values.mean())).mean()
    assert best <= metrics.qlike(values, np.full(values.size, values.mean() * factor)).mean() + 1e-9


def test_pinball_is_the_mean_over_levels():
    returns = RANDOM.normal(0, 1, 40)
    quantiles = np.sort(RANDOM.normal(0, 1, (40, 7)), axis=1)
    expected = [
        np.mean([(level if r >= q else level - 1) * (r - q) for level, q in zip(QUANTILE_LEVELS, row, strict=True)])
        for r, row in zip(returns, quantiles, strict=True)
    ]
    assert metrics.pinball(returns, quantiles).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("log_return", "share", "expected"),
    [
        pytest.param(0.0, 0.5, True, id="middle"),
        pytest.param(0.3, 0.5, True, id="on the edge of the half"),
        pytest.param(0.31, 0.5, False, id="outside the half"),
        pytest.param(0.31, 0.9, True, id="inside the nine tenths"),
        pytest.param(-0.51, 0.9, False, id="below"),
    ],
)
def test_intervals_are_closed(log_return, share, expected):
    quantiles = np.array([[-0.5, -0.4, -0.3, 0.0, 0.3, 0.4, 0.5]])
    assert metrics.inside(np.array([log_return]), quantiles, share).tolist() == [expected]


def test_the_worst_origins_are_those_of_the_baseline():
    baseline = np.arange(200.0)
    loss = np.where(baseline >= 198, 1e6, 1.0)
    assert metrics.without_worst(loss, baseline) == 1.0
    assert metrics.without_worst(loss, baseline[::-1]) > 1.0
    assert metrics.without_worst(np.array([5.0]), np.array([1.0])) == 5.0


@pytest.mark.slow
@pytest.mark.parametrize("lags", [0, 1, 11, 50])
def test_newey_west_is_that_of_statsmodels(lags):
    import statsmodels.api as sm

    series = np.convolve(RANDOM.standard_t(4, 700), np.ones(12), "valid")
    fit = sm.OLS(series, np.ones(series.size)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    assert metrics.newey_west(series, lags) == pytest.approx(float(fit.cov_params()[0, 0]), rel=1e-10)


@pytest.mark.slow
def test_diebold_mariano_is_the_t_statistic_of_the_mean_difference():
    import statsmodels.api as sm
    from scipy.stats import norm

    baseline = np.convolve(RANDOM.gamma(1, 1, 900), np.ones(6), "valid")
    loss = baseline - 0.2 + np.convolve(RANDOM.normal(0, 1, 900), np.ones(6), "valid") / 6
    fit = sm.OLS(loss - baseline, np.ones(loss.size)).fit(
        cov_type="HAC", cov_kwds={"maxlags": 20, "use_correction": False}
    )
    statistic, p_value = metrics.diebold_mariano(loss, baseline, 20)
    assert statistic == pytest.approx(float(fit.tvalues[0]), rel=1e-9)
    assert p_value == pytest.approx(norm.cdf(statistic), rel=1e-9)
    assert p_value < 0.05
    worse, p_worse = metrics.diebold_mariano(baseline, loss, 20)
    assert (worse, p_worse) == (pytest.approx(-statistic), pytest.approx(1 - p_value))


def test_equal_losses_prove_nothing():
    loss = RANDOM.gamma(1, 1, 100)
    assert metrics.diebold_mariano(loss, loss, 5) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("sample_size", "overlap", "lags"),
    [
        pytest.param(52_981, 11, 288, id="half a year: a day of lags"),
        pytest.param(1656, 11, 207, id="a week: an eighth of it"),
        pytest.param(1600, 0, 200, id="no overlap"),
        pytest.param(1600, 287, None, id="days that overlap, and only five of them"),
        pytest.param(2304, 287, 288, id="eight days are enough"),
        pytest.param(40, 11, None, id="hours that overlap, and only three of them"),
    ],
)
def test_lags_of_a_sample(sample_size, overlap, lags):
    assert metrics.hac_lags(sample_size, overlap) == lags
