from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.baselines import Ewma, RandomWalk
from bitpredict.forecasting.boosting import Boosting
from bitpredict.forecasting.model import QUANTILE_COLUMNS, version_of
from bitpredict.forecasting.ridge import Ridge
from bitpredict.market.horizons import parse_horizon

HOUR, DAY = parse_horizon("1h"), parse_horizon("1d")
MADE_FROM = {
    "symbol": "BTCUSDT",
    "horizon": HOUR,
    "month": "2023-12-01",
    "frame_digest": "f" * 64,
    "feature_set_version": "abc",
}


def test_a_version_stays_the_same_on_every_machine():
    """Changing this literal renames every stored version: its forecasts get new ids."""
    assert version_of(RandomWalk(), **MADE_FROM) == "ead9dd6974fc0d8c"


@pytest.mark.parametrize(
    ("recipe", "changed"),
    [
        pytest.param(Ewma(), {}, id="recipe"),
        pytest.param(Ridge(penalty=31.0), {}, id="parameter"),
        pytest.param(Boosting(seed=8), {}, id="seed"),
        pytest.param(Ridge(), {"symbol": "ETHUSDT"}, id="symbol"),
        pytest.param(Ridge(), {"horizon": DAY}, id="horizon"),
        pytest.param(Ridge(), {"month": "2024-01-01"}, id="month"),
        pytest.param(Ridge(), {"frame_digest": "e" * 64}, id="training frame"),
        pytest.param(Ridge(), {"feature_set_version": "abd"}, id="feature set"),
    ],
)
def test_whatever_it_is_made_from_is_in_the_version(recipe, changed):
    known = {version_of(one, **MADE_FROM) for one in (RandomWalk(), Ridge(), Boosting())}
    assert version_of(recipe, **{**MADE_FROM, **changed}) not in known


def test_a_forecast_has_ordered_quantiles_and_null_where_an_input_is_null(ridge_model, features):
    rows = features.to_pandas()
    rows = rows[rows["origin"] >= ridge_model.valid_from].head(50)
    rows.loc[rows.index[7], "trades_15"] = np.nan
    found = ridge_model.forecast(rows)
    assert found.isna().all(axis=1).tolist() == [i == 7 for i in range(50)]
    known = found.dropna()
    assert (np.diff(known[list(QUANTILE_COLUMNS)].to_numpy(), axis=1) > 0).all()
    assert (known["realized_variance"] > 0).all()
    assert known["p_up"].between(0.3, 0.7).all()
    assert found.index.equals(rows.index)


def test_an_origin_before_valid_from_is_refused(ridge_model, features):
    rows = features.to_pandas()
    early = rows[rows["origin"] == datetime(2023, 11, 30, 23, 55, tzinfo=UTC)]
    with pytest.raises(ModelError, match=r"valid from 2023-12-01 00:00 UTC and must not forecast 2023-11-30 23:55"):
        ridge_model.forecast(early)


def test_the_result_digest_is_that_of_what_was_learnt(ridge_model):
    assert replace(ridge_model, metrics={"skill": 1.0}).result_digest == ridge_model.result_digest
    other = replace(ridge_model.calibration, p_up=0.1)
    assert replace(ridge_model, calibration=other).result_digest != ridge_model.result_digest
    nudged = ridge_model.forecaster.debiased(1.0 + 1e-15)
    assert replace(ridge_model, forecaster=nudged).result_digest != ridge_model.result_digest
