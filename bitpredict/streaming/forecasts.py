"""Forecasts of one origin: distributions from a minute's features or the window, and the messages that carry them."""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

import numpy as np

from bitpredict.forecasting.inference import forecast_id
from bitpredict.forecasting.model import TrainedModel
from bitpredict.market.horizons import HORIZONS, TICK
from bitpredict.streaming.lane import Lane, Standing
from bitpredict.streaming.live_features import LiveRow
from bitpredict.streaming.messages import Prediction
from bitpredict.streaming.models_in_force import ModelsInForce
from bitpredict.streaming.tick_models import TICK_INPUTS, tick_inputs
from bitpredict.streaming.window import WindowStatistics

GAP = "a missing or halted minute in the last hour"
NULL_FEATURE = "a null feature"
EARLY = "the model is valid from a later origin"
NO_TICKS = "too few trades, or a price that stood still"

_LENGTHS = {horizon.name: horizon.length for horizon in (TICK, *HORIZONS)}


class Trigger(NamedTuple):
    """The message that closed a second or a minute.

    Attributes:
        exchange: whose.
        input: `topic/partition@offset`.
        timestamp: of the message.
        replayed: it came from a recording.
    """

    exchange: str
    input: str
    timestamp: datetime
    replayed: bool


def standings(row: LiveRow, symbol: str, models: ModelsInForce, skipped: Counter[str]) -> list[Standing]:
    """What the champions make of a minute's features; horizons without a forecast are counted by reason."""
    found = []
    for horizon in HORIZONS:
        model = models.bar_model(symbol, horizon.name)
        made = GAP if row.coverage_60 < 1.0 else model if isinstance(model, str) else _standing(row, model)
        if isinstance(made, str):
            skipped[made] += 1
        else:
            found.append(made)
    return found


def _standing(row: LiveRow, model: TrainedModel) -> Standing | str:
    if row.origin < model.valid_from:
        return EARLY
    rows = row.of(model.forecaster.inputs)
    if np.isnan(rows.values).any():
        return NULL_FEATURE
    made = model.distribution(rows)
    skill, size = model.metrics.get("skill"), model.metrics.get("sample_size")
    return Standing(
        horizon=model.horizon.name,
        features_at=row.origin,
        variance=float(made.variance[0]),
        quantiles=tuple(made.quantiles[0].tolist()),
        p_up=made.p_up,
        model=model.name,
        version=model.version,
        feature_set_version=model.feature_set_version,
        provenance=row.provenance,
        skill=None if skill is None else float(skill),
        skill_sample_size=None if size is None else int(size),
    )


def from_minute(
    lane: Lane, origin: datetime, price: float, statistics: WindowStatistics, trigger: Trigger
) -> list[Prediction]:
    """The standing distributions as forecasts at `origin` around `price`."""
    return [_prediction(lane.symbol, origin, price, made, statistics, trigger) for made in lane.standing]


def from_ticks(
    lane: Lane,
    origin: datetime,
    statistics: WindowStatistics,
    models: ModelsInForce,
    trigger: Trigger,
    skipped: Counter[str],
) -> list[Prediction]:
    """The next minute's forecast from the window; none, and counted, where it does not suffice."""
    window = lane.window
    inputs = tick_inputs(window, statistics, origin)
    model = models.tick_model(lane.symbol)
    made = None if inputs is None else model.forecast(inputs)
    if made is None or window.price is None:
        skipped[NO_TICKS] += 1
        return []
    standing = Standing(
        horizon=TICK.name,
        features_at=origin,
        variance=made.variance,
        quantiles=made.quantiles,
        p_up=made.p_up,
        model=model.name,
        version=model.version,
        feature_set_version=TICK_INPUTS,
        provenance="simulated" if "simulated" in (window.provenance, model.provenance) else window.provenance,
        skill=model.skill,
        skill_sample_size=model.sample_size,
    )
    return [_prediction(lane.symbol, origin, window.price, standing, statistics, trigger)]


def _prediction(
    symbol: str, origin: datetime, price: float, made: Standing, statistics: WindowStatistics, trigger: Trigger
) -> Prediction:
    """A forecast but for the clock: whoever writes it sets `kind` and `written_at`."""
    return Prediction(
        forecast_id=forecast_id(symbol, made.horizon, made.version, origin),
        kind="backtest",
        exchange=trigger.exchange,
        symbol=symbol,
        horizon=made.horizon,
        origin=origin,
        target_time=origin + _LENGTHS[made.horizon],
        features_at=made.features_at,
        reference_price=price,
        quantiles=made.quantiles,
        p_up=made.p_up,
        realized_variance=made.variance,
        model=made.model,
        model_version=made.version,
        variant="champion",
        feature_set_version=made.feature_set_version,
        input=trigger.input,
        provenance=made.provenance,
        skill=made.skill,
        skill_sample_size=made.skill_sample_size,
        ret_mean=statistics.ret_mean,
        ret_std=statistics.ret_std,
        n=statistics.n,
        triggered_at=trigger.timestamp,
        written_at=trigger.timestamp,
        replayed=trigger.replayed,
    )
