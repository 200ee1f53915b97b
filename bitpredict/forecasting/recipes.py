"""The recipes that a month trains, and how a stored forecaster finds its class again."""

from bitpredict.errors import ModelError
from bitpredict.forecasting.baselines import ConstantVariance, Ewma, RandomWalk, WeightedVariance
from bitpredict.forecasting.boosting import BoostedRidge, Boosting
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.log_linear import LogLinear
from bitpredict.forecasting.recipe import Arrays, Forecaster, Recipe
from bitpredict.forecasting.ridge import Ridge

BASELINE = SeasonalHar.name
"""The model that every other is measured against, and that serves until one is proven better."""

RECIPES: tuple[Recipe, ...] = (RandomWalk(), Ewma(), SeasonalHar(), Ridge(), Boosting())

_FORECASTERS: tuple[type[Forecaster], ...] = (ConstantVariance, WeightedVariance, LogLinear, BoostedRidge)


def forecaster_from(kind: str, arrays: Arrays, inputs: tuple[str, ...]) -> Forecaster:
    """Return the forecaster of a kind, made of its arrays.

    Raises:
        ModelError: this version of the platform knows no such kind.
    """
    for forecaster in _FORECASTERS:
        if forecaster.kind == kind:
            return forecaster.from_arrays(arrays, inputs)
    known = ", ".join(forecaster.kind for forecaster in _FORECASTERS)
    raise ModelError(f"forecaster {kind!r} is unknown here (known: {known}); it was stored by another version")
