"""The recipes that a month trains, and how a stored forecaster finds its class again."""

from importlib.util import find_spec

from bitpredict.errors import ModelError
from bitpredict.forecasting.baselines import ConstantVariance, Ewma, RandomWalk, WeightedVariance
from bitpredict.forecasting.boosting import BoostedRidge, Boosting
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.log_linear import LogLinear
from bitpredict.forecasting.lstm import Lstm
from bitpredict.forecasting.network import Network
from bitpredict.forecasting.recipe import Arrays, Forecaster, Recipe
from bitpredict.forecasting.ridge import Ridge
from bitpredict.market.horizons import Horizon

BASELINE = SeasonalHar.name
"""The model that every other is measured against, and that serves until one is proven better."""

_EVERY_HORIZON: tuple[Recipe, ...] = (RandomWalk(), Ewma(), SeasonalHar(), Ridge(), Boosting())
_TRAINS_NETWORKS = ("tensorflow", "tf2onnx")
_FORECASTERS: tuple[type[Forecaster], ...] = (ConstantVariance, WeightedVariance, LogLinear, BoostedRidge, Network)


def recipes_for(horizon: Horizon) -> tuple[Recipe, ...]:
    """The recipes that a month trains for a horizon, the baseline among them.

    The network is trained where the extra `network` is installed, and only for the horizons that it is made for.
    """
    if horizon.name in Lstm.horizons and all(find_spec(name) for name in _TRAINS_NETWORKS):
        return (*_EVERY_HORIZON, Lstm())
    return _EVERY_HORIZON


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
