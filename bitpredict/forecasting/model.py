"""A trained model: one recipe's forecaster and calibration for one symbol, horizon and month."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import pandas as pd

from bitpredict.errors import ModelError
from bitpredict.features.windows import Floats
from bitpredict.forecasting.calibration import Calibration
from bitpredict.forecasting.frame import FeatureRows
from bitpredict.forecasting.recipe import Forecaster, Parameters, Recipe
from bitpredict.market.horizons import QUANTILE_LEVELS, Horizon
from bitpredict.market.time import from_numpy, to_numpy

QUANTILE_COLUMNS = tuple(f"q{round(level * 100):02d}" for level in QUANTILE_LEVELS)
"""`q05` … `q95`, as the ledger names QUANTILE_LEVELS."""

FORECAST_COLUMNS = ("realized_variance", *QUANTILE_COLUMNS, "p_up")


@dataclass(frozen=True, eq=False)
class Distribution:
    """Forecasts of n origins.

    Attributes:
        variance: (n,) realized variance of the horizon.
        quantiles: (n, 7) of the log return at QUANTILE_LEVELS.
        p_up: probability that the price is higher at target_time.
    """

    variance: Floats
    quantiles: Floats
    p_up: float


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What one version is.

    Attributes:
        name: of the recipe.
        version: hash of what it was made from (`version_of`).
        month: first day of the month it was trained for.
        valid_from: first origin it may forecast.
        trained_from, trained_to: first and last origin it was fitted on.
        seed, parameters: of the recipe.
        frame_digest: names the training frame.
        metrics: its row of `model_evaluations` when it was made: skill, its sample size, losses, coverage.
    """

    name: str
    version: str
    symbol: str
    horizon: Horizon
    month: str
    valid_from: datetime
    trained_from: datetime
    trained_to: datetime
    seed: int
    parameters: Parameters
    feature_set_version: str
    frame_digest: str
    forecaster: Forecaster
    calibration: Calibration
    metrics: Mapping[str, float | int | None]

    @cached_property
    def result_digest(self) -> str:
        """SHA-256 over everything that was learnt: the same training gives the same digest."""
        digest = hashlib.sha256(f"{self.forecaster.kind} {self.forecaster.inputs} {self.calibration}".encode())
        for name, array in sorted(self.forecaster.to_arrays().items()):
            digest.update(f"{name}:{array.dtype.str}:{array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def distribution(self, rows: FeatureRows) -> Distribution:
        """Forecast rows that hold no null; fast for one row.

        Raises:
            ModelError: an origin lies before `valid_from`.
        """
        if len(rows) and rows.origin.min() < to_numpy(self.valid_from):
            raise ModelError(
                f"{self.name} {self.version} of {self.symbol} {self.horizon.name} is valid from "
                f"{self.valid_from:%Y-%m-%d %H:%M} UTC and must not forecast "
                f"{from_numpy(rows.origin.min()):%Y-%m-%d %H:%M}; use the version of that month"
            )
        variance = self.forecaster.variance(rows)
        return Distribution(variance, self.calibration.returns(variance), self.calibration.p_up)

    def forecast(self, features: pd.DataFrame) -> pd.DataFrame:
        """Forecast rows of the feature table.

        Args:
            features: n rows of this symbol with `origin` and the forecaster's inputs.

        Returns:
            n rows with the index of `features`: realized_variance, q05 … q95, p_up; null where an input is null.

        Raises:
            ModelError: a column is missing, or an origin lies before `valid_from`.
        """
        rows = FeatureRows.of(features, self.forecaster.inputs)
        known = np.flatnonzero(~np.isnan(rows.values).any(axis=1))
        found = self.distribution(rows.take(known))
        values = np.full((len(rows), len(FORECAST_COLUMNS)), np.nan)
        values[known] = np.column_stack([found.variance, found.quantiles, np.full(known.size, found.p_up)])
        return pd.DataFrame(values, index=features.index, columns=list(FORECAST_COLUMNS))


def version_of(
    recipe: Recipe, *, symbol: str, horizon: Horizon, month: str, frame_digest: str, feature_set_version: str
) -> str:
    """The version's name: 16 hexadecimal digits that follow from what the model is made from, and from nothing else."""
    made_from = {
        "recipe": recipe.name,
        "parameters": recipe.parameters(horizon),
        "seed": recipe.seed,
        "symbol": symbol,
        "horizon": horizon.name,
        "month": month,
        "training_frame": frame_digest,
        "feature_set_version": feature_set_version,
    }
    return digest_of(made_from)[:16]


def digest_of(document: Mapping[str, object]) -> str:
    """SHA-256 of a document's canonical JSON: keys sorted, no spaces, no NaN."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
