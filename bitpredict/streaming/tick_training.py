"""Trains the tick model: what the window says at one second against the minute that followed, scored on later ticks.

The target's logarithm is that of the sum of squared five-second log returns of the next minute: the squared return of
the whole minute is what forecasts are scored on, but one number tells too little to learn from. The level is then set
so that the whole minute's squared returns are right on average.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from bitpredict.errors import ModelError
from bitpredict.features.windows import Floats
from bitpredict.forecasting import metrics
from bitpredict.forecasting.calibration import calibrate
from bitpredict.forecasting.targets import floored
from bitpredict.market.horizons import TICK
from bitpredict.streaming.lane import SECOND, by_second
from bitpredict.streaming.messages import Trade
from bitpredict.streaming.tick_models import TICK_BASELINE, TRAINED, TickInputs, TickModel, make_model, tick_inputs
from bitpredict.streaming.window import TickWindow

STEP = timedelta(seconds=5)
TRAINING_SHARE = 0.7
LEAST_ORIGINS = 120
PENALTY = 300.0
"""Times the squared standardized weights: as if five minutes of seconds had said that nothing matters."""
COVERED, TOLERATED = 0.9, 0.05
"""Of the 90 % interval, and how far from it is tolerated, beside chance: as for the models of candles."""
_MINUTE = TICK.length
_SECONDS_A_MINUTE = 60


@dataclass(frozen=True, eq=False)
class TickSample:
    """n seconds of one symbol, in order of time.

    Attributes:
        origin: each second's end.
        inputs: what a tick model reads.
        fine_variance: (n,) sum of squared five-second log returns of the next minute.
        log_return: (n,) over the next minute.
    """

    origin: Sequence[datetime]
    inputs: Sequence[TickInputs]
    fine_variance: Floats
    log_return: Floats

    def part(self, start: int, end: int) -> "TickSample":
        return TickSample(
            self.origin[start:end], self.inputs[start:end], self.fine_variance[start:end], self.log_return[start:end]
        )


@dataclass(frozen=True, eq=False)
class TickTraining:
    """What came of it, with the losses of both models on the same later origins.

    Attributes:
        model: its `skill` is 1 - qlike / baseline_qlike: below zero, the baseline is better and should serve.
        trained_from, trained_to: first and last second that was learnt from, by its end.
    """

    model: TickModel
    trained_from: datetime
    trained_to: datetime
    trained_on: int
    scored_on: int
    qlike: float
    baseline_qlike: float
    coverage_90: float
    baseline_coverage_90: float

    @property
    def skill(self) -> float:
        return 1.0 - self.qlike / self.baseline_qlike

    @property
    def covers(self) -> bool:
        """Whether its 90 % interval held as far as so few outcomes can tell."""
        return abs(self.coverage_90 - COVERED) <= coverage_tolerance(self.scored_on)


@dataclass(frozen=True)
class TickScore:
    """How a model did on `scored_on` seconds, and the baseline on the same ones."""

    scored_on: int
    qlike: float
    baseline_qlike: float
    coverage_90: float


def coverage_tolerance(scored_on: int) -> float:
    """How far from 90 % the coverage of `scored_on` seconds may be: two standard deviations of as many independent
    outcomes as these seconds have minutes, since the outcomes of seconds in a row overlap."""
    minutes = max(1.0, scored_on / _SECONDS_A_MINUTE)
    return TOLERATED + 2.0 * math.sqrt(COVERED * (1.0 - COVERED) / minutes)


def train_tick_model(symbol: str, trades: Sequence[Trade], tick_window: int) -> TickTraining:
    """Fit on the earlier 70 % of the ticks, compare with the baseline on the later ones.

    Args:
        trades: of one symbol and exchange, in order of time.

    Raises:
        ModelError: there are too few seconds to learn from.
    """
    train, test = _split(tick_sample(trades, tick_window))
    if min(len(train.origin), len(test.origin)) < LEAST_ORIGINS:
        raise ModelError(
            f"{symbol} has {len(train.origin)} seconds with a forecast to train on and {len(test.origin)} to score, "
            f"{LEAST_ORIGINS} of each are needed; collect more ticks"
        )
    fitted = _fit(symbol, train)
    loss, inside = _scores(fitted, test)
    baseline_loss, baseline_inside = _scores(TICK_BASELINE, test)
    skill = 1.0 - loss / baseline_loss
    model = make_model(
        TRAINED, symbol, fitted.intercept, fitted.weights, fitted.quantiles, fitted.p_up,
        skill=skill, sample_size=len(test.origin),
        provenance="simulated" if any(trade.provenance == "simulated" for trade in trades) else "observed",
    )  # fmt: skip
    return TickTraining(
        model=model,
        trained_from=train.origin[0],
        trained_to=train.origin[-1],
        trained_on=len(train.origin),
        scored_on=len(test.origin),
        qlike=loss,
        baseline_qlike=baseline_loss,
        coverage_90=inside,
        baseline_coverage_90=baseline_inside,
    )


def score_tick_model(model: TickModel, trades: Sequence[Trade], tick_window: int) -> TickScore | None:
    """How a model does on the later ticks, those that a training on the same trades scores on; None without enough."""
    _, test = _split(tick_sample(trades, tick_window))
    if len(test.origin) < LEAST_ORIGINS:
        return None
    loss, inside = _scores(model, test)
    return TickScore(len(test.origin), loss, _scores(TICK_BASELINE, test)[0], inside)


def _split(sample: TickSample) -> tuple[TickSample, TickSample]:
    """The earlier part and the later one; targets of the first are over before the second begins."""
    cut = int(TRAINING_SHARE * len(sample.origin))
    purged = bisect_left(sample.origin, sample.origin[cut] - _MINUTE) if sample.origin else 0
    return sample.part(0, purged), sample.part(cut, len(sample.origin))


def tick_sample(trades: Sequence[Trade], tick_window: int) -> TickSample:
    """Every second that can be forecast and whose next minute is known and had a trade in its every step's reach."""
    times = [trade.event_time for trade in trades]
    prices = [trade.price for trade in trades]
    last = times[-1] if times else None
    rows = []
    for origin, inputs in _origins(trades, tick_window):
        if last is None or origin + _MINUTE > last or inputs.second_variance <= 0.0:
            continue
        path = [prices[bisect_left(times, origin + i * STEP) - 1] for i in range(_MINUTE // STEP + 1)]
        steps = np.diff(np.log(path))
        if (fine := float(steps @ steps)) > 0.0:
            rows.append((origin, inputs, fine, math.log(path[-1] / path[0])))
    return TickSample(
        [row[0] for row in rows],
        [row[1] for row in rows],
        np.array([row[2] for row in rows]),
        np.array([row[3] for row in rows]),
    )


def _origins(trades: Sequence[Trade], tick_window: int) -> Iterator[tuple[datetime, TickInputs]]:
    window = TickWindow(tick_window)
    for start, second in by_second(trades):
        window.extend(second, start + SECOND)
        inputs = tick_inputs(window, window.statistics(), start + SECOND)
        if inputs is not None:
            yield start + SECOND, inputs


def _fit(symbol: str, train: TickSample) -> TickModel:
    """Ridge of the logarithms: seconds in a row say nearly the same, so that few minutes must not move the weights far.

    The quantiles are those of standardized returns of the training ticks.
    """
    x, y = np.log(np.array(train.inputs)), np.log(train.fine_variance)
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0.0] = 1.0
    z = (x - centre) / scale
    slopes = np.linalg.solve(z.T @ z + PENALTY * np.eye(3), z.T @ (y - y.mean())) / scale
    constant = float(y.mean() - centre @ slopes)
    variance = np.exp(constant + x @ slopes)
    level = float((floored(train.log_return**2, TICK) / variance).mean())
    calibration = calibrate(train.log_return, variance * level)
    weights = (float(slopes[0]), float(slopes[1]), float(slopes[2]))
    intercept = constant + math.log(level)
    return make_model(TRAINED, symbol, intercept, weights, calibration.quantiles, calibration.p_up)


def _scores(model: TickModel, test: TickSample) -> tuple[float, float]:
    """Mean QLIKE and the share inside the 90 % interval; inputs are above zero in a sample."""
    made = [made for inputs in test.inputs if (made := model.forecast(inputs)) is not None]
    loss = metrics.qlike(floored(test.log_return**2, TICK), np.array([one.variance for one in made]))
    inside = metrics.inside(test.log_return, np.array([one.quantiles for one in made]), 0.9)
    return float(loss.mean()), float(inside.mean())
