"""The seasonal log-HAR: the strong simple baseline that serves until something proves to be better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bitpredict.forecasting.folds import held_out
from bitpredict.forecasting.frame import TrainingFrame
from bitpredict.forecasting.log_linear import LogLinear, debias, fit_log_linear
from bitpredict.forecasting.recipe import Fitted, Parameters
from bitpredict.market.horizons import Horizon

WINDOWS: Mapping[str, tuple[int, ...]] = {
    "5m": (5, 15, 60, 360, 1440),
    "1h": (60, 360, 1440, 10080),
    "1d": (360, 1440, 4320, 10080),
}
"""Minutes of the realized variances by horizon: the horizon itself and the longer memories that matter to it."""


@dataclass(frozen=True)
class SeasonalHar:
    """Log-HAR (Corsi, 2009; Corsi and Renò, 2012) with hour-of-day and weekday terms, mean-debiased.

    ln RV is regressed by least squares on the logarithms of past realized variances and the dummies; the forecast is
    then scaled so that the mean of realized over forecast variance is one on the training span. A logarithm further
    than `clip` standard deviations from its mean (five minutes in which the price all but stood still) counts as that.
    """

    name: ClassVar[str] = "seasonal_har"
    seed: ClassVar[int] = 0
    clip: float = 6.0
    blocks: int = 4

    def parameters(self, horizon: Horizon) -> Parameters:
        return {"windows": list(WINDOWS[horizon.name]), "clip": self.clip, "blocks": self.blocks}

    def inputs(self, horizon: Horizon) -> tuple[str, ...]:
        return tuple(f"log_rv_{window}" for window in WINDOWS[horizon.name])

    def fit(self, train: TrainingFrame) -> Fitted:
        return Fitted(self._fit(train), held_out(train, self.blocks, lambda part: self._fit(part).variance))

    def _fit(self, train: TrainingFrame) -> LogLinear:
        inputs = self.inputs(train.horizon)
        raw = fit_log_linear(train, inputs, penalty=0.0, clip=self.clip)
        return raw.debiased(debias(train.realized_variance, raw.variance(train.rows)))
