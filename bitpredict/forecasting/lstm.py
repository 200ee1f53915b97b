"""An LSTM with attention that refines the ridge, reading the market from the longest time scale to the shortest.

Its sequence is the ladder of windows that end at the origin: from a week to five minutes, what was measured over each.
One row of the feature table holds it all, so that one row answers like a range. The last hours as five-minute steps
were tried and added nothing to it (docs/adr/0004-lstm-over-time-scales.md).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from bitpredict.features.volatility import VARIANCE_WINDOWS
from bitpredict.features.windows import Floats
from bitpredict.forecasting.boosting import CLOCK
from bitpredict.forecasting.folds import held_out
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame
from bitpredict.forecasting.log_linear import LogLinear, debias
from bitpredict.forecasting.lstm_layers import Architecture
from bitpredict.forecasting.lstm_training import Learner, Schedule, Weights, learner
from bitpredict.forecasting.network import Network
from bitpredict.forecasting.recipe import Fitted, Parameters
from bitpredict.forecasting.ridge import INPUTS, Ridge
from bitpredict.market.horizons import Horizon

SCALES = tuple(reversed(VARIANCE_WINDOWS))
"""The steps of the sequence: windows in minutes, the longest first."""

CHANNELS = ("log_rv", "drift", "straightness", "largest", "below_high", "above_low", "trades")
"""What is read at each step. Not every one is measured over every window: the mean stands for what is not."""

READ = (*INPUTS, *CLOCK)
"""What the network reads: the ridge's inputs as it standardizes them, and the clock."""

_PLACES = {name: place for place, name in enumerate(READ)}
LADDER = tuple(tuple(_PLACES.get(f"{channel}_{scale}") for channel in CHANNELS) for scale in SCALES)
CONTEXT = tuple(place for place in _PLACES.values() if not any(place in step for step in LADDER))


@dataclass(frozen=True)
class Lstm:
    """f = ridge times exp(network), the network trained on QLIKE, debiased by a factor from held-out blocks.

    Little of what it sees is independent: targets overlap, and variance stays for days. Hence a small network, much
    dropout and few epochs; whatever was larger or trained longer knew the training span by heart.

    Attributes:
        horizons: names of those it is trained for; on a month's rows it takes longer than all other models together.
    """

    name: ClassVar[str] = "lstm"
    horizons: ClassVar[tuple[str, ...]] = ("1h",)
    seed: int = 7
    ridge: Ridge = field(default_factory=Ridge)
    units: int = 16
    dropout: float = 0.3
    learning_rate: float = 1e-3
    batch: int = 512
    epochs: int = 4
    blocks: int = 4

    def parameters(self, horizon: Horizon) -> Parameters:
        own = ("units", "dropout", "learning_rate", "batch", "epochs", "blocks")
        below = {f"ridge_{name}": value for name, value in self.ridge.parameters(horizon).items()}
        return {**{name: getattr(self, name) for name in own}, "scales": list(SCALES), **below}

    def inputs(self, horizon: Horizon) -> tuple[str, ...]:  # noqa: ARG002
        return (*READ, "hour", "weekday")

    def fit(self, train: TrainingFrame) -> Fitted:
        raw = held_out(train, self.blocks, self._forecast_after)
        factor = debias(train.realized_variance, raw)
        ridge, weights = self._refine(train)
        content = self._learner().to_onnx(weights, ridge.debiased(factor))
        return Fitted(Network(self.inputs(train.horizon), np.frombuffer(content, np.uint8)), raw * factor)

    def _forecast_after(self, train: TrainingFrame) -> Callable[[FeatureRows], Floats]:
        """Fit, and forecast with the trainer: what is only held out is not worth the second that an export takes."""
        ridge, weights = self._refine(train)

        def variance(rows: FeatureRows) -> Floats:
            forecast: Floats = ridge.variance(rows) * np.exp(self._learner().answer(weights, _read(ridge, rows)))
            return forecast

        return variance

    def _refine(self, train: TrainingFrame) -> tuple[LogLinear, Weights]:
        linear = self.ridge.linear(train)
        ridge = linear.debiased(debias(train.realized_variance, linear.variance(train.rows)))
        schedule = Schedule(self.learning_rate, self.batch, self.epochs, self.seed)
        ratio = train.realized_variance / ridge.variance(train.rows)
        return ridge, self._learner().fit(_read(ridge, train.rows), ratio, schedule)

    def _learner(self) -> Learner:
        return learner(
            Architecture(
                ridge=len(INPUTS),
                own=len(CLOCK),
                ladder=LADDER,
                context=CONTEXT,
                clip=self.ridge.clip,
                units=self.units,
                dropout=self.dropout,
                seed=self.seed,
            )
        )


def _read(ridge: LogLinear, rows: FeatureRows) -> Floats:
    """(n, k) what the network reads of rows."""
    return np.concatenate([ridge.standardized(rows), rows.matrix(CLOCK)], axis=1)
