"""The registry's answers, read from MLflow's tables and from a real MLflow server, without loading MLflow."""

import os
import signal
import subprocess
import sys

import pytest

from bitpredict.errors import ModelError, SettingsError, StorageError
from bitpredict.forecasting.registry import open_registry
from tests.support.ports import free_ports, nobodys_port
from tests.support.processes import wait_for_answer

NAME = "bitpredict-BTCUSDT-1h"


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> str:
    """An MLflow database with two versions of a model; the first is champion."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    client = MlflowClient(uri)
    for name in (NAME, "bitpredict-ETH-USD-5m", "another-model"):
        client.create_registered_model(name)
        for version in ("aaaa", "bbbb"):
            client.create_model_version(name, "file:///nowhere", tags={"version": f"{version}{name[-1]}"})
        client.set_registered_model_alias(name, "champion", "1")
        client.set_registered_model_alias(name, "challenger", "2")
    return uri


@pytest.fixture(scope="module")
def server(database, tmp_path_factory) -> str:
    """`mlflow server` on that database."""
    (port,) = free_ports(1)
    file = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--port", str(port)]
    with file.open("wb") as log:
        process = subprocess.Popen([*command, "--workers", "1"], stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/health", process, file)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


EXPECTED = {("BTCUSDT", "1h"): "aaaah", ("ETH-USD", "5m"): "aaaam"}


@pytest.mark.slow
def test_the_database_says_who_is_champion_now(database):
    from mlflow import MlflowClient

    registry = open_registry(database)
    assert registry.champions() == EXPECTED
    MlflowClient(database).set_registered_model_alias(NAME, "champion", "2")
    assert registry.champions() == EXPECTED | {("BTCUSDT", "1h"): "bbbbh"}
    MlflowClient(database).set_registered_model_alias(NAME, "champion", "1")
    assert registry.champions() == EXPECTED


@pytest.mark.slow
def test_a_server_says_the_same(server, monkeypatch):
    monkeypatch.setattr("bitpredict.forecasting.registry._REST_SECONDS", 120.0)
    assert open_registry(server).champions() == EXPECTED


def test_nothing_registered_yet_is_no_champion_and_makes_no_file(tmp_path):
    path = tmp_path / "mlflow.db"
    assert open_registry(f"sqlite:///{path}").champions() == {}
    assert not path.exists()
    path.touch()
    assert open_registry(f"sqlite:///{path}").champions() == {}


def test_a_file_that_is_no_database_is_said(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_text("no database, but long enough to be looked at as one\n" * 100)
    with pytest.raises(StorageError, match=str(path)):
        open_registry(f"sqlite:///{path}").champions()


def test_a_server_that_is_away_is_said():
    with nobodys_port() as port, pytest.raises(ModelError, match="cannot be asked"):
        open_registry(f"http://127.0.0.1:{port}").champions()


def test_an_address_that_is_none_is_refused():
    with pytest.raises(SettingsError, match="BITPREDICT_MLFLOW_URI"):
        open_registry("nonsense")


@pytest.mark.slow
def test_mlflow_is_not_loaded():
    code = "import sys, bitpredict.forecasting.registry; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
