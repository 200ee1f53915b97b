"""The two forecasts that learn next to nothing: yesterday's average for ever, and a fading memory."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from bitpredict.features.windows import Floats
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame
from bitpredict.forecasting.recipe import Arrays, Fitted, Parameters
from bitpredict.market.horizons import Horizon

_RINGS = (5, 15, 30, 60, 180, 360)
"""Windows, in minutes, of the realized variances between which exponential weights are averaged."""


@dataclass(frozen=True, eq=False)
class ConstantVariance:
    """The same variance at every origin."""

    kind: ClassVar[str] = "constant_variance"
    level: float
    inputs: tuple[str, ...] = ()

    def variance(self, rows: FeatureRows) -> Floats:
        return np.full(len(rows), self.level)

    def to_arrays(self) -> Arrays:
        return {"level": np.array(self.level)}

    @classmethod
    def from_arrays(cls, arrays: Arrays, inputs: tuple[str, ...]) -> Self:
        return cls(float(arrays["level"]), inputs)


@dataclass(frozen=True)
class RandomWalk:
    """Mean realized variance of the training span; its calibrated quantiles are then the returns' empirical ones."""

    name: ClassVar[str] = "random_walk"
    seed: ClassVar[int] = 0

    def parameters(self, horizon: Horizon) -> Parameters:  # noqa: ARG002
        return {}

    def inputs(self, horizon: Horizon) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def fit(self, train: TrainingFrame) -> Fitted:
        forecaster = ConstantVariance(float(train.realized_variance.mean()))
        return Fitted(forecaster, forecaster.variance(train.rows))


@dataclass(frozen=True, eq=False)
class WeightedVariance:
    """A weighted sum of the mean squared returns of several windows: inputs are their logarithms."""

    kind: ClassVar[str] = "weighted_variance"
    inputs: tuple[str, ...]
    weights: Floats

    def variance(self, rows: FeatureRows) -> Floats:
        windows = np.exp(rows.matrix(self.inputs))
        forecast: Floats = np.einsum("ij,j->i", np.ascontiguousarray(windows), self.weights)
        return forecast

    def to_arrays(self) -> Arrays:
        return {"weights": self.weights}

    @classmethod
    def from_arrays(cls, arrays: Arrays, inputs: tuple[str, ...]) -> Self:
        return cls(inputs, arrays["weights"].astype(np.float64))


@dataclass(frozen=True)
class Ewma:
    """Exponentially weighted squared returns (RiskMetrics, 1996), mean-debiased.

    The weights, of half-life `half_life` minutes, are averaged over the rings between the windows whose realized
    variance is a feature, so that no return older than the longest window counts.
    """

    name: ClassVar[str] = "ewma"
    seed: ClassVar[int] = 0
    half_life: float = 30.0

    def parameters(self, horizon: Horizon) -> Parameters:  # noqa: ARG002
        return {"half_life": self.half_life}

    def inputs(self, horizon: Horizon) -> tuple[str, ...]:  # noqa: ARG002
        return tuple(f"log_rv_{window}" for window in _RINGS)

    def fit(self, train: TrainingFrame) -> Fitted:
        raw = WeightedVariance(self.inputs(train.horizon), ring_weights(self.half_life))
        factor = float((train.realized_variance / raw.variance(train.rows)).mean())
        forecaster = WeightedVariance(raw.inputs, raw.weights * factor)
        return Fitted(forecaster, forecaster.variance(train.rows))


def ring_weights(half_life: float) -> Floats:
    """Weights of the windows' means that add up to exponential weights averaged over each ring; they sum to one.

    A ring [v, w) of minutes has the mean (w M_w - v M_v) / (w - v), M being the means over the last w and v minutes.
    """
    inner, outer = np.array([0, *_RINGS[:-1]], float), np.array(_RINGS, float)
    share = 0.5 ** (inner / half_life) - 0.5 ** (outer / half_life)
    share /= share.sum()
    per_minute = share / (outer - inner)
    weights: Floats = outer * per_minute
    weights[:-1] -= outer[:-1] * per_minute[1:]
    return weights
