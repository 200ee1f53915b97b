"""`models`, `model_evaluations` and `champions` of a month, trained on real days of the sample."""

from datetime import UTC, datetime
from itertools import product

import pandas as pd
import pytest

from bitpredict.features.catalog import FEATURE_TABLE
from bitpredict.forecasting.mlflow_tracking import Tracking, registered_name
from bitpredict.forecasting.store import ModelStore
from bitpredict.market.horizons import HORIZONS, parse_horizon
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.evaluations import read_champions, read_evaluations
from bitpredict_assets.describe import literal
from tests.support.graph import run_job

pytestmark = pytest.mark.slow

MONTH = datetime(2023, 12, 1, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
MODELS = ("boosting", "ewma", "random_walk", "ridge", "seasonal_har")
KEY = ["symbol", "horizon", "model"]


def test_each_symbol_and_horizon_has_a_version_of_every_recipe(trained):
    evaluations = read_evaluations(trained.engine)
    assert {*map(tuple, evaluations[KEY].to_numpy())} == {*product(SYMBOLS, ("5m", "1h", "1d"), MODELS)}
    assert evaluations["month"].unique().tolist() == ["2023-12-01"]
    assert sorted(evaluations["model_version"]) == sorted(ModelStore(trained.settings.models).versions())


def test_a_materialization_says_what_was_trained(trained):
    models, evaluations = trained.ran.metadata("models"), trained.ran.metadata("model_evaluations")
    assert (models["versions"], models["newly trained"], models["not trained"]) == (30, 30, [])
    assert models["origins dropped"]["BTCUSDT 1d: target not known before the month"] == 288
    assert models["folder"] == str(trained.settings.models)
    assert evaluations["dagster/row_count"] == 30
    assert evaluations["preview"].count("| ETHUSDT | 1h |") == 5
    assert trained.ran.materialized == {asset: ["2023-12-01"] for asset in ("models", "model_evaluations", "champions")}


def test_no_version_saw_anything_of_its_month(trained):
    store = ModelStore(trained.settings.models)
    for version in store.versions():
        model = store.load(version)
        assert model.valid_from == MONTH
        assert model.trained_to + model.horizon.length < MONTH
        assert model.metrics["sample_size"] > 0


def test_the_champion_is_the_baseline_or_proven_better(trained):
    """The gate's rule once more: of those that are better, significantly, and hold their interval, the best."""
    evaluations, champions = read_evaluations(trained.engine), read_champions(trained.engine)
    assert len(champions) == len(SYMBOLS) * len(HORIZONS)
    for champion in champions.itertuples():
        rivals = evaluations[(evaluations["symbol"] == champion.symbol) & (evaluations["horizon"] == champion.horizon)]
        proven = rivals[(rivals["skill"] > 0) & (rivals["p_value"] < 0.05) & rivals["coverage_90"].between(0.87, 0.93)]
        expected = proven.sort_values("qlike")["model"].iloc[0] if len(proven) else "seasonal_har"
        assert champion.model == expected, champion.reason
        assert champion.valid_from == MONTH
        assert literal(champion.reason) in trained.ran.metadata("champions")["decisions"]


def test_mlflow_has_every_version_and_knows_who_serves(trained):
    tracking = Tracking.from_settings(trained.settings)
    evaluations, champions = read_evaluations(trained.engine), read_champions(trained.engine)
    for (symbol, horizon), rivals in evaluations.groupby(["symbol", "horizon"]):
        name = registered_name(symbol, parse_horizon(horizon))
        versions = tracking.client.search_model_versions(f"name = '{name}'")
        assert {version.tags["version"] for version in versions} == set(rivals["model_version"])
        here = (champions["symbol"] == symbol) & (champions["horizon"] == horizon)
        serving = champions[here]["model_version"].item()
        others = rivals[rivals["model_version"] != serving]
        aliased = {
            alias: tracking.client.get_model_version_by_alias(name, alias).tags["version"]
            for alias in ("champion", "challenger")
        }
        assert aliased == {"champion": serving, "challenger": others.loc[others["qlike"].idxmin(), "model_version"]}


def test_no_pickle_is_stored_anywhere(trained):
    files = [path for path in trained.settings.home.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".joblib", ".cloudpickle"}]
    starts = {path: path.open("rb").read(2) for path in files}
    assert not [path for path, start in starts.items() if start[:1] == b"\x80" and start[1:] in b"\x02\x03\x04\x05"]


@pytest.mark.usefixtures("with_models")
def test_training_again_trains_nothing(trained, settings, engine):
    ran = run_job("models", "2023-12-01")
    assert ran.success
    assert ran.metadata("models")["newly trained"] == 0
    assert ran.metadata("models")["versions"] == 30
    for read in (read_evaluations, read_champions):
        pd.testing.assert_frame_equal(read(engine), read(trained.engine))
    client = Tracking.from_settings(settings).client
    assert len(client.search_model_versions()) == 30


@pytest.mark.usefixtures("with_models")
def test_what_comes_after_the_month_began_changes_no_version(lake):
    """Without December's candles and features the history is the same, so that every version is there already."""
    for contract in (CANDLES, FEATURE_TABLE):
        lake.replace(contract, contract.empty(), MONTH, datetime(2024, 1, 1, tzinfo=UTC))
    assert run_job("models", "2023-12-01").metadata("models")["newly trained"] == 0


def test_the_first_month_of_the_calendar_has_no_history(settings, engine):
    ran = run_job("models", "2023-11-01")
    assert not ran.success
    assert ran.materialized == {}
    (why,) = ran.failures.values()
    assert "nothing could be trained: 2023-11 has no features before it" in why
    assert "materialize the feature table of earlier days" in why
    assert read_evaluations(engine).empty
    assert not settings.models.exists()


@pytest.mark.usefixtures("with_features")
def test_too_little_history_is_named_by_symbol_and_horizon(engine):
    """The lake holds two days of features."""
    ran = run_job("models", "2023-12-01")
    assert not ran.success
    (why,) = ran.failures.values()
    assert all(f"{symbol} {horizon.name} has" in why for symbol in SYMBOLS for horizon in HORIZONS)
    assert "collect more days before it" in why
    assert read_champions(engine).empty
