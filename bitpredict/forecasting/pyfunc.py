"""How MLflow loads a version that was logged to it: from its folder, as arrays, without a pickle."""

from pathlib import Path

import pandas as pd

from bitpredict.forecasting.model import TrainedModel
from bitpredict.forecasting.model_folder import read_folder


class LoggedModel:
    """A version behind MLflow's `predict`."""

    def __init__(self, model: TrainedModel) -> None:
        self.model = model

    def predict(self, features: pd.DataFrame, params: object = None) -> pd.DataFrame:  # noqa: ARG002
        """Forecast rows of the feature table; an `origin` without a timezone is UTC."""
        return self.model.forecast(features.assign(origin=pd.to_datetime(features["origin"], utc=True)))


def _load_pyfunc(data_path: str) -> LoggedModel:
    """MLflow's entry point of a loader module."""
    return LoggedModel(read_folder(Path(data_path)))
