"""Model versions in MLflow: one experiment and one registered model a symbol and horizon, aliases for who serves.

The model store stays the only thing that serving reads; MLflow shows, compares and points. Its client is spoken to
directly: the fluent interface keeps an active run a process and costs three times as much a version.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.errors import ModelError
from bitpredict.forecasting.model import FORECAST_COLUMNS, TrainedModel
from bitpredict.forecasting.store import ModelStore
from bitpredict.market.horizons import Horizon, parse_horizon
from bitpredict.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

CHAMPION, CHALLENGER = "champion", "challenger"
_LOADER = "bitpredict.forecasting.pyfunc"
_REQUIREMENTS = ["bitpredict", "numpy", "pandas"]
_VERSION = "version"


def registered_name(symbol: str, horizon: Horizon) -> str:
    """Name of the experiment and of the registered model: `bitpredict-BTCUSDT-1h`."""
    return f"bitpredict-{symbol}-{horizon.name}"


@dataclass(frozen=True, eq=False)
class Entry:
    """What MLflow shows of a version.

    Attributes:
        title: of its run.
        tags: of its run and of the registered version. parameters, metrics: of its run.
        moment: of the metrics.
    """

    symbol: str
    horizon: Horizon
    version: str
    title: str
    tags: Mapping[str, str]
    parameters: Mapping[str, object]
    metrics: Mapping[str, float]
    moment: datetime


class Tracking:
    """Versions in one MLflow.

    Args:
        uri: its tracking URI: a database, or a server.
        artifacts: folder for the artifacts of new experiments; a server keeps them where it likes.
        store: where the versions lie.
    """

    def __init__(self, uri: str, artifacts: Path, store: ModelStore) -> None:
        self._uri = uri
        self._artifacts = artifacts
        self._store = store

    @classmethod
    def from_settings(cls, settings: Settings) -> "Tracking":
        return cls(settings.mlflow, settings.home / "mlflow-artifacts", ModelStore(settings.models))

    @cached_property
    def client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table and model that it makes
        if self._uri.startswith("sqlite:///"):
            Path(self._uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        return MlflowClient(_without_login(self._uri))

    def log(self, model: TrainedModel) -> str:
        """Register a version with its parameters, metrics, signature, input example and files.

        A version that is registered already is not logged again.

        Returns:
            The number that MLflow gave it.
        """
        tags = {
            "model": model.name,
            "month": model.month,
            "frame_digest": model.frame_digest,
            "result_digest": model.result_digest,
            "feature_set_version": model.feature_set_version,
        }
        named = {"seed": model.seed, "trained_from": model.trained_from, "trained_to": model.trained_to}
        entry = Entry(
            symbol=model.symbol,
            horizon=model.horizon,
            version=model.version,
            title=f"{model.month} {model.name}",
            tags=tags,
            parameters={**named, **model.parameters},
            metrics={name: float(value) for name, value in model.metrics.items() if value is not None},
            moment=model.valid_from,
        )
        return self.record(entry, lambda folder: self._write_pyfunc(folder, model))

    def record(self, entry: Entry, write: Callable[[Path], None]) -> str:
        """Register a version whose files `write` makes as an MLflow model in the new folder that it is given.

        A version that is registered already is not logged again.

        Returns:
            The number that MLflow gave it.
        """
        name = registered_name(entry.symbol, entry.horizon)
        if (number := self.number(name, entry.version)) is not None:
            return number
        tags = {_VERSION: entry.version, **entry.tags}
        run = self.client.create_run(self._experiment(name), tags=tags, run_name=entry.title)
        self._log_numbers(run.info.run_id, entry)
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "model")
            self.client.log_artifacts(run.info.run_id, folder)
        self.client.set_terminated(run.info.run_id)
        self._register(name)
        made = self.client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id, tags=tags)
        return str(made.version)

    def number(self, name: str, version: str) -> str | None:
        """MLflow's number of a version of the registered model `name`; None if it is not registered."""
        found = self.registered(name, version)
        return found[0] if found else None

    def registered(self, name: str, version: str) -> tuple[str, str] | None:
        """MLflow's number of a version of the registered model `name`, and its run; None if it is not registered."""
        found = self.client.search_model_versions(f"name = '{name}' and tag.{_VERSION} = '{version}'")
        return (str(found[0].version), str(found[0].run_id)) if found else None

    def set_alias(self, alias: str, symbol: str, horizon: Horizon, version: str) -> None:
        """Point an alias at a version; pointing `champion` at an earlier one is the rollback.

        Raises:
            ModelError: the version is not registered.
        """
        name = registered_name(symbol, horizon)
        if (number := self.number(name, version)) is None:
            raise ModelError(f"{name} has no version {version} in {self._uri}; log it first")
        if self.client.get_registered_model(name).aliases.get(alias) != number:
            self.client.set_registered_model_alias(name, alias, number)

    def champion(self, symbol: str, horizon: Horizon) -> Mapping[str, str] | None:
        """Tags of the version that `champion` points at, `version` among them; None where it points at none."""
        found = self.client.search_registered_models(f"name = '{registered_name(symbol, horizon)}'")
        number = found[0].aliases.get(CHAMPION) if found else None
        if number is None:
            return None
        tags: dict[str, str] = self.client.get_model_version(found[0].name, number).tags
        return tags

    def follow(self, champions: pd.DataFrame, evaluations: pd.DataFrame) -> None:
        """Point `champion` at who serves last of each symbol and horizon, `challenger` at the best of the others.

        Args:
            champions: rows of `champions`.
            evaluations: rows of `model_evaluations`, of the same months.

        Raises:
            ModelError: a version is not registered.
        """
        for (symbol, horizon), group in champions.groupby(["symbol", "horizon"]):
            newest = group.sort_values("valid_from").iloc[-1]
            self.set_alias(CHAMPION, str(symbol), parse_horizon(str(horizon)), newest["model_version"])
            same = (evaluations[["month", "symbol", "horizon"]] == newest[["month", "symbol", "horizon"]]).all(axis=1)
            others = evaluations[same & (evaluations["model_version"] != newest["model_version"])]
            if len(others):
                best = others.sort_values(["qlike", "model"]).iloc[0]
                self.set_alias(CHALLENGER, str(symbol), parse_horizon(str(horizon)), best["model_version"])

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        if (found := self.client.get_experiment_by_name(name)) is not None:
            return str(found.experiment_id)
        place = None if self._uri.startswith("http") else (self._artifacts / name).as_uri()
        try:
            return self.client.create_experiment(name, artifact_location=place)
        except MlflowException:
            if (found := self.client.get_experiment_by_name(name)) is None:
                raise
            return str(found.experiment_id)  # another process was quicker

    def _register(self, name: str) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise

    def _log_numbers(self, run: str, entry: Entry) -> None:
        from mlflow.entities import Metric, Param

        moment = int(entry.moment.timestamp() * 1000)
        self.client.log_batch(
            run,
            metrics=[Metric(name, value, moment, 0) for name, value in entry.metrics.items()],
            params=[Param(name, str(value)) for name, value in entry.parameters.items()],
        )

    def _write_pyfunc(self, folder: Path, model: TrainedModel) -> None:
        data = self._store.folder(model.version)
        save_pyfunc(folder, _LOADER, data, ["origin"], model.forecaster.inputs, self._example(model))

    def _example(self, model: TrainedModel) -> pd.DataFrame:
        """The last row of the training frame, as if it were the first that the version may forecast."""
        frame = self._store.load_frame(model.frame_digest, ["origin", *model.forecaster.inputs])
        row: pd.DataFrame = frame.filter(pc.equal(frame["origin"], pa.scalar(model.trained_to))).to_pandas()
        return row.assign(origin=pd.Timestamp(model.valid_from).tz_localize(None))


def save_pyfunc(
    folder: Path, loader: str, data: Path, instants: Sequence[str], numbers: Sequence[str], example: pd.DataFrame
) -> None:
    """Write an MLflow model that `loader` loads from a copy of `data`; it reads columns of instants and of numbers."""
    import mlflow.pyfunc

    mlflow.pyfunc.save_model(
        folder,
        loader_module=loader,
        data_path=str(data),
        signature=_signature(instants, numbers),
        input_example=example,
        pip_requirements=_REQUIREMENTS,
    )


def _signature(instants: Sequence[str], numbers: Sequence[str]) -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([*(ColSpec("datetime", name) for name in instants), *(ColSpec("double", name) for name in numbers)])
    return ModelSignature(inputs, Schema([ColSpec("double", name) for name in FORECAST_COLUMNS]))


def _without_login(uri: str) -> str:
    """A server's address without user and password, which are handed on by the environment: MLflow's errors show the
    address that they are about."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.password:
        return uri
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
