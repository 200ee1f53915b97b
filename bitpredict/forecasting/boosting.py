"""Gradient boosting with gamma loss on what the ridge leaves unexplained.

The gamma deviance with a log link is QLIKE (up to a factor), so that the trees minimize the loss they are judged by.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np

from bitpredict.features.windows import Floats
from bitpredict.forecasting.folds import held_out
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame
from bitpredict.forecasting.log_linear import LogLinear, debias
from bitpredict.forecasting.recipe import Arrays, Fitted, Parameters
from bitpredict.forecasting.ridge import INPUTS, Ridge
from bitpredict.forecasting.threads import one_thread
from bitpredict.forecasting.trees import Trees, from_nodes
from bitpredict.market.horizons import Horizon

CLOCK: tuple[str, ...] = ("day_sin", "day_cos", "week_sin", "week_cos")


@dataclass(frozen=True, eq=False)
class BoostedRidge:
    """f = ridge's forecast times exp(sum of trees).

    Attributes:
        inputs: the ridge's, then what only the trees read.
    """

    kind: ClassVar[str] = "boosted_ridge"
    inputs: tuple[str, ...]
    ridge: LogLinear
    trees: Trees

    def variance(self, rows: FeatureRows) -> Floats:
        values = rows.matrix(self.inputs)
        below = FeatureRows(rows.origin, self.ridge.inputs, values[:, : len(self.ridge.inputs)])
        forecast: Floats = self.ridge.variance(below) * np.exp(self.trees.predict(values))
        return forecast

    def to_arrays(self) -> Arrays:
        return {**self.ridge.to_arrays(), **self.trees.to_arrays()}

    @classmethod
    def from_arrays(cls, arrays: Arrays, inputs: tuple[str, ...]) -> Self:
        width = arrays["weights"].size
        return cls(inputs, LogLinear.from_arrays(arrays, inputs[:width]), Trees.from_arrays(arrays))


@dataclass(frozen=True)
class Boosting:
    """Histogram gradient boosting of RV / ridge, debiased by a factor from held-out blocks."""

    name: ClassVar[str] = "boosting"
    seed: int = 7
    ridge: Ridge = field(default_factory=Ridge)
    learning_rate: float = 0.03
    trees: int = 150
    leaves: int = 8
    least_rows_a_leaf: int = 2000
    l2: float = 5.0
    feature_share: float = 0.5
    blocks: int = 3

    def parameters(self, horizon: Horizon) -> Parameters:
        own = ("learning_rate", "trees", "leaves", "least_rows_a_leaf", "l2", "feature_share", "blocks")
        below = {f"ridge_{name}": value for name, value in self.ridge.parameters(horizon).items()}
        return {**{name: getattr(self, name) for name in own}, **below}

    def inputs(self, horizon: Horizon) -> tuple[str, ...]:  # noqa: ARG002
        return (*INPUTS, *CLOCK)

    def fit(self, train: TrainingFrame) -> Fitted:
        raw = held_out(train, self.blocks, lambda part: self._boost(part).variance)
        factor = debias(train.realized_variance, raw)
        boosted = self._boost(train)
        debiased = BoostedRidge(boosted.inputs, boosted.ridge.debiased(factor), boosted.trees)
        return Fitted(debiased, raw * factor)

    def _boost(self, train: TrainingFrame) -> BoostedRidge:
        from sklearn.ensemble import HistGradientBoostingRegressor

        linear = self.ridge.linear(train)
        ridge = linear.debiased(debias(train.realized_variance, linear.variance(train.rows)))
        regressor = HistGradientBoostingRegressor(
            loss="gamma",
            learning_rate=self.learning_rate,
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.least_rows_a_leaf,
            l2_regularization=self.l2,
            max_features=self.feature_share,
            early_stopping=False,
            random_state=self.seed,
        )
        inputs = self.inputs(train.horizon)
        with one_thread():
            regressor.fit(train.rows.matrix(inputs), train.realized_variance / ridge.variance(train.rows))
        grown = [stage[0].nodes for stage in regressor._predictors]
        return BoostedRidge(inputs, ridge, from_nodes(grown, float(regressor._baseline_prediction.item())))
