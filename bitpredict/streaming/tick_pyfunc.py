"""How MLflow loads a tick model that was logged to it: from its JSON, without a pickle."""

from pathlib import Path

import pandas as pd

from bitpredict.forecasting.model import FORECAST_COLUMNS
from bitpredict.streaming.tick_models import TickInputs, TickModel
from bitpredict.streaming.tick_store import read_tick_model


class LoggedTickModel:
    """A version behind MLflow's `predict`."""

    def __init__(self, model: TickModel) -> None:
        self.model = model

    def predict(self, inputs: pd.DataFrame, params: object = None) -> pd.DataFrame:  # noqa: ARG002
        """Forecast rows of the columns of `TickInputs`; null where an input that the model weighs is zero."""
        made = [self.model.forecast(TickInputs(*row)) for row in inputs[list(TickInputs._fields)].to_numpy().tolist()]
        rows = [(one.variance, *one.quantiles, one.p_up) if one else None for one in made]
        unknown = (float("nan"),) * len(FORECAST_COLUMNS)
        return pd.DataFrame([row or unknown for row in rows], columns=list(FORECAST_COLUMNS), index=inputs.index)


def _load_pyfunc(data_path: str) -> LoggedTickModel:
    """MLflow's entry point of a loader module."""
    return LoggedTickModel(read_tick_model(Path(data_path)))
