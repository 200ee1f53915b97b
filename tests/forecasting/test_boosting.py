import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bitpredict.forecasting.boosting import BoostedRidge, Boosting
from bitpredict.forecasting.log_linear import debias, fit_log_linear
from bitpredict.forecasting.ridge import INPUTS

SMALL = Boosting(trees=20, least_rows_a_leaf=100)


def test_it_is_the_ridge_times_what_scikit_learn_predicts(hourly):
    from sklearn.ensemble import HistGradientBoostingRegressor

    ridge = fit_log_linear(hourly, INPUTS, penalty=30.0, clip=6.0)
    base = ridge.variance(hourly.rows)
    base *= np.mean(hourly.realized_variance / base)
    x = hourly.rows.matrix((*INPUTS, "day_sin", "day_cos", "week_sin", "week_cos"))
    model = HistGradientBoostingRegressor(
        loss="gamma", learning_rate=0.03, max_iter=20, max_leaf_nodes=8, min_samples_leaf=100, l2_regularization=5.0,
        max_features=0.5, early_stopping=False, random_state=SMALL.seed,
    ).fit(x, hourly.realized_variance / base)  # fmt: skip
    fitted = SMALL.fit(hourly)
    ratio = fitted.forecaster.variance(hourly.rows) / (base * model.predict(x))
    assert np.ptp(ratio) < 1e-9
    assert debias(hourly.realized_variance, fitted.held_out) == pytest.approx(1.0)


def test_arrays_bring_it_back(hourly):
    fitted = SMALL.fit(hourly).forecaster
    again = BoostedRidge.from_arrays(fitted.to_arrays(), fitted.inputs)
    assert np.array_equal(again.variance(hourly.rows), fitted.variance(hourly.rows))


@pytest.mark.slow
def test_what_is_learnt_does_not_depend_on_the_number_of_threads(hourly):
    found = []
    for count in (1, 3):
        with threadpool_limits(count):
            found.append(SMALL.fit(hourly))
    one, three = found
    assert np.array_equal(one.held_out, three.held_out)
    arrays = three.forecaster.to_arrays()
    assert all(np.array_equal(arrays[name], array) for name, array in one.forecaster.to_arrays().items())


def test_the_parameters_name_the_ridge_below():
    assert Boosting().parameters(None)["ridge_penalty"] == 30.0
    assert set(Boosting().parameters(None)) > {"learning_rate", "trees", "leaves", "l2", "feature_share"}


@pytest.mark.slow
def test_serving_imports_nothing_that_trains():
    code = (
        "import sys, bitpredict.forecasting.training, bitpredict.forecasting.inference, bitpredict.forecasting.scoring,"
        "bitpredict.forecasting.pyfunc, bitpredict.forecasting.mlflow_tracking;"
        "print([m for m in ('sklearn', 'mlflow', 'tensorflow', 'onnxruntime', 'statsmodels') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
