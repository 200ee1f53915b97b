from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bitpredict.forecasting.frame import TrainingFrame
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.log_linear import LogLinear, debias, fit_log_linear, hour_and_weekday
from bitpredict.forecasting.ridge import INPUTS, Ridge
from bitpredict.market.horizons import HORIZONS
from bitpredict.market.time import to_numpy

HAR = SeasonalHar().inputs(HORIZONS[1])


def dummies(frame: TrainingFrame) -> np.ndarray:
    origin = pd.DatetimeIndex(frame.origin)
    return np.column_stack([origin.hour == h for h in range(1, 24)] + [origin.weekday == d for d in range(1, 7)])


def test_hours_and_weekdays_are_those_of_the_calendar():
    moments = [datetime(2023, 1, 1, tzinfo=UTC) + timedelta(hours=7 * i) for i in range(200)]
    moments.append(datetime(1969, 12, 31, 23, 59, tzinfo=UTC))
    hour, weekday = hour_and_weekday(np.array([to_numpy(m) for m in moments]))
    assert hour.tolist() == [m.hour for m in moments]
    assert weekday.tolist() == [m.weekday() for m in moments]


@pytest.mark.slow
def test_without_penalty_it_is_ordinary_least_squares(hourly):
    import statsmodels.api as sm

    fitted = fit_log_linear(hourly, HAR, penalty=0.0, clip=np.inf)
    design = np.column_stack([np.ones(len(hourly)), hourly.rows.matrix(HAR), dummies(hourly)])
    expected = sm.OLS(np.log(hourly.realized_variance), design).fit()
    assert (fitted.weights / fitted.scale).tolist() == pytest.approx(expected.params[1:5].tolist(), rel=1e-6)
    assert np.log(fitted.variance(hourly.rows)).tolist() == pytest.approx(expected.fittedvalues.tolist(), abs=1e-8)


def test_with_penalty_it_is_the_ridge_of_scikit_learn(hourly):
    from sklearn.linear_model import Ridge as SklearnRidge

    fitted = fit_log_linear(hourly, INPUTS, penalty=30.0, clip=6.0)
    x = hourly.rows.matrix(INPUTS)
    scale = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    design = np.column_stack([np.clip((x - x.mean(axis=0)) / scale, -6, 6), dummies(hourly)])
    expected = SklearnRidge(alpha=30.0).fit(design, np.log(hourly.realized_variance)).predict(design)
    assert np.log(fitted.variance(hourly.rows)).tolist() == pytest.approx(expected.tolist(), abs=1e-9)


def test_a_weekday_that_was_never_seen_counts_as_the_first(hourly):
    weekend = hourly.take(hour_and_weekday(hourly.origin)[1] >= 5)
    fitted = fit_log_linear(weekend, HAR, penalty=0.0, clip=6.0)
    assert fitted.weekday[1:5].tolist() == pytest.approx([0.0] * 4, abs=1e-12)
    assert np.isfinite(fitted.variance(hourly.rows)).all()


def test_one_row_has_the_bits_of_many(hourly):
    fitted = Ridge().fit(hourly).forecaster
    together = fitted.variance(hourly.rows)
    for place in (0, 17, len(hourly) - 1):
        assert fitted.variance(hourly.rows.take(slice(place, place + 1)))[0] == together[place]


@pytest.mark.parametrize("horizon", HORIZONS, ids=lambda h: h.name)
def test_the_baseline_is_debiased_on_its_training_span(past, horizon):
    from bitpredict.forecasting.history import usable

    train, _ = usable(past, horizon, SeasonalHar().inputs(horizon))
    fitted = SeasonalHar().fit(train)
    assert debias(train.realized_variance, fitted.forecaster.variance(train.rows)) == pytest.approx(1.0, rel=1e-12)
    assert not np.array_equal(fitted.held_out, fitted.forecaster.variance(train.rows))


def test_the_ridge_is_debiased_on_rows_that_it_had_not_seen(hourly):
    fitted = Ridge().fit(hourly)
    assert debias(hourly.realized_variance, fitted.held_out) == pytest.approx(1.0, rel=1e-12)
    assert debias(hourly.realized_variance, fitted.forecaster.variance(hourly.rows)) < 1.0


def test_arrays_bring_it_back(hourly):
    fitted = fit_log_linear(hourly, HAR, penalty=0.0, clip=np.inf)
    again = LogLinear.from_arrays(fitted.to_arrays(), HAR)
    assert np.array_equal(again.variance(hourly.rows), fitted.variance(hourly.rows))
