"""Tick models in a real MLflow: what is registered, who serves, and what MLflow loads."""

import dataclasses
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from bitpredict.forecasting.mlflow_tracking import CHAMPION, Tracking
from bitpredict.forecasting.model import FORECAST_COLUMNS
from bitpredict.forecasting.registry import open_registry
from bitpredict.market.horizons import QUANTILE_LEVELS, TICK
from bitpredict.settings import Settings
from bitpredict.streaming.tick_models import TICK_BASELINE, TickInputs, make_model
from bitpredict.streaming.tick_store import TickModelStore
from bitpredict.streaming.tick_tracking import TickTracking
from bitpredict.streaming.tick_training import TickTraining

pytestmark = pytest.mark.slow

SYMBOL, NAME = "BTCUSD", "bitpredict-BTCUSD-1m"
MONDAY, TUESDAY, WEDNESDAY = date(2024, 3, 4), date(2024, 3, 5), date(2024, 3, 6)
WHEN = datetime(2024, 3, 4, 12, tzinfo=UTC)


def training(intercept: float, qlike: float) -> TickTraining:
    """One whose baseline lost 2.0; the version follows from the intercept."""
    quantiles = tuple(float(level - 0.5) for level in QUANTILE_LEVELS)
    model = make_model(
        "tick_ml", SYMBOL, intercept, (0.4, 0.0, 0.6), quantiles, 0.5, skill=1 - qlike / 2.0, sample_size=300
    )
    return TickTraining(model, WHEN, WHEN, 600, 300, qlike, 2.0, 0.88, 0.97)


BETTER, WORSE, BEST = training(0.1, 1.5), training(0.2, 2.5), training(0.3, 1.0)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """MLflow makes its tables once; each test has a copy."""
    home = tmp_path_factory.mktemp("mlflow")
    Tracking.from_settings(Settings(home=home)).client.search_registered_models()
    return home


@pytest.fixture
def tracking(template, settings) -> Tracking:
    settings.home.mkdir()
    (settings.home / "mlflow.db").write_bytes((template / "mlflow.db").read_bytes())
    return Tracking.from_settings(settings)


@pytest.fixture
def ticks(tracking, settings) -> TickTracking:
    ticks = TickTracking(tracking, TickModelStore.from_settings(settings))
    for found, day in ((BETTER, MONDAY), (WORSE, TUESDAY), (BEST, WEDNESDAY)):
        ticks.log(found, day, {"tick_window": 50})
    return ticks


def serving(settings: Settings) -> str | None:
    """As the predictor is told."""
    return open_registry(settings.mlflow).champions().get((SYMBOL, "1m"))


def test_a_version_is_registered_with_its_losses_after_the_baseline(ticks, tracking, settings):
    versions = tracking.client.search_model_versions(f"name = '{NAME}'", order_by=["version_number ASC"])
    expected = [TICK_BASELINE.version, *(each.model.version for each in (BETTER, WORSE, BEST))]
    assert [version.tags["version"] for version in sorted(versions, key=lambda each: int(each.version))] == expected
    run = tracking.client.get_run(tracking.registered(NAME, BETTER.model.version)[1])
    assert (run.data.metrics["qlike"], run.data.metrics["baseline_qlike"]) == (1.5, 2.0)
    assert run.data.metrics["skill"] == 0.25
    assert run.data.params["tick_window"] == "50"
    assert (run.data.tags["day"], run.data.tags["provenance"]) == ("2024-03-04", "observed")
    ticks.log(BETTER, MONDAY, {})
    assert len(tracking.client.search_model_versions(f"name = '{NAME}'")) == 4
    assert TickModelStore.from_settings(settings).load(BETTER.model.version) == BETTER.model
    assert serving(settings) is None


def test_what_beats_the_baseline_serves_and_what_does_not_leaves_who_served(ticks, settings):
    assert ticks.elect(WORSE, TUESDAY).version == TICK_BASELINE.version == serving(settings)
    assert ticks.elect(BETTER, MONDAY).version == BETTER.model.version == serving(settings)
    kept = ticks.elect(WORSE, TUESDAY)
    assert kept.version == BETTER.model.version == serving(settings)
    assert "stays" in kept.why
    assert ticks.elect(BEST, WEDNESDAY).version == BEST.model.version == serving(settings)


def test_a_day_made_again_does_not_take_over_from_a_later_one(ticks, settings):
    ticks.elect(BEST, WEDNESDAY)
    again = ticks.elect(BETTER, MONDAY)
    assert again.version == BEST.model.version == serving(settings)
    assert again.why == "the version of 2024-03-06 is a later one"


def test_no_skill_at_all_is_not_better(ticks, settings):
    even = dataclasses.replace(BETTER, qlike=2.0)
    assert ticks.elect(even, MONDAY).version == TICK_BASELINE.version == serving(settings)


def test_what_does_not_cover_does_not_serve(ticks, settings):
    """A low loss alone can be an interval that is far too narrow, or a baseline that collapsed."""
    narrow = dataclasses.replace(BEST, coverage_90=0.47)
    elected = ticks.elect(narrow, WEDNESDAY)
    assert elected.version == TICK_BASELINE.version == serving(settings)
    assert "47%" in elected.why


def test_moving_the_alias_is_the_rollback_to_any_version_or_to_the_baseline(ticks, tracking, settings):
    ticks.elect(BEST, WEDNESDAY)
    for version in (BETTER.model.version, TICK_BASELINE.version):
        tracking.set_alias(CHAMPION, SYMBOL, TICK, version)
        assert serving(settings) == version


@pytest.mark.usefixtures("ticks")
def test_what_mlflow_loads_forecasts_the_same(tracking, monkeypatch):
    import mlflow

    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)
    mlflow.set_tracking_uri(tracking._uri)
    number = tracking.number(NAME, BETTER.model.version)
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}/{number}")
    rows = [TickInputs(1e-9, 60.0, 4e-8), TickInputs(2e-9, 90.0, 0.0)]
    found = loaded.predict(pd.DataFrame(rows, columns=list(TickInputs._fields)))
    expected = BETTER.model.forecast(rows[0])
    assert list(found.columns) == list(FORECAST_COLUMNS)
    assert found.iloc[0].tolist() == [expected.variance, *expected.quantiles, expected.p_up]
    assert np.isnan(found.iloc[1]).all()
    assert len(loaded.predict(loaded.input_example)) == 1
