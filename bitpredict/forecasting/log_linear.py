"""A linear model of the logarithm of realized variance, with a level for each hour of the day and day of the week."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from bitpredict.features.minutes import Times
from bitpredict.features.windows import Floats
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame
from bitpredict.forecasting.recipe import Arrays
from bitpredict.forecasting.threads import one_thread

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR


@dataclass(frozen=True, eq=False)
class LogLinear:
    """f = exp(intercept + weights . clip((x - centre) / scale) + hour's level + weekday's level).

    Attributes:
        inputs: k feature columns.
        centre, scale, weights: (k,).
        clip: largest absolute standardized input.
        hour: (24,) level of each UTC hour of the origin.
        weekday: (7,) level of each UTC weekday, Monday first.
    """

    kind: ClassVar[str] = "log_linear"
    inputs: tuple[str, ...]
    centre: Floats
    scale: Floats
    weights: Floats
    clip: float
    hour: Floats
    weekday: Floats
    intercept: float

    def variance(self, rows: FeatureRows) -> Floats:
        hour, weekday = hour_and_weekday(rows.origin)
        # Neither a matrix product nor columns in memory order: their last bits depend on how many rows are asked for.
        level = np.einsum("ij,j->i", np.ascontiguousarray(self.standardized(rows)), self.weights)
        forecast: Floats = np.exp(level + self.hour[hour] + self.weekday[weekday] + self.intercept)
        return forecast

    def standardized(self, rows: FeatureRows) -> Floats:
        """(n, k) distance of each input from its centre in scales, clipped."""
        found: Floats = np.clip((rows.matrix(self.inputs) - self.centre) / self.scale, -self.clip, self.clip)
        return found

    def debiased(self, factor: float) -> Self:
        """The same with every forecast multiplied by `factor`."""
        return replace(self, intercept=self.intercept + float(np.log(factor)))

    def to_arrays(self) -> Arrays:
        return {
            "centre": self.centre,
            "scale": self.scale,
            "weights": self.weights,
            "clip": np.array(self.clip),
            "hour": self.hour,
            "weekday": self.weekday,
            "intercept": np.array(self.intercept),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, inputs: tuple[str, ...]) -> Self:
        return cls(
            inputs=inputs,
            **{name: arrays[name].astype(np.float64) for name in ("centre", "scale", "weights", "hour", "weekday")},
            clip=float(arrays["clip"]),
            intercept=float(arrays["intercept"]),
        )


def fit_log_linear(train: TrainingFrame, inputs: tuple[str, ...], *, penalty: float, clip: float) -> LogLinear:
    """Least squares of ln RV on inputs, hour and weekday, with `penalty` times the squared weights (and levels).

    Not debiased: its mean forecast is that of a logarithm, too low for the variance. Inputs that never change get a
    scale of one; an hour or weekday that does not occur keeps the level of the first one.
    """
    x = train.rows.matrix(inputs)
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0.0] = 1.0
    hour, weekday = hour_and_weekday(train.origin)
    dummies = [hour == h for h in range(1, 24)] + [weekday == d for d in range(1, 7)]
    design = np.column_stack([np.clip((x - centre) / scale, -clip, clip), *dummies])
    log_variance = np.log(train.realized_variance)
    mean, level = design.mean(axis=0), float(log_variance.mean())
    design -= mean
    with one_thread():
        normal = design.T @ design + penalty * np.eye(design.shape[1])
        solution = np.linalg.lstsq(normal, design.T @ (log_variance - level), rcond=None)[0]
    k = len(inputs)
    return LogLinear(
        inputs=inputs,
        centre=centre,
        scale=scale,
        weights=solution[:k],
        clip=clip,
        hour=np.concatenate([[0.0], solution[k : k + 23]]),
        weekday=np.concatenate([[0.0], solution[k + 23 :]]),
        intercept=level - float(mean @ solution),
    )


def debias(realized_variance: Floats, forecast: Floats) -> float:
    """The factor after which the mean of realized over forecast variance is one, which is what QLIKE asks for."""
    return float((realized_variance / forecast).mean())


def hour_and_weekday(origin: Times) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """UTC hour (0 to 23) and weekday (Monday is 0) of each origin."""
    microseconds = origin.astype("datetime64[us]").astype(np.int64)
    return microseconds % _DAY // _HOUR, (microseconds // _DAY + 3) % 7  # 1970-01-01 was a Thursday
