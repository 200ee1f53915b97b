"""Ridge regression of ln RV on everything about the price that was found to help."""

from dataclasses import dataclass
from typing import ClassVar

from bitpredict.features.activity import TRADE_WINDOWS
from bitpredict.features.clock import SESSIONS
from bitpredict.features.movement import DRIFT_WINDOWS, EXTREME_WINDOWS, LARGEST_WINDOWS, RETURN_WINDOWS
from bitpredict.features.volatility import VARIANCE_WINDOWS
from bitpredict.forecasting.folds import held_out
from bitpredict.forecasting.frame import TrainingFrame
from bitpredict.forecasting.log_linear import LogLinear, debias, fit_log_linear
from bitpredict.forecasting.recipe import Fitted, Parameters
from bitpredict.market.horizons import Horizon

INPUTS: tuple[str, ...] = (
    *(f"log_rv_{w}" for w in VARIANCE_WINDOWS),
    *(f"drift_{w}" for w in DRIFT_WINDOWS),
    *(f"straightness_{w}" for w in RETURN_WINDOWS),
    *(f"largest_{w}" for w in LARGEST_WINDOWS),
    *(f"below_high_{w}" for w in EXTREME_WINDOWS),
    *(f"above_low_{w}" for w in EXTREME_WINDOWS),
    *(f"trades_{w}" for w in TRADE_WINDOWS),
    "log_minutes_since_shock",
    "season_next_hour",
    *(f"new_york_{session.name}" for session in SESSIONS),
)


@dataclass(frozen=True)
class Ridge:
    """Inputs standardized on the training span and clipped, hour and weekday dummies, mean-debiased out of sample.

    Its factor comes from held-out blocks: in-sample residuals of a squared loss on logarithms make it too small.
    """

    name: ClassVar[str] = "ridge"
    seed: ClassVar[int] = 0
    penalty: float = 30.0
    clip: float = 6.0
    blocks: int = 4

    def parameters(self, horizon: Horizon) -> Parameters:  # noqa: ARG002
        return {"penalty": self.penalty, "clip": self.clip, "blocks": self.blocks}

    def inputs(self, horizon: Horizon) -> tuple[str, ...]:  # noqa: ARG002
        return INPUTS

    def fit(self, train: TrainingFrame) -> Fitted:
        raw = held_out(train, self.blocks, lambda part: self.linear(part).variance)
        factor = debias(train.realized_variance, raw)
        return Fitted(self.linear(train).debiased(factor), raw * factor)

    def linear(self, train: TrainingFrame) -> LogLinear:
        """The regression, not debiased."""
        return fit_log_linear(train, self.inputs(train.horizon), penalty=self.penalty, clip=self.clip)
