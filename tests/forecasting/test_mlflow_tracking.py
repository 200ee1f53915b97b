import numpy as np
import pandas as pd
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.gate import choose_champion
from bitpredict.forecasting.mlflow_tracking import Tracking
from bitpredict.forecasting.model import FORECAST_COLUMNS
from bitpredict.forecasting.store import ModelStore
from bitpredict.market.horizons import parse_horizon
from bitpredict.settings import Settings
from tests.support.archive_server import Answer, serve
from tests.support.ports import nobodys_port

pytestmark = pytest.mark.slow

HOUR = parse_horizon("1h")
NAME = "bitpredict-BTCUSDT-1h"


@pytest.fixture(scope="module")
def tracking(trained, past, tmp_path_factory) -> Tracking:
    """A fresh MLflow with every model of the month."""
    settings = Settings(home=tmp_path_factory.mktemp("home") / "of" / "its" / "own")
    store = ModelStore(settings.models)
    store.save_frame(past)
    tracking = Tracking.from_settings(settings)
    for model in trained.models:
        store.save(model)
        tracking.log(model)
    return tracking


def test_a_version_is_logged_with_all_that_names_it(tracking, ridge_model):
    number = tracking.number(NAME, ridge_model.version)
    registered = tracking.client.get_model_version(NAME, number)
    run = tracking.client.get_run(registered.run_id)
    assert registered.tags["version"] == ridge_model.version
    assert run.info.status == "FINISHED"
    assert run.data.params["penalty"] == "30.0"
    assert run.data.metrics["qlike"] == pytest.approx(ridge_model.metrics["qlike"])
    assert run.data.tags["result_digest"] == ridge_model.result_digest
    files = {file.path for file in tracking.client.list_artifacts(run.info.run_id, "model")}
    assert files >= {"model/MLmodel", "model/input_example.json"}
    experiment = tracking.client.get_experiment(run.info.experiment_id)
    assert experiment.name == NAME


def test_a_servers_password_is_sent_and_in_no_error(tmp_path, monkeypatch):
    from mlflow.exceptions import MlflowException

    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with serve() as server:
        uri = server.url.replace("://", "://me:hu%2Fsh@")
        server.routes["/api/2.0/mlflow/experiments/get-by-name"] = lambda _query: Answer(403, body=b"no")
        with pytest.raises(MlflowException) as refused:
            Tracking(uri, tmp_path, ModelStore(tmp_path)).client.get_experiment_by_name("any")
    with nobodys_port() as port:
        nobody = Tracking(f"http://me:hu%2Fsh@127.0.0.1:{port}", tmp_path, ModelStore(tmp_path))
        with pytest.raises(MlflowException, match="failed with exception") as away:
            nobody.client.get_experiment_by_name("any")
    assert server.asked[0].headers["Authorization"] == "Basic bWU6aHUvc2g="
    assert "sh@" not in f"{refused.value}{away.value}"


def test_logging_again_changes_nothing(tracking, trained):
    def versions() -> dict[str, int]:
        found = tracking.client.search_model_versions(f"name='{NAME}'")
        return {str(version.version): version.last_updated_timestamp for version in found}

    before = versions()
    assert sorted(before) == [str(i + 1) for i in range(len(trained.models))]
    assert [tracking.log(model) for model in trained.models] == sorted(before)
    assert versions() == before


def test_what_mlflow_loads_forecasts_the_same(tracking, trained, features, monkeypatch):
    import mlflow

    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)
    mlflow.set_tracking_uri(tracking._uri)
    rows = features.to_pandas()
    rows = rows[rows["origin"] >= "2023-12-01"].head(20)
    for model in trained.models:
        loaded = mlflow.pyfunc.load_model(f"models:/{NAME}/{tracking.number(NAME, model.version)}")
        asked = rows[["origin", *model.forecaster.inputs]].assign(
            origin=rows["origin"].dt.tz_localize(None).astype("datetime64[ns]")
        )
        found = loaded.predict(asked)
        np.testing.assert_array_equal(found[list(FORECAST_COLUMNS)], model.forecast(rows))
        assert [column.name for column in loaded.metadata.signature.outputs] == list(FORECAST_COLUMNS)
        assert len(loaded.predict(loaded.input_example)) == 1


def test_aliases_follow_the_champions_and_roll_back(tracking, trained):
    champions = choose_champion(trained.evaluations)
    tracking.follow(champions, trained.evaluations)
    served = champions["model_version"].item()
    assert tracking.client.get_model_version_by_alias(NAME, "champion").tags["version"] == served
    others = trained.evaluations[trained.evaluations["model_version"] != served].sort_values("qlike")
    challenger = tracking.client.get_model_version_by_alias(NAME, "challenger")
    assert challenger.tags["version"] == others["model_version"].iloc[0]
    previous = trained.models[0].version
    tracking.set_alias("champion", "BTCUSDT", HOUR, previous)
    assert tracking.client.get_model_version_by_alias(NAME, "champion").tags["version"] == previous
    older = champions.assign(valid_from=pd.Timestamp("2023-11-01", tz="UTC"), model_version=previous)
    tracking.follow(pd.concat([champions, older]), trained.evaluations)
    assert tracking.client.get_model_version_by_alias(NAME, "champion").tags["version"] == served


def test_a_version_that_was_not_logged_cannot_serve(tracking):
    with pytest.raises(ModelError, match="has no version 0000"):
        tracking.set_alias("champion", "BTCUSDT", HOUR, "0000")
