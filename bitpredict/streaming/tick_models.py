"""What forecasts one minute ahead from the window of ticks: the scaled ret_std, or a small trained model of it."""

import math
from datetime import datetime
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

import msgspec

from bitpredict.forecasting.model import digest_of
from bitpredict.market.horizons import QUANTILE_LEVELS
from bitpredict.streaming.messages import Provenance
from bitpredict.streaming.window import RECENT, TickWindow, WindowStatistics

BASELINE, TRAINED = "tick_baseline", "tick_ml"
LEAST_TRADES = 3
TICK_INPUTS = "ticks-1"
"""Names the inputs below, as a feature set's version does: raise it when one of them changes its meaning."""

_NORMAL = tuple(NormalDist().inv_cdf(level) for level in QUANTILE_LEVELS)


class TickInputs(NamedTuple):
    """What a tick model reads.

    Attributes:
        trade_variance: squared ret_std: variance from one trade to the next.
        trades_a_minute: at the pace of the last minute, or of what is known of it.
        second_variance: sum of the squared log returns from second to second of the last minute; bids and asks in turn
            move the price from trade to trade, and less so from second to second.
    """

    trade_variance: float
    trades_a_minute: float
    second_variance: float


class TickForecast(NamedTuple):
    """Variance and quantiles (at QUANTILE_LEVELS) of the next minute's log return."""

    variance: float
    quantiles: tuple[float, ...]
    p_up: float


class TickModel(msgspec.Struct, frozen=True):
    """ln variance = intercept + weights . ln(inputs); quantiles are the standardized ones times its root.

    Attributes:
        name: `tick_baseline` or `tick_ml`.
        version: hash of the parameters.
        symbol: whose ticks it learnt from; empty for every symbol.
        weights: of ln trade_variance, ln trades_a_minute and, where it is not zero, ln second_variance.
        quantiles: of the standardized return. p_up: probability of a rise.
        skill: 1 - QLIKE / the baseline's on ticks later than it was trained on; None for the baseline.
        sample_size: origins of that comparison.
        provenance: of the ticks it learnt from: simulated if any of them was.
    """

    name: str
    version: str
    symbol: str
    intercept: float
    weights: tuple[float, float, float]
    quantiles: tuple[float, ...]
    p_up: float
    skill: float | None = None
    sample_size: int | None = None
    provenance: Provenance = "observed"

    def forecast(self, inputs: TickInputs) -> TickForecast | None:
        """The next minute; None where an input that the model weighs is zero and so has no logarithm."""
        level = self.intercept
        for weight, value in zip(self.weights, inputs, strict=True):
            if weight != 0.0:
                if value <= 0.0:
                    return None
                level += weight * math.log(value)
        variance = math.exp(level)
        scale = math.sqrt(variance)
        return TickForecast(variance, tuple(scale * quantile for quantile in self.quantiles), self.p_up)


def make_model(
    name: str,
    symbol: str,
    intercept: float,
    weights: tuple[float, float, float],
    quantiles: tuple[float, ...],
    p_up: float,
    *,
    skill: float | None = None,
    sample_size: int | None = None,
    provenance: Provenance = "observed",
) -> TickModel:
    """A model whose version follows from its parameters."""
    made_from = {
        "name": name,
        "symbol": symbol,
        "inputs": TICK_INPUTS,
        "intercept": intercept,
        "weights": list(weights),
        "quantiles": list(quantiles),
        "p_up": p_up,
    }
    version = digest_of(made_from)[:16]
    return TickModel(name, version, symbol, intercept, weights, quantiles, p_up, skill, sample_size, provenance)


TICK_BASELINE = make_model(BASELINE, "", 0.0, (1.0, 1.0, 0.0), _NORMAL, 0.5)
"""ret_std squared times the trades that a minute brings, normal: right if trades' returns were independent."""


def tick_inputs(window: TickWindow, statistics: WindowStatistics, origin: datetime) -> TickInputs | None:
    """What the window says at `origin`; None without enough trades, or without any in the last minute."""
    seconds = window.last_minute(origin)
    if statistics.n < LEAST_TRADES or not seconds or window.since is None or not statistics.ret_std:
        return None
    known = min(origin - window.since, RECENT).total_seconds() + 1.0
    trades = sum(second.trades for second in seconds) * 60.0 / min(known, 60.0)
    steps = [math.log(later.price / earlier.price) for earlier, later in pairwise(seconds)]
    return TickInputs(statistics.ret_std**2, trades, math.fsum([step * step for step in steps]))
