import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.gate import choose_champion
from bitpredict.forecasting.inference import forecast_ids, make_forecasts
from bitpredict.forecasting.model import FORECAST_COLUMNS
from bitpredict.market.horizons import parse_horizon
from bitpredict.storage.schema import forecasts
from tests.forecasting.conftest import NOW

MADE_FROM = "feature_table@7"


@pytest.fixture
def rows(features) -> pd.DataFrame:
    """December 1st and 2nd."""
    table = features.to_pandas()
    return table[(table["origin"] >= "2023-12-01") & (table["origin"] < "2023-12-03")]


@pytest.fixture(scope="session")
def champions(trained) -> pd.DataFrame:
    return choose_champion(trained.evaluations)


def by_hand(symbol: str, origin: str, horizon: str, version: str) -> str:
    return hashlib.sha256("|".join([symbol, origin, horizon, version]).encode()).hexdigest()[:32]


def test_each_model_forecasts_each_row(rows, trained, champions):
    found = make_forecasts(rows, trained.models, champions, MADE_FROM, NOW)
    table = found.table
    assert list(table.columns) == [column.name for column in forecasts.columns]
    assert table.groupby("model").size().to_dict() == {model.name: len(rows) for model in trained.models}
    assert found.skipped == {}
    assert table["forecast_id"].is_unique
    assert (table["target_time"] - table["origin"] == timedelta(hours=1)).all()
    champion = champions["model"].item()
    others = {model.name: "challenger" for model in trained.models} | {"seasonal_har": "baseline"}
    assert table.groupby("model")["variant"].unique().str[0].to_dict() == others | {champion: "champion"}
    for model in trained.models:
        mine = table[table["model"] == model.name]
        expected = model.forecast(rows)
        np.testing.assert_array_equal(mine[list(FORECAST_COLUMNS)], expected)
        assert set(mine["skill"]) == {model.metrics["skill"]}
        assert set(mine["skill_sample_size"]) == {model.metrics["sample_size"]}
    first = table.iloc[0]
    expected_id = by_hand("BTCUSDT", "2023-12-01T00:00:00+00:00", "1h", first["model_version"])
    assert first["forecast_id"] == expected_id
    assert first["reference_price"] == rows["reference_price"].iloc[0]
    assert (first["input"], first["provenance"], first["kind"]) == (MADE_FROM, "observed", "backtest")


def test_ids_do_not_depend_on_when_or_from_what(rows, trained, champions):
    first = make_forecasts(rows, trained.models, champions, MADE_FROM, NOW).table
    second = make_forecasts(rows.iloc[::-1], trained.models[::-1], champions, "another", datetime.now(UTC)).table
    assert set(first["forecast_id"]) == set(second["forecast_id"])
    ids = forecast_ids("BTCUSDT", "1h", "v", np.array(["2023-12-01T00:05"], "datetime64[us]"))
    assert ids == [by_hand("BTCUSDT", "2023-12-01T00:05:00+00:00", "1h", "v")]


@pytest.mark.parametrize(
    ("now", "live"),
    [
        pytest.param(datetime(2023, 12, 2, 12, tzinfo=UTC), 155, id="targets after the clock are live"),
        pytest.param(datetime(2023, 12, 1, 1, tzinfo=UTC), 575, id="the first target is now: no longer live"),
        pytest.param(datetime(2023, 12, 3, 0, 55, tzinfo=UTC), 0, id="the last target is now"),
    ],
)
def test_live_is_what_was_written_before_its_target(rows, trained, champions, now, live):
    table = make_forecasts(rows, trained.models[:1], champions.iloc[:0], MADE_FROM, now).table
    assert (table["kind"] == "live").sum() == live
    assert ((table["kind"] == "live") == (table["written_at"] < table["target_time"])).all()


def test_rows_that_say_too_little_are_counted(rows, trained, champions):
    rows = rows.copy()
    rows.loc[rows.index[:3], "coverage_60"] = 59 / 60
    rows.loc[rows.index[2:7], "drift_60"] = np.nan
    found = make_forecasts(rows, trained.models, champions, MADE_FROM, NOW)
    assert found.skipped == {
        "a missing or halted minute in the last hour": 3,
        "ridge: a null feature": 4,
        "boosting: a null feature": 4,
    }
    counts = found.table.groupby("model").size()
    assert counts["seasonal_har"] == len(rows) - 3
    assert counts["ridge"] == len(rows) - 7


def test_an_origin_before_its_version_is_refused(features, trained, champions):
    table = features.to_pandas()
    early = table[table["origin"] >= "2023-11-30 23:55"].head(5)
    with pytest.raises(ModelError, match="must not forecast 2023-11-30 23:55"):
        make_forecasts(early, trained.models, champions, MADE_FROM, NOW)


def test_each_origin_is_forecast_by_the_version_valid_at_it(rows, ridge_model, champions):
    later = replace(ridge_model, version="b" * 16, valid_from=datetime(2023, 12, 2, tzinfo=UTC))
    both = pd.concat([champions, champions]).assign(
        model="ridge",
        model_version=[ridge_model.version, later.version],
        valid_from=pd.to_datetime(["2023-12-01T12:00Z", "2023-12-02T06:00Z"]),
    )
    table = make_forecasts(rows, [later, ridge_model], both, MADE_FROM, NOW).table.set_index("origin")
    assert len(table) == len(rows)
    assert (table["model_version"] == np.where(table.index < "2023-12-02", ridge_model.version, later.version)).all()
    variants = table["variant"]
    assert set(variants[:"2023-12-01 11:55"]) == {"challenger"}
    assert set(variants["2023-12-01 12:00":"2023-12-01 23:55"]) == {"champion"}
    assert set(variants["2023-12-02 00:00":"2023-12-02 05:55"]) == {"challenger"}  # the first is champion still
    assert set(variants["2023-12-02 06:00":]) == {"champion"}


def test_a_champion_that_was_not_given_is_missed(rows, trained, champions):
    gone = champions.assign(model_version="0" * 16)
    with pytest.raises(ModelError, match=f"{'0' * 16} of BTCUSDT 1h is not among the models"):
        make_forecasts(rows, trained.models, gone, MADE_FROM, NOW)


def test_features_of_another_set_are_refused(rows, trained, champions):
    with pytest.raises(ModelError, match="cannot read other"):
        make_forecasts(rows.assign(feature_set_version="other"), trained.models, champions, MADE_FROM, NOW)


def test_a_day_ahead_is_forecast_every_hour(rows, ridge_model, champions):
    daily = replace(ridge_model, horizon=parse_horizon("1d"))
    table = make_forecasts(rows, [daily], champions, MADE_FROM, NOW).table
    assert table["origin"].tolist() == [origin for origin in rows["origin"] if origin.minute == 0]


def test_nothing_to_forecast_is_an_empty_table(rows, trained, champions):
    for some_rows, models in ((rows.iloc[:0], trained.models), (rows, [])):
        found = make_forecasts(some_rows, models, champions, MADE_FROM, NOW)
        assert found.table.empty
        assert list(found.table.columns) == [column.name for column in forecasts.columns]
